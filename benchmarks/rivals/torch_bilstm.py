"""The stacked bidirectional LSTM over film reviews in plain PyTorch, in buckets.

python benchmarks/rivals/torch_bilstm.py ARRAYS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import torch
from arrays import Arrays, load
from torch import nn
from torch_device import DEVICE, said, tensor
from torch_recurrent import BothWays
from turns import take_turns


class BiLSTM(nn.Module):
    """From ``<int64>[batch, length]`` to the logit of the second class, ``[batch, 1]``."""

    def __init__(self, model: Mapping[str, Any], vocabulary_size: int) -> None:
        super().__init__()
        width, units = model["embedding_width"], model["units"]
        self.embedding = nn.Embedding(vocabulary_size, width)
        widths = [width, *(2 * size for size in units)]
        self.layers = nn.ModuleList(
            BothWays(nn.LSTM, inputs, size) for inputs, size in zip(widths, units, strict=False)
        )
        self.units = units[-1]
        self.output = nn.Linear(widths[-1], 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        lengths = (ids != 0).sum(1)
        states = self.embedding(ids)
        for layer in self.layers:
            states = layer(states, lengths)
        rows = torch.arange(len(ids), device=ids.device)
        ahead = states[rows, lengths - 1, : self.units]  # what each has when it has read all
        return self.output(torch.cat([ahead, states[:, 0, self.units :]], -1))


def main() -> None:
    arrays: Arrays = load(sys.argv[1])
    tokens, targets = arrays.inputs["token_ids"], arrays.targets.astype("float32")[:, None]
    model = BiLSTM(arrays.model, arrays.sizes["vocabulary_size"]).to(DEVICE)
    rate, clip_norm = arrays.training["learning_rate"], arrays.training["clip_norm"]
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    loss_of = nn.BCEWithLogitsLoss()

    def train(start: int, count: int) -> Mapping[str, float]:
        model.train()
        examples, total = 0, 0.0
        for rows in arrays.some_batches(start, count):
            optimizer.zero_grad()
            loss = loss_of(model(tensor(tokens.pad(rows))), tensor(targets[rows]))
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), clip_norm)
            optimizer.step()
            examples, total = examples + len(rows), total + loss.item()
        return {"examples": examples, "loss": total / count}

    @torch.inference_mode()
    def predict() -> Mapping[str, float]:
        model.eval()
        found = [model(tensor(tokens.pad(rows))).cpu().numpy() for rows in arrays.predicted]
        return {"examples": sum(map(len, found))}

    how = "the same batches, nn.LSTM by oneDNN (not packed), fused Adam"
    take_turns({"train": train, "predict": predict}, said(how))


if __name__ == "__main__":
    main()
