"""Texts with their translations."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textnets.data.pairs import Pair
from textnets.tasks.examples import Examples


@dataclass(frozen=True)
class SentencePairs(Examples):
    """Texts with their translations."""

    pairs: list[Pair] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.pairs)

    @property
    def texts(self) -> list[str]:
        return [pair.source for pair in self.pairs]

    @property
    def targets(self) -> list[str]:
        """The translations."""
        return [pair.target for pair in self.pairs]

    @property
    def half_empty(self) -> int:
        """Pairs with a blank text on one side only."""
        return sum(bool(pair.source.strip()) != bool(pair.target.strip()) for pair in self.pairs)

    def select(self, rows: npt.NDArray[np.int64]) -> SentencePairs:
        return SentencePairs([self.pairs[row] for row in rows.tolist()])

    def joined(self, others: SentencePairs) -> SentencePairs:
        return SentencePairs([*self.pairs, *others.pairs])
