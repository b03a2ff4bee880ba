"""The multi-width CNN of Kim (2014) in plain PyTorch, in batches of texts of similar length.

python benchmarks/rivals/torch_cnn.py ARRAYS [FILE]     # FILE.pt: only save the model
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


class CNN(nn.Module):
    """From ``<int64>[batch, length]`` to the logits of the classes; of two, to that of one."""

    def __init__(self, model: Mapping[str, Any], vocabulary_size: int, num_classes: int) -> None:
        super().__init__()
        width, maps = model["embedding_width"], model["maps"]
        self.embedding = nn.Embedding(vocabulary_size, width, padding_idx=0)
        self.embedding_dropout = nn.Dropout1d(model["embedding_dropout"])
        self.convolutions = nn.ModuleList(
            nn.Conv1d(width, maps, size, padding="same") for size in model["widths"]
        )
        self.dropout = nn.Dropout(model["dropout"])
        outputs = 1 if num_classes == 2 else num_classes
        self.output = nn.Linear(maps * len(model["widths"]), outputs)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        padding = (ids == 0)[:, None]
        vectors = self.embedding_dropout(self.embedding(ids).transpose(1, 2))
        features = [
            convolution(vectors).masked_fill(padding, -1e9).max(-1).values.relu()
            for convolution in self.convolutions
        ]
        return self.output(self.dropout(torch.cat(features, -1)))


def main() -> None:
    arrays: Arrays = load(sys.argv[1])
    tokens, num_classes = arrays.inputs["token_ids"], arrays.sizes["num_classes"]
    model = CNN(arrays.model, arrays.sizes["vocabulary_size"], num_classes).to(DEVICE)
    if len(sys.argv) > 2:
        saved = {"model": arrays.model, "sizes": arrays.sizes, "weights": model.state_dict()}
        torch.save(saved, sys.argv[2])
        return
    max_norm = arrays.model["max_norm"]
    rate = arrays.training["learning_rate"]
    optimizer = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    if num_classes == 2:
        loss_of, targets = nn.BCEWithLogitsLoss(), arrays.targets.astype("float32")[:, None]
    else:
        loss_of, targets = nn.CrossEntropyLoss(), arrays.targets.astype("int64")

    def train(start: int, count: int) -> Mapping[str, float]:
        model.train()
        examples, total = 0, 0.0
        for rows in arrays.some_batches(start, count):
            optimizer.zero_grad()
            loss = loss_of(model(tensor(tokens.pad(rows))), tensor(targets[rows]))
            loss.backward()
            optimizer.step()
            if max_norm:
                with torch.no_grad():
                    model.output.weight.copy_(torch.renorm(model.output.weight, 2, 0, max_norm))
            examples, total = examples + len(rows), total + loss.item()
        return {"examples": examples, "loss": total / count}

    @torch.inference_mode()
    def predict() -> Mapping[str, float]:
        model.eval()
        found = [model(tensor(tokens.pad(rows))).cpu().numpy() for rows in arrays.predicted]
        return {"examples": sum(map(len, found))}

    take_turns({"train": train, "predict": predict}, said("the same batches, fused Adam"))


if __name__ == "__main__":
    main()
