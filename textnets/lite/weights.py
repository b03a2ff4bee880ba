"""Arrays of a file as they are kept: whole, as halves, or as bytes with a scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

_LARGE = 4096  # numbers; smaller arrays are not worth an error
Arrays = dict[str, npt.NDArray[Any]]


def is_large(values: npt.NDArray[Any]) -> bool:
    """Whether an array is made smaller: a matrix, or more, of many numbers."""
    return values.ndim >= 2 and values.size >= _LARGE


def packed(values: npt.NDArray[np.float32], kind: str, *, by_row: bool) -> Arrays:
    """An array in a small form.

    Args:
        values: ``<float32>[...]``.
        kind: ``float16``, or ``int8``: 127 steps each way, of a size of its own for each row of a
            table, and of other kernels for each column.
        by_row: whether it is a table whose rows are looked up.

    Returns:
        ``values`` and, of int8, ``scale``, which are multiplied.
    """
    if kind == "float16":
        return {"values": values.astype(np.float16)}
    axes = tuple(range(1, values.ndim)) if by_row else tuple(range(values.ndim - 1))
    highest = np.abs(values).max(axis=axes, keepdims=True)
    scale = np.where(highest > 0, highest / np.float32(127), np.float32(1)).astype(np.float32)
    steps = np.clip(np.rint(values / scale), -127, 127).astype(np.int8)
    return {"values": steps, "scale": scale}


def unpacked(arrays: Arrays) -> npt.NDArray[np.float32]:
    """The array that :func:`packed` arrays stand for, ``<float32>[...]``."""
    values: npt.NDArray[np.float32] = arrays["values"].astype(np.float32, copy=False)
    scale = arrays.get("scale")
    return values if scale is None else values * scale
