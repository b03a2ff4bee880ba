"""Recurrent layers: cells of Keras and of textnets, step by step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from textnets.lite.activations import ACTIVATIONS, sigmoid
from textnets.lite.graph import Array, LiteLayer

States = list[Array]
#: ``(cell, what the inputs give, states) -> (output, states)``.
Step = Callable[[LiteLayer, Array, States], tuple[Array, States]]


def from_inputs(cell: LiteLayer, inputs: Array) -> Array:
    """What the inputs of all steps give to a cell, by one product: ``<float32>[..., columns]``."""
    kernel, bias = cell.weights["kernel"], None
    if "bias" in cell.weights:
        bias = cell.weights["bias"]
        bias = bias[0] if bias.ndim == 2 else bias  # of a GRU: the other is of the states
    flat = inputs.reshape(-1, inputs.shape[-1]) @ kernel
    if cell.kind == "textnets.LayerNormLSTMCell":
        flat = _normalized(flat, cell.weights["input_gain"])
    if bias is not None:
        flat = flat + bias
    return flat.reshape(*inputs.shape[:-1], kernel.shape[1])


def _activations(cell: LiteLayer) -> tuple[Callable[[Array], Array], Callable[[Array], Array]]:
    return (
        ACTIVATIONS[cell.config["activation"]],
        ACTIVATIONS[cell.config.get("recurrent_activation", "sigmoid")],
    )


def _simple(cell: LiteLayer, given: Array, states: States) -> tuple[Array, States]:
    output = _activations(cell)[0](given + states[0] @ cell.weights["recurrent_kernel"])
    return output, [output]


def _lstm(cell: LiteLayer, given: Array, states: States) -> tuple[Array, States]:
    activate, gate = _activations(cell)
    hidden, before = states
    units = before.shape[1]
    sums = given + hidden @ cell.weights["recurrent_kernel"]
    gates = gate(sums)  # of the candidate too, which is thrown away: one call is quicker than three
    candidate = activate(sums[:, 2 * units : 3 * units])
    memory = gates[:, units : 2 * units] * before + gates[:, :units] * candidate
    output = gates[:, 3 * units :] * activate(memory)
    return output, [output, memory]


def _gru(cell: LiteLayer, given: Array, states: States) -> tuple[Array, States]:
    activate, gate = _activations(cell)
    (before,) = states
    units = before.shape[1]
    kernel = cell.weights["recurrent_kernel"]
    if cell.config["reset_after"]:
        sums = before @ kernel
        if "bias" in cell.weights:
            sums = sums + cell.weights["bias"][1]
        gates = gate(given[:, : 2 * units] + sums[:, : 2 * units])
        proposed = gates[:, units:] * sums[:, 2 * units :]
    else:
        gates = gate(given[:, : 2 * units] + before @ kernel[:, : 2 * units])
        proposed = (gates[:, units:] * before) @ kernel[:, 2 * units :]
    candidate = activate(given[:, 2 * units :] + proposed)
    update = gates[:, :units]
    output = update * before + (1.0 - update) * candidate
    return output, [output]


def _peephole(cell: LiteLayer, given: Array, states: States) -> tuple[Array, States]:
    hidden, before = states
    sums = given + hidden @ cell.weights["recurrent_kernel"]
    entry, forget, candidate, leave = np.split(sums, 4, axis=-1)
    entry = sigmoid(entry + cell.weights["input_peephole"] * before)
    forget = sigmoid(forget + cell.weights["forget_peephole"] * before)
    memory = forget * before + entry * np.tanh(candidate)
    leave = sigmoid(leave + cell.weights["output_peephole"] * memory)
    output = leave * np.tanh(memory)
    return output, [output, memory]


def _prototype(cell: LiteLayer, given: Array, states: States) -> tuple[Array, States]:
    (before,) = states
    units = before.shape[1]
    kernel = cell.weights["recurrent_kernel"]
    gates = sigmoid(given[:, : 3 * units] + before @ kernel[:, : 3 * units])
    write, forget, read = np.split(gates, 3, axis=-1)
    candidate = np.tanh(given[:, 3 * units :] + (read * before) @ kernel[:, 3 * units :])
    output = forget * before + write * candidate
    return output, [output]


def _layer_norm(cell: LiteLayer, given: Array, states: States) -> tuple[Array, States]:
    hidden, before = states
    from_state = hidden @ cell.weights["recurrent_kernel"]
    sums = given + _normalized(from_state, cell.weights["recurrent_gain"])
    entry, forget, candidate, leave = np.split(sums, 4, axis=-1)
    memory = sigmoid(forget) * before + sigmoid(entry) * np.tanh(candidate)
    normal = _normalized(memory, cell.weights["cell_gain"]) + cell.weights["cell_bias"]
    output = sigmoid(leave) * np.tanh(normal)
    return output, [output, memory]


def _normalized(values: Array, gain: Array) -> Array:
    centered = values - values.mean(axis=-1, keepdims=True)
    variance = (centered * centered).mean(axis=-1, keepdims=True)
    found: Array = centered / np.sqrt(variance + np.float32(1e-5)) * gain
    return found


#: How each cell makes a step, and how many states it carries.
CELLS: dict[str, tuple[Step, int]] = {
    "SimpleRNNCell": (_simple, 1),
    "LSTMCell": (_lstm, 2),
    "GRUCell": (_gru, 1),
    "textnets.PeepholeLSTMCell": (_peephole, 2),
    "textnets.PrototypeLSTMCell": (_prototype, 1),
    "textnets.LayerNormLSTMCell": (_layer_norm, 2),
}


def no_layer(cell: LiteLayer, *arguments: Any, **named: Any) -> Any:
    """A cell is no layer of its own: a recurrent layer makes its steps."""
    raise TypeError(f"{cell.kind} is called outside of a recurrent layer")


# --- Layers ---


def recurrent(
    layer: LiteLayer,
    sequence: Array,
    initial_state: Any = None,
    mask: Array | None = None,
    training: bool = False,
) -> Any:
    """Keras's recurrent layers.

    Args:
        layer: with ``cell`` inside, or several that are stacked.
        sequence: ``<float32>[batch, length, width]``.
        initial_state: ``<float32>[batch, units]`` each; zeros by default.
        mask: ``<bool>[batch, length]``: where it is false the states stay as they are.
        training: has no effect.

    Returns:
        What Keras's layer does: all outputs or the last, and its states where it gives them.
    """
    cells = layer.inner["cell"]
    if layer.config["go_backwards"]:
        sequence = sequence[:, ::-1]
        mask = None if mask is None else mask[:, ::-1]
    states = _start(cells, initial_state, len(sequence))
    outputs: list[Array] = []
    if len(cells) == 1 and mask is None:
        outputs_array, states = run_cell(cells[0], sequence, states)
    else:
        last: Array | None = None
        for place in range(sequence.shape[1]):
            output, after = _stacked(cells, sequence[:, place], states)
            if mask is not None:
                here = mask[:, place, None]
                before = np.zeros_like(output) if last is None else last
                zero = layer.config.get("zero_output_for_mask", False)
                last = np.where(here, output, before)
                output = np.where(here, output, 0.0).astype(output.dtype) if zero else last
                after = [np.where(here, new, old) for new, old in zip(after, states, strict=True)]
            states = after
            outputs.append(output)
        outputs_array = np.stack(outputs, axis=1)
    found = outputs_array if layer.config["return_sequences"] else outputs_array[:, -1]
    return [found, *states] if layer.config["return_state"] else found


def run_cell(cell: LiteLayer, sequence: Array, states: States) -> tuple[Array, States]:
    """One cell over a sequence: all outputs, ``<float32>[batch, length, units]``, and the states
    after the last step."""
    step, _ = CELLS[cell.kind]
    given = np.ascontiguousarray(from_inputs(cell, sequence).transpose(1, 0, 2))
    units = int(cell.config["units"])
    outputs = np.empty((sequence.shape[1], len(sequence), units), np.float32)
    for place in range(len(given)):
        outputs[place], states = step(cell, given[place], states)
    return outputs.transpose(1, 0, 2), states


def _stacked(cells: Sequence[LiteLayer], inputs: Array, states: States) -> tuple[Array, States]:
    """A step of cells on top of one another."""
    after: States = []
    for cell in cells:
        step, count = CELLS[cell.kind]
        own, states = states[:count], states[count:]
        inputs, new = step(cell, from_inputs(cell, inputs), own)
        after += new
    return inputs, after


def _start(cells: Sequence[LiteLayer], given: Any, rows: int) -> States:
    if given is not None:
        states = list(given) if isinstance(given, list | tuple) else [given]
        return [np.asarray(state, np.float32) for state in states]
    return [
        np.zeros((rows, int(cell.config["units"])), np.float32)
        for cell in cells
        for _ in range(CELLS[cell.kind][1])
    ]


def bidirectional(
    layer: LiteLayer,
    sequence: Array,
    initial_state: Any = None,
    mask: Array | None = None,
    training: bool = False,
) -> Any:
    """Keras's wrapper: one layer forwards, one backwards."""
    (forward,), (backward,) = layer.inner["forward"], layer.inner["backward"]
    one_start = other_start = None
    if initial_state is not None:
        half = len(initial_state) // 2
        one_start, other_start = initial_state[:half], initial_state[half:]
    one = recurrent(forward, sequence, one_start, mask)
    other = recurrent(backward, sequence, other_start, mask)
    states: list[Array] = []
    if forward.config["return_state"]:
        (one, *of_one), (other, *of_other) = one, other
        states = [*of_one, *of_other]
    if forward.config["return_sequences"]:
        other = other[:, ::-1]
    how = layer.config["merge_mode"]
    merged: Any
    if how == "concat":
        merged = np.concatenate([one, other], axis=-1)
    elif how is None:
        merged = [one, other]
    else:
        merged = {"sum": one + other, "mul": one * other, "ave": (one + other) / 2}[how]
    if not states:
        return merged
    return [*(merged if how is None else [merged]), *states]


