"""What all contenders of a work read: ids in NumPy arrays, and which of them make a batch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Ragged:
    """Rows of different lengths: row ``i`` is ``ids[offsets[i]:offsets[i + 1]]``."""

    ids: Array
    offsets: Array

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Array:
        return np.diff(self.offsets)

    def __getitem__(self, row: int) -> Array:
        return self.ids[self.offsets[row] : self.offsets[row + 1]]

    def pad(self, rows: Array, width: int | None = None, fill: int = 0) -> Array:
        """The rows, padded on the right to the longest of them, or to a width."""
        width = int(self.lengths[rows].max()) if width is None else width
        padded = np.full((len(rows), width, *self.ids.shape[1:]), fill, self.ids.dtype)
        for place, row in enumerate(rows):
            ids = self[row][:width]
            padded[place, : len(ids)] = ids
        return padded


@dataclass(frozen=True)
class Arrays:
    """A work.

    Attributes:
        inputs: ids by the name of the input.
        targets: a class a row, or ids a row.
        batches: rows of each batch of an epoch, texts of similar length together.
        predicted: the same of what is predicted.
        settings: the recipe's sections, and the sizes that were found in the data.
    """

    inputs: dict[str, Ragged]
    targets: Any
    batches: Ragged
    predicted: Ragged
    settings: dict[str, Any]

    @property
    def sizes(self) -> dict[str, int]:
        return self.settings["sizes"]

    @property
    def model(self) -> dict[str, Any]:
        return self.settings["model"]

    @property
    def training(self) -> dict[str, Any]:
        return self.settings["training"]

    def some_batches(self, start: int, count: int) -> list[Array]:
        """Batches in the order of the epoch, from one of them on, and round again."""
        return [self.batches[(start + number) % len(self.batches)] for number in range(count)]

    def some_rows(self, start: int, count: int) -> Array:
        """The rows of these batches, as somebody has them who makes batches of his own."""
        rows = np.concatenate(self.some_batches(start, count))
        return np.random.default_rng(start).permutation(rows)


def load(path: str) -> Arrays:
    """What ``ours.py`` wrote."""
    with np.load(path) as file:
        found = dict(file)
    ragged = {
        name.removesuffix(".ids"): Ragged(ids, found[name.removesuffix("ids") + "offsets"])
        for name, ids in found.items()
        if name.endswith(".ids")
    }
    return Arrays(
        {name.removeprefix("inputs."): one for name, one in ragged.items() if "inputs." in name},
        ragged["targets"] if "targets" in ragged else found["targets"],
        ragged["batches"],
        ragged["predicted"],
        json.loads(str(found["settings"])),
    )
