"""Recurrent layers over a sequence of vectors, as every recurrent model here has them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from textnets.builders.parameters import Cell, Initializer
from textnets.builders.recurrent_layer import recurrent_layer


def read_sequence(
    sequence: Any,
    mask: Any,
    *,
    cell: Cell,
    units: Sequence[int],
    bidirectional: bool,
    dropout: float,
    recurrent_dropout: float,
    l2: float,
    kernel_initializer: Initializer,
    recurrent_initializer: Initializer,
    variational_dropout: bool = False,
    weight_dropout: float = 0.0,
) -> tuple[Any, list[Any]]:
    """Read a sequence with stacked recurrent layers, in one or both directions.

    Args:
        sequence: ``<float>[batch, length, width]``, a Keras tensor.
        mask: ``<bool>[batch, length]``.
        cell: the recurrent layer, by name.
        units: size of the state, one number for each layer, per direction.
        bidirectional: whether to read from the end as well.
        dropout: share of the components to drop between two layers.
        recurrent_dropout: share of the recurrent state to drop.
        l2: strength of the penalty on every kernel.
        kernel_initializer: how the kernels start.
        recurrent_initializer: how the kernels from state to state start.
        variational_dropout: whether a component that is dropped between two layers is so at all
            places of a row.
        weight_dropout: share of the weights from state to state to drop, for a whole batch.

    Returns:
        All states of the top layer in the order of the tokens,
        ``<float>[batch, length, states]``, and those of each of its directions in its own
        order of reading.
    """
    recurrent = functools.partial(
        recurrent_layer,
        cell,
        recurrent_dropout=recurrent_dropout,
        weight_dropout=weight_dropout,
        kernel_initializer=kernel_initializer,
        recurrent_initializer=recurrent_initializer,
        l2=l2,
    )
    directions: list[Any] = []
    for number, size in enumerate(units, start=1):
        name = f"{cell}_{number}"
        if number > 1 and dropout:
            sequence = drop(sequence, dropout, variational_dropout, f"{name}_dropout")
        layer = functools.partial(recurrent, units=size)
        sequence, directions = _read(sequence, mask, layer, name=name, bidirectional=bidirectional)
    return sequence, directions


def drop(sequence: Any, rate: float, variational: bool, name: str) -> Any:
    """``<float>[batch, length, width]`` with dropout, or as it is with rate 0.

    Variational dropout drops a component from all places of a row (Gal and Ghahramani 2016).
    """
    import keras

    if not rate:
        return sequence
    dropout = keras.layers.SpatialDropout1D if variational else keras.layers.Dropout
    return dropout(rate, name=name)(sequence)


def _read(
    sequence: Any, mask: Any, recurrent: Callable[..., Any], *, name: str, bidirectional: bool
) -> tuple[Any, list[Any]]:
    """Read a sequence with one recurrent layer, in one or both directions.

    Args:
        sequence: ``<float>[batch, length, width]``.
        mask: ``<bool>[batch, length]``.
        recurrent: makes the recurrent layer of a given name.
        name: the beginning of every layer's name.
        bidirectional: whether to read from the end as well.

    Returns:
        As :func:`read_sequence`.
    """
    import keras

    from textnets import layers

    forward = recurrent(name=f"{name}_forward")(sequence)
    if not bidirectional:
        return forward, [forward]
    from_the_end = layers.ReverseSequence(name=f"{name}_backward_inputs")([sequence, mask])
    backward = recurrent(name=f"{name}_backward")(from_the_end)
    aligned = layers.ReverseSequence(name=f"{name}_backward_outputs")([backward, mask])
    states = keras.layers.Concatenate(name=f"{name}_outputs")([forward, aligned])
    return states, [forward, backward]
