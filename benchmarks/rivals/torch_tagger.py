"""A bidirectional GRU over words and their characters in plain PyTorch, in buckets.

python benchmarks/rivals/torch_tagger.py ARRAYS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from arrays import Arrays, load
from torch import nn
from torch_device import DEVICE, said, tensor
from torch_recurrent import PackedBothWays
from turns import take_turns

IGNORED, UNKNOWN = -100, 1


class Tagger(nn.Module):
    """From words, ``<int64>[batch, length]``, and characters, ``<int64>[batch, length,
    characters]``, to ``[batch, length, tags]``."""

    def __init__(self, model: Mapping[str, Any], sizes: Mapping[str, int]) -> None:
        super().__init__()
        maps, (units,) = model["character_maps"], model["units"]
        self.word_dropout = model["word_dropout"]
        self.words = nn.Embedding(sizes["vocabulary_size"], model["embedding_width"])
        width = model["character_width"]
        self.characters = nn.Embedding(sizes["num_characters"], width, padding_idx=0)
        self.convolution = nn.Conv1d(width, maps, model["character_window"], padding="same")
        self.gru = PackedBothWays(nn.GRU, model["embedding_width"] + maps, units)
        self.dropout = nn.Dropout(model["dropout"])
        self.output = nn.Linear(2 * units, sizes["num_tags"])

    def forward(self, ids: torch.Tensor, characters: torch.Tensor) -> torch.Tensor:
        lengths = (ids != 0).sum(1)
        if self.training:
            ids = ids.masked_fill(
                torch.rand(ids.shape, device=ids.device) < self.word_dropout, UNKNOWN
            )
        spellings = characters.flatten(0, 1)
        features = self.convolution(self.characters(spellings).transpose(1, 2)).relu()
        features = features * (spellings != 0)[:, None]
        features = features.max(-1).values.unflatten(0, ids.shape)
        vectors = self.dropout(torch.cat([self.words(ids), features], -1))
        return self.output(self.dropout(self.gru(vectors, lengths)))


def main() -> None:
    arrays: Arrays = load(sys.argv[1])
    tokens, characters = arrays.inputs["token_ids"], arrays.inputs["character_ids"]
    model = Tagger(arrays.model, arrays.sizes).to(DEVICE)
    rate, clip_norm = arrays.training["learning_rate"], arrays.training["clip_norm"]
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    loss_of = nn.CrossEntropyLoss(ignore_index=IGNORED)

    def scores(rows: Any) -> torch.Tensor:
        return model(tensor(tokens.pad(rows)), tensor(characters.pad(rows)))

    def train(start: int, count: int) -> Mapping[str, float]:
        model.train()
        examples, total = 0, 0.0
        for rows in arrays.some_batches(start, count):
            optimizer.zero_grad()
            targets = tensor(arrays.targets.pad(rows, fill=IGNORED))
            loss = loss_of(scores(rows).flatten(0, 1), targets.flatten())
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            optimizer.step()
            examples, total = examples + len(rows), total + loss.item()
        return {"examples": examples, "loss": total / count}

    @torch.inference_mode()
    def predict() -> Mapping[str, float]:
        model.eval()
        found = []
        for rows in arrays.predicted:
            probabilities = scores(rows).softmax(-1).cpu().numpy()
            pairs = zip(rows, probabilities, strict=True)
            found += [of_row[: tokens.lengths[row]].argmax(-1) for row, of_row in pairs]
        return {"examples": len(found)}

    how = "the same batches, nn.GRU over packed sequences, fused Adam"
    take_turns({"train": train, "predict": predict}, said(how))


if __name__ == "__main__":
    main()
