"""Data files to rows: csv, tsv, jsonl, parquet, fastText's lines, and folders of text files.

A reader streams, loses nothing (quotes, line breaks inside cells, U+0085 and the like all
survive) and says ``file:line`` for everything that it refuses.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import IO, Any, BinaryIO, TextIO, cast

from textnets.data.counts import RowCount
from textnets.data.dialect import DELIMITERS, PLAIN, Dialect, numbered_lines
from textnets.data.encodings import likely_encoding, reading_name
from textnets.errors import DataError, MissingExtraError, did_you_mean

FORMATS = ("csv", "tsv", "jsonl", "parquet", "fasttext", "folder")

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
_LABEL = "__label__"  # what fastText's labels begin with
_FASTTEXT_LABEL = re.compile(rf"(?:^|(?<=\s)){_LABEL}(\S*)\s*")
_TEXT_SUFFIXES = ("", ".txt", ".text")  # of the files of a folder
_PASSED_OVER = "not a text file (.txt, .text or no suffix, each also with .gz)"
_GZIP_MAGIC = b"\x1f\x8b"
_BLANK = " \t\r\n"  # JSON's white space; str.strip() would take far more
_LINE_BREAK = re.compile(r"\r\n|\r|\n")


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a data file.

    Attributes:
        values: the requested columns; a list of strings (jsonl, parquet) is a tuple, and so are
            the labels of a line of fastText's.
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

    def text(self, column: str) -> str:
        """The cell of a column.

        Raises:
            DataError: it is a list.
        """
        value = self.values[column]
        if not isinstance(value, str):
            raise DataError(f"{self.where}: column '{column}' holds a list, expected a text")
        return value


@dataclass(frozen=True)
class _Source:
    """A file that is being read, which columns of it, and where its rows are counted."""

    path: Path
    columns: Sequence[str]
    dialect: Dialect
    count: RowCount
    unnamed: str | None = None


def read_rows(
    path: Path,
    *,
    columns: Sequence[str],
    file_format: str = "auto",
    dialect: Dialect = PLAIN,
    count: RowCount | None = None,
    unnamed: str | None = None,
) -> Iterator[Row]:
    """Stream the rows of a data file, with the requested columns only.

    Args:
        path: a file, or a folder of class folders of text files. A folder and fastText's lines
            give the columns ``text`` and ``label``. Files may be gzip-compressed, whatever their
            name.
        columns: names from the header (csv, tsv), keys (jsonl) or columns (parquet).
        file_format: one of :data:`FORMATS`, or ``auto`` to go by the file's suffix.
        dialect: how it is written.
        count: where to count the rows that are left out; who reads counts the others.
        unnamed: one of the columns, which nobody named: where a table lacks it, and has one more
            column with a name, that is meant.

    Raises:
        DataError: when iterated: the file is missing, empty, damaged, not in its encoding or not
            in its format, or a column or a cell is missing. Empty cells are no error.
        MissingExtraError: for parquet without pyarrow.
    """
    reader = _READERS[_resolved_format(path, file_format, dialect)]
    count = count or RowCount()
    is_empty = True
    for row in reader(_Source(path, columns, dialect, count, unnamed)):
        is_empty = False
        if count.on_refused is None or not _is_refused(row, count):
            yield row
    if is_empty:
        raise DataError(f"{path}: there are no rows in it")


def _is_refused(row: Row, count: RowCount) -> bool:
    """Whether a cell has bytes that are no text."""
    cells = chain.from_iterable([v] if isinstance(v, str) else v for v in row.values.values())
    return any(count.is_refused(cell, row.where) for cell in cells)


# --------------------------------------------------------------------------------------
# Which format
# --------------------------------------------------------------------------------------


def format_of_suffix(path: Path) -> str | None:
    """The format that a file's name tells; ``None`` where it tells none."""
    name = path.name.lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    return None if name.endswith(".parquet.gz") else _FORMAT_OF_SUFFIX.get(suffix)


