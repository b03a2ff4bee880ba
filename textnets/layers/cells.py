"""Variants of the LSTM that Keras lacks: what one step of a recurrent layer computes.

A cell is used as Keras uses its own, ``keras.layers.RNN(PeepholeLSTMCell(64))``. It is
called with the vectors of one time step, ``<float>[batch, width]``, and a list of states,
``<float>[batch, units]`` each, and returns its output, ``<float>[batch, units]``, and the
new states. None of these has a fused GPU kernel.

The equations below write s for the logistic function and * for the product of components;
x is the input of a step, h or s_ what the step before it left behind.
"""

from __future__ import annotations

from typing import Any

import keras


def state_sizes(cell: Any) -> list[int]:
    """The size of each state that a cell carries, Keras's own or one of these."""
    sizes = cell.state_size
    return list(sizes) if isinstance(sizes, list | tuple) else [sizes]


class _LSTMVariant(keras.layers.LSTMCell):  # type: ignore[misc]  # Keras ships no types
    """What the variants share with an LSTM: its kernels, its biases and its dropout.

    The kernels have four blocks of columns and the bias four blocks: input gate, forget
    gate, candidate, output gate. The bias starts at 0, but for the forget gate's: 1.

    Dropout draws one mask a sequence for the inputs and one for the state, the same at
    every step and for all gates (Gal and Ghahramani 2016, with tied weights), as Keras's
    GRU does.

    Args:
        units: size of the state.
        kernel_initializer: how the kernel from the inputs starts.
        recurrent_initializer: how the kernel from the state starts.
        kernel_regularizer: penalty on the kernel from the inputs.
        recurrent_regularizer: penalty on all weights from a state to a gate.
        dropout: share of the inputs to drop in training.
        recurrent_dropout: share of the state to drop in training, where a kernel reads it.
        seed: of the dropout; random when absent.
    """

    num_states = 2  # the output and the cell state

    def __init__(
        self,
        units: int,
        *,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        seed: int | None = None,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            units,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            seed=seed,
            name=name,
            trainable=trainable,
            dtype=dtype,
        )
        self.state_size = [units] * self.num_states
        # Keras's LSTMCell asks for a list of masks, one a gate, where it drops states.
        self.dropout_mask_count = None

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        config = super().get_config()
        fixed = (
            "activation", "recurrent_activation", "use_bias", "unit_forget_bias",
            "bias_initializer", "bias_regularizer",
            "kernel_constraint", "recurrent_constraint", "bias_constraint",
        )  # fmt: skip
        return {key: value for key, value in config.items() if key not in fixed}

    def _drop_inputs(self, inputs: Any, training: bool) -> Any:
        """The inputs of a step under the sequence's mask: ``<float>[batch, width]``."""
        if not training or not self.dropout:
            return inputs
        return inputs * self.get_dropout_mask(inputs)

    def _drop_state(self, state: Any, training: bool) -> Any:
        """A state under the sequence's mask: ``<float>[batch, units]``."""
        if not training or not self.recurrent_dropout:
            return state
        return state * self.get_recurrent_dropout_mask(state)


