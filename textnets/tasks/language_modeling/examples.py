"""Lines of a running text, or sentences."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textnets.tasks.examples import Examples


@dataclass(frozen=True)
class TextLines(Examples):
    """The lines of a running text, or sentences."""

    lines: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def texts(self) -> list[str]:
        return self.lines

    def select(self, rows: npt.NDArray[np.int64]) -> TextLines:
        return TextLines([self.lines[row] for row in rows.tolist()])

    def joined(self, others: TextLines) -> TextLines:
        return TextLines([*self.lines, *others.lines])
