"""Data files to rows: csv, tsv, jsonl, parquet, and folders of text files.

A reader streams, loses nothing (quotes, line breaks inside cells, U+0085 and the like all
survive) and says ``file:line`` for everything that it refuses.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO, cast

from textnets.errors import DataError, MissingExtraError, did_you_mean

FORMATS = ("csv", "tsv", "jsonl", "parquet", "folder")

CELL_LIMIT = 64 * 2**20
"""The longest cell that is read, in characters. A longer one is mostly an unclosed quote."""

_UNPACKED_SAFE = 16 * 2**20  # bytes that gzip data may always unpack to
_LARGEST_RATIO = 200  # and beyond it, in bytes a packed byte; text has 2 to 10, gzip at most 1,032

Cell = str | tuple[str, ...]

_FORMAT_OF_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_GZIP_MAGIC = b"\x1f\x8b"
_BLANK = " \t\r\n"  # JSON's white space; str.strip() would take far more
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a data file.

    Attributes:
        values: the requested columns; a list of strings (jsonl, parquet) is a tuple.
        line: 1-based line of the file where the record starts; the 1-based row in a parquet
            file, which has no lines; 1 for a text file of a folder.
        path: the file that the record came from.
    """

    values: Mapping[str, Cell]
    line: int
    path: str

    @property
    def where(self) -> str:
        """``path:line``, as error messages start."""
        return f"{self.path}:{self.line}"


def read_rows(path: Path, *, columns: Sequence[str], file_format: str = "auto") -> Iterator[Row]:
    """Stream the rows of a data file, with the requested columns only.

    Args:
        path: a file, or a folder of class folders of ``.txt`` files, which gives the columns
            ``text`` and ``label``. Files may be gzip-compressed, whatever their name.
        columns: names from the header (csv, tsv), keys (jsonl) or columns (parquet).
        file_format: one of :data:`FORMATS`, or ``auto`` to go by the file's suffix.

    Raises:
        DataError: when iterated: the file is missing, empty, damaged, not UTF-8 or not in
            its format, or a column or a cell is missing. Empty cells are no error.
        MissingExtraError: for parquet without pyarrow.
    """
    reader = _READERS[_resolved_format(path, file_format)]
    is_empty = True
    for row in reader(path, columns):
        is_empty = False
        yield row
    if is_empty:
        raise DataError(f"{path}: there are no rows in it")


# --------------------------------------------------------------------------------------
# Which format
# --------------------------------------------------------------------------------------


def _resolved_format(path: Path, file_format: str) -> str:
    if file_format not in (*FORMATS, "auto"):
        raise DataError(
            f"data.format: unknown format, was: {file_format!r}; "
            f"{did_you_mean(file_format, (*FORMATS, 'auto'))}"
        )
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    is_folder = path.is_dir()
    chosen = _format_by_suffix(path, is_folder) if file_format == "auto" else file_format
    if is_folder and chosen != "folder":
        raise DataError(f"{path}: this is a folder, not a {chosen} file")
    if not is_folder and chosen == "folder":
        raise DataError(f"{path}: this is a file; the format 'folder' needs a folder")
    return chosen


def _format_by_suffix(path: Path, is_folder: bool) -> str:
    if is_folder:
        return "folder"
    name = path.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix in _FORMAT_OF_SUFFIX and not name.endswith(".parquet.gz"):
        return _FORMAT_OF_SUFFIX[suffix]
    raise DataError(
        f"{path}: the suffix does not tell the format; name it with data.format "
        f"({', '.join(FORMATS)}), or rename the file ({', '.join(_FORMAT_OF_SUFFIX)}, "
        f"each but .parquet also with .gz)"
    )


# --------------------------------------------------------------------------------------
# Bytes to text
# --------------------------------------------------------------------------------------


