"""Attention over an encoder's states, and the recurrent step that feeds on it.

The encoder's states are the ``memory``; what they are compared by are the ``keys``, made
once for a sentence and not anew at each step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras

from textnets.layers.cells import state_sizes

_HIDDEN = -1e9  # a score that leaves no weight, and no NaN where every score is hidden


@keras.saving.register_keras_serializable("textnets")
class DotAttention(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Luong et al. 2015: the score of a place is ``query · key``, over the root of their width.

    The root is of Vaswani et al. 2017. Without it the weights of a translator with 256 units
    and Adam were all on one place after an epoch, the same at every step, and stayed there.

    With keys that are the memory times a matrix this is their ``general`` score, with keys
    that are the memory itself ``dot``.

    Call with ``queries``, ``<float>[batch, steps, width]``, ``keys``,
    ``<float>[batch, length, width]``, ``memory``, ``<float>[batch, length, states]``, and
    ``mask``, ``<bool>[batch, length]``. Returns the mean of the memory by the weights,
    ``<float>[batch, steps, states]``, and the weights, ``<float32>[batch, steps, length]``.
    """

    def build(self, queries_shape: Any, keys_shape: Any, memory_shape: Any) -> None:
        """There are no weights to make."""

    def call(self, queries: Any, keys: Any, memory: Any, mask: Any) -> tuple[Any, Any]:
        """Contexts and weights; shapes as in the class."""

        def scores_of(queries: Any) -> Any:
            scores = keras.ops.matmul(queries, keras.ops.transpose(keys, (0, 2, 1)))
            return scores / keys.shape[-1] ** 0.5

        return _read_memory(scores_of, queries, memory, mask)


@keras.saving.register_keras_serializable("textnets")
class AdditiveAttention(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Bahdanau et al. 2015: the score of a place is ``v · tanh(W query + key)``.

    The keys are the memory times a matrix, plus a bias. Called as :class:`DotAttention`,
    whatever the queries' width.

    Args:
        width: of the keys.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.query_projection = keras.layers.Dense(width, use_bias=False, name="query_projection")
        self.score = keras.layers.Dense(1, use_bias=False, name="score")

    def build(self, queries_shape: Any, keys_shape: Any, memory_shape: Any) -> None:
        """Make the weights."""
        self.query_projection.build(queries_shape)
        self.score.build((*keys_shape[:-1], self.width))

    def call(self, queries: Any, keys: Any, memory: Any, mask: Any) -> tuple[Any, Any]:
        """Contexts and weights; shapes as in :class:`DotAttention`."""

        def scores_of(queries: Any) -> Any:
            asked = keras.ops.expand_dims(self.query_projection(queries), 2)
            found = keras.ops.tanh(asked + keras.ops.expand_dims(keys, 1))
            return keras.ops.squeeze(self.score(found), -1)

        return _read_memory(scores_of, queries, memory, mask)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "width": self.width}


def _read_memory(
    scores_of: Callable[[Any], Any], queries: Any, memory: Any, mask: Any
) -> tuple[Any, Any]:
    is_step = queries.shape[1] == 1
    if is_step:  # the rows that share a memory, side by side
        queries = keras.ops.reshape(queries, (keras.ops.shape(memory)[0], -1, queries.shape[-1]))
    # Weights need the digits of float32 where the rest computes in bfloat16.
    scores = keras.ops.cast(scores_of(queries), "float32")
    scores = keras.ops.where(keras.ops.expand_dims(mask, 1), scores, _HIDDEN)
    weights = keras.ops.softmax(scores, axis=-1)
    contexts = keras.ops.matmul(keras.ops.cast(weights, memory.dtype), memory)
    if is_step:
        contexts = keras.ops.reshape(contexts, (-1, 1, memory.shape[-1]))
        weights = keras.ops.reshape(weights, (-1, 1, keras.ops.shape(mask)[1]))
    return contexts, weights


