"""How a file of text is written, as far as its format leaves that open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from textnets.data.counts import RowCount

DELIMITERS = (";", "\t", "|", ",")
"""What people put between cells, where a message guesses."""


@dataclass(frozen=True)
class Dialect:
    """How a file of text is written.

    Attributes:
        encoding: of its bytes.
        delimiter: between the cells of a table, where it is not what the format says.
        header: whether the first record of a table names the columns; their names where it does
            not. Columns without names are called ``0``, ``1``, ...
        comment: what lines begin with that are passed over; ``None`` where there are none.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    header: bool | tuple[str, ...] = True
    comment: str | None = None

    def of_other_format(self) -> Dialect:
        """For a file in another format, which says itself what stands between its cells."""
        return replace(self, delimiter=None)

    def is_comment(self, line: str) -> bool:
        """Whether a line is passed over."""
        return self.comment is not None and line.startswith(self.comment)


PLAIN = Dialect()
"""UTF-8, with a header and without comments."""


def numbered_lines(
    stream: Iterable[str],
    name: object,
    dialect: Dialect,
    count: RowCount | None = None,
    *,
    keep_ends: bool = False,
) -> Iterator[tuple[int, str]]:
    """The lines of a file, numbered from 1, without comments.

    Args:
        stream: opened so that its lines end in a line feed only.
        name: of the file.
        dialect: what a comment is.
        count: where to count the comments.
        keep_ends: whether each line keeps its line feed.
    """
    for number, line in enumerate(stream, start=1):
        line = line if keep_ends else line.removesuffix("\n")
        if dialect.is_comment(line):
            if count is not None:
                count.leave_out("a comment", f"{name}:{number}", is_told=False)
            continue
        yield number, line
