"""Rows of a split's files: how many there are, how many were read, and which were left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from textnets.errors import DataError


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
        on_refused: takes the error of each row that cannot be read, and reading goes on; where
            there is none, that error ends it.
        share: how much of the file that is being read has been read, in [0, 1].
    """

    unit: str = "rows"
    read: int = 0
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    on_refused: Callable[[DataError], None] | None = None
    share: float = 0.0
    _file: BinaryIO | None = field(default=None, init=False, repr=False)

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

    def refuse(self, error: DataError) -> None:
        """A row that cannot be read.

        Raises:
            DataError: this one, where rows are not passed over.
        """
        if self.on_refused is None:
            raise error
        self.on_refused(error)

    def is_refused(self, text: str, where: str) -> bool:
        """Whether a text that was read in spite of bytes that are not UTF-8 has some; see
        :func:`textnets.data.readers.opened_text`."""
        if self.on_refused is None or text.isascii():
            return False
        try:
            text.encode()
        except UnicodeEncodeError:
            self.on_refused(DataError(f"{where}: not UTF-8"))
            return True
        return False

    def watch(self, file: BinaryIO) -> None:
        """This is the file that is being read, packed or not."""
        self._file = file

    def look(self) -> None:
        """Find out :attr:`share`."""
        if self._file is None:
            return
        with suppress(OSError, ValueError):  # it is a pipe, or has been closed
            size = os.fstat(self._file.fileno()).st_size
            self.share = min(1.0, self._file.tell() / size) if size else 1.0

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
