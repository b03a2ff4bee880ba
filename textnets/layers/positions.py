"""Reading single positions out of padded batches."""

from __future__ import annotations

from typing import Any

import keras


def lengths_of(mask: Any) -> Any:
    """The number of tokens a row: ``<bool>[batch, length]`` to ``<int32>[batch]``."""
    return keras.ops.sum(keras.ops.cast(mask, "int32"), axis=1)


def take_positions(sequence: Any, positions: Any) -> Any:
    """Each row's vectors at its own positions.

    One gather from the flattened batch. ``keras.ops.take_along_axis`` says the same, and
    took ten times as long on TensorFlow's CPU.

    Args:
        sequence: ``<float>[batch, length, width]``.
        positions: ``<int32>[batch, count]``, each in [0, length).

    Returns:
        ``<float>[batch, count, width]``.
    """
    batch, length, width = keras.ops.shape(sequence)
    first_of_row = keras.ops.arange(batch, dtype="int32")[:, None] * length
    vectors = keras.ops.reshape(sequence, (-1, width))
    return keras.ops.take(vectors, first_of_row + positions, axis=0)


def reverse_rows(sequence: Any, mask: Any) -> Any:
    """Each row turned around within its own length; the padding stays where it is.

    Args:
        sequence: ``<float>[batch, length, width]``.
        mask: ``<bool>[batch, length]``, padding on the right.

    Returns:
        ``<float>[batch, length, width]``.
    """
    positions = keras.ops.arange(keras.ops.shape(mask)[1], dtype="int32")[None, :]
    lengths = lengths_of(mask)[:, None]
    mirrored = keras.ops.where(positions < lengths, lengths - 1 - positions, positions)
    return take_positions(sequence, mirrored)
