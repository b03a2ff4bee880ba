"""Pooling that is blind to padding."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.layers import AttentionPooling, LastState, MaskedMaxPooling, MaskedMeanPooling

POOLINGS = [LastState, MaskedMaxPooling, MaskedMeanPooling, AttentionPooling]

SEQUENCE = np.array(
    [
        [[1.0, -2.0], [3.0, -4.0], [5.0, -9.0]],
        [[2.0, -1.0], [-6.0, -3.0], [70.0, 80.0]],
        [[-4.0, -7.0], [90.0, 90.0], [-50.0, 60.0]],
    ],
    dtype="float32",
)
MASK = np.array([[True, True, True], [True, True, False], [True, False, False]])


def numpy(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def attention_pooling(kernel, bias, query):
    layer = AttentionPooling(attention_width=len(query))
    layer.build([(None, None, len(kernel)), (None, None)])
    layer.set_weights([np.array(kernel), np.array(bias), np.array(query)[:, None]])
    return layer


def test_last_state():
    expected = [[5, -9], [-6, -3], [-4, -7]]
    assert numpy(LastState()([SEQUENCE, MASK])).tolist() == expected


def test_max():
    expected = [[5, -2], [2, -1], [-4, -7]]
    assert numpy(MaskedMaxPooling()([SEQUENCE, MASK])).tolist() == expected


def test_mean():
    expected = [[3, -5], [-2, -2], [-4, -7]]
    np.testing.assert_allclose(numpy(MaskedMeanPooling()([SEQUENCE, MASK])), expected, atol=1e-6)


def test_attention_by_hand():
    layer = attention_pooling(kernel=[[0.1], [0.0]], bias=[0.2], query=[3.0])
    pooled = numpy(layer([SEQUENCE, MASK]))
    scores = 3.0 * np.tanh(0.1 * SEQUENCE[1, :2, 0] + 0.2)
    weights = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(pooled[1], weights @ SEQUENCE[1, :2], rtol=1e-5)
    np.testing.assert_allclose(pooled[2], SEQUENCE[2, 0], rtol=1e-6)  # a single token


def test_attention_with_a_zero_query_is_the_mean():
    layer = attention_pooling(kernel=[[0.1, 0.5], [0.3, 0.2]], bias=[0.2, 0.0], query=[0.0, 0.0])
    np.testing.assert_allclose(
        numpy(layer([SEQUENCE, MASK])), numpy(MaskedMeanPooling()([SEQUENCE, MASK])), atol=1e-6
    )


def test_attention_weights_are_zero_at_the_padding_and_add_up_to_one():
    layer = attention_pooling(kernel=[[0.1], [0.4]], bias=[0.2], query=[2.0])
    weights = numpy(layer.weigh(keras.ops.convert_to_tensor(SEQUENCE), MASK))
    assert not weights[~MASK].any()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-6)


def test_attention_width_defaults_to_that_of_the_sequence():
    layer = AttentionPooling()
    layer.build([(None, None, 5), (None, None)])
    assert [tuple(weight.shape) for weight in layer.weights] == [(5, 5), (5,), (5, 1)]


@pytest.mark.parametrize("pooling", POOLINGS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_padding_changes_nothing_in_any_precision(pooling, dtype):
    layer = pooling(dtype=dtype)
    alone = numpy(layer([SEQUENCE[1:2, :2], MASK[1:2, :2]]))
    padded = np.concatenate([SEQUENCE, np.full((3, 4, 2), 3e4, "float32")], axis=1)
    mask = np.concatenate([MASK, np.zeros((3, 4), bool)], axis=1)
    answer = layer([padded, mask])
    assert keras.backend.standardize_dtype(answer.dtype) == layer.compute_dtype
    np.testing.assert_allclose(numpy(answer)[1:2], alone, rtol=1e-6)


@pytest.mark.parametrize("pooling", [MaskedMeanPooling, AttentionPooling])
def test_long_sums_are_exact_enough_in_bfloat16(pooling):
    # In bfloat16 256 + 1 is 256.
    sequence = np.full((1, 700, 3), 1.25, "float32")
    answer = pooling(dtype="mixed_bfloat16")([sequence, np.ones((1, 700), bool)])
    np.testing.assert_allclose(numpy(answer), 1.25, rtol=1e-2)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_gradients_are_finite_and_zero_at_the_padding(pooling):
    tensorflow = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    sequence = tensorflow.Variable(SEQUENCE)
    with tensorflow.GradientTape() as tape:
        total = tensorflow.reduce_sum(pooling()([sequence, MASK]))
    gradient = numpy(tensorflow.convert_to_tensor(tape.gradient(total, sequence)))
    assert np.isfinite(gradient).all()
    assert not gradient[~MASK].any()
    assert all(gradient[row].any() for row in range(3))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_shape_is_known_before_the_call(pooling):
    sequence = keras.KerasTensor((None, None, 5), dtype="float32")
    mask = keras.KerasTensor((None, None), dtype="bool")
    assert pooling()([sequence, mask]).shape == (None, 5)


@pytest.mark.parametrize(
    "layer",
    [
        LastState(),
        MaskedMaxPooling(dtype="mixed_bfloat16"),
        MaskedMeanPooling(name="a_name"),
        AttentionPooling(3, kernel_initializer="he_normal", dtype="bfloat16", name="b_name"),
    ],
)
def test_configs_round_trip(layer):
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer)
    assert copy.get_config() == layer.get_config()
    assert copy.compute_dtype == layer.compute_dtype
