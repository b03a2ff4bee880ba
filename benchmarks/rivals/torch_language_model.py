"""A language model of LSTMs with an adaptive softmax in plain PyTorch, on running text.

python benchmarks/rivals/torch_language_model.py ARRAYS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from arrays import Arrays, load
from torch import nn
from torch_device import DEVICE, said, tensor
from turns import take_turns

States = list[tuple[torch.Tensor, torch.Tensor]] | list[None]


class LanguageModel(nn.Module):
    """From words and the next ones, ``<int64>[batch, length]``, to the mean loss, in nats.

    The softmax of rare words is over shorter vectors (``div_value=4``, PyTorch's default).
    """

    def __init__(self, model: Mapping[str, Any], vocabulary_size: int) -> None:
        super().__init__()
        width, units = model["embedding_width"], model["units"]
        self.embedding = nn.Embedding(vocabulary_size, width)
        self.embedding_dropout = nn.Dropout(model["embedding_dropout"])
        self.dropout = nn.Dropout(model["dropout"])
        self.layers = nn.ModuleList(
            nn.LSTM(inputs, size, batch_first=True)
            for inputs, size in zip([width, *units], units, strict=False)
        )
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            units[-1], vocabulary_size, model["adaptive_softmax"], div_value=4.0, head_bias=True
        )

    def forward(
        self, ids: torch.Tensor, targets: torch.Tensor, states: States
    ) -> tuple[torch.Tensor, States]:
        vectors = self.embedding_dropout(self.embedding(ids))
        after = []
        for layer, before in zip(self.layers, states, strict=True):
            vectors, state = layer(vectors, before)
            after.append(tuple(part.detach() for part in state))
            vectors = self.dropout(vectors)
        found = self.softmax(vectors.flatten(0, 1), targets.flatten())
        return found.loss, after


def main() -> None:
    arrays: Arrays = load(sys.argv[1])
    words, following = arrays.inputs["token_ids"].ids, arrays.targets.ids
    streams, rate = arrays.training["batch_size"], arrays.training["learning_rate"]
    length = len(words) // streams
    ids, targets = (
        array[: streams * length].reshape(streams, length) for array in (words, following)
    )
    model = LanguageModel(arrays.model, arrays.sizes["vocabulary_size"]).to(DEVICE)
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    states: States = [None for _ in model.layers]

    def train(start: int, count: int) -> Mapping[str, float]:
        nonlocal states
        model.train()
        examples, total = 0, 0.0
        for places in arrays.some_batches(start, count):
            window = slice(places[0], places[-1] + 1)
            optimizer.zero_grad()
            read, wanted = (tensor(array[:, window].copy()) for array in (ids, targets))
            loss, states = model(read, wanted, states)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), arrays.training["clip_norm"])
            optimizer.step()
            examples, total = examples + read.numel(), total + loss.item()
        return {"examples": examples, "loss": total / count}

    how = "nn.LSTM by oneDNN, AdaptiveLogSoftmaxWithLoss(div_value=4), not tied, fused Adam"
    take_turns({"train": train}, said(how))


if __name__ == "__main__":
    main()
