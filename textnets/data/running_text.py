"""Running text: one long text whose order matters, or one independent sentence a line.

Lines end in LF, CR LF or CR, and in nothing else: U+0085 and the like belong to the text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TextIO

from textnets.data.counts import RowCount
from textnets.data.dialect import PLAIN, Dialect, numbered_lines
from textnets.data.encodings import reading_name
from textnets.data.readers import CELL_LIMIT, opened_text
from textnets.errors import DataError

_LONGEST_LINE = 4096  # characters; a longer one is tokenized in pieces
_FARTHEST = 16  # times that, where a blank is looked for


def stream_lines(
    path: Path, dialect: Dialect = PLAIN, count: RowCount | None = None
) -> Iterator[str]:
    """The lines of a file that holds one text a line, blank ones included.

    Args:
        path: the file, or a pipe.
        dialect: encoding and comments.
        count: where to count the lines that cannot be read.

    Raises:
        DataError: when iterated: the file is missing, damaged or not in its encoding.
    """
    count = count or RowCount("lines")
    with _opened_once(path, dialect, count) as file:
        for number, line in numbered_lines(file, path, dialect):
            if len(line) > CELL_LIMIT:
                message = f"{path}:{number}: a line of more than {CELL_LIMIT:,} characters"
                count.refuse(DataError(message))
            elif count.on_refused is None or not count.is_refused(line, f"{path}:{number}"):
                yield line


@contextmanager
def _opened_once(path: Path, dialect: Dialect, count: RowCount) -> Iterator[TextIO]:
    """A file to be read once, so that it may be a pipe, such as ``<(command)``."""
    if not path.is_fifo():
        with opened_text(path, None, dialect.encoding, count) as file:
            yield file
        return
    encoding = reading_name(dialect.encoding)
    try:
        with path.open(encoding=encoding) as file:
            yield file
    except UnicodeError as error:
        raise DataError(f"{path}: not {dialect.encoding}: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def read_lines(
    path: Path,
    *,
    keep_ends: bool = False,
    limit: int | None = None,
    dialect: Dialect = PLAIN,
    count: RowCount | None = None,
) -> list[str]:
    """The lines of a file, plain or gzip-compressed; blank ones included.

    Args:
        path: the file.
        keep_ends: whether each line keeps its line feed, so that the lines joined are the text.
        limit: read this many lines only.
        dialect: encoding and comments.
        count: where to count the lines that are not read.

    Raises:
        DataError: the file is missing, damaged, not UTF-8, or holds only blanks.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; running text is read from a file")
    count = count or RowCount("lines")
    with opened_text(path, None, dialect.encoding) as file:
        numbered = numbered_lines(file, path, dialect, count, keep_ends=keep_ends)
        lines = [line for _, line in islice(numbered, limit)]
        for number, _ in numbered:
            count.leave_out("data.limit", f"{path}:{number}", is_told=False)
    if not any(map(str.strip, lines)):
        raise DataError(f"{path}: there is no text in it")
    return lines


def cut_long_lines(lines: Sequence[str], longest: int = _LONGEST_LINE) -> list[str]:
    """The same text where no line is much longer: cut after blanks, or anywhere in a very long text
    that has none, such as Chinese.

    Some corpora are a single line of a hundred million characters.
    """
    pieces = []
    for line in lines:
        start = 0
        while len(line) - start > longest:
            end = line.find(" ", start + longest, start + longest * _FARTHEST) + 1
            if not end and len(line) - start <= longest * _FARTHEST:
                break
            end = end or start + longest
            pieces.append(line[start:end])
            start = end
        pieces.append(line[start:] if start else line)
    return pieces


def cut_where_tail_begins(lines: Sequence[str], share: float) -> list[str]:
    """The same text with a cut near where its last ``share`` of characters begins: behind the next
    blank of that line, or right there where it has none."""
    place = int((1.0 - share) * sum(map(len, lines)))
    found = []
    for line in lines:
        if 0 < place < len(line):
            cut = line.find(" ", place) + 1
            cut = cut if 0 < cut < len(line) else place
            found += [line[:cut], line[cut:]]
        else:
            found.append(line)
        place -= len(line)
    return found


def is_cut(lines: Sequence[str], share: float) -> bool:
    """Whether a tail of this share can be cut between two lines; see :func:`cut_tail`."""
    return 0 < _tail_begin(lines, share) < len(lines)


def _tail_begin(lines: Sequence[str], share: float) -> int:
    target, seen = (1.0 - share) * sum(map(len, lines)), 0
    place = 0
    while place < len(lines) and seen < target:
        seen += len(lines[place])
        place += 1
    return place


def cut_tail(lines: Sequence[str], share: float, purpose: str) -> int:
    """How many lines stay when the last ``share`` of a text's characters is held out.

    Args:
        lines: of the whole text; a text is cut between two of them.
        share: in (0, 1).
        purpose: what the tail is for, to be named in the error.

    Raises:
        DataError: one of the two parts would be empty.
    """
    total, place = sum(map(len, lines)), _tail_begin(lines, share)
    if place in (0, len(lines)):
        raise DataError(
            f"{purpose}: a tail of {share} of {total:,} characters in {len(lines):,} lines leaves "
            "one side empty; a text is cut between lines: break it into more, or give another "
            "share or a file"
        )
    return place