# --- A recurrent layer that looks into a memory ---


def attention_rnn(
    layer: LiteLayer,
    sequence: Array,
    states: Sequence[Array],
    keys: Array,
    memory: Array,
    mask: Array,
    training: bool = False,
) -> Any:
    """As :class:`textnets.layers.AttentionRNN`."""
    cells, (attention,), (combine,) = (
        layer.inner["cells"], layer.inner["attention"], layer.inner["combine"],
    )  # fmt: skip
    looks_after = layer.config["look"] == "after"
    remaining = [np.asarray(state, np.float32) for state in states]
    fed = remaining.pop() if looks_after else None
    by_cell = []
    for cell in cells:
        count = CELLS[cell.kind][1]
        by_cell.append(remaining[:count])
        remaining = remaining[count:]
    vectors, queries = [], []
    for place in range(sequence.shape[1]):
        query = by_cell[-1][0]
        context = None
        if not looks_after:
            context = attention(query[:, None], keys, memory, mask)[0][:, 0]
        entering = fed if looks_after else context
        vector = np.concatenate([sequence[:, place], entering], axis=-1)
        for number, cell in enumerate(cells):
            vector, by_cell[number] = CELLS[cell.kind][0](
                cell, from_inputs(cell, vector), by_cell[number]
            )
        if looks_after:
            query = vector
            context = attention(query[:, None], keys, memory, mask)[0][:, 0]
        fed = combine(np.concatenate([context, vector], axis=-1))
        vectors.append(fed)
        queries.append(query)
    after = [state for of_one in by_cell for state in of_one]
    if looks_after and fed is not None:
        after.append(fed)
    _, weights = attention(np.stack(queries, axis=1), keys, memory, mask)
    return [np.stack(vectors, axis=1), after, weights]
