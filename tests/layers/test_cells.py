"""The cells as Keras objects: their weights' names, how they start, their configs."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.layers import CELLS


@pytest.mark.parametrize("kind", CELLS)
def test_weights_have_names_and_start_well(kind):
    cell = CELLS[kind](3, recurrent_initializer="orthogonal", kernel_initializer="he_normal")
    cell.build((None, 5))
    weights = {weight.name: weight.numpy() for weight in cell.trainable_weights}
    assert weights.pop("kernel").shape == (5, 12)
    recurrent = weights.pop("recurrent_kernel")
    np.testing.assert_allclose(recurrent @ recurrent.T, np.eye(3), atol=1e-5)
    assert weights.pop("bias").tolist() == [0] * 3 + [1] * 3 + [0] * 6  # 1: the forget gate's
    assert isinstance(cell.kernel_initializer, keras.initializers.HeNormal)
    if kind == "peephole_lstm":
        peepholes = [weights.pop(f"{gate}_peephole") for gate in ("input", "forget", "output")]
        assert all(0 < abs(weight) < 1 for peephole in peepholes for weight in peephole)
    if kind == "layer_norm_lstm":
        assert weights.pop("input_gain").tolist() == [1] * 12
        assert weights.pop("recurrent_gain").tolist() == [1] * 12
        assert weights.pop("cell_gain").tolist() == [1] * 3
        assert weights.pop("cell_bias").tolist() == [0] * 3
    assert not weights


@pytest.mark.parametrize("kind", CELLS)
def test_configs_round_trip(kind):
    cell = CELLS[kind](
        3,
        kernel_initializer="he_normal",
        recurrent_initializer="glorot_normal",
        kernel_regularizer=keras.regularizers.L2(0.1),
        recurrent_regularizer=keras.regularizers.L1(0.2),
        dropout=0.3,
        recurrent_dropout=0.4,
        seed=7,
        name="a_name",
        dtype="mixed_bfloat16",
    )
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cell))
    assert type(copy) is CELLS[kind]
    assert copy.get_config() == cell.get_config()
    assert (copy.recurrent_dropout, copy.seed, copy.compute_dtype) == (0.4, 7, "bfloat16")
    assert copy.state_size == cell.state_size


@pytest.mark.parametrize("kind", CELLS)
def test_a_layer_can_hand_on_its_states(kind):
    layer = keras.layers.RNN(CELLS[kind](3), return_sequences=True, return_state=True)
    sequence = np.random.default_rng(0).normal(size=(2, 6, 5)).astype("float32")
    whole, *last = layer(sequence)
    assert len(last) == (1 if kind == "prototype_lstm" else 2)
    _, *states = layer(sequence[:, :4])
    rest, *_ = layer(sequence[:, 4:], initial_state=states)
    np.testing.assert_allclose(rest, whole[:, 4:], atol=1e-6)