@contextmanager
def opened_text(path: Path, newline: str) -> Iterator[TextIO]:
    """Open UTF-8 text, plain or gzip; whatever goes wrong with the bytes is a DataError."""
    try:
        try:
            with ExitStack() as stack:
                raw = opened_bytes(path, stack)
                # utf-8-sig skips a byte order mark.
                text = io.TextIOWrapper(raw, encoding="utf-8-sig", newline=newline)
                yield stack.enter_context(text)
        except UnicodeDecodeError as error:
            # Reads again, and so may itself come upon damaged data.
            raise _not_utf8(path) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: the gzip data is damaged or cut short ({error}); fetch or compress it again"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def opened_bytes(path: Path, stack: ExitStack) -> IO[bytes]:
    """The bytes of a file, unpacked where they are gzip data; closed with the stack."""
    if (
        path.exists() and not path.is_file()
    ):  # a device may have no end, and a pipe can be read once only
        raise DataError(f"{path}: is no plain file")
    raw = stack.enter_context(path.open("rb"))
    if raw.peek(2)[:2] != _GZIP_MAGIC:
        return raw
    return cast("IO[bytes]", stack.enter_context(_Unpacked(path, cast(BinaryIO, raw))))


class _Unpacked(gzip.GzipFile):
    """Unpacks gzip data, and stops where they turn out to be a bomb."""

    def __init__(self, path: Path, raw: BinaryIO) -> None:
        super().__init__(fileobj=raw)
        self._path, self._packed = path, raw

    def read1(self, size: int = -1) -> bytes:
        found = super().read1(size)
        self._check()
        return found

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        self._check()
        return found

    def readline(self, size: int | None = -1) -> bytes:
        found = super().readline(size)
        self._check()
        return found

    def _check(self) -> None:
        unpacked = self.tell()
        if unpacked > _UNPACKED_SAFE and unpacked > _LARGEST_RATIO * self._packed.tell():
            raise DataError(
                f"{self._path}: unpacks to more than {_LARGEST_RATIO} times its size, as no text "
                "does: it is damaged or a gzip bomb; if it is meant, unpack it, and name that file"
            )


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be read: {error.strerror or error}")


def _not_utf8(path: Path) -> DataError:
    """Read the file once more, to say at which byte of it UTF-8 ends."""
    with ExitStack() as stack:
        stream = opened_bytes(path, stack)
        start = stream.read(2)
        stream.seek(0)
        offset, line = _first_undecodable(stream)
    if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        remedy = "it looks like UTF-16: convert it with iconv -f UTF-16 -t UTF-8"
    else:
        remedy = (
            "save it as UTF-8, or convert it from the encoding that it has, "
            "such as iconv -f WINDOWS-1252 -t UTF-8"
        )
    packed = " of the unpacked text" if path.suffix == ".gz" else ""
    return DataError(f"{path}: not UTF-8 at byte offset {offset}{packed} (line {line}); {remedy}")


def _first_undecodable(stream: IO[bytes]) -> tuple[int, int]:
    """The 0-based offset and the 1-based line of the first byte that is not UTF-8."""
    offset, line, tail = 0, 1, b""
    while chunk := stream.read(2**16):
        block = tail + chunk
        try:
            _, consumed = codecs.utf_8_decode(block, "strict", False)
        except UnicodeDecodeError as error:
            return offset + error.start, line + block.count(b"\n", 0, error.start)
        line += block.count(b"\n", 0, consumed)
        offset, tail = offset + consumed, block[consumed:]
    return offset, line


# --------------------------------------------------------------------------------------
# csv and tsv
# --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Record:
    cells: list[str]
    line: int


