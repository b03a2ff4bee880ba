"""Rows of a split's files: how many there are, how many were read, and which were left out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass
class LeftOut:
    """Rows that were left out for one reason.

    Attributes:
        rows: how many.
        first: where the first of them stands, such as ``train.csv:12``.
        is_told: whether a person is told of it without asking.
    """

    rows: int
    first: str
    is_told: bool


@dataclass
class RowCount:
    """Counts each row of a split's files once: it is read, or left out for a reason.

    Attributes:
        unit: what a row is called: ``rows``, ``sentences``, ``pairs`` or ``lines``.
        read: rows that became examples.
        left_out: the others, by reason, in the order in which the reasons came up.
        notes: what a person should know of how the files were read.
    """

    unit: str = "rows"
    read: int = 0
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def in_files(self) -> int:
        """All rows."""
        return self.read + sum(one.rows for one in self.left_out.values())

    def leave_out(self, reason: str, where: str, rows: int = 1, *, is_told: bool = True) -> None:
        """Rows that are not read.

        Args:
            reason: why, such as ``blank on both sides``.
            where: the place of the first.
            rows: how many.
            is_told: whether it deserves a warning; a blank line does not.
        """
        if not rows:
            return
        if reason in self.left_out:
            self.left_out[reason].rows += rows
        else:
            self.left_out[reason] = LeftOut(rows, where, is_told)

    def drop_read(self, reason: str, where: str, rows: int) -> None:
        """Leave out rows that were counted as read before."""
        self.read -= rows
        self.leave_out(reason, where, rows)

    def as_json(self) -> dict[str, Any]:
        """As ``environment.json`` has it."""
        return {
            "unit": self.unit,
            "in_files": self.in_files,
            "read": self.read,
            "left_out": [
                {"why": reason, "rows": one.rows, "first": one.first}
                for reason, one in self.left_out.items()
            ],
        }

    def as_line(self) -> str:
        """All of it in a line."""
        reasons = [
            f"{one.rows:,} left out: {reason} (first {one.first})"
            for reason, one in self.left_out.items()
        ]
        whole = f"{self.in_files:,} {self.unit} in the file, {self.read:,} read"
        return "; ".join([whole, *reasons])

    def warnings(self) -> Iterator[str]:
        """A sentence for each reason that deserves a warning."""
        for reason, one in self.left_out.items():
            if one.is_told:
                yield f"{one.rows:,} {self.unit} left out: {reason}, the first at {one.first}"


#: Of each split that is read from files.
RowCounts = dict[str, RowCount]
