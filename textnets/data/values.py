"""Values that a person hands over in Python: rows, texts, and what is missing among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from textnets.errors import InputError


def is_missing(value: Any) -> bool:
    """Whether a value stands for none: ``None``, NaN, ``pandas.NA``, ``NaT``."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str | bytes | bool | int):
        return False
    try:
        return bool(value != value)
    except (TypeError, ValueError):  # an array, whose comparison is one
        return False


def named(value: Any) -> str:
    """A value with its type, for a message."""
    shown = repr(value)
    return f"{type(value).__name__} {shown if len(shown) <= 40 else shown[:39] + '…'}"


def checked_text(text: Any, name: str, index: int) -> str:
    """A text of a list of them.

    Raises:
        InputError: it is something else; where, what, and what to do.
    """
    if isinstance(text, str):
        return str(text)  # NumPy's strings too
    remedy = "drop or fill it" if is_missing(text) else "give raw texts, no features"
    raise InputError(f"{name}[{index}]: expected a string, was: {named(text)}; {remedy}")


def checked_texts(texts: Any, name: str = "X") -> list[str]:
    """Texts as a list of strings.

    Args:
        texts: a list, tuple, NumPy array or pandas Series of strings.
        name: of the argument, for messages.

    Raises:
        InputError: it is something else; where, what, and what to do.
    """
    rows = checked_rows(texts, name, "texts")
    return [checked_text(text, name, index) for index, text in enumerate(rows)]


def checked_stream(texts: Iterable[Any], name: str) -> Iterator[str]:
    """Texts that come one after the other; as :func:`checked_texts`."""
    if isinstance(texts, str | bytes | Mapping | set) or not isinstance(texts, Iterable):
        raise InputError(f"{name}: expected texts, one after the other, was: {named(texts)}")
    return (checked_text(text, name, index) for index, text in enumerate(texts))


def checked_rows(rows: Any, name: str, what: str) -> list[Any]:
    """A one-dimensional collection as a list.

    Raises:
        InputError: it is one string, a table, or no collection.
    """
    if not hasattr(rows, "__len__") and hasattr(rows, "__array__"):
        rows = np.asarray(rows)
    if isinstance(rows, str | bytes):
        raise InputError(f"{name}: expected a list of {what}, was: one string; put it in a list")
    if getattr(rows, "ndim", 1) != 1:
        raise InputError(
            f"{name}: expected a list of {what}, was: an array of shape {rows.shape}; "
            "Reshape your data to one dimension, or select one column"
        )
    if isinstance(rows, Mapping | set) or not hasattr(rows, "__len__"):
        raise InputError(f"{name}: expected a list of {what}, was: {named(rows)}")
    return list(rows)


def checked_whole(value: Any, name: str, least: int) -> int:
    """A whole number of an argument.

    Raises:
        InputError: it is none, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < least:
        raise InputError(f"{name}: expected a whole number, {least} or more, was: {named(value)}")
    return int(value)
