"""What is kept of tokens that were read before, and who of the new ones may look at it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


@keras.saving.register_keras_serializable("textnets")
class CausalMask(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Lets every token look at itself and at those before it, and at no room that is empty.

    Call with ``(token_vectors, filled)``: ``<float>[batch, steps, width]``, and 1 for each place of
    the caches that holds a token that was read before, else 0: ``<float>[batch, room, 1]`` or
    ``<float>[batch, room]``. Tokens stand at the end of the room, the latest last. (A number would
    do, but not in bfloat16, which counts to 256.) Returns the mask,
    ``<bool>[batch, steps, room + steps]``; the places of the tokens in their text,
    ``<int32>[batch, steps]``, as long as nothing has fallen out of the room; and what is filled
    after them.

    Args:
        banded: whether a token sees no more tokens before it than there is room for. Then a text
            that is read in pieces gives what it gives in one piece.
    """

    def __init__(
        self,
        banded: bool = False,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.banded = banded

    def build(self, *shapes: Any) -> None:
        """There are no weights to make."""

    def call(self, token_vectors: Any, filled: Any) -> tuple[Any, Any, Any]:
        """Mask, places and what is filled; shapes as in the class."""
        ops = keras.ops
        steps, room = ops.shape(token_vectors)[1], ops.shape(filled)[1]
        flags = filled if len(filled.shape) == 2 else ops.squeeze(filled, -1)
        flags = ops.concatenate([flags, ops.ones_like(token_vectors[:, :, 0])], axis=1)
        columns = ops.arange(room + steps, dtype="int32")[None, None, :]
        own = ops.arange(steps, dtype="int32")[None, :, None] + room
        seen = columns <= own
        if self.banded:
            seen = ops.logical_and(seen, columns >= own - room)
        is_filled = flags > 0.5
        seen = ops.logical_and(seen, ops.expand_dims(is_filled, 1))
        before = ops.sum(ops.cast(is_filled[:, :room], "int32"), axis=1, keepdims=True)
        places = before + ops.arange(steps, dtype="int32")[None, :]
        after = flags[:, steps:]
        return seen, places, after if len(filled.shape) == 2 else ops.expand_dims(after, -1)

    def compute_output_spec(self, token_vectors: Any, filled: Any) -> tuple[Any, Any, Any]:
        """Shapes and dtypes of what :meth:`call` returns."""
        batch, steps, _ = token_vectors.shape
        return (
            keras.KerasTensor((batch, steps, None), dtype="bool"),
            keras.KerasTensor((batch, steps), dtype="int32"),
            keras.KerasTensor(filled.shape, dtype=self.compute_dtype),
        )

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "banded": self.banded}


@keras.saving.register_keras_serializable("textnets")
class EmptyCaches(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The states of a decoder that has read nothing yet, and has no room to keep anything.

    Called with anything that has the batch's rows; returns ``<float>[batch, 0, width]`` for each
    width. Who decodes step by step makes room first:
    :func:`textnets.decoding.encoder_decoder.with_room`.

    Args:
        widths: of the vectors that each cache is to hold.
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.widths = list(widths)

    def call(self, inputs: Any) -> list[Any]:
        """The caches."""
        rows = keras.ops.shape(inputs)[0]
        return [keras.ops.zeros((rows, 0, width), self.compute_dtype) for width in self.widths]

    def compute_output_spec(self, inputs: Any) -> list[keras.KerasTensor]:
        """Shapes and dtypes; the room stays open, since others make some."""
        rows = inputs.shape[0]
        return [
            keras.KerasTensor((rows, None, width), dtype=self.compute_dtype)
            for width in self.widths
        ]

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "widths": self.widths}
