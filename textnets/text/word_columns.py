"""Further columns beside each word of a sentence, such as its part of speech: from values to ids.

Where a sentence is one text, the values stand after their word, :data:`COLUMN_MARK` between them:
``He￨PRP reckons￨VBZ``, as the word features of OpenNMT (Klein et al. 2017).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from textnets.errors import InputError, RunError
from textnets.text.encoded import RaggedIds
from textnets.text.vocabulary import load_lines, save_lines

COLUMN_MARK = "￨"  # U+FFE8
COLUMNS_FILE = "columns.txt"  # in a run
AUXILIARY_FILE = "auxiliary.txt"  # in a run: of the columns that are learned along

#: The values of a word, in the order of the columns.
Values = Sequence[str]


@dataclass(frozen=True)
class WordColumns:
    """The values that the columns of a training split have, numbered.

    0 stands for no word; then each column has an id for a value that it lacks, and after it one
    for each value, in code point order. So no two columns share an id, and one table holds the
    vectors of all.

    Attributes:
        names: of the columns, as the recipe has them.
        values: of each of them.
    """

    names: tuple[str, ...]
    values: tuple[tuple[str, ...], ...]

    @classmethod
    def learn(cls, names: Sequence[str], words: Iterable[Values]) -> WordColumns:
        """Of the words of the training split, and of it alone."""
        found: list[set[str]] = [set() for _ in names]
        for values in words:
            for seen, value in zip(found, values, strict=True):
                seen.add(value)
        return cls(tuple(names), tuple(tuple(sorted(seen)) for seen in found))

    def __len__(self) -> int:
        """How many ids there are, 0 included."""
        return 1 + sum(1 + len(values) for values in self.values)

    @property
    def lacking(self) -> list[int]:
        """The id of each column that stands for a value which the training split has not; those of
        its values follow."""
        return self._ids[0]

    @cached_property
    def _ids(self) -> tuple[list[int], list[dict[str, int]]]:
        """The id of what each column lacks, and those of its values."""
        lacking, known = [], []
        first = 1
        for values in self.values:
            lacking.append(first)
            known.append({value: number for number, value in enumerate(values, first + 1)})
            first += 1 + len(values)
        return lacking, known

    def encode(self, sentences: Sequence[Sequence[Values]]) -> RaggedIds:
        """``<int32>[words, columns]``, by sentences; one without words has one that is unknown."""
        lacking, known = self._ids
        rows: list[list[int]] = []
        lengths = [0]
        for sentence in sentences:
            rows += [
                [known[at].get(value, lacking[at]) for at, value in enumerate(values)]
                for values in sentence
            ] or [lacking]
            lengths.append(max(1, len(sentence)))
        ids = np.array(rows, np.int32).reshape(-1, len(self.names))
        return RaggedIds(ids, np.cumsum(lengths, dtype=np.int64))

    def cut(self, text: str) -> tuple[list[str], list[Values]]:
        """The words of a text and their values.

        Raises:
            InputError: a word has not one for each column.
        """
        words: list[str] = []
        values: list[Values] = []
        for piece in text.split():
            word, *found = piece.split(COLUMN_MARK)
            if len(found) != len(self.names) or not word or not all(found):
                named = ", ".join(self.names)
                shown = COLUMN_MARK.join(["word", *self.names])
                raise InputError(
                    f"this tagger reads more of each word (data.features: {named}), so plain "
                    "sentences do not do, was: "
                    f"{piece[:60]!r}; give a file with these columns, or words as {shown}"
                )
            words.append(word)
            values.append(found)
        return words, values

    # --- Files ---

    def save(self, folder: Path, name: str = COLUMNS_FILE) -> None:
        """Write each column's name, and after it its values, a line each that begins with a
        tab.

        Args:
            folder: of the run.
            name: of the file.
        """
        lines = []
        for column, values in zip(self.names, self.values, strict=True):
            lines += [column, *(f"\t{value}" for value in values)]
        save_lines(folder / name, lines)

    @classmethod
    def load(cls, folder: Path, names: Sequence[str], file_name: str = COLUMNS_FILE) -> WordColumns:
        """Read what :meth:`save` wrote.

        Args:
            folder: of the run.
            names: of the columns that the run's recipe has.
            file_name: of the file.

        Raises:
            RunError: the file is missing or holds something else.
        """
        path = folder / file_name
        found: list[tuple[str, list[str]]] = []
        for line in load_lines(path):
            name, tab, value = line.partition("\t")
            if not tab:
                found.append((name, []))
            elif name or not found:
                raise RunError(f"{path}: no list of columns: {line!r}")
            else:
                found[-1][1].append(value)
        if [name for name, _ in found] != list(names):
            raise RunError(f"{path}: holds other columns than the recipe names")
        for name, values in found:
            if values != sorted(set(values)):
                raise RunError(f"{path}: no list of columns: the values of {name} are out of order")
        return cls(tuple(names), tuple(tuple(values) for _, values in found))


def joined(words: Sequence[str], values: Sequence[Values]) -> str:
    """A sentence as one text; see :data:`COLUMN_MARK`."""
    return " ".join(
        COLUMN_MARK.join([word, *of_word]) for word, of_word in zip(words, values, strict=True)
    )


def plain_text(text: str) -> str:
    """A text without the values of its words."""
    return " ".join(piece.partition(COLUMN_MARK)[0] for piece in text.split())
