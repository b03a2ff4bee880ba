"""Tagged sentences: CoNLL-U, CoNLL columns, and jsonl with lists of tokens and tags.

The parser of CoNLL-U is our own: two of its ten columns are needed, and every refusal says
``file:line``, which the ``conllu`` package, with its tree of dicts a token, does not know.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path

from textnets.data.counts import RowCount
from textnets.data.dialect import PLAIN, Dialect, numbered_lines
from textnets.data.readers import Row, opened_text, read_rows
from textnets.errors import DataError

SENTENCE_FORMATS = ("conllu", "columns", "jsonl")
SENTENCE_SUFFIXES = (".conllu", ".jsonl", ".ndjson")

_CONLLU_FIELDS = ("id", "form", "lemma", "upos", "xpos", "feats", "head", "deprel", "deps", "misc")
_WORD_ID = re.compile(r"[1-9][0-9]*")
# 7-8 is a multiword token, whose words follow; 8.1 an empty node, which nobody wrote.
_OTHER_ID = re.compile(r"[1-9][0-9]*-[1-9][0-9]*|[0-9]+\.[1-9][0-9]*")
UNIT = "sentences"
_COMMENT = re.compile(r"#\s*[\w.:-]+(?:\s*=|\s[^\t]*=)")  # "# sent_id = 1", "# id 7 domain=en"
_DOCUMENT_START = "-DOCSTART-"  # CoNLL-2003 writes it in the place of a sentence
_LONGEST_SHOWN = 60  # characters of a line in a message


@dataclass(frozen=True)
class SentenceLayout:
    """Where words and tags stand in a file.

    Attributes:
        file_format: one of :data:`SENTENCE_FORMATS`, or ``auto`` to go by the suffix.
        tags: of CoNLL-U: ``upos``, ``xpos`` or ``feats``.
        word_column, tag_column: of CoNLL columns, from 0.
        token_key, tag_key: of jsonl.
        features: further columns beside the words: numbers of CoNLL columns, names of those of
            CoNLL-U, keys of jsonl.
        auxiliary: more of them, which stand there where tags do.
        dialect: encoding and comments.
    """

    file_format: str = "auto"
    tags: str = "upos"
    word_column: int = 0
    tag_column: int = 1
    token_key: str = "tokens"
    tag_key: str = "tags"
    features: tuple[int | str, ...] = ()
    auxiliary: tuple[int | str, ...] = ()
    dialect: Dialect = PLAIN

    @property
    def further(self) -> dict[str, tuple[int | str, ...]]:
        """The columns beside words and tags, by the keys of a recipe that name them."""
        return {"data.features": self.features, "data.auxiliary": self.auxiliary}

    def cut(self, values: Iterable[Sequence[str]]) -> dict[str, tuple[tuple[str, ...], ...]]:
        """The values of each word's further columns as the fields of a :class:`Sentence`."""
        rows, width = [tuple(row) for row in values], len(self.features)
        return {
            "features": tuple(row[:width] for row in rows if self.features),
            "auxiliary": tuple(row[width:] for row in rows if self.auxiliary),
        }


@dataclass(frozen=True, slots=True)
class Sentence:
    """The words of a sentence, with a tag each where tags were asked for.

    Attributes:
        words, tags: of the same number, or no tags at all.
        features: the values of the further columns, of each word; empty where there are none.
        auxiliary: those of the columns that are learned along, likewise.
        origin: the file, or what else a message calls the place that the sentence is from.
        lines: the line of each word, from 1; none where the sentence is from no file.
    """

    words: tuple[str, ...]
    tags: tuple[str, ...]
    features: tuple[tuple[str, ...], ...] = ()
    origin: str = field(default="", compare=False)
    lines: Sequence[int] = field(default=(), compare=False)
    auxiliary: tuple[tuple[str, ...], ...] = ()

    def where(self, place: int) -> str:
        """What a message calls the place of a word, such as ``train.txt:12``."""
        return f"{self.origin}:{self.lines[place]}" if self.lines else f"{self.origin}[{place}]"


@dataclass(frozen=True)
class _Source:
    """A file that is being read, what of it, and where its sentences are counted."""

    path: Path
    layout: SentenceLayout
    with_tags: bool
    count: RowCount


