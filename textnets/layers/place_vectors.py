"""Where a token stands, told to layers that could not know: a vector a place is added to its own.

Call with ``vectors``, ``<float>[batch, length, width]``, and, where a text does not begin with
them, their ``places``, ``<int32>[batch, length]``; returns ``<float>[batch, length, width]``.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

_SLOWEST = 10_000.0  # the longest wave is about 6 times as many places long


def wave_speeds(count: int) -> npt.NDArray[np.float32]:
    """By which angle each of some waves moves on from a place to the next (Vaswani et al. 2017).

    Args:
        count: of the waves.

    Returns:
        ``<float32>[count]``, radians: from 1, each by the same factor slower than the last.
    """
    # In float64 until here: an angle is a thousand times as wrong at the thousandth place.
    speeds: npt.NDArray[np.float32] = (_SLOWEST ** -(np.arange(count) / count)).astype(np.float32)
    return speeds


class _PlaceVectors(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """What the layers here share."""

    def places_of(self, vectors: Any, places: Any) -> Any:
        """``<int32>[batch or 1, length]``."""
        if places is not None:
            return places
        return keras.ops.arange(keras.ops.shape(vectors)[1], dtype="int32")[None, :]

    def compute_output_spec(self, vectors: Any, places: Any = None) -> keras.KerasTensor:
        """That of the vectors."""
        return keras.KerasTensor(vectors.shape, dtype=self.compute_dtype)


@keras.saving.register_keras_serializable("textnets")
class SinusoidalPositions(_PlaceVectors):
    """Adds sines and cosines of the places, of waves that get longer and longer.

    Vaswani et al. 2017, section 3.5, with the sines in the first half of the components and the
    cosines in the second. The places may be any number.
    """

    def build(self, *shapes: Any) -> None:
        """There are no weights to make."""

    def call(self, vectors: Any, places: Any = None) -> Any:
        """Shapes as in the module."""
        ops = keras.ops
        width = vectors.shape[-1]
        times = ops.cast(self.places_of(vectors, places), "float32")
        angles = times[:, :, None] * wave_speeds((width + 1) // 2)[None, None, :]
        waves = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)[:, :, :width]
        return vectors + ops.cast(waves, vectors.dtype)


@keras.saving.register_keras_serializable("textnets")
class LearnedPositions(_PlaceVectors):
    """Adds a vector of a table, one a place; all places beyond the last share its vector.

    Args:
        rows: of the table.
        initializer: how the table starts.
    """

    def __init__(
        self,
        rows: int,
        initializer: Any = "uniform",
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.rows, self.initializer = rows, keras.initializers.get(initializer)

    def build(self, vectors_shape: Any, places_shape: Any = None) -> None:
        """Make the table."""
        self.table = self.add_weight(
            shape=(self.rows, vectors_shape[-1]), initializer=self.initializer, name="table"
        )

    def call(self, vectors: Any, places: Any = None) -> Any:
        """Shapes as in the module."""
        rows = keras.ops.minimum(self.places_of(vectors, places), self.rows - 1)
        found = keras.ops.take(self.table, rows, axis=0)
        return vectors + keras.ops.cast(found, vectors.dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {
            **super().get_config(),
            "rows": self.rows,
            "initializer": keras.initializers.serialize(self.initializer),
        }