def _resolved_format(path: Path, file_format: str, dialect: Dialect) -> str:
    if file_format not in (*FORMATS, "auto"):
        raise DataError(
            f"data.format: unknown format, was: {file_format!r}; "
            f"{did_you_mean(file_format, (*FORMATS, 'auto'))}"
        )
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    is_folder = path.is_dir()
    chosen = _format_by_suffix(path, is_folder, dialect) if file_format == "auto" else file_format
    if is_folder and chosen != "folder":
        raise DataError(f"{path}: this is a folder, not a {chosen} file")
    if not is_folder and chosen == "folder":
        raise DataError(f"{path}: this is a file; the format 'folder' needs a folder")
    return chosen


def _format_by_suffix(path: Path, is_folder: bool, dialect: Dialect) -> str:
    if is_folder:
        return "folder"
    if found := format_of_suffix(path):
        return found
    if _first_line(path, dialect).startswith(_LABEL):
        raise DataError(f"{path}: its lines begin with {_LABEL}: set data.format: fasttext")
    raise DataError(
        f"{path}: the suffix does not tell the format; name it with data.format "
        f"({', '.join(FORMATS)}), or rename the file ({', '.join(_FORMAT_OF_SUFFIX)}, "
        f"each but .parquet also with .gz)"
    )


def _first_line(path: Path, dialect: Dialect) -> str:
    """Of a file that is text; ``""`` of any other."""
    try:
        with opened_text(path, None, dialect.encoding) as stream:
            return stream.readline(1000)
    except DataError:
        return ""


# --------------------------------------------------------------------------------------
# Bytes to text
# --------------------------------------------------------------------------------------


@contextmanager
def opened_text(
    path: Path, newline: str | None, encoding: str = "utf-8", count: RowCount | None = None
) -> Iterator[TextIO]:
    """Open text, plain or gzip; whatever goes wrong with the bytes is a DataError.

    Args:
        path: the file.
        newline: as in :func:`open`; ``None`` makes a line feed of every line end.
        encoding: of the bytes; a byte order mark is skipped.
        count: who counts what is read. Where rows are passed over, bytes that are not UTF-8 stay
            in the text as surrogates, so that :meth:`RowCount.is_refused` finds their rows.
    """
    codec = reading_name(encoding)
    is_lenient = codec == "utf-8-sig" and count is not None and count.on_refused is not None
    errors = "surrogateescape" if is_lenient else "strict"
    try:
        try:
            with ExitStack() as stack:
                raw = opened_bytes(path, stack, count)
                text = io.TextIOWrapper(raw, encoding=codec, errors=errors, newline=newline)
                yield stack.enter_context(text)
        except UnicodeError as error:
            # Reads again, and so may itself come upon damaged data.
            raise _undecodable(path, encoding, error) from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(
            f"{path}: the gzip data is damaged or cut short ({error}); fetch or compress it again"
        ) from error
    except OSError as error:
        raise _unreadable(path, error) from error


def opened_bytes(path: Path, stack: ExitStack, count: RowCount | None = None) -> IO[bytes]:
    """The bytes of a file, unpacked where they are gzip data; closed with the stack."""
    if (
        path.exists() and not path.is_file()
    ):  # a device may have no end, and a pipe can be read once only
        raise DataError(f"{path}: is no plain file")
    raw = stack.enter_context(path.open("rb"))
    if count is not None:
        count.watch(raw)
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


_SAMPLE = 2**16  # bytes from which an encoding is guessed


def _undecodable(path: Path, encoding: str, error: UnicodeError) -> DataError:
    """Read the file once more, to say at which byte of it the encoding ends."""
    if codecs.lookup(encoding).name != "utf-8":
        reason = error.reason if isinstance(error, UnicodeDecodeError) else str(error)
        return DataError(f"{path}: not {encoding}: {reason}; data.encoding must be its own")
    with ExitStack() as stack:
        stream = opened_bytes(path, stack)
        offset, line = _first_undecodable(stream)
        stream.seek(0)
        sample = stream.read(_SAMPLE)
        if offset >= len(sample):
            stream.seek(max(0, offset - 100))
            sample = stream.read(_SAMPLE)
    likely = likely_encoding(sample)
    packed = " of the unpacked text" if path.suffix == ".gz" else ""
    return DataError(
        f"{path}:{line}: not UTF-8 at byte offset {offset}{packed}; it may be {likely}: set "
        f"data.encoding: {likely}, or convert it with iconv -f {likely.upper()} -t UTF-8"
    )


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
    raw: str


