"""Keeping a search from writing the same words again."""

from __future__ import annotations

from typing import Any

import keras


def repeating_tokens(written: Any, time: Any, size: int, vocabulary_size: int) -> Any:
    """Which tokens would end an n-gram that a row holds already (Paulus et al. 2018).

    Args:
        written: ``<int32>[rows, room]``: the tokens so far, in the first ``time`` columns.
        time: how many they are, a scalar ``<int32>``.
        size: of the n-grams, 1 or more.
        vocabulary_size: how many tokens there are.

    Returns:
        ``<bool>[rows, vocabulary_size]``.
    """
    ops = keras.ops
    rows, room = ops.shape(written)[0], ops.shape(written)[1]
    # Which n-grams, by the column that they begin with, are whole and begin like the next one.
    same = ops.broadcast_to((ops.arange(room) + size <= time)[None, :], (rows, room))
    for offset in range(size - 1):
        last = ops.take(written, ops.maximum(time - size + 1 + offset, 0), axis=1)
        same = ops.logical_and(same, ops.roll(written, -offset, axis=1) == last[:, None])
    ends = ops.roll(written, 1 - size, axis=1)
    of_row = ops.broadcast_to(ops.arange(rows, dtype="int32")[:, None], (rows, room))
    places = ops.reshape(ops.stack([of_row, ends], axis=-1), (-1, 2))
    marks = ops.reshape(ops.cast(same, "int32"), (-1,))
    return ops.scatter(places, marks, (rows, vocabulary_size)) > 0
