"""The texts of a file in windows: enough of them to sort by length, few enough for memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from textnets.data.counts import RowCount
from textnets.errors import DataError

OnError = Literal["stop", "skip"]

_TEXTS = 8192  # of a window: sorted by length, its batches hold little padding
_CHARACTERS = 8 * 2**20
_REFUSED_IN_A_ROW = 100_000  # then the file is of another kind than it is read as


@dataclass(frozen=True)
class Window:
    """Some texts of a file, one after the other.

    Attributes:
        texts: in their order.
        refused: what was wrong with the rows among them that could not be read.
        share: how much of the file has been read with them, in [0, 1].
    """

    texts: list[str]
    refused: list[str] = field(default_factory=list)
    share: float = 0.0

    @property
    def rows(self) -> int:
        """Rows of the file, those that could not be read too."""
        return len(self.texts) + len(self.refused)


def read_windows(
    read: Callable[[RowCount], Iterable[str]], on_error: OnError, skipped_rows: int = 0
) -> Iterator[Window]:
    """The windows of a file.

    A window ends after a text, so the same file gives the same windows whatever
    ``skipped_rows``, where that is a sum of windows before.

    Args:
        read: gives the texts, and hands the count what cannot be read.
        on_error: what becomes of that.
        skipped_rows: pass over so many rows, readable or not.

    Raises:
        DataError: a row cannot be read and ``on_error`` is ``stop``, or none can.
    """
    refused: list[str] = []

    def refuse(error: DataError) -> None:
        refused.append(str(error))
        if len(refused) == _REFUSED_IN_A_ROW:
            raise DataError(f"{len(refused):,} rows cannot be read, the first: {refused[0]}")

    count = RowCount(on_refused=refuse if on_error == "skip" else None)
    texts: list[str] = []
    characters = passed = 0
    for text in read(count):
        if passed < skipped_rows:
            passed += 1 + len(refused)
            refused.clear()
            continue
        texts.append(text)
        characters += len(text)
        if len(texts) == _TEXTS or characters >= _CHARACTERS:
            count.look()
            yield Window(texts, refused[:], count.share)
            texts, characters = [], 0
            refused.clear()
    left = refused[max(0, skipped_rows - passed) :]  # rows after the last text
    if texts or left:
        yield Window(texts, left, 1.0)