class _RecordLines:
    """Hands lines to the csv module and keeps those of the record that it is reading."""

    def __init__(self, stream: TextIO, source: _Source) -> None:
        self._stream, self._source = stream, source
        self.current: list[str] = []
        self.start = 1
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        source = self._source
        for number, line in enumerate(self._stream, start=1):
            if not self.current:
                self.start = number
                if source.dialect.is_comment(line):
                    where = f"{source.path}:{self.start}"
                    source.count.leave_out("a comment", where, is_told=False)
                    continue
            self.current.append(line)
            yield line
        self.ended = True


def _read_csv(source: _Source) -> Iterator[Row]:
    # Strict: without it, the csv module drops the quotes of  "so" he said  in silence.
    return _read_table(source, strict=True, delimiter=source.dialect.delimiter or ",")


def _read_tsv(source: _Source) -> Iterator[Row]:
    if source.dialect.delimiter is not None:
        return _read_csv(source)
    return _read_table(source, delimiter="\t", quoting=csv.QUOTE_NONE)


def _read_table(source: _Source, **dialect: Any) -> Iterator[Row]:
    path, header = source.path, source.dialect.header
    with opened_text(path, "", source.dialect.encoding, source.count) as stream:
        records = _data_records(source, stream, dialect)
        first = next((record for record in records if record.cells), None)
        if first is None:
            raise DataError(f"{path}: the file is empty")
        if isinstance(header, tuple):
            names, records = list(header), chain([first], records)
        elif header:
            names = first.cells
        else:
            names, records = list(map(str, range(len(first.cells)))), chain([first], records)
        places = _table_places(source, first, names, dialect)
        for record in records:
            if not record.cells and len(names) == 1:
                record = _Record([""], record.line, record.raw)  # a blank cell is all of its row
            if not record.cells:
                source.count.leave_out("a blank line", f"{path}:{record.line}", is_told=False)
                continue
            if record.cells == names and header is not False:
                where = f"{path}:{record.line}"
                source.count.leave_out("repeats the names of the columns", where)
                continue
            if len(record.cells) != len(names):
                source.count.refuse(_ragged(path, record, names, dialect))
                continue
            values = {column: record.cells[place] for column, place in places.items()}
            yield Row(values, record.line, str(path))


def _data_records(source: _Source, stream: TextIO, dialect: Mapping[str, Any]) -> Iterator[_Record]:
    """The records without the line ``sep=;`` that spreadsheets put first."""
    for number, record in enumerate(_records(source, stream, dialect)):
        said = _SEPARATOR.fullmatch(record.raw) if number == 0 else None
        if said and said[1] != dialect["delimiter"]:
            raise DataError(
                f"{source.path}:{record.line}: says that {said[1]!r} separates the cells: set "
                f"data.delimiter: {json.dumps(said[1])}"
            )
        if said is None:
            yield record


_SEPARATOR = re.compile(r"sep=(.)[\r\n]*", re.IGNORECASE)
_OUTSIDE = re.compile(r" +\"")  # a quote that a blank keeps from opening a cell


