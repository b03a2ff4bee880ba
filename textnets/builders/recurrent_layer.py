"""A recurrent layer by the name of its cell: the one place where names become layers."""

from __future__ import annotations

from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.parameters import Cell, Initializer, Rate, Strength, Width


@checked
def recurrent_layer(
    cell: Cell,
    units: Width,
    *,
    name: str,
    recurrent_dropout: Rate = 0.0,
    weight_dropout: Rate = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: Initializer = "orthogonal",
    l2: Strength = 0.0,
    return_state: bool = False,
) -> Any:
    """Make a recurrent layer that returns its output at every step.

    Args:
        cell: simple (Elman 1990), lstm and gru are Keras's own layers, which have fused
            GPU kernels but for the first; for the others see ``textnets.layers.cells``.
        units: size of the state.
        name: of the layer.
        recurrent_dropout: share of the state to drop, the same at every step.
        weight_dropout: share of the weights from state to state to drop, for a whole batch.
        kernel_initializer: how the kernel from the inputs starts.
        recurrent_initializer: how the kernel from state to state starts.
        l2: strength of the penalty on both squared kernels.
        return_state: whether to give the last states as well, for a caller without padding.

    Returns:
        A layer from ``<float>[batch, length, width]`` to ``<float>[batch, length, units]``,
        and to its states after the last step, ``<float>[batch, units]``, with
        ``return_state``.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    arguments: dict[str, Any] = {
        "recurrent_dropout": recurrent_dropout,
        "kernel_initializer": kernel_initializer,
        "recurrent_initializer": recurrent_initializer,
        "kernel_regularizer": keras.regularizers.L2(l2) if l2 else None,
        "recurrent_regularizer": keras.regularizers.L2(l2) if l2 else None,
    }
    dropped: dict[str, Any] = {"weight_dropout": weight_dropout} if weight_dropout else {}
    if cell in layers.CELLS:
        # Named, or Keras would number the cells of a process, and with them the weights.
        variant = layers.CELLS[cell](units, name=cell, **arguments)
        kind = layers.WeightDropRNN if weight_dropout else keras.layers.RNN
        return kind(variant, return_sequences=True, return_state=return_state, name=name, **dropped)
    plain, with_holes = {
        "simple": (keras.layers.SimpleRNN, layers.WeightDropSimpleRNN),
        "lstm": (keras.layers.LSTM, layers.WeightDropLSTM),
        # Its default, reset_after=True, is what cuDNN computes.
        "gru": (keras.layers.GRU, layers.WeightDropGRU),
    }[cell]
    layer = with_holes if weight_dropout else plain
    return layer(
        units, return_sequences=True, return_state=return_state, name=name, **arguments, **dropped
    )


def num_states(layer: Any) -> int:
    """How many states a recurrent layer carries from step to step: two of an LSTM, else one."""
    from textnets import layers

    return len(layers.state_sizes(layer.cell))
