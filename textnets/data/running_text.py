"""Running text: one long text whose order matters, or one independent sentence a line.

Lines end in LF (or CR LF), and in nothing else: U+0085 and the like belong to the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from textnets.data.readers import opened_text
from textnets.errors import DataError

_LONGEST_LINE = 4096  # characters; a longer one is tokenized in pieces


def read_lines(path: Path, *, keep_ends: bool = False, limit: int | None = None) -> list[str]:
    """The lines of a UTF-8 file, plain or gzip-compressed; blank ones included.

    Args:
        path: the file.
        keep_ends: whether each line keeps its line feed, so that the lines joined are the text.
        limit: read this many lines only.

    Raises:
        DataError: the file is missing, damaged, not UTF-8, or holds only blanks.
    """
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; running text is read from a file")
    with opened_text(path, newline="\n") as file:
        lines = [_ended(line, keep_ends) for line in islice(file, limit)]
    if not any(map(str.strip, lines)):
        raise DataError(f"{path}: there is no text in it")
    return lines


def _ended(line: str, keep_end: bool) -> str:
    bare = line.removesuffix("\n").removesuffix("\r")
    return bare + "\n" if keep_end and line.endswith("\n") else bare


def cut_long_lines(lines: Sequence[str], longest: int = _LONGEST_LINE) -> list[str]:
    """The same text where no line is much longer: cut after blanks, or nowhere.

    Some corpora are a single line of a hundred million characters.
    """
    pieces = []
    for line in lines:
        start = 0
        while len(line) - start > longest and (end := line.find(" ", start + longest) + 1):
            pieces.append(line[start:end])
            start = end
        pieces.append(line[start:] if start else line)
    return pieces


def cut_tail(lines: Sequence[str], share: float, purpose: str) -> int:
    """How many lines stay when the last ``share`` of a text's characters is held out.

    Args:
        lines: of the whole text; a text is cut between two of them.
        share: in (0, 1).
        purpose: what the tail is for, to be named in the error.

    Raises:
        DataError: one of the two parts would be empty.
    """
    total = sum(map(len, lines))
    target, seen = (1.0 - share) * total, 0
    place = 0
    while place < len(lines) and seen < target:
        seen += len(lines[place])
        place += 1
    if place in (0, len(lines)):
        raise DataError(
            f"{purpose}: a tail of {share} of {total:,} characters in {len(lines):,} lines leaves "
            "one side empty; give more text, another share or a file"
        )
    return place
