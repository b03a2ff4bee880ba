"""Columns to bytes of a file: JSON lines, csv and parquet, plain or packed.

A file is a row of segments, one a window, each of which is whole: what stands before a segment's
end can be kept, whatever comes after it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textnets.errors import InputError, MissingExtraError
from textnets.tasks.columns import Chosen, Column, Columns, Rounded, Shares

FORMATS = ("jsonl", "csv", "parquet")
_ROW_GROUP = 2**17

# What JSON need not escape and a terminal obeys, or takes for the end of a line.
_NOT_IN_JSON = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_as_json = json.JSONEncoder(ensure_ascii=False).encode


def one_line_json(text: str) -> str:
    """JSON on one line (or more lines of it) without a character that a terminal obeys."""
    if text.isascii() and "\x7f" not in text:
        return text
    return _NOT_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@dataclass(frozen=True)
class Segment:
    """A part of a file.

    Attributes:
        header: stands once, before the first.
        body: of this part.
    """

    header: bytes
    body: bytes


class Format(ABC):
    """How columns are written.

    Args:
        is_packed: with gzip, a member a segment.
    """

    #: Whether a cell holds one text or number.
    flat: ClassVar[bool] = False

    def __init__(self, *, is_packed: bool = False) -> None:
        self._is_packed = is_packed

    def segment(self, columns: Columns) -> Segment:
        """The bytes of some rows."""
        if not columns:
            return Segment(b"", b"")
        header, body = self._write(columns)
        if not self._is_packed:
            return Segment(header, body)
        packed = [gzip.compress(part, 6, mtime=0) if part else b"" for part in (header, body)]
        return Segment(*packed)

    @abstractmethod
    def _write(self, columns: Columns) -> tuple[bytes, bytes]:
        """What stands once, and the rows."""

    def finish(self, written: Path, new: Path) -> bool:
        """Make another file of all segments.

        Args:
            written: the file of the segments.
            new: the other file, which is not there.

        Returns:
            Whether there is one; else the first is what was asked for.
        """
        return False


class JsonLines(Format):
    """An object a line."""

    def _write(self, columns: Columns) -> tuple[bytes, bytes]:
        parts = [_json_values(column) for column in columns.values()]
        names = [_as_json(name) for name in columns]
        if all(None not in part for part in parts if isinstance(part, list)):
            line = ", ".join(f"{name.replace('%', '%%')}: %s" for name in names)
            lines = "".join(map(f"{{{line}}}\n".__mod__, zip(*parts, strict=True)))
        else:
            lines = "".join(_object_line(names, row) for row in zip(*parts, strict=True))
        return b"", one_line_json(lines).encode()


def _object_line(names: Sequence[str], row: Sequence[str | None]) -> str:
    """A row that does not say something of everything."""
    cells = zip(names, row, strict=True)
    return f"{{{', '.join(f'{name}: {cell}' for name, cell in cells if cell is not None)}}}\n"


def _json_values(column: Column) -> Sequence[str | None]:
    """The JSON of each row's value."""
    if isinstance(column, Chosen):
        names = [_as_json(name) for name in column.names]
        return [names[index] for index in column.ids.tolist()]
    if isinstance(column, Rounded):
        return list(map(repr, column.as_floats()))
    if isinstance(column, Shares):
        named = [f"{_as_json(name).replace('%', '%%')}: %r" for name in column.names]
        template = f"{{{', '.join(named)}}}"
        return [template % tuple(row) for row in column.as_floats()]
    if all(type(value) is str for value in column):
        return list(map(json.encoder.encode_basestring, column))
    return [None if value is None else _as_json(value) for value in column]


class Csv(Format):
    """A record a line, after one that names the columns."""

    flat = True

    def _write(self, columns: Columns) -> tuple[bytes, bytes]:
        table = plain_table(columns)
        return _csv([list(table)]), _csv(zip(*table.values(), strict=True))


def _csv(rows: Any) -> bytes:
    file = io.StringIO(newline="")
    # The csv module of Python 3.11 quotes only those line breaks that end a record.
    csv.writer(file, lineterminator="\r\n").writerows(rows)
    return file.getvalue().encode()


class Parquet(Format):
    """Columns of texts and numbers.

    Its file has an index at its end, so the segments are Arrow's streams, and become one file of
    parquet when all are there.
    """

    flat = True

    def __init__(self, *, is_packed: bool = False) -> None:
        super().__init__()
        try:
            import pyarrow  # noqa: F401
        except ImportError:
            raise MissingExtraError("writing parquet", extra="parquet") from None

    def _write(self, columns: Columns) -> tuple[bytes, bytes]:
        import pyarrow

        table = pyarrow.table(dict(plain_table(columns)))
        file = io.BytesIO()
        with pyarrow.ipc.new_stream(file, table.schema) as writer:
            writer.write_table(table)
        return b"", file.getvalue()

    def finish(self, written: Path, new: Path) -> bool:
        import pyarrow
        from pyarrow import parquet

        size = written.stat().st_size
        writer: Any = None
        with pyarrow.OSFile(str(written)) as file:
            while file.tell() < size:
                with pyarrow.ipc.open_stream(file) as stream:
                    table = stream.read_all()
                if writer is None:
                    writer = parquet.ParquetWriter(new, table.schema, compression="zstd")
                writer.write_table(table, row_group_size=_ROW_GROUP)
        if writer is None:
            return False
        writer.close()
        return True


def plain_table(columns: Columns) -> dict[str, Sequence[Any]]:
    """A text or a number for each row, by the name of the column: of several numbers each has a
    column of its own."""
    found: dict[str, Sequence[Any]] = {}
    for name, column in columns.items():
        if isinstance(column, Shares):
            for index, of in enumerate(column.names):
                found[f"{name}.{of}"] = Rounded(column.values[:, index]).as_floats()
        elif isinstance(column, Rounded):
            found[name] = column.as_floats()
        elif isinstance(column, Chosen):
            found[name] = [column.names[index] for index in column.ids.tolist()]
        else:
            found[name] = column
    return found


def format_of(output: Path, chosen: str | None) -> Format:
    """How a file is written: as asked for, else as its name tells.

    Raises:
        InputError: neither does.
        MissingExtraError: for parquet without pyarrow.
    """
    name = output.name.lower()
    is_packed = name.endswith(".gz")
    suffix = Path(name.removesuffix(".gz")).suffix.removeprefix(".")
    kind = {"ndjson": "jsonl"}.get(suffix, suffix) if chosen is None else chosen
    if kind == "parquet" and is_packed:
        raise InputError(f"{output}: parquet is packed already; leave .gz away")
    kinds: dict[str, type[Format]] = {"jsonl": JsonLines, "csv": Csv, "parquet": Parquet}
    if kind not in kinds:
        raise InputError(
            f"{output}: the name does not tell the format; end it in .jsonl, .csv (each also with "
            ".gz) or .parquet, or give --format"
        )
    return kinds[kind](is_packed=is_packed)