@keras.saving.register_keras_serializable("textnets")
class PeepholeLSTMCell(_LSTMVariant):
    """An LSTM whose gates see the cell state, each component its own (diagonal weights).

    Graves (2013), "Generating Sequences With Recurrent Neural Networks", equations 7 to 11::

        i = s(Wx_i x + Wh_i h + w_i * c_ + b_i)
        f = s(Wx_f x + Wh_f h + w_f * c_ + b_f)
        c = f * c_ + i * tanh(Wx_c x + Wh_c h + b_c)
        o = s(Wx_o x + Wh_o h + w_o * c + b_o)
        output = o * tanh(c)

    where c_ is the cell state before the step. States: the output, then c. The peephole
    weights w start uniformly in ±sqrt(3 / units); ``recurrent_regularizer`` is on them too.
    """

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs ``<float>[batch, width]``."""
        super().build(input_shape)
        self.input_peephole, self.forget_peephole, self.output_peephole = (
            self.add_weight(
                shape=(self.units,),
                name=f"{gate}_peephole",
                initializer="glorot_uniform",
                regularizer=self.recurrent_regularizer,
            )
            for gate in ("input", "forget", "output")
        )

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """One step: the output and ``[output, cell state]``."""
        hidden, before = states
        sums = (
            keras.ops.matmul(self._drop_inputs(inputs, training), self.kernel)
            + keras.ops.matmul(self._drop_state(hidden, training), self.recurrent_kernel)
            + self.bias
        )
        entry, forget, candidate, exit_ = keras.ops.split(sums, 4, axis=-1)
        entry = keras.ops.sigmoid(entry + self.input_peephole * before)
        forget = keras.ops.sigmoid(forget + self.forget_peephole * before)
        memory = forget * before + entry * keras.ops.tanh(candidate)
        exit_ = keras.ops.sigmoid(exit_ + self.output_peephole * memory)
        output = exit_ * keras.ops.tanh(memory)
        return output, [output, memory]


@keras.saving.register_keras_serializable("textnets")
class PrototypeLSTMCell(_LSTMVariant):
    """One state that is written, read and forgotten through gates: an LSTM laid bare.

    The step before the LSTM in its derivation by Pitis (2016), "Written Memories:
    Understanding, Deriving and Extending the LSTM" (r2rt.com)::

        i = s(Wx_i x + Ws_i s_ + b_i)             (write)
        f = s(Wx_f x + Ws_f s_ + b_f)             (forget)
        o = s(Wx_o x + Ws_o s_ + b_o)             (read)
        c = tanh(Wx_c x + Ws_c (o * s_) + b_c)
        output = f * s_ + i * c

    The output is the only state. The blocks of the weights are in this order. Nothing
    squashes the state: after t steps a component may be as large as t, which is what the
    LSTM's tanh of the cell state is there for.
    """

    num_states = 1

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """One step: the output and ``[output]``."""
        (before,) = states
        inputs = self._drop_inputs(inputs, training)
        seen = self._drop_state(before, training)
        sums = keras.ops.matmul(inputs, self.kernel) + self.bias
        gates, candidate = keras.ops.split(sums, [3 * self.units], axis=-1)
        # Split and not sliced: the gradient of a slice fills a kernel with zeros each step.
        to_gates, to_candidate = keras.ops.split(self.recurrent_kernel, [3 * self.units], axis=-1)
        gates = keras.ops.sigmoid(gates + keras.ops.matmul(seen, to_gates))
        write, forget, read = keras.ops.split(gates, 3, axis=-1)
        candidate = keras.ops.tanh(candidate + keras.ops.matmul(read * seen, to_candidate))
        output = forget * before + write * candidate
        return output, [output]


@keras.saving.register_keras_serializable("textnets")
class LayerNormLSTMCell(_LSTMVariant):
    """An LSTM whose sums and cell state are normalized, over the units of each row.

    Ba, Kiros and Hinton (2016), "Layer Normalization", supplementary material, the LSTM
    "that incorporates layer normalization"::

        (i, f, g, o) = LN(Wh h) + LN(Wx x) + b
        c = s(f) * c_ + s(i) * tanh(g)
        output = s(o) * tanh(LN(c))

    LN is (z - mean) / sqrt(variance + 1e-5), times a gain that starts at 1; the first two
    take mean and variance over all four blocks together. Only that of c adds a bias of its
    own: for the first two it would be the same as b. The c that is carried on is not
    normalized. States: the output, then c.
    """

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs ``<float>[batch, width]``."""
        super().build(input_shape)
        sums = (4 * self.units,)
        self.input_gain = self.add_weight(shape=sums, name="input_gain", initializer="ones")
        self.recurrent_gain = self.add_weight(shape=sums, name="recurrent_gain", initializer="ones")
        self.cell_gain = self.add_weight(shape=(self.units,), name="cell_gain", initializer="ones")
        self.cell_bias = self.add_weight(shape=(self.units,), name="cell_bias", initializer="zeros")

    def call(self, inputs: Any, states: Any, training: bool = False) -> Any:
        """One step: the output and ``[output, cell state]``."""
        hidden, before = states
        from_inputs = keras.ops.matmul(self._drop_inputs(inputs, training), self.kernel)
        from_state = keras.ops.matmul(self._drop_state(hidden, training), self.recurrent_kernel)
        sums = (
            _normalize(from_inputs, self.input_gain)
            + _normalize(from_state, self.recurrent_gain)
            + self.bias
        )
        entry, forget, candidate, exit_ = keras.ops.split(sums, 4, axis=-1)
        memory = keras.ops.sigmoid(forget) * before
        memory = memory + keras.ops.sigmoid(entry) * keras.ops.tanh(candidate)
        normal = _normalize(memory, self.cell_gain, self.cell_bias)
        output = keras.ops.sigmoid(exit_) * keras.ops.tanh(normal)
        return output, [output, memory]


def _normalize(values: Any, gain: Any, bias: Any = None) -> Any:
    """Layer normalization of ``<float>[batch, width]``, its sums in float32 at least.

    By hand: on TensorFlow's CPU a training step of the LSTM took about a fifth less
    time than with ``keras.ops.layer_normalization``.
    """
    wide = keras.ops.cast(values, keras.backend.result_type(values.dtype, "float32"))
    centered = wide - keras.ops.mean(wide, axis=-1, keepdims=True)
    variance = keras.ops.mean(centered * centered, axis=-1, keepdims=True)
    normal = keras.ops.cast(centered * keras.ops.rsqrt(variance + 1e-5), values.dtype) * gain
    return normal if bias is None else normal + bias


CELLS: dict[str, type[_LSTMVariant]] = {
    "peephole_lstm": PeepholeLSTMCell,
    "prototype_lstm": PrototypeLSTMCell,
    "layer_norm_lstm": LayerNormLSTMCell,
}
