"""What a model says of many texts, by column: for files of millions of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Chosen:
    """One of a few names for each row.

    Attributes:
        ids: ``<int>[rows]``.
        names: by id.
    """

    ids: npt.NDArray[np.integer[Any]]
    names: Sequence[str]


@dataclass(frozen=True)
class Rounded:
    """A number for each row, ``<float>[rows]``, told with 6 digits after the point."""

    values: npt.NDArray[np.floating[Any]]

    def as_floats(self) -> list[float]:
        """Rounded as Python's ``round`` does: the product of a float32 and 1e6 is exact."""
        found: list[float] = np.round(self.values.astype(np.float64), 6).tolist()
        return found


@dataclass(frozen=True)
class Shares:
    """A number for each name in each row: ``<float32>[rows, names]``, told with 6 digits."""

    values: npt.NDArray[np.float32]
    names: Sequence[str]

    def as_floats(self) -> list[list[float]]:
        """Rounded."""
        found: list[list[float]] = np.round(self.values.astype(np.float64), 6).tolist()
        return found


#: A list has a value for each row, ``None`` where a row says nothing of it.
Column = Chosen | Rounded | Shares | Sequence[Any]
Columns = Mapping[str, Column]


def columns_of(records: Iterable[Mapping[str, Any]], left_out: Sequence[str] = ()) -> Columns:
    """Columns of records, whose keys need not be the same in each.

    Args:
        records: one a row.
        left_out: keys that become no column.
    """
    found: dict[str, list[Any]] = {}
    rows = list(records)
    names = dict.fromkeys(name for row in rows for name in row if name not in left_out)
    for name in names:
        found[name] = [row.get(name) for row in rows]
    return found