def _records(source: _Source, stream: TextIO, dialect: Mapping[str, Any]) -> Iterator[_Record]:
    """The records of a csv stream, each with its first line; a blank line has no cells."""
    # The limit is the csv module's own, for the whole process: it is only ever raised.
    csv.field_size_limit(max(csv.field_size_limit(), CELL_LIMIT))
    path, lines = source.path, _RecordLines(stream, source)
    reader = csv.reader(lines, **dialect)
    while True:
        lines.current.clear()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            source.count.refuse(_broken_record(path, lines.start, lines, error))
            continue
        if cells is None:
            return
        if max(map(len, cells), default=0) > CELL_LIMIT:
            too_long = csv.Error("field larger than field limit")
            source.count.refuse(_broken_record(path, lines.start, lines, too_long))
            continue
        record = _Record(cells, lines.start, "".join(lines.current))
        try:
            if dialect.get("strict"):
                _check_quotes(path, record, dialect)
        except DataError as error:
            source.count.refuse(error)
            continue
        yield record


def _check_quotes(path: Path, record: _Record, dialect: Mapping[str, Any]) -> None:
    """Refuse a cell that begins with blanks and a quote: the quote would be text."""
    if ' "' not in record.raw or not any(map(_OUTSIDE.match, record.cells)):
        return
    try:
        (without,) = csv.reader(
            io.StringIO(record.raw, newline=""), skipinitialspace=True, **dialect
        )
    except (csv.Error, ValueError):
        without = []
    for place, cell in enumerate(record.cells):
        if _OUTSIDE.match(cell) and (place >= len(without) or without[place] != cell):
            raise DataError(
                f"{path}:{record.line}: a blank stands before the quote that opens cell "
                f"{place + 1}, {_shown(cell)}; remove the blank, or double the quotes and put the "
                "whole cell in quotes"
            )


def _shown(cell: str) -> str:
    return repr(cell if len(cell) <= 40 else f"{cell[:40]}…")


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


def _table_places(
    source: _Source, first: _Record, names: Sequence[str], dialect: Mapping[str, Any]
) -> dict[str, int]:
    """Requested column to its place; a hint where the table is cut in another way."""
    where = f"{source.path}:{first.line}"
    if source.dialect.header is not True:
        if isinstance(source.dialect.header, tuple):
            where = "data.header"
        if len(first.cells) != len(names):
            hint = _hint_of_delimiter(first, [], dialect) if len(first.cells) == 1 else ""
            error = _ragged(source.path, first, names, dialect)
            raise DataError(f"{error}{hint}")
    names = _with_unnamed(source, where, names)
    for column in source.columns:
        if column not in names:
            hint = _hint_of_delimiter(first, source.columns, dialect)
            if not hint and source.dialect.header is True:
                hint = (
                    "; the first line must name the columns: where it is data, set data.header to "
                    "their names, such as [label, text], or to false"
                )
            raise _missing_column(where, column, names, hint)
    return _column_places(where, names, source.columns)


def _with_unnamed(source: _Source, where: str, names: Sequence[str]) -> Sequence[str]:
    """The names, with that of the one column that can be meant by what nobody named."""
    missing = [column for column in source.columns if column not in names]
    others = [name for name in names if name.strip() and name not in source.columns]
    if missing != [source.unnamed] or len(others) != 1:
        return names
    source.count.notes.append(f"{where}: {others[0]!r} is read as data.{source.unnamed}")
    return [missing[0] if name == others[0] else name for name in names]


def _hint_of_delimiter(first: _Record, columns: Sequence[str], dialect: Mapping[str, Any]) -> str:
    """What to do where another sign separates the cells of the first line."""
    line = first.raw.rstrip("\r\n")
    for sign in DELIMITERS:
        if sign == dialect["delimiter"] or sign not in line:
            continue
        cells = next(csv.reader([line], delimiter=sign), [])
        if set(columns) <= set(cells) or (len(first.cells) == 1 and len(cells) > 1):
            return f"; {sign!r} separates the cells: set data.delimiter: {json.dumps(sign)}"
    return ""


def _column_places(where: str, header: Sequence[str], columns: Sequence[str]) -> dict[str, int]:
    """Requested column to its place in the header."""
    for column in columns:
        if column not in header:
            raise _missing_column(where, column, header)
    repeated = [column for column in columns if list(header).count(column) > 1]
    if repeated:
        raise DataError(
            f"{where}: column names are repeated: {', '.join(map(repr, repeated))}; data.header "
            "can give the columns other names"
        )
    return {column: header.index(column) for column in columns}