@keras.saving.register_keras_serializable("textnets")
class AttentionRNN(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Recurrent layers that look into a memory at every step.

    With ``look: before`` (Bahdanau et al. 2015) the state before a step asks, and what it
    reads enters the step beside the input. With ``look: after`` (Luong et al. 2015, input
    feeding) the state after a step asks, and the attentional vector made of both enters
    the next step; it is the last of the states.

    Call with ``sequence``, ``<float>[batch, steps, width]``, a list of ``states``,
    ``<float>[batch, units]`` each, ``keys``, ``memory`` and ``mask`` as of
    :class:`DotAttention`. Returns the attentional vectors,
    ``tanh(W [context; state])``, ``<float>[batch, steps, output_width]``, the new states and
    the weights of attention, ``<float32>[batch, steps, length]``.

    Args:
        cells: of the layers, from the lowest to the top.
        attention: a :class:`DotAttention` or :class:`AdditiveAttention`.
        output_width: of the attentional vectors.
        look: before or after the step.
        dropout: share of the inputs of each layer but the lowest to drop.
    """

    def __init__(
        self,
        cells: list[Any],
        attention: Any,
        output_width: int,
        look: str,
        dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cell = AttentionCell(cells, attention, output_width, look, dropout, name="cell")
        self.rnn = keras.layers.RNN(
            self.cell, return_sequences=True, return_state=True, name="recurrence"
        )

    def build(
        self,
        sequence_shape: Any,
        states_shape: Any,
        keys_shape: Any,
        memory_shape: Any,
    ) -> None:
        """Make the weights."""
        self.cell.build_for(sequence_shape[-1], keys_shape, memory_shape)
        self.rnn.build(sequence_shape)

    def call(
        self, sequence: Any, states: Any, keys: Any, memory: Any, mask: Any, training: bool = False
    ) -> tuple[Any, list[Any], Any]:
        """Attentional vectors, states and weights; shapes as in the class."""
        with self.cell.reading(keys, memory, mask):
            both, *after = self.rnn(sequence, initial_state=list(states), training=training)
        width = self.cell.output_width
        # Again, for all steps at once: left out of the compiled graph where nobody asks.
        _, weights = self.cell.attention(both[..., width:], keys, memory, mask)
        return both[..., :width], after, weights

    def compute_output_spec(
        self, sequence: Any, states: Any, keys: Any, memory: Any, mask: Any, training: bool = False
    ) -> tuple[Any, list[Any], Any]:
        """Shapes and dtypes of what :meth:`call` returns."""
        steps, dtype = tuple(sequence.shape[:2]), self.compute_dtype
        return (
            keras.KerasTensor((*steps, self.cell.output_width), dtype=dtype),
            [keras.KerasTensor(state.shape, dtype=dtype) for state in states],
            keras.KerasTensor((*steps, keys.shape[1]), dtype="float32"),
        )

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "cells": [serialize(cell) for cell in self.cell.cells],
            "attention": serialize(self.cell.attention),
            "output_width": self.cell.output_width,
            "look": self.cell.look,
            "dropout": self.cell.dropout,
        }

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> AttentionRNN:
        """Make it again, cells and attention too."""
        read = keras.saving.deserialize_keras_object
        cells = [read(cell) for cell in config.pop("cells")]
        return cls(cells=cells, attention=read(config.pop("attention")), **config)


class AttentionCell(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """One step of :class:`AttentionRNN`. Its output is the attentional vector and the query,
    joined, because a recurrent layer of Keras gives one output a step."""

    def __init__(
        self,
        cells: list[Any],
        attention: Any,
        output_width: int,
        look: str,
        dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.cells, self.attention = cells, attention
        self.output_width, self.look, self.dropout = output_width, look, dropout
        self.units = cells[-1].units
        self.combine = keras.layers.Dense(
            output_width, activation="tanh", use_bias=False, name="attentional_vector"
        )
        self.drops = [
            keras.layers.Dropout(dropout, name=f"dropout_{number}")
            for number in range(2, len(cells) + 1)
        ]
        self.state_size = [size for cell in cells for size in state_sizes(cell)]
        if look == "after":
            self.state_size.append(output_width)
        self.output_size = output_width + self.units
        self._memory: tuple[Any, Any, Any] | None = None

    @contextmanager
    def reading(self, keys: Any, memory: Any, mask: Any) -> Iterator[None]:
        """Let the steps inside the block look into this memory."""
        self._memory = (keys, memory, mask)
        try:
            yield
        finally:
            self._memory = None

    def build_for(self, width: int, keys: Any, memory: Any) -> None:
        """Make the weights for inputs of ``width`` and a memory of these shapes."""
        # What was loaded with its own build config is built already.
        if not self.attention.built:
            self.attention.build((None, 1, self.units), keys, memory)
        self.combine.build((None, memory[-1] + self.units))
        inputs = width + (memory[-1] if self.look == "before" else self.output_width)
        for cell in self.cells:
            if not cell.built:
                cell.build((None, inputs))
            inputs = cell.units
        self.built = True

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """``<float>[batch, width]`` and states to an output and the next states."""
        remaining = list(states)
        fed = remaining.pop() if self.look == "after" else None
        by_cell = []
        for cell in self.cells:
            count = len(state_sizes(cell))
            by_cell.append(remaining[:count])
            remaining = remaining[count:]
        query = by_cell[-1][0]
        if fed is None:
            fed = context = self._look(query)
        vector, after = keras.ops.concatenate([inputs, fed], axis=-1), []
        for cell, before, drop in zip(self.cells, by_cell, [None, *self.drops], strict=True):
            vector = vector if drop is None else drop(vector, training=training)
            vector, new = cell(vector, before, training=training)
            after += list(new) if isinstance(new, list | tuple) else [new]
        if self.look == "after":
            query = vector
            context = self._look(query)
        attentional = self.combine(keras.ops.concatenate([context, vector], axis=-1))
        if self.look == "after":
            after.append(attentional)
        return keras.ops.concatenate([attentional, query], axis=-1), after

    def _look(self, query: Any) -> Any:
        if self._memory is None:
            raise RuntimeError("called outside of reading()")
        contexts, _ = self.attention(keras.ops.expand_dims(query, 1), *self._memory)
        return keras.ops.squeeze(contexts, 1)
