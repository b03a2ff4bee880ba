"""Examples of one split, as read: raw texts and what is known about them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self, TypeVar

import numpy as np
import numpy.typing as npt

SPLITS = ("train", "validation", "test")

#: Rows that stay, and rows that are held out.
HeldOut = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Examples(ABC):
    """Examples of one split."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """The raw input texts."""

    @abstractmethod
    def select(self, rows: npt.NDArray[np.int64]) -> Self:
        """The chosen examples."""

    @abstractmethod
    def joined(self, others: Self) -> Self:
        """These examples, then the others."""


ExamplesT = TypeVar("ExamplesT", bound=Examples)