def _missing_column(where: str, column: str, known: Sequence[str], hint: str = "") -> DataError:
    names = ", ".join(_shown(name) for name in known[:_MOST_COLUMNS]) or "none"
    if len(known) > _MOST_COLUMNS:
        names += f" and {len(known) - _MOST_COLUMNS:,} more"
    near = did_you_mean(column, known)
    nearest = f"; {near}" if near.startswith("did") and "delimiter" not in hint else ""
    if nearest:
        hint = ""
    return DataError(
        f"{where}: there is no column {column!r}; the columns are {names}{nearest}{hint}"
    )


_MOST_COLUMNS = 30  # in a message


def _ragged(
    path: Path, record: _Record, header: Sequence[str], dialect: Mapping[str, Any]
) -> DataError:
    found, wanted = len(record.cells), len(header)
    where = f"{path}:{record.line}: the header has {wanted} columns, this record has {found}"
    if found < wanted:
        return DataError(f"{where}; there is no cell for {header[found]!r}")
    if dialect["delimiter"] == "\t" and not dialect.get("strict"):
        return DataError(f"{where}; a tab inside a cell cannot be written in tsv: use csv or jsonl")
    sign = "comma" if dialect["delimiter"] == "," else repr(dialect["delimiter"])
    return DataError(f"{where}; a cell that holds a {sign} must stand in quotes")


# --------------------------------------------------------------------------------------
# jsonl
# --------------------------------------------------------------------------------------


class _Number(str):
    """A JSON number exactly as the file spells it."""


def _read_jsonl(source: _Source) -> Iterator[Row]:
    path, columns = source.path, source.columns
    # newline="\n": a carriage return elsewhere is white space to JSON, not a line end.
    with opened_text(path, "\n", source.dialect.encoding, source.count) as stream:
        for number, line in numbered_lines(stream, path, source.dialect, source.count):
            where = f"{path}:{number}"
            if not line.strip(_BLANK):
                source.count.leave_out("a blank line", where, is_told=False)
                continue
            try:
                record = _json_object(where, line, columns)
                values = {column: _json_cell(where, column, record) for column in columns}
                if "\\u" in line:
                    _require_whole_characters(where, values)
            except DataError as error:
                source.count.refuse(error)
                continue
            yield Row(values, number, str(path))