def read_sentences(
    path: Path,
    layout: SentenceLayout,
    *,
    with_tags: bool = True,
    count: RowCount | None = None,
) -> Iterator[Sentence]:
    """Stream the sentences of a file, plain or gzip-compressed.

    Args:
        path: a file.
        layout: where words and tags stand in it.
        with_tags: ``False`` reads the words alone, of files that may lack the tags and what is
            learned along, and gives a sentence for each row of jsonl, also for one without words.
        count: where to count what is left out; who reads counts the sentences.

    Raises:
        DataError: when iterated: the file is missing, empty, damaged, not UTF-8 or not in
            its format, or a sentence has not one tag a word.
    """
    file_format = _resolved_format(path, layout.file_format)
    layout = layout if with_tags else replace(layout, auxiliary=())
    for key, named in layout.further.items():
        if mistake := column_mistake(named, file_format):
            raise DataError(f"{path}: {key}: {mistake}")
    reader = {"conllu": _read_conllu, "columns": _read_columns, "jsonl": _read_jsonl}[file_format]
    is_empty = True
    for sentence in reader(_Source(path, layout, with_tags, count or RowCount(UNIT))):
        is_empty = False
        yield sentence
    if is_empty:
        raise DataError(f"{path}: there are no sentences in it")


def _resolved_format(path: Path, file_format: str) -> str:
    if not path.exists():
        raise DataError(f"{path}: there is no such file")
    if path.is_dir():
        raise DataError(f"{path}: this is a folder; sentences are read from a file")
    suffix = _suffix_of(path)
    if file_format == "columns" and suffix in {".json", ".jsonl"}:
        # Every blank would divide a line, and parts of JSON would be words and tags.
        raise DataError(f"{path}: a {suffix} file is not in columns; remove data.format: columns")
    if file_format != "auto":
        return file_format
    if suffix not in SENTENCE_SUFFIXES:
        raise DataError(
            f"{path}: the suffix does not tell the format; name it with data.format "
            f"({', '.join(SENTENCE_FORMATS)})"
        )
    return str(format_of_suffix(path))


def column_mistake(features: Sequence[int | str], file_format: str) -> str:
    """What is wrong with the further columns of files of a format; ``""`` where nothing is."""
    for feature in features:
        is_number = isinstance(feature, int)
        if is_number != (file_format == "columns"):
            wanted = "the numbers of columns" if file_format == "columns" else "names of columns"
            return f"files in {file_format} have {wanted}, was: {feature!r}"
        if file_format == "conllu" and feature not in _CONLLU_FIELDS[2:]:
            known = ", ".join(_CONLLU_FIELDS[2:])
            return f"CoNLL-U has no further column {feature!r}; it has {known}"
    return ""


def format_of_suffix(path: Path) -> str | None:
    """The format that a file's name tells; ``None`` where it tells none."""
    suffix = _suffix_of(path)
    if suffix not in SENTENCE_SUFFIXES:
        return None
    return "conllu" if suffix == ".conllu" else "jsonl"


