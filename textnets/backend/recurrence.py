"""Recurrent layers that are faster than Keras's own loops, by the same arithmetic.

A single step, such as a decoder takes, needs no loop: :func:`take_single_steps`.

LSTM and GRU train faster on a CPU: :func:`train_recurrence_fast`. Keras 3.15 on TensorFlow
multiplies the inputs by their kernel inside the loop over the time steps, and TensorFlow's gradient
of that loop adds up the kernels' gradients step by step: thousands of small products. Here the
inputs are multiplied before the loop, by one product; the loop's gradient is written by hand and
leaves the recurrent kernel's to one product after it (Appleyard et al. 2016, "Optimizing
Performance of Recurrent Neural Networks on GPUs", sections 3.1 and 3.2); and an iteration takes
four steps, since an iteration costs as much as a step. Layers, their weights and their files stay
Keras's own. Only a step of training is another: without a gradient Keras's loop is faster, and on a
GPU the fused kernels are.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_STEPS = 4  # of an iteration


def train_recurrence_fast(model: Any) -> list[str]:
    """Let the recurrent layers of a model train as this module says, where they can.

    Those are Keras's LSTM and GRU in float32, with the activations and the ``reset_after`` that the
    fused GPU kernels ask for too, and without dropout of their own. Any other layer, and any call
    with a mask, goes on as it did.

    Args:
        model: a ``keras.Model`` on TensorFlow, on a CPU.

    Returns:
        The names of the layers that will.
    """
    import keras

    found = []
    for layer in _recurrent_layers(model, keras.layers.LSTM | keras.layers.GRU):
        loop = _loop_for(layer)
        if loop is not None:
            layer.inner_loop = functools.partial(_inner_loop, layer, layer.inner_loop, loop)
            found.append(str(layer.name))
    return found


def take_single_steps(model: Any) -> None:
    """Let the recurrent layers of a model call their cell where a sequence has one step.

    Keras makes a loop of every sequence, and a loop in a decoder's loop costs more than the step
    that it takes. Where the number of steps is known to be one, and nothing is masked, this gives
    the same bytes; sequences of any other length are read as they were.

    Args:
        model: a ``keras.Model``, on any backend.
    """
    import keras

    for layer in _recurrent_layers(model, keras.layers.RNN):
        loop = layer.inner_loop
        if getattr(loop, "func", None) is not _single_step:
            layer.inner_loop = functools.partial(_single_step, layer, loop)


def _single_step(
    layer: Any,
    of_keras: Callable[..., Any],
    sequences: Any,
    initial_state: Any,
    mask: Any,
    training: bool = False,
) -> Any:
    """As ``keras.layers.RNN.inner_loop``."""
    if sequences.shape[1] != 1 or mask is not None:
        return of_keras(sequences, initial_state, mask, training=training)
    states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
    said = {"training": training} if layer.cell._call_has_training_arg else {}
    output, after = layer.cell(sequences[:, 0], states, **said)
    return output, output[:, None], list(after) if isinstance(after, list | tuple) else [after]


def _recurrent_layers(model: Any, kind: Any) -> Iterator[Any]:
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, kind):
            yield layer


def _loop_for(layer: Any) -> Callable[..., Any] | None:
    """What computes a layer in training; ``None`` where that is Keras."""
    import keras

    cell = layer.cell
    is_plain = (
        layer.compute_dtype == "float32"
        and cell.use_bias
        and not (layer.dropout or layer.recurrent_dropout)
        and not layer.unroll
        and layer.activation in (keras.activations.tanh, keras.ops.tanh)
        and layer.recurrent_activation in (keras.activations.sigmoid, keras.ops.sigmoid)
    )
    if not is_plain:
        return None
    if type(cell) is keras.layers.LSTMCell:
        return _lstm
    if type(cell) is keras.layers.GRUCell and cell.reset_after:
        return _gru
    return None


def _inner_loop(
    layer: Any,
    of_keras: Callable[..., Any],
    loop: Callable[..., Any],
    sequences: Any,
    initial_state: Any,
    mask: Any,
    training: bool = False,
) -> Any:
    """As ``keras.layers.RNN.inner_loop``: the last output, all outputs and the last states."""
    if not training or mask is not None:
        return of_keras(sequences, initial_state, mask, training=training)
    import tensorflow as tf

    states = initial_state if isinstance(initial_state, list | tuple) else [initial_state]
    inputs = tf.transpose(sequences, (1, 0, 2))
    if layer.go_backwards:  # the outputs stay in the order of reading
        inputs = tf.reverse(inputs, [0])
    outputs, last = loop(layer.cell, inputs, *states)
    return last[0], tf.transpose(outputs, (1, 0, 2)), list(last)


def _product(inputs: Any, kernel: Any, bias: Any) -> Any:
    """``[steps, batch, width]`` times ``[width, columns]``, as one product."""
    import tensorflow as tf

    width, columns = kernel.shape
    flat = tf.matmul(tf.reshape(inputs, (-1, width)), kernel) + bias
    return tf.reshape(flat, (*tf.unstack(tf.shape(inputs)[:2]), columns))


# --- LSTM (Hochreiter and Schmidhuber 1997, with a forget gate: Gers et al. 2000) ---


def _lstm(cell: Any, inputs: Any, output: Any, memory: Any) -> tuple[Any, Sequence[Any]]:
    """``<float32>[steps, batch, width]`` and the two states to all outputs and the last states."""
    import tensorflow as tf

    kernel, bias = map(tf.convert_to_tensor, (cell.kernel, cell.bias))
    recurrent = tf.convert_to_tensor(cell.recurrent_kernel)
    outputs, memory = _lstm_loop(_product(inputs, kernel, bias), recurrent, output, memory)
    return outputs, (outputs[-1], memory)


def _lstm_loop(given: Any, kernel: Any, first_output: Any, first_memory: Any) -> Any:
    """The loop, with its gradient.

    Args:
        given: ``[steps, batch, 4 * units]``, what the inputs give the gates: input gate, forget
            gate, candidate, output gate.
        kernel: ``[units, 4 * units]``, from the output before to the gates.
        first_output, first_memory: ``[batch, units]``.

    Returns:
        ``[steps, batch, units]`` outputs, and the last memory.
    """
    import tensorflow as tf

    units = kernel.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def loop(given: Any, kernel: Any, first_output: Any, first_memory: Any) -> Any:
        def forward(place: Any, read: Any, state: Any) -> Any:
            output, memory = state
            sums = read(place) + tf.matmul(output, kernel)
            enters, keeps, candidate, leaves = tf.split(sums, 4, axis=-1)
            enters, keeps, leaves = tf.sigmoid(enters), tf.sigmoid(keeps), tf.sigmoid(leaves)
            candidate = tf.tanh(candidate)
            memory = keeps * memory + enters * candidate
            output = leaves * tf.tanh(memory)
            kept = tf.concat([enters, keeps, candidate, leaves, memory, output], axis=-1)
            return (output, memory), kept

        start = (first_output, first_memory)
        (_, last_memory), kept = _scan(forward, given, start, width=6 * units)
        outputs = kept[:, :, 5 * units :]

        def gradient(of_outputs: Any, of_last_memory: Any) -> Any:
            enters, keeps, candidate, leaves, memory, _ = tf.split(kept, 6, axis=-1)
            bent = tf.tanh(memory)
            memory_before = tf.concat([first_memory[None], memory[:-1]], axis=0)
            output_before = tf.concat([first_output[None], outputs[:-1]], axis=0)
            # All that does not go from step to step, for all steps at once.
            slopes = [
                candidate * enters * (1 - enters),
                memory_before * keeps * (1 - keeps),
                enters * (1 - candidate * candidate),
                bent * leaves * (1 - leaves),
                leaves * (1 - bent * bent),
                keeps,
                of_outputs,
            ]
            packed = tf.concat(slopes, axis=-1)
            transposed = tf.transpose(kernel)

            def backward(place: Any, read: Any, state: Any) -> Any:
                of_output, of_memory = state
                of_gates, into_memory, keep, here = tf.split(
                    read(place), [4 * units, units, units, units], axis=-1
                )
                of_output = of_output + here
                of_memory = of_memory + of_output * into_memory
                to_all = tf.concat([of_memory, of_memory, of_memory, of_output], axis=-1)
                of_sums = to_all * of_gates
                return (tf.matmul(of_sums, transposed), of_memory * keep), of_sums

            start = (tf.zeros_like(first_output), of_last_memory)
            (of_first_output, of_first_memory), of_sums = _scan(
                backward, packed, start, width=4 * units, reverse=True
            )
            return (
                of_sums,
                _kernel_gradient(output_before, of_sums),
                of_first_output,
                of_first_memory,
            )

        return (outputs, last_memory), gradient

    return loop(given, kernel, first_output, first_memory)


# --- GRU (Cho et al. 2014; the reset after the product, as cuDNN has it) ---


def _gru(cell: Any, inputs: Any, output: Any) -> tuple[Any, Sequence[Any]]:
    """``<float32>[steps, batch, width]`` and the state to all outputs and the last state."""
    import tensorflow as tf

    kernel, bias = map(tf.convert_to_tensor, (cell.kernel, cell.bias))
    recurrent = tf.convert_to_tensor(cell.recurrent_kernel)
    outputs = _gru_loop(_product(inputs, kernel, bias[0]), recurrent, bias[1], output)
    return outputs, (outputs[-1],)


def _gru_loop(given: Any, kernel: Any, bias: Any, first_output: Any) -> Any:
    """The loop, with its gradient.

    Args:
        given: ``[steps, batch, 3 * units]``, what the inputs give: update gate, reset gate,
            candidate.
        kernel: ``[units, 3 * units]``, from the output before.
        bias: ``[3 * units]``, of that product.
        first_output: ``[batch, units]``.

    Returns:
        ``[steps, batch, units]`` outputs.
    """
    import tensorflow as tf

    units = kernel.shape[0]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def loop(given: Any, kernel: Any, bias: Any, first_output: Any) -> Any:
        def forward(place: Any, read: Any, state: Any) -> Any:
            (output,) = state
            of_input, of_candidate = tf.split(read(place), [2 * units, units], axis=-1)
            of_output, proposed = tf.split(
                tf.matmul(output, kernel) + bias, [2 * units, units], axis=-1
            )
            gates = tf.sigmoid(of_input + of_output)
            keeps, resets = tf.split(gates, 2, axis=-1)
            candidate = tf.tanh(of_candidate + resets * proposed)
            output = candidate + keeps * (output - candidate)
            return (output,), tf.concat([gates, candidate, proposed, output], axis=-1)

        _, kept = _scan(forward, given, (first_output,), width=5 * units)
        outputs = kept[:, :, 4 * units :]

        def gradient(of_outputs: Any) -> Any:
            keeps, resets, candidate, proposed, _ = tf.split(kept, 5, axis=-1)
            output_before = tf.concat([first_output[None], outputs[:-1]], axis=0)
            of_candidate = (1 - keeps) * (1 - candidate * candidate)
            slopes = [
                (output_before - candidate) * keeps * (1 - keeps),
                of_candidate * proposed * resets * (1 - resets),
                of_candidate * resets,
                keeps,
                of_outputs,
            ]
            packed = tf.concat(slopes, axis=-1)
            transposed = tf.transpose(kernel)

            def backward(place: Any, read: Any, state: Any) -> Any:
                (of_output,) = state
                of_sums, keep, here = tf.split(read(place), [3 * units, units, units], axis=-1)
                of_output = of_output + here
                of_sums = tf.concat([of_output] * 3, axis=-1) * of_sums
                before = tf.matmul(of_sums, transposed) + of_output * keep
                return (before,), tf.concat([of_sums, of_output], axis=-1)

            start = (tf.zeros_like(first_output),)
            (of_first_output,), found = _scan(
                backward, packed, start, width=4 * units, reverse=True
            )
            of_sums, of_output = tf.split(found, [3 * units, units], axis=-1)
            of_given = tf.concat([of_sums[:, :, : 2 * units], of_output * of_candidate], axis=-1)
            of_bias = tf.reduce_sum(of_sums, axis=(0, 1))
            return of_given, _kernel_gradient(output_before, of_sums), of_bias, of_first_output

        return outputs, gradient

    return loop(given, kernel, bias, first_output)


# --- Both ---


def _kernel_gradient(before: Any, of_sums: Any) -> Any:
    """Of all steps, by one product: ``[steps, batch, units]`` and ``[..., columns]`` to
    ``[units, columns]``."""
    import tensorflow as tf

    units, columns = before.shape[-1], of_sums.shape[-1]
    flat = tf.reshape(before, (-1, units)), tf.reshape(of_sums, (-1, columns))
    return tf.matmul(*flat, transpose_a=True)


def _scan(
    step: Callable[..., Any], given: Any, state: Any, *, width: int, reverse: bool = False
) -> tuple[Any, Any]:
    """Go through the steps, some of them an iteration.

    Args:
        step: ``(place, read, state) -> (state, kept)``, where ``read(place)`` is a row of
            ``given``.
        given: ``[steps, batch, columns]``.
        state: a tuple of ``[batch, units]`` before the first step.
        width: of what a step keeps.
        reverse: whether to begin with the last step.

    Returns:
        The state after the last step, and ``[steps, batch, width]``.
    """
    import tensorflow as tf

    steps = tf.shape(given)[0]
    rows = tf.TensorArray(given.dtype, steps, element_shape=(None, given.shape[-1])).unstack(given)
    kept = tf.TensorArray(given.dtype, steps, element_shape=(None, width))

    def several(count: int) -> Callable[..., Any]:
        def body(number: Any, kept: Any, *state: Any) -> Any:
            for offset in range(count):
                place = steps - 1 - number - offset if reverse else number + offset
                state, found = step(place, rows.read, state)
                kept = kept.write(place, found)
            return number + count, kept, *state

        return body

    whole = steps // _STEPS * _STEPS
    loop = tf.while_loop(
        lambda number, *_: number < whole, several(_STEPS), (tf.constant(0), kept, *state)
    )
    _, kept, *state = tf.while_loop(lambda number, *_: number < steps, several(1), loop)
    found = kept.stack()
    found.set_shape((None, None, width))
    return tuple(state), found