def _json_object(where: str, line: str, columns: Sequence[str]) -> dict[str, Any]:
    depth_first: list[list[tuple[str, Any]]] = []

    def keep(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        depth_first.append(pairs)
        return dict(pairs)

    try:
        record = json.loads(
            line,
            parse_int=_Number,
            parse_float=_Number,
            parse_constant=_refuse_constant,
            object_pairs_hook=keep,
        )
    except json.JSONDecodeError as error:
        raise DataError(f"{where}:{error.colno}: not valid JSON: {error.msg}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}:1: not usable JSON: {error}") from error
    if not isinstance(record, dict):
        raise DataError(f"{where}: each line must be a JSON object, was: {line.strip()[:60]}")
    names = [name for name, _ in depth_first[-1]]  # the outermost object ends last
    for column in columns:
        if names.count(column) > 1:
            raise DataError(f"{where}: the key {column!r} stands there more than once")
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


def _read_parquet(source: _Source) -> Iterator[Row]:
    path, columns = source.path, source.columns
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise MissingExtraError("reading parquet", extra="parquet") from error

    try:
        with parquet.ParquetFile(path) as file:
            _column_places(str(path), file.schema_arrow.names, columns)
            yield from _parquet_rows(source, file, list(dict.fromkeys(columns)))
    except DataError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        # Texts and names that are not UTF-8, and dates that Python has none for, are ValueErrors.
        raise DataError(f"{path}: not a readable parquet file: {error}") from error


def _parquet_rows(source: _Source, file: Any, columns: list[str]) -> Iterator[Row]:
    path, number = source.path, 0
    for batch in file.iter_batches(batch_size=1024, columns=columns):
        lists = [batch.column(column).to_pylist() for column in columns]
        for index in range(batch.num_rows):
            number += 1
            where = f"{path}: row {number}"
            source.count.share = number / file.metadata.num_rows
            try:
                values = {
                    column: _cell(where, column, cells[index])
                    for column, cells in zip(columns, lists, strict=True)
                }
            except DataError as error:
                source.count.refuse(error)
                continue
            yield Row(values, number, str(path))


# --------------------------------------------------------------------------------------
# fastText's lines
# --------------------------------------------------------------------------------------


def _read_fasttext(source: _Source) -> Iterator[Row]:
    """``__label__good __label__short a text``: words that begin so are labels."""
    path = source.path
    _column_places(str(path), ("text", "label"), source.columns)
    with opened_text(path, None, source.dialect.encoding, source.count) as stream:
        for number, line in numbered_lines(stream, path, source.dialect, source.count):
            if not line.strip():
                source.count.leave_out("a blank line", f"{path}:{number}", is_told=False)
                continue
            labels = tuple(_FASTTEXT_LABEL.findall(line))
            if "label" in source.columns and "" in labels:
                raise DataError(f"{path}:{number}: no label stands after {_LABEL}")
            values: dict[str, Cell] = {
                "text": _FASTTEXT_LABEL.sub("", line).strip(),
                "label": labels[0] if len(labels) == 1 else labels,
            }
            yield Row({column: values[column] for column in source.columns}, number, str(path))


# --------------------------------------------------------------------------------------
# A folder of class folders
# --------------------------------------------------------------------------------------


def _read_folder(source: _Source) -> Iterator[Row]:
    path = source.path
    _column_places(str(path), ("text", "label"), source.columns)
    try:
        files = list(_class_files(source))
    except OSError as error:
        raise _unreadable(path, error) from error
    if not files:
        raise DataError(
            f"{path}: there are no texts in it; a folder must hold one folder a class, "
            "with one .txt file a text (class/name.txt)"
        )
    for number, (label, file) in enumerate(files, start=1):
        source.count.share = number / len(files)
        try:
            values = {"text": _whole_text(file, source.dialect.encoding), "label": label}
        except DataError as error:
            source.count.refuse(error)
            continue
        yield Row({column: values[column] for column in source.columns}, 1, str(file))


def _class_files(source: _Source) -> Iterator[tuple[str, Path]]:
    """Class and file of each text, by class and then by name; folders inside a class are of it."""
    for entry in sorted(source.path.iterdir()):
        if entry.name.startswith(".") or not entry.is_dir():
            is_told = not entry.name.startswith(".")
            if entry.is_file():
                source.count.leave_out("in no class's folder", str(entry), is_told=is_told)
            continue
        inside = (Path(place) / name for place, _, names in os.walk(entry) for name in names)
        for file in sorted(inside):
            if any(part.startswith(".") for part in file.relative_to(entry).parts):
                source.count.leave_out("a hidden file", str(file), is_told=False)
            elif _is_text_file(file):
                yield entry.name, file
            else:
                source.count.leave_out(_PASSED_OVER, str(file))


def _is_text_file(file: Path) -> bool:
    """By its suffix; a number after a dot is none."""
    suffix = Path(file.name.lower().removesuffix(".gz")).suffix
    return suffix in _TEXT_SUFFIXES or suffix[1:].isdecimal()


def _whole_text(file: Path, encoding: str) -> str:
    with opened_text(file, "", encoding) as stream:
        text = stream.read(CELL_LIMIT + 1)
    if len(text) > CELL_LIMIT:
        raise DataError(f"{file}: the text is longer than {CELL_LIMIT:,} characters")
    return text


_READERS: dict[str, Callable[[_Source], Iterator[Row]]] = {
    "csv": _read_csv,
    "tsv": _read_tsv,
    "jsonl": _read_jsonl,
    "parquet": _read_parquet,
    "fasttext": _read_fasttext,
    "folder": _read_folder,
}