def _suffix_of(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


# --- CoNLL-U and CoNLL columns ---


def _read_conllu(source: _Source) -> Iterator[Sentence]:
    path, with_tags, tags_of = source.path, source.with_tags, source.layout.tags
    place = _CONLLU_FIELDS.index(tags_of)
    named = [str(name) for names in source.layout.further.values() for name in names]
    further = [_CONLLU_FIELDS.index(name) for name in named]
    for block in _blocks(source):
        try:
            rows = _conllu_words(path, block)
            words = tuple(_filled(path, number, "word", fields[1]) for number, fields in rows)
            tags = tuple(
                _filled(path, number, tags_of, fields[place])
                for number, fields in rows
                if with_tags
            )
            values = [
                [_filled(path, number, _CONLLU_FIELDS[at], fields[at]) for at in further]
                for number, fields in rows
            ]
        except DataError as error:
            source.count.refuse(error)
            continue
        if words:
            lines = [number for number, _ in rows]
            found = source.layout.cut(values)
            yield Sentence(words, tags, origin=str(path), lines=lines, **found)
        else:
            source.count.leave_out("no words", f"{path}:{block[0][0]}", is_told=False)


def _conllu_words(path: Path, block: Sequence[tuple[int, str]]) -> list[tuple[int, list[str]]]:
    """The fields of each word of a sentence, with its line."""
    rows = list[tuple[int, list[str]]]()
    for number, line in block:
        if line.startswith("#"):
            continue
        fields = line.split("\t")
        if len(fields) != len(_CONLLU_FIELDS):
            raise DataError(
                f"{path}:{number}: expected the {len(_CONLLU_FIELDS)} tab-separated fields "
                f"of CoNLL-U, was: {len(fields)}"
            )
        if _OTHER_ID.fullmatch(fields[0]):
            continue
        if not _WORD_ID.fullmatch(fields[0]) or fields[0] != str(len(rows) + 1):
            raise DataError(
                f"{path}:{number}: expected the word number {len(rows) + 1}, was: {fields[0]!r}"
            )
        rows.append((number, fields))
    return rows


def _read_columns(source: _Source) -> Iterator[Sentence]:
    path, layout, with_tags = source.path, source.layout, source.with_tags
    wanted = {"data.word_column": layout.word_column}
    if with_tags:
        wanted["data.tag_column"] = layout.tag_column
    numbered = [(key, int(column)) for key, names in layout.further.items() for column in names]
    wanted |= {f"{key}: {column}": column for key, column in numbered}
    table = _Table(path, wanted)
    for block in _blocks(source):
        if layout.dialect.comment is None and _COMMENT.match(block[0][1]):
            raise DataError(
                f"{path}:{block[0][0]}: looks like a comment, was: {_shown(block[0][1])}; set "
                'data.comment: "# ", or put the word # and its tag between tabs'
            )
        try:
            rows = [(number, table.cells(number, line)) for number, line in block]
        except DataError as error:
            source.count.refuse(error)
            continue
        rows = [(number, cells) for number, cells in rows if cells[0] != _DOCUMENT_START]
        if not rows:
            where = f"{path}:{block[0][0]}"
            source.count.leave_out(f"a {_DOCUMENT_START} line alone", where, is_told=False)
            continue
        words = tuple(cells[layout.word_column] for _, cells in rows)
        tags = tuple(cells[layout.tag_column] for _, cells in rows) if with_tags else ()
        found = layout.cut([cells[column] for _, column in numbered] for _, cells in rows)
        lines = [number for number, _ in rows]
        yield Sentence(words, tags, origin=str(path), lines=lines, **found)


class _Table:
    """Cuts the rows of a file in columns, and sees to it that all are written alike.

    The first row decides: with a tab in it, cells stand between tabs, and may hold blanks;
    without one they stand between blanks. No other white space, such as U+00A0, ends a cell.

    Args:
        path: of the file.
        wanted: the columns to read, by their keys in the recipe.
    """

    def __init__(self, path: Path, wanted: Mapping[str, int]) -> None:
        self.path, self.wanted = path, wanted
        self.first: int | None = None
        self.width = 0
        self.has_tabs = False

    def cells(self, number: int, line: str) -> list[str]:
        """The cells of a row.

        Raises:
            DataError: one is empty or missing, or the row is written in another way than the
                first.
        """
        has_tabs = "\t" in line
        found = line.split("\t") if has_tabs else re.split(" +", line.strip(" "))
        found = [cell.strip(" ") for cell in found]
        if found[0] == _DOCUMENT_START:  # need not be as wide as the rows of words
            return found
        for place, cell in enumerate(found):
            if not cell.strip():
                raise self._empty_cell(number, line, place)
        if self.first is None:
            self.first, self.width, self.has_tabs = number, len(found), has_tabs
        if has_tabs != self.has_tabs:
            raise self._other_separator(number, line)
        for key, column in self.wanted.items():
            if column >= len(found):
                raise self._no_such_column(number, line, key, column, len(found))
        if len(found) != self.width:
            raise self._other_width(number, line, len(found))
        return found

    @property
    def _between(self) -> str:
        return "tabs" if self.has_tabs else "blanks"

    def _no_such_column(
        self, number: int, line: str, key: str, column: int, width: int
    ) -> DataError:
        other = sorted({c for c in line if c.isspace()} - {" ", "\t"})
        hint = f"; U+{ord(other[0]):04X} in it ends no cell" if other else ""
        return DataError(
            f"{self.path}:{number}: there is no column {column} ({key}, counted from 0); "
            f"this line has {width} between {self._between}, was: {_shown(line)}{hint}"
        )

    def _empty_cell(self, number: int, line: str, place: int) -> DataError:
        hint = "; the line ends in a tab" if line.rstrip(" ").endswith("\t") else ""
        return DataError(
            f"{self.path}:{number}: cell {place} (counted from 0) is empty, was: "
            f"{_shown(line)}{hint}; '_' stands for no value"
        )

    def _other_separator(self, number: int, line: str) -> DataError:
        here, there = ("no tab", "has one") if self.has_tabs else ("a tab", "has none")
        return DataError(
            f"{self.path}:{number}: this line has {here}, and line {self.first} {there}, was: "
            f"{_shown(line)}; put tabs between the cells of every line, or of none"
        )

    def _other_width(self, number: int, line: str, width: int) -> DataError:
        remedy = "" if self.has_tabs else "; where a word holds a blank, put tabs between the cells"
        return DataError(
            f"{self.path}:{number}: every line needs as many cells as line {self.first}, which has "
            f"{self.width} between {self._between}, was: {width}, {_shown(line)}{remedy}"
        )


def _shown(line: str) -> str:
    return repr(line if len(line) <= _LONGEST_SHOWN else f"{line[:_LONGEST_SHOWN]}…")


def _blocks(source: _Source) -> Iterator[list[tuple[int, str]]]:
    """Runs of lines without a blank one, each line with its number."""
    block: list[tuple[int, str]] = []
    dialect = source.layout.dialect
    with opened_text(source.path, None, dialect.encoding, source.count) as stream:
        for number, line in chain(numbered_lines(stream, source.path, dialect), [(0, "")]):
            if line.strip():
                block.append((number, line))
                continue
            if block and not any(
                source.count.is_refused(line, f"{source.path}:{number}") for number, line in block
            ):
                yield block
            block = []


def _filled(path: Path, number: int, what: str, cell: str) -> str:
    if not cell.strip():
        raise DataError(f"{path}:{number}: the {what} is empty; '_' stands for no value")
    return cell


# --- jsonl ---


def _read_jsonl(source: _Source) -> Iterator[Sentence]:
    layout, with_tags = source.layout, source.with_tags
    further = [str(key) for names in layout.further.values() for key in names]
    keys = [layout.token_key, *([layout.tag_key] if with_tags else []), *further]
    for row in read_rows(
        source.path, columns=keys, file_format="jsonl", dialect=layout.dialect, count=source.count
    ):
        if mistake := _list_mistake(row, keys):
            source.count.refuse(DataError(f"{row.where}: {mistake}"))
            continue
        words, *others = (tuple(row.values[key]) for key in keys)
        for key, found in zip(keys[1:], others, strict=True):
            if len(words) != len(found):
                what = "a tag" if with_tags and key == layout.tag_key else f"a value of {key!r}"
                raise DataError(
                    f"{row.where}: each token needs {what}, was: {len(words)} in {keys[0]!r} and "
                    f"{len(found)} in {key!r}"
                )
        if words or not with_tags:
            tags = others.pop(0) if with_tags else ()
            values = layout.cut(zip(*others, strict=True))
            lines = [row.line] * len(words)
            yield Sentence(words, tags, origin=row.path, lines=lines, **values)
        else:
            source.count.leave_out("no words", row.where)


def _list_mistake(row: Row, keys: Sequence[str]) -> str:
    """What is wrong with the lists of a row; ``""`` where nothing is."""
    for key in keys:
        cell = row.values[key]
        if isinstance(cell, str):
            return f"{key!r} must be a list of strings, was: a text"
        if not all(item.strip() for item in cell):
            return f"{key!r} holds an empty string"
    return ""


# --- Which file holds sentences, and which a text a line ---

_LOOKED_AT = 1000  # lines
_MOSTLY = 0.8  # of the lines are equally wide in a file of columns; sentences never are


def holds_sentences(path: Path, layout: SentenceLayout) -> bool:
    """Whether a file whose name does not tell looks as the recipe's are, and not like a text a
    line.

    Raises:
        DataError: it cannot be read.
    """
    if layout.file_format == "columns":
        return _is_in_columns(path, layout)
    with opened_text(path, None, layout.dialect.encoding) as stream:
        lines = (line for _, line in numbered_lines(stream, path, layout.dialect) if line.strip())
        first = next(lines, "")
    return first.startswith("{" if layout.file_format == "jsonl" else "#") or "\t" in first


def _is_in_columns(path: Path, layout: SentenceLayout) -> bool:
    """Whether a file looks like columns; a word a line with blank lines between sentences does."""
    widths = Counter[int]()
    has_blank = has_tabs = False
    with opened_text(path, None, layout.dialect.encoding) as stream:
        lines = numbered_lines(stream, path, layout.dialect)
        for _, line in islice(lines, _LOOKED_AT):
            has_blank = has_blank or (bool(widths) and not line.strip())
            has_tabs = has_tabs or "\t" in line
            if line.strip() and not line.startswith(_DOCUMENT_START):
                widths[len(line.split("\t") if "\t" in line else line.split())] += 1
    (width, times), *_ = widths.most_common(1) or [(0, 0)]
    if has_tabs:
        return True
    if width == 1:
        return has_blank
    # Files to predict need no tags; those with further columns are told by these.
    further = [column for column in layout.features if isinstance(column, int)]
    is_wide = width > max(layout.word_column, *(further or [layout.tag_column]))
    return is_wide and widths.total() > 1 and times >= _MOSTLY * widths.total()