class _RecordLines:
    """Hands lines to the csv module and keeps those of the record that it is reading."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.current: list[str] = []
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        for line in self._stream:
            self.current.append(line)
            yield line
        self.ended = True


def _read_csv(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    # Strict: without it, the csv module drops the quotes of  "so" he said  in silence.
    return _read_table(path, columns, strict=True)


def _read_tsv(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    return _read_table(path, columns, delimiter="\t", quoting=csv.QUOTE_NONE)


def _read_table(path: Path, columns: Sequence[str], **dialect: Any) -> Iterator[Row]:
    with opened_text(path, newline="") as stream:
        records = _records(path, stream, dialect)
        header = next(records, None)
        if header is None:
            raise DataError(f"{path}: the file is empty")
        places = _column_places(f"{path}:{header.line}", header.cells, columns)
        width = len(header.cells)
        for record in records:
            if len(record.cells) != width:
                raise _ragged(path, record, header.cells, dialect)
            values = {column: record.cells[place] for column, place in places.items()}
            yield Row(values, record.line, str(path))


def _records(path: Path, stream: TextIO, dialect: Mapping[str, Any]) -> Iterator[_Record]:
    """The records of a csv stream that are not blank lines, each with its first line."""
    # The limit is the csv module's own, for the whole process: it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), CELL_LIMIT))
    lines = _RecordLines(stream)
    reader = csv.reader(lines, **dialect)
    while True:
        start = reader.line_num + 1
        lines.current.clear()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _broken_record(path, start, lines, error) from error
        if cells is None:
            return
        if max(map(len, cells), default=0) > CELL_LIMIT:
            raise _broken_record(path, start, lines, csv.Error("field larger than field limit"))
        if cells:
            yield _Record(cells, start)


def _broken_record(path: Path, start: int, lines: _RecordLines, error: csv.Error) -> DataError:
    if "field limit" in str(error):
        return DataError(
            f"{path}:{start}: a cell of this record is longer than {CELL_LIMIT:,} characters; "
            "is a quote opened there and never closed?"
        )
    if lines.ended:
        line = _line_of_open_quote("".join(lines.current), start)
        return DataError(
            f"{path}:{line}: a quoted cell begins here and is never closed; "
            'a quote inside a quoted cell must be doubled: ""'
        )
    return DataError(
        f"{path}:{start}: this record is not valid csv ({error}); a cell that starts with a "
        'quote must end with one, and quotes inside it must be doubled: ""'
    )


def _line_of_open_quote(record: str, start: int) -> int:
    cells = next(csv.reader(io.StringIO(record, newline="")))
    return start + sum(len(_LINE_BREAK.findall(cell)) for cell in cells[:-1])


def _column_places(where: str, header: Sequence[str], columns: Sequence[str]) -> dict[str, int]:
    """Requested column to its place in the header."""
    repeated = sorted(name for name, count in Counter(header).items() if count > 1)
    if repeated:
        raise DataError(f"{where}: column names are repeated: {', '.join(map(repr, repeated))}")
    for column in columns:
        if column not in header:
            raise _missing_column(where, column, header)
    return {column: header.index(column) for column in columns}


def _missing_column(where: str, column: str, known: Sequence[str]) -> DataError:
    names = ", ".join(map(repr, known)) or "none"
    hint = did_you_mean(column, known)
    nearest = f"; {hint}" if hint.startswith("did") else ""
    return DataError(f"{where}: there is no column {column!r}; the columns are {names}{nearest}")


def _ragged(
    path: Path, record: _Record, header: Sequence[str], dialect: Mapping[str, Any]
) -> DataError:
    found, wanted = len(record.cells), len(header)
    where = f"{path}:{record.line}: the header has {wanted} columns, this record has {found}"
    if found < wanted:
        return DataError(f"{where}; there is no cell for {header[found]!r}")
    if "delimiter" in dialect:
        return DataError(f"{where}; a tab inside a cell cannot be written in tsv: use csv or jsonl")
    return DataError(f"{where}; a cell that holds a comma must stand in quotes")


# --------------------------------------------------------------------------------------
# jsonl
# --------------------------------------------------------------------------------------


class _Number(str):
    """A JSON number exactly as the file spells it."""


def _read_jsonl(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    # newline="\n": a carriage return elsewhere is white space to JSON, not a line end.
    with opened_text(path, newline="\n") as stream:
        for number, line in enumerate(stream, start=1):
            if not line.strip(_BLANK):
                continue
            where = f"{path}:{number}"
            record = _json_object(where, line)
            values = {column: _json_cell(where, column, record) for column in columns}
            if "\\u" in line:
                _require_whole_characters(where, values)
            yield Row(values, number, str(path))


def _json_object(where: str, line: str) -> dict[str, Any]:
    try:
        record = json.loads(
            line, parse_int=_Number, parse_float=_Number, parse_constant=_refuse_constant
        )
    except json.JSONDecodeError as error:
        raise DataError(f"{where}:{error.colno}: not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}:1: not usable JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: each line must be a JSON object, was: {line.strip()[:60]}")
    return record


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _json_cell(where: str, column: str, record: Mapping[str, Any]) -> Cell:
    if column not in record:
        raise _missing_column(where, column, list(record))
    return _cell(where, column, record[column])


def _require_whole_characters(where: str, values: Mapping[str, Cell]) -> None:
    """An escape such as ``\\ud83d`` alone makes a string that no file can hold."""
    for column, cell in values.items():
        try:
            "".join(cell).encode()
        except UnicodeEncodeError as error:
            raise DataError(f"{where}: {column!r} holds half of a surrogate pair") from error


def _cell(where: str, column: str, value: Any) -> Cell:
    """A JSON or parquet value as text."""
    if isinstance(value, str):
        return str(value)
    if value is None or value != value:  # a parquet file writes a missing number as NaN
        raise DataError(f"{where}: there is no value for {column!r} (null)")
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    if isinstance(value, list):
        if all(isinstance(item, str) and not isinstance(item, _Number) for item in value):
            return tuple(value)
        raise DataError(f"{where}: {column!r} is a list; its items must all be strings")
    raise DataError(
        f"{where}: {column!r} must be a string, a number, true, false or a list of strings, "
        f"was: {type(value).__name__}"
    )


# --------------------------------------------------------------------------------------
# parquet
# --------------------------------------------------------------------------------------


def _read_parquet(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("reading parquet", extra="parquet") from error

    try:
        with parquet.ParquetFile(path) as file:
            _column_places(str(path), file.schema_arrow.names, columns)
            yield from _parquet_rows(path, file, list(dict.fromkeys(columns)))
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        # Texts and names that are not UTF-8, and dates that Python has none for, are ValueErrors.
        raise DataError(f"{path}: not a readable parquet file: {error}") from error


def _parquet_rows(path: Path, file: Any, columns: list[str]) -> Iterator[Row]:
    number = 0
    for batch in file.iter_batches(batch_size=1024, columns=columns):
        lists = [batch.column(column).to_pylist() for column in columns]
        for index in range(batch.num_rows):
            number += 1
            where = f"{path}: row {number}"
            values = {
                column: _cell(where, column, cells[index])
                for column, cells in zip(columns, lists, strict=True)
            }
            yield Row(values, number, str(path))


# --------------------------------------------------------------------------------------
# A folder of class folders
# --------------------------------------------------------------------------------------


def _read_folder(path: Path, columns: Sequence[str]) -> Iterator[Row]:
    _column_places(str(path), ("text", "label"), columns)
    files = _text_files(path)
    if not files:
        raise DataError(
            f"{path}: there are no texts in it; a folder must hold one folder a class, "
            "with one .txt file a text (class/name.txt)"
        )
    for file in files:
        values = {"text": _whole_text(file), "label": file.parent.name}
        yield Row({column: values[column] for column in columns}, 1, str(file))


def _text_files(path: Path) -> list[Path]:
    """The texts, by class and then by name. Hidden files and other suffixes are no texts."""
    try:
        return sorted(
            file
            for class_folder in path.iterdir()
            if class_folder.is_dir() and not class_folder.name.startswith(".")
            for file in class_folder.iterdir()
            if file.suffix == ".txt" and not file.name.startswith(".")
        )
    except OSError as error:
        raise _unreadable(path, error) from error


def _whole_text(file: Path) -> str:
    with opened_text(file, newline="") as stream:
        text = stream.read(CELL_LIMIT + 1)
    if len(text) > CELL_LIMIT:
        raise DataError(f"{file}: the text is longer than {CELL_LIMIT:,} characters")
    return text


_READERS: dict[str, Callable[[Path, Sequence[str]], Iterator[Row]]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "folder": _read_folder,
}
