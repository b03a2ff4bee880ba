"""Files of sentence pairs: line-parallel files, tab-separated columns, jsonl."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from pathlib import Path

from textnets.data.counts import RowCount
from textnets.data.dialect import PLAIN, Dialect, numbered_lines
from textnets.data.readers import Row, opened_text, read_rows
from textnets.errors import DataError

SIDE = "{side}"
"""Stands in the name of line-parallel files for the name of a side: ``train.{side}.gz``."""

_FORMAT_OF_SUFFIX = {
    ".tsv": "tsv",
    ".txt": "tsv",
    ".csv": "csv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}


@dataclass(frozen=True, slots=True)
class Pair:
    """A text and its translation; either may be empty. ``line`` is where it stands, from 1."""

    source: str
    target: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class PairLayout:
    """How a file of pairs is written.

    Attributes:
        file_format: ``lines``, ``tsv``, ``csv``, ``jsonl``, or ``auto`` to go by the file's name.
        source, target: names of the sides, in the names of line-parallel files, or keys of jsonl.
        source_column, target_column: counted from 0, of tab-separated files and csv.
        has_header: whether the first line of those holds no pair.
        dialect: encoding, comments and delimiter.
    """

    file_format: str
    source: str
    target: str
    source_column: int
    target_column: int
    has_header: bool = False
    dialect: Dialect = PLAIN

    def format_of(self, name: str) -> str:
        """``lines``, ``tsv``, ``csv`` or ``jsonl``.

        Raises:
            DataError: the name does not tell.
        """
        if self.file_format != "auto":
            return self.file_format
        if SIDE in name:
            return "lines"
        found = format_of_suffix(name)
        if found is None:
            raise DataError(
                f"{name}: the name does not tell how the pairs are written; put {SIDE} where the "
                "names of two line-parallel files differ, or name the format with data.format "
                "(lines, tsv, csv, jsonl)"
            )
        return found

    def sides_of(self, name: str) -> tuple[str, str]:
        """The names of two line-parallel files.

        Raises:
            DataError: the name does not say where they differ.
        """
        if SIDE not in name:
            raise DataError(
                f"{name}: with data.format: lines, {SIDE} must stand where the names of the two "
                f"files differ: {SIDE} becomes {self.source!r} and {self.target!r}"
            )
        return name.replace(SIDE, self.source), name.replace(SIDE, self.target)


def format_of_suffix(name: str, *, certain: bool = False) -> str | None:
    """``tsv``, ``csv`` or ``jsonl``; ``None`` where a file's name does not tell.

    Args:
        name: of the file.
        certain: whether ``.txt``, which may also hold one text a line, tells nothing.
    """
    suffix = Path(name.lower().removesuffix(".gz")).suffix
    return None if certain and suffix == ".txt" else _FORMAT_OF_SUFFIX.get(suffix)


def read_parallel(source: Path, target: Path, dialect: Dialect = PLAIN) -> Iterator[Pair]:
    """Pairs of lines; an empty line on one side stays where it is.

    Raises:
        DataError: a file cannot be read, or one has more lines than the other.
    """
    with (
        opened_text(source, None, dialect.encoding) as ours,
        opened_text(target, None, dialect.encoding) as theirs,
    ):
        for number, (left, right) in enumerate(zip_longest(ours, theirs), start=1):
            if left is None or right is None:
                short, long = (source, target) if left is None else (target, source)
                raise DataError(
                    f"{short}: ends after {number - 1:,} lines, but {long} goes on; line-parallel "
                    "files have equally many"
                )
            yield Pair(left.removesuffix("\n"), right.removesuffix("\n"), number)


def read_pairs(
    path: Path,
    layout: PairLayout,
    *,
    with_target: bool = True,
    count: RowCount | None = None,
) -> Iterator[Pair]:
    """Pairs of one tab-separated, csv or jsonl file.

    Args:
        path: the file, plain or gzip.
        layout: how it is written.
        with_target: whether the target is read; else it is empty, and a blank line is a blank
            text.
        count: where to count the lines that are left out.

    Raises:
        DataError: naming file and line.
    """
    file_format = layout.format_of(path.name)
    if file_format == "csv" or (file_format == "tsv" and layout.dialect.delimiter is not None):
        yield from _read_csv(path, layout, with_target, count)
        return
    if file_format == "jsonl":
        keys = [layout.source, layout.target] if with_target else [layout.source]
        for row in read_rows(
            path, columns=keys, file_format="jsonl", dialect=layout.dialect, count=count
        ):
            texts = _texts_of(row, keys, count)
            if texts:
                yield Pair(texts[0], texts[1] if with_target else "", row.line)
        return
    wanted = {"data.source_column": layout.source_column}
    if with_target:
        wanted["data.target_column"] = layout.target_column
    count = count or RowCount("pairs")
    with opened_text(path, None, layout.dialect.encoding, count) as stream:
        lines = numbered_lines(stream, path, layout.dialect, count)
        if layout.has_header:
            next(lines, None)
        for number, line in lines:
            if not line:
                if not with_target:
                    yield Pair("", "", number)
                else:
                    count.leave_out("a blank line", f"{path}:{number}", is_told=False)
                continue
            cells = line.split("\t")
            missing = [key for key, place in wanted.items() if place >= len(cells)]
            if missing:
                message = (
                    f"{path}:{number}: there is no column {wanted[missing[0]]} ({missing[0]}, "
                    f"counted from 0); this line has {len(cells)}, cut at tabs"
                )
                count.refuse(DataError(message))
                continue
            if count.is_refused(line, f"{path}:{number}"):
                continue
            found = [cells[place] for place in wanted.values()]
            yield Pair(found[0], found[1] if with_target else "", number)


def _read_csv(
    path: Path, layout: PairLayout, with_target: bool, count: RowCount | None
) -> Iterator[Pair]:
    places = [layout.source_column, layout.target_column] if with_target else [layout.source_column]
    rows = read_rows(
        path,
        columns=[str(place) for place in places],
        file_format="csv",
        dialect=replace(layout.dialect, header=False),
        count=count,
    )
    if layout.has_header:
        next(rows, None)
    for row in rows:
        texts = _texts_of(row, list(map(str, places)), count)
        if texts:
            yield Pair(texts[0], texts[1] if with_target else "", row.line)


def _texts_of(row: Row, keys: Sequence[str], count: RowCount | None) -> list[str]:
    """The texts of a row; none of one that is passed over."""
    cells = [row.values[key] for key in keys]
    found = [cell for cell in cells if isinstance(cell, str)]
    if len(found) == len(cells):
        return found
    lists = [key for key, cell in zip(keys, cells, strict=True) if not isinstance(cell, str)]
    (count or RowCount()).refuse(
        DataError(f"{row.where}: {lists[0]!r} must be a text, was: a list")
    )
    return []
