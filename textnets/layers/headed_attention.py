"""Attention with several heads (Vaswani et al. 2017), without weights of its own.

A head is a part of the components of queries, keys and values. What makes those, and what mixes the
heads afterwards, are dense layers in front and after. Scores are products over the root of a head's
width. Who may look where is given as a mask, never found in Keras's implicit ones.
"""

from __future__ import annotations

from typing import Any

import keras

from textnets.layers.place_vectors import wave_speeds

_HIDDEN = -1e9  # a score that leaves no weight, and no NaN where every score is hidden


class _HeadedAttention(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """What the layers here share.

    Args:
        heads: how many; their number divides the vectors' width.
        dropout: share of the weights of attention to drop.
    """

    def __init__(
        self,
        heads: int,
        dropout: float = 0.0,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.heads, self.dropout = heads, dropout
        self.drop = keras.layers.Dropout(dropout, name="dropout")

    def build(self, *shapes: Any) -> None:
        """There are no weights to make."""

    def look(
        self, queries: Any, keys: Any, values: Any, mask: Any, *, training: bool
    ) -> tuple[Any, Any]:
        """What every head reads, and where it looks.

        Args:
            queries: ``<float>[batch, heads, steps, width / heads]``.
            keys, values: ``<float>[batch, heads, length, width / heads]``.
            mask: ``<bool>[batch or 1, steps or 1, length]``, true where a step may look.

        Returns:
            ``<float>[batch, steps, width]`` and ``<float32>[batch, heads, steps, length]``.
        """
        ops = keras.ops
        queries = queries * (queries.shape[-1] ** -0.5)
        scores = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2)))
        # Weights need the digits of float32 where the rest computes in bfloat16.
        scores = ops.where(ops.expand_dims(mask, 1), ops.cast(scores, "float32"), _HIDDEN)
        weights = _softmax(scores)
        dropped = self.drop(weights, training=training)
        found = ops.matmul(ops.cast(dropped, values.dtype), values)
        batch, _, steps, _ = ops.shape(found)
        width = self.heads * values.shape[-1]
        return ops.reshape(ops.transpose(found, (0, 2, 1, 3)), (batch, steps, width)), weights

    def by_head(self, vectors: Any) -> Any:
        """``<float>[batch, length, width]`` to ``<float>[batch, heads, length, width / heads]``."""
        ops = keras.ops
        batch, length, width = ops.shape(vectors)
        apart = ops.reshape(vectors, (batch, length, self.heads, width // self.heads))
        return ops.transpose(apart, (0, 2, 1, 3))

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "heads": self.heads, "dropout": self.dropout}


@keras.saving.register_keras_serializable("textnets")
class SelfAttention(_HeadedAttention):
    """Every token of a text looks at all of them.

    Call with ``[projected, mask]``: queries, keys and values side by side,
    ``<float>[batch, length, 3 * width]``, and ``<bool>[batch, length]``, false at padding. Returns
    ``<float>[batch, length, width]``.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """``[projected, mask]`` to ``<float>[batch, length, width]``."""
        projected, mask = inputs
        queries, keys, values = map(self.by_head, keras.ops.split(projected, 3, axis=-1))
        seen = keras.ops.expand_dims(mask, 1)
        return self.look(queries, keys, values, seen, training=training)[0]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``[batch, length, width]``."""
        batch, length, width = input_shape[0]
        return (batch, length, width // 3)


@keras.saving.register_keras_serializable("textnets")
class CachedAttention(_HeadedAttention):
    """Every token looks at itself and at those before it, of which some may have been read before.

    Keys and values of tokens that were read before come in, the latest last, and go out with those
    of the new tokens in place of the oldest ones: as many as came in. So a text can be read in
    pieces or token by token, and no token is computed twice.

    Call with ``(projected, keys, values, mask)``: ``<float>[batch, steps, 3 * width]`` as of
    :class:`SelfAttention`; the keys and values of ``room`` tokens, ``<float>[batch, room, width]``
    or ``<float>[batch, room * width]`` each; and ``<bool>[batch, steps, room + steps]``, as
    :class:`textnets.layers.CausalMask` gives it. Returns ``<float>[batch, steps, width]``, and
    keys and values in the shape that they came in.

    Args:
        heads, dropout: as of :class:`SelfAttention`.
        rotary: whether queries and keys are turned by angles that grow with their places (Su et
            al. 2021, "RoFormer"). A score then depends on how far apart two tokens are, and on no
            other place, so that a text may go on for ever. Keys are kept as they were before.
    """

    def __init__(
        self,
        heads: int,
        dropout: float = 0.0,
        rotary: bool = False,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(heads, dropout, name=name, trainable=trainable, dtype=dtype)
        self.rotary = rotary

    def call(
        self, projected: Any, keys: Any, values: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, Any]:
        """Contexts, keys and values; shapes as in the class."""
        ops = keras.ops
        queries, *new = ops.split(projected, 3, axis=-1)
        batch, steps, width = ops.shape(queries)
        all_keys, all_values = (
            ops.concatenate([_apart(before, width), vectors], axis=1)
            for before, vectors in zip((keys, values), new, strict=True)
        )
        asked, known = self.by_head(queries), self.by_head(all_keys)
        if self.rotary:
            length = ops.shape(all_keys)[1]
            asked = _turned(asked, ops.arange(length - steps, length, dtype="float32"))
            known = _turned(known, ops.arange(length, dtype="float32"))
        found, _ = self.look(asked, known, self.by_head(all_values), mask, training=training)
        after = [all_keys[:, steps:], all_values[:, steps:]]
        if len(keys.shape) == 2:
            after = [ops.reshape(kept, (batch, keys.shape[-1])) for kept in after]
        return (found, *after)

    def compute_output_spec(
        self, projected: Any, keys: Any, values: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any, Any]:
        """Shapes and dtypes of what :meth:`call` returns."""
        batch, steps, width = projected.shape
        dtype = self.compute_dtype
        return (
            keras.KerasTensor((batch, steps, width // 3), dtype=dtype),
            keras.KerasTensor(keys.shape, dtype=dtype),
            keras.KerasTensor(values.shape, dtype=dtype),
        )

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "rotary": self.rotary}


@keras.saving.register_keras_serializable("textnets")
class MemoryAttention(_HeadedAttention):
    """Every token looks at a text that was read before: the memory.

    Call with ``(queries, keys, values, mask)``: ``<float>[batch, steps, width]``, the same of the
    memory, ``<float>[batch, length, width]`` each, and ``<bool>[batch, length]``, false at padding.
    Where it is known that there is one step, several rows of queries in a row may share a row of
    the memory: the hypotheses of one text. Returns ``<float>[batch, steps, width]`` and the mean of
    the heads' weights, ``<float32>[batch, steps, length]``.
    """

    def call(
        self, queries: Any, keys: Any, values: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any]:
        """Contexts and weights; shapes as in the class."""
        ops = keras.ops
        is_step = queries.shape[1] == 1
        width = queries.shape[-1]
        if is_step:  # the rows that share a memory, side by side
            queries = ops.reshape(queries, (ops.shape(keys)[0], -1, width))
        seen = ops.expand_dims(mask, 1)
        asked, known, told = map(self.by_head, (queries, keys, values))
        found, by_head = self.look(asked, known, told, seen, training=training)
        weights = ops.mean(by_head, axis=1)
        if is_step:
            found = ops.reshape(found, (-1, 1, width))
            weights = ops.reshape(weights, (-1, 1, ops.shape(mask)[1]))
        return found, weights

    def compute_output_spec(
        self, queries: Any, keys: Any, values: Any, mask: Any, training: bool = False
    ) -> tuple[Any, Any]:
        """Shapes and dtypes of what :meth:`call` returns."""
        batch, steps, width = queries.shape
        return (
            keras.KerasTensor((batch, steps, width), dtype=self.compute_dtype),
            keras.KerasTensor((batch, steps, keys.shape[1]), dtype="float32"),
        )


def _softmax(scores: Any) -> Any:
    """``<float32>[..., length]``, without Keras's warning where there is one place to look at."""
    if scores.shape[-1] == 1:
        return keras.ops.ones_like(scores)
    return keras.ops.softmax(scores, axis=-1)


def _apart(kept: Any, width: int) -> Any:
    """``<float>[batch, room * width]`` to ``<float>[batch, room, width]``; else as it is."""
    if len(kept.shape) == 3:
        return kept
    return keras.ops.reshape(kept, (-1, kept.shape[-1] // width, width))


def _turned(vectors: Any, places: Any) -> Any:
    """Each pair of components turned by the angle of its place.

    Args:
        vectors: ``<float>[batch, heads, length, even width]``; the first half of the components
            and the second half are the pairs.
        places: ``<float32>[length]``.
    """
    ops = keras.ops
    half = vectors.shape[-1] // 2
    angles = places[:, None] * wave_speeds(half)[None, :]
    cosines, sines = (ops.cast(of(angles), vectors.dtype) for of in (ops.cos, ops.sin))
    one, other = vectors[..., :half], vectors[..., half:]
    return ops.concatenate([one * cosines - other * sines, other * cosines + one * sines], axis=-1)
