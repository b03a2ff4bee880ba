"""Labels as a person hands them over in Python: one each, or several."""

from __future__ import annotations

import unicodedata
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.data.values import checked_rows, is_missing, named
from textnets.errors import InputError

#: Of a matrix of 0 and 1: how many it has, or their names.
Columns = int | list[str]

LabelSets = list[tuple[Hashable, ...]]


def plain_label(label: Any, index: int) -> Hashable:
    """A label as Python has it; text composed (NFC), so that two that look alike are one.

    Raises:
        InputError: it is missing, or no label; with its row.
    """
    if is_missing(label) or (isinstance(label, str) and not label.strip()):
        raise InputError(
            f"y[{index}]: Input y contains {label!r}, which is no label (missing, NaN or "
            "empty); drop the row, or give it a label"
        )
    found = label.item() if isinstance(label, np.generic) else label
    if isinstance(found, float) and not np.isfinite(found):
        raise InputError(f"y[{index}]: Input y contains {found} (NaN or infinity is no label)")
    if not isinstance(found, Hashable) or isinstance(found, set):
        raise InputError(
            f"y[{index}]: expected a hashable label, was: {found!r}; multi_label=True takes lists"
        )
    return unicodedata.normalize("NFC", found) if isinstance(found, str) else found


def label_sets(y: Any) -> tuple[LabelSets, Columns | None]:
    """The labels of each text, and, where they were given as a matrix of 0 and 1, its columns.

    Args:
        y: a matrix of 0 and 1 (an array, a sparse matrix, a ``DataFrame``, or equally long lists
            in which a number comes twice), or for each text a list or set of labels, or a dict of
            0 and 1 by label.

    Raises:
        InputError: it is none of these, or could be two of them; with the row.
    """
    if hasattr(y, "toarray"):
        y = y.toarray()
    if getattr(y, "ndim", 1) == 2:
        return _of_matrix(y)
    rows = checked_rows(y, "y", "labels")
    if all(map(_is_of_bits, rows)) and rows:
        return _of_bits(rows)
    return [_of_row(row, index) for index, row in enumerate(rows)], None


def _of_matrix(y: Any) -> tuple[LabelSets, Columns]:
    names = [*y.columns] if hasattr(y, "columns") else []
    matrix = np.asarray(y)
    if not all(map(_is_bit, matrix.ravel().tolist())):
        raise InputError("y: expected a matrix of 0 and 1 with multi_label=True")
    matrix = matrix.astype(np.int64)
    if names and all(isinstance(name, str) for name in names):
        if len(set(names)) < len(names):
            raise InputError("y: two columns have the same name")
        named_columns = [unicodedata.normalize("NFC", name) for name in names]
        return [
            tuple(named_columns[place] for place in np.flatnonzero(row)) for row in matrix
        ], named_columns
    return _marked(matrix), matrix.shape[1]


def _marked(matrix: npt.NDArray[np.int64]) -> LabelSets:
    return [tuple(np.flatnonzero(row).tolist()) for row in matrix]


def _is_bit(value: Any) -> bool:
    return isinstance(value, int | float | np.number | np.bool_) and value in (0, 1)


def _is_of_bits(row: Any) -> bool:
    is_row = isinstance(row, list | tuple | np.ndarray) and getattr(row, "ndim", 1) == 1
    return is_row and all(map(_is_bit, row))


def _of_bits(rows: Sequence[Sequence[Any]]) -> tuple[LabelSets, Columns | None]:
    """Rows of 0 and 1 only: a matrix where a row has one of them twice, which no list of labels
    has; else lists of the labels 0 and 1."""
    repeats = [index for index, row in enumerate(rows) if len(set(row)) < len(row)]
    widths = {len(row) for row in rows}
    if repeats and len(widths) == 1:
        return _marked(np.array(rows, dtype=np.int64)), widths.pop()
    if repeats:
        raise InputError(
            f"y[{repeats[0]}]: a row of 0 and 1 in which one comes twice, and the rows are not "
            "equally long: give a matrix, or lists of the labels that each text has"
        )
    if widths == {2}:
        raise InputError(
            "y: rows such as [0, 1] may be a matrix of two classes, or lists of labels: give "
            "numpy.array(y) for a matrix, or text as labels"
        )
    return [_of_row(row, index) for index, row in enumerate(rows)], None


def _of_row(row: Any, index: int) -> tuple[Hashable, ...]:
    if isinstance(row, Mapping):
        for label, value in row.items():
            if not _is_bit(value):
                raise InputError(
                    f"y[{index}]: expected 0 or 1 for each label of a dict, was: "
                    f"{label!r}: {named(value)}"
                )
        row = [label for label, value in row.items() if value]
    if isinstance(row, str | bytes) or not isinstance(row, Iterable):
        raise InputError(
            f"y[{index}]: expected a list of labels with multi_label=True, was: {row!r}"
        )
    return tuple(dict.fromkeys(plain_label(label, index) for label in row))
