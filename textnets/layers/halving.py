"""A sequence made half as long, blind to padding."""

from __future__ import annotations

from typing import Any

import keras

from textnets.layers.pooling import lowest


@keras.saving.register_keras_serializable("textnets")
class HalvedByMaximum(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The larger value of each component of two neighbors, for every two: half as many vectors.

    The pooling between the convolutions of deep nets (Conneau et al. 2017). Pairs are counted from
    the first token; the last one of an odd number stays alone.

    Call with ``[sequence, mask]``, ``<float>[batch, length, width]`` and ``<bool>[batch, length]``;
    returns the same of half the length, rounded up. Where there is padding, the vectors are 0.
    """

    def call(self, inputs: Any) -> tuple[Any, Any]:
        """``[sequence, mask]`` to a shorter one of both."""
        ops = keras.ops
        sequence, mask = inputs
        batch, length, width = ops.shape(sequence)
        half = (length + 1) // 2
        # One place more, which is cut off again where the number is even.
        mask = ops.concatenate([mask, ops.zeros_like(mask[:, :1])], axis=1)[:, : 2 * half]
        sequence = ops.concatenate([sequence, sequence[:, :1]], axis=1)[:, : 2 * half]
        hidden = ops.cast(lowest(sequence.dtype), sequence.dtype)
        sequence = ops.where(ops.expand_dims(mask, -1), sequence, hidden)
        pairs = ops.max(ops.reshape(sequence, (batch, half, 2, width)), axis=2)
        mask = ops.any(ops.reshape(mask, (batch, half, 2)), axis=2)
        zero = ops.cast(0.0, pairs.dtype)
        return ops.where(ops.expand_dims(mask, -1), pairs, zero), mask

    def compute_output_spec(self, inputs: Any) -> tuple[Any, Any]:
        """Shapes and dtypes of both."""
        sequence, _ = inputs
        batch, length, width = sequence.shape
        half = None if length is None else (length + 1) // 2
        return (
            keras.KerasTensor((batch, half, width), dtype=sequence.dtype),
            keras.KerasTensor((batch, half), dtype="bool"),
        )
