"""From the cells of a row to a text and its labels."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from textnets.data.readers import Cell, Row
from textnets.errors import DataError
from textnets.tasks.classification.examples import LabelSet, as_label
from textnets.tasks.classification.recipe import ClassificationData, names_of

_YES, _NO = {"1", "1.0", "true"}, {"0", "0.0", "false"}
_SEPARATORS = (",", ";", "|", "\t")  # that people put between labels


def text_of(row: Row, columns: Sequence[str]) -> str:
    """The text; those of several columns one after the other, without the blank ones.

    Raises:
        DataError: a cell is a list.
    """
    texts = [row.text(column) for column in columns]
    if len(texts) == 1:
        return texts[0]
    return " ".join(text for text in texts if text.strip())


class LabelReader:
    """Reads the labels of the rows of one file, and notices what a file of labels should not be.

    Args:
        data: the recipe's section.
    """

    def __init__(self, data: ClassificationData) -> None:
        self._data = data
        self._columns = names_of(data.label)
        self._separators = Counter[str]()

    def labels_of(self, row: Row) -> LabelSet:
        """The labels of a row.

        Raises:
            DataError: it has none where it needs one, or they are not written as the recipe says.
        """
        if isinstance(self._data.label, tuple):
            return self._marked(row)
        value = row.values[self._data.label]
        if self._data.multi_label:
            return tuple(dict.fromkeys(filter(None, map(as_label, self._parts(row, value)))))
        return (self._only(row, value),)

    def _marked(self, row: Row) -> LabelSet:
        """The columns that are 1."""
        found = []
        for column in self._columns:
            value = row.values[column]
            said = value.strip().lower() if isinstance(value, str) else ""
            if said not in _YES | _NO:
                raise DataError(
                    f"{row.where}: column {column!r} is one of several label columns, which hold 0 "
                    f"or 1, was: {_shown(value)}"
                )
            if said in _YES:
                found.append(as_label(column))
        if not self._data.multi_label and len(found) != 1:
            raise DataError(
                f"{row.where}: one label column must be 1, was: {', '.join(found) or 'none'}; "
                "data.multi_label: true allows any number"
            )
        return tuple(found)

    def _parts(self, row: Row, value: Cell) -> Sequence[str]:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return self._listed(row, value)
        separator = self._data.label_separator
        for sign in {separator, *_SEPARATORS}:
            if sign in value.strip():
                self._separators[sign] += 1
        return value.split(separator)

    def _listed(self, row: Row, cell: str) -> Sequence[str]:
        """A JSON list in a cell."""
        found = _json_strings(cell)
        if found is None:
            raise DataError(
                f"{row.where}: column {self._data.label!r} holds no JSON list of strings, as "
                f'["good", "new"], was: {_shown(cell)}'
            )
        return found

    def _only(self, row: Row, value: Cell) -> str:
        column = self._data.label
        if not isinstance(value, str) or (value.startswith("[") and _json_strings(value)):
            if value == ():
                raise DataError(f"{row.where}: column '{column}' is empty; the row has no label")
            raise DataError(
                f"{row.where}: column '{column}' holds a list of labels; set data.multi_label: true"
            )
        if not value.strip():
            raise DataError(
                f"{row.where}: column '{column}' is empty; give the row a label or remove it"
            )
        return as_label(value)

    def warnings(self, path: Path) -> Iterator[str]:
        """What is odd about the labels of the whole file."""
        if not self._data.multi_label or self._separators[self._data.label_separator]:
            return
        others = [sign for sign in _SEPARATORS if self._separators[sign]]
        if others:
            sign = others[0]
            yield (
                f"{path}: {self._data.label_separator!r} stands in no cell of labels, and {sign!r} "
                f"in {self._separators[sign]:,}: where that is between labels, set "
                f"data.label_separator: {json.dumps(sign)}"
            )


def _json_strings(cell: str) -> list[str] | None:
    """The strings of a JSON list; ``None`` where the cell is none."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return None
    if isinstance(found, list) and all(isinstance(item, str) for item in found):
        return found
    return None


def _shown(value: Cell) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
