"""What a linear tagger sees of a word: the word, its ends, its shape, and its neighbors'.

The features of Ratnaparkhi (1996) and Lafferty et al. (2001), for words of any script. A word has
a value in each of the slots of :data:`SLOTS`. A :class:`Template` names slots of a word or of its
neighbors, and makes one feature of the values that stand there. A feature is known when the
training split has it; an unknown word is served by those of its features that are.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textnets.errors import RunError
from textnets.text.encoded import IntArray, RaggedIds
from textnets.text.vocabulary import load_lines, save_lines
from textnets.text.word_columns import Values

_LONGEST_PREFIX, _LONGEST_SUFFIX = 4, 5
_LONGEST_SHAPE, _ENDING = 12, 3

#: What a word has values of. Runs hold these names: add to them, but change none.
SLOTS = (
    "word",  # lower-cased
    "written",
    "shape",
    "outline",  # the shape, with repetitions left out
    *(f"prefix{size}" for size in range(1, _LONGEST_PREFIX + 1)),
    *(f"suffix{size}" for size in range(1, _LONGEST_SUFFIX + 1)),
    "ending",  # of a short word the whole
)

#: Ids of values, in every slot: there is none, and the place is beyond the sentence.
_NONE, _EDGE, _FIRST = 0, 1, 2
_UNKNOWN = -1
_NO_KEY = -1
_REACH = 2  # of templates, in words
_COLUMN = re.compile(r"column([1-9]\d{0,3})")  # a slot of a further column, counted from 1

_Keys = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Template:
    """Which values make one feature.

    Attributes:
        parts: slots, and how many words further on they are looked up.
        min_count: a feature that the training split has fewer times is left out.
    """

    parts: tuple[tuple[str, int], ...]
    min_count: int = 1

    @property
    def name(self) -> str:
        """Such as ``word-1 word+0``."""
        return " ".join(f"{slot}{offset:+d}" for slot, offset in self.parts)

    @classmethod
    def of_name(cls, name: str) -> Template:
        """The template of a name.

        Raises:
            ValueError: it is none.
        """
        found = [re.fullmatch(r"(\w+?)([+-]\d)", part) for part in name.split(" ")]
        parts = tuple((match[1], int(match[2])) for match in found if match)
        if len(parts) < len(found) or any(
            not (slot in SLOTS or _COLUMN.fullmatch(slot)) or abs(offset) > _REACH
            for slot, offset in parts
        ):
            raise ValueError(repr(name))
        return cls(parts)


def _of(*parts: tuple[str, int]) -> Template:
    """Of neighbors: what was seen with them once tells little."""
    return Template(parts, min_count=2)


# Chosen on the validation splits of UD English EWT and CoNLL-2000, whole and of 1,000 sentences.
# More of the neighbors' affixes and shapes did harm, most on few sentences.
TEMPLATES = (
    *(Template(((slot, 0),)) for slot in SLOTS if slot != "ending"),
    *(_of(("word", offset)) for offset in (-2, -1, 1, 2)),
    *(_of((slot, offset)) for slot in ("outline", "suffix2", "suffix3") for offset in (-1, 1)),
    _of(("word", -1), ("word", 0)),
    _of(("word", 0), ("word", 1)),
    _of(("ending", -1), ("ending", 0)),
    _of(("ending", 0), ("ending", 1)),
    _of(("ending", -1), ("ending", 1)),
    _of(("outline", -1), ("outline", 0), ("outline", 1)),
)


def column_templates(count: int) -> tuple[Template, ...]:
    """Of further columns beside the words: the value of a word and its neighbors, two of them
    together, and the value with the word (Sha and Pereira 2003 have the like for chunks)."""
    found: list[Template] = []
    for slot in (f"column{number}" for number in range(1, count + 1)):
        found += [
            Template(((slot, 0),)),
            *(_of((slot, offset)) for offset in (-2, -1, 1, 2)),
            _of((slot, -1), (slot, 0)),
            _of((slot, 0), (slot, 1)),
            _of((slot, -1), (slot, 1)),
            _of(("word", 0), (slot, 0)),
        ]
    return tuple(found)


def describe(word: str) -> tuple[str, ...]:
    """A word's values, in the order of :data:`SLOTS`; empty where there is none.

    >>> dict(zip(SLOTS, describe("Un-2A"), strict=True))["outline"]
    'Xx-9X'
    >>> dict(zip(SLOTS, describe("Un-2A"), strict=True))["suffix3"]
    '-2a'
    """
    lower = word.lower()
    shape = "".join(map(_kind, word))[:_LONGEST_SHAPE]
    return (
        lower,
        word,
        shape,
        re.sub(r"(.)\1+", r"\1", shape),
        *(lower[:size] if len(lower) >= size else "" for size in range(1, _LONGEST_PREFIX + 1)),
        *(lower[-size:] if len(lower) >= size else "" for size in range(1, _LONGEST_SUFFIX + 1)),
        lower[-_ENDING:],
    )


@cache
def _kind(character: str) -> str:
    """What a character counts as in a shape: ``X``, ``x``, ``9``, nothing for a mark that is
    written over another, of a letter without case its script, and itself of any other."""
    category = unicodedata.category(character)
    if category in ("Lu", "Lt"):
        return "X"
    if category == "Ll":
        return "x"
    if category[0] == "L":
        return unicodedata.name(character, "?")[0].lower()  # Arabic, CJK, Hiragana, Katakana ...
    return {"N": "9", "M": ""}.get(category[0], character)


@dataclass(frozen=True, eq=False)
class WordFeatures:
    """The features that a training split has, numbered from 1.

    They are in the order of the templates, then of their values (code point order), so that the
    same training split always gives the same ids.

    Attributes:
        templates: what makes features.
        values: ids of the values of each slot.
        known: for each template the keys of the features that it has, ``<int64>[features]``,
            ascending: the ids of a feature's values are the digits of its key.
    """

    templates: tuple[Template, ...]
    values: Mapping[str, Mapping[str, int]]
    known: tuple[_Keys, ...]

    @classmethod
    def learn(
        cls,
        sentences: Sequence[Sequence[str]],
        templates: Sequence[Template] = TEMPLATES,
        columns: Sequence[Sequence[Values]] | None = None,
    ) -> WordFeatures:
        """Of the training split, and of it alone.

        Args:
            sentences: normalized words, in none of which there is a blank.
            templates: what makes features.
            columns: the values of further columns of each word, where templates name such.
        """
        described = [describe(word) for word in {word for words in sentences for word in words}]
        values = {slot: _numbered(row[at] for row in described) for at, slot in enumerate(SLOTS)}
        rows = [row for sentence in columns or () for row in sentence]
        for at in range(len(rows[0]) if rows else 0):
            values[f"column{at + 1}"] = _numbered(row[at] for row in rows)
        none_yet = cls(tuple(templates), values, tuple(np.zeros(0, np.int64) for _ in templates))
        table, places = none_yet._look_up(sentences, columns)
        known = []
        for template in templates:
            keys, counts = np.unique(none_yet._keys(template, table, places), return_counts=True)
            known.append(keys[(counts >= template.min_count) & (keys != _NO_KEY)])
        return cls(tuple(templates), values, tuple(known))

    def __len__(self) -> int:
        """How many ids there are, 0 included."""
        return 1 + sum(map(len, self.known))

    def encode(
        self,
        sentences: Sequence[Sequence[str]],
        columns: Sequence[Sequence[Values]] | None = None,
    ) -> RaggedIds:
        """The ids of each word's features, 0 for one that is not known or not there.

        Args:
            sentences: normalized words.
            columns: the values of further columns of each, where it was learned with such.

        Returns:
            ``<int32>[words, templates]``, by sentences.
        """
        table, places = self._look_up(sentences, columns)
        ids: IntArray = np.zeros((len(places), len(self.templates)), np.int32)
        first = 1
        for column, (template, known) in enumerate(zip(self.templates, self.known, strict=True)):
            if len(known):
                keys = self._keys(template, table, places)
                near = np.minimum(np.searchsorted(known, keys), len(known) - 1)
                ids[:, column] = np.where(known[near] == keys, first + near, 0)
            first += len(known)
        return RaggedIds(ids, np.cumsum([0, *map(len, sentences)], dtype=np.int64))

    @property
    def slots(self) -> tuple[str, ...]:
        """What there are values of, in the order of a table's columns."""
        return (*SLOTS, *(slot for slot in self.values if slot not in SLOTS))

    def _look_up(
        self, sentences: Sequence[Sequence[str]], columns: Sequence[Sequence[Values]] | None
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Ids of the values at every place, and which of the places are words.

        Returns:
            ``<int64>[places, slots]``, with places beyond the sentence around each, as many as
            templates reach, and ``<int64>[words]``.
        """
        rows: dict[str, int] = {}
        flat, places = [0] * _REACH, list[int]()
        for words in sentences:
            places += range(len(flat), len(flat) + len(words))
            flat += [rows.setdefault(word, len(rows) + 1) for word in words]
            flat += [0] * _REACH
        table = np.full((len(rows) + 1, len(SLOTS)), _EDGE, np.int64)
        for word, row in rows.items():
            table[row] = [
                self.values[slot].get(value, _UNKNOWN) if value else _NONE
                for slot, value in zip(SLOTS, describe(word), strict=True)
            ]
        found = table[np.array(flat, np.int64)]
        further = self.slots[len(SLOTS) :]
        if further:
            found = np.hstack([found, self._look_up_columns(further, len(flat), places, columns)])
        return found, np.array(places, np.int64)

    def _look_up_columns(
        self,
        slots: Sequence[str],
        size: int,
        places: Sequence[int],
        columns: Sequence[Sequence[Values]] | None,
    ) -> npt.NDArray[np.int64]:
        """Ids of the values of further columns, ``<int64>[size, slots]``."""
        table = np.full((size, len(slots)), _EDGE, np.int64)
        if columns is None:
            table[places] = _UNKNOWN
            return table
        # A sentence without words was read as one word, of which nothing is known.
        nothing: list[Values | None] = [None]
        rows = [row for sentence in columns for row in (list(sentence) or nothing)]
        for at, slot in enumerate(slots):
            known, place = self.values[slot], int(slot.removeprefix("column")) - 1
            table[places, at] = [
                _UNKNOWN if row is None else known.get(row[place], _UNKNOWN) for row in rows
            ]
        return table

    def _keys(
        self, template: Template, table: npt.NDArray[np.int64], places: npt.NDArray[np.int64]
    ) -> _Keys:
        """Of a template's feature at every word, ``<int64>[words]``."""
        slots = self.slots
        found = [table[places + offset, slots.index(slot)] for slot, offset in template.parts]
        is_there = np.all([ids > _NONE for ids in found], axis=0)
        return np.where(is_there, self._joined(template, found), _NO_KEY)

    def _joined(self, template: Template, ids: Iterable[_Keys]) -> _Keys:
        """Ids of values to keys."""
        keys = np.zeros(1, np.int64)
        for (slot, _), digits in zip(template.parts, ids, strict=True):
            keys = keys * (_FIRST + len(self.values[slot])) + digits
        return keys

    # --- Files ---

    def save(self, path: Path) -> None:
        """Write each template's name, and after it its features, a line each that begins with a
        tab: the values between tabs, nothing where it is a place beyond the sentence."""
        lines = []
        for template, known in zip(self.templates, self.known, strict=True):
            lines.append(template.name)
            lines += [
                "".join(f"\t{value}" for value in row) for row in self._spelled(template, known)
            ]
        save_lines(path, lines)

    def _spelled(self, template: Template, known: _Keys) -> Iterator[tuple[str, ...]]:
        """The values of features."""
        columns = []
        for slot, _ in reversed(template.parts):
            names = ["", "", *self.values[slot]]
            known, ids = np.divmod(known, len(names))
            columns.append([names[number] for number in ids.tolist()])
        return zip(*reversed(columns), strict=True)

    @classmethod
    def load(cls, path: Path) -> WordFeatures:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: the file is missing or holds something else.
        """
        try:
            read = _read(load_lines(path))
        except ValueError as error:
            raise RunError(f"{path}: no list of features: {error}") from None
        seen: dict[str, set[str]] = {slot: set() for slot in SLOTS}
        further = {slot for one, _ in read for slot, _ in one.parts if slot not in SLOTS}
        seen |= {slot: set() for slot in sorted(further, key=lambda slot: int(slot[6:]))}
        for template, columns in read:
            for (slot, _), column in zip(template.parts, columns, strict=True):
                seen[slot].update(column)
        values = {slot: _numbered(found) for slot, found in seen.items()}
        found = cls(tuple(template for template, _ in read), values, ())
        known = []
        for template, columns in read:
            ids = [
                np.array([values[slot].get(value, _EDGE) for value in column], np.int64)
                for (slot, _), column in zip(template.parts, columns, strict=True)
            ]
            keys = found._joined(template, ids)
            if (keys[1:] <= keys[:-1]).any():
                raise RunError(f"{path}: no list of features: {template.name} is out of order")
            known.append(keys)
        return replace(found, known=tuple(known))


def _read(lines: Iterable[str]) -> list[tuple[Template, list[list[str]]]]:
    """Templates, and for each of their parts the value of every feature.

    Raises:
        ValueError: naming what is none of both.
    """
    read: list[tuple[Template, list[list[str]]]] = []
    for line in lines:
        name, *values = line.split("\t")
        if not values:
            template = Template.of_name(name)
            read.append((template, [[] for _ in template.parts]))
        elif name or not read or len(values) != len(read[-1][1]):
            raise ValueError(repr(line))
        for column, value in zip(read[-1][1], values, strict=False):
            column.append(value)
    return read


def _numbered(values: Iterable[str]) -> dict[str, int]:
    """Ids of values, in code point order."""
    return {value: number for number, value in enumerate(sorted({*values} - {""}), _FIRST)}
