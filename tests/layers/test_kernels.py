"""Which recurrent layers can use the fused GPU kernels."""

from __future__ import annotations

import keras
import pytest

from textnets.layers import CELLS, KernelPath, recurrent_kernel


def model_of(*layers, mask_zero=False):
    embedding = keras.layers.Embedding(9, 3, mask_zero=mask_zero, name="embedding")
    return keras.Sequential([keras.Input((None,), dtype="int32"), embedding, *layers])


@pytest.mark.parametrize(
    ("layer", "backends"),
    [
        (keras.layers.LSTM(2), {"tensorflow", "jax", "torch"}),
        (keras.layers.LSTM(2, dropout=0.5, go_backwards=True), {"tensorflow", "jax", "torch"}),
        (keras.layers.Bidirectional(keras.layers.LSTM(2)), {"tensorflow", "jax", "torch"}),
        (keras.layers.LSTM(2, dtype="mixed_bfloat16"), {"tensorflow", "torch"}),
        (keras.layers.GRU(2), {"tensorflow", "torch"}),
        (keras.layers.Bidirectional(keras.layers.GRU(2)), {"tensorflow", "torch"}),
    ],
)
def test_fused(layer, backends):
    model = model_of(layer)
    fused = {
        backend
        for backend in ("tensorflow", "jax", "torch", "numpy", "openvino")
        if recurrent_kernel(model, backend).fused
    }
    assert fused == backends


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (keras.layers.SimpleRNN(2, name="one"), "one: SimpleRNN has no fused kernel"),
        (keras.layers.RNN(keras.layers.LSTMCell(2), name="one"), "one: RNN has no fused kernel"),
        (keras.layers.LSTM(2, recurrent_dropout=0.1, name="one"), "one: recurrent_dropout=0.1"),
        (keras.layers.LSTM(2, unroll=True, name="one"), "one: unroll=True"),
        (keras.layers.LSTM(2, use_bias=False, name="one"), "one: use_bias=False"),
        (keras.layers.LSTM(2, use_cudnn=False, name="one"), "one: use_cudnn=False"),
        (keras.layers.GRU(2, reset_after=False, name="one"), "one: reset_after=False"),
        (
            keras.layers.LSTM(2, activation="relu", name="one"),
            "one: activation is not tanh, was: relu",
        ),
        (
            keras.layers.GRU(2, recurrent_activation="hard_sigmoid", name="one"),
            "one: recurrent_activation is not sigmoid, was: hard_sigmoid",
        ),
    ],
)
def test_not_fused_and_why(layer, reason):
    assert recurrent_kernel(model_of(layer), "tensorflow") == KernelPath(False, reason)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_cell_of_ours_is_named_as_in_a_recipe(cell, backend):
    layer = keras.layers.RNN(CELLS[cell](2), name="one")
    for one in (layer, keras.layers.Bidirectional(layer, name="both")):
        path = recurrent_kernel(model_of(one), backend)
        assert not path.fused
        assert path.reason.endswith(f"one: {cell} has no fused kernel")


def test_no_recurrent_layers():
    model = model_of(keras.layers.GlobalAveragePooling1D())
    expected = KernelPath(fused=False, reason="no recurrent layers", recurrent=False)
    assert recurrent_kernel(model, "tensorflow") == expected


def test_a_keras_mask_is_taken_by_tensorflow_only():
    model = model_of(keras.layers.LSTM(2), mask_zero=True)
    assert recurrent_kernel(model, "tensorflow").fused
    assert not recurrent_kernel(model, "jax").fused
    assert "embedding makes a Keras mask" in recurrent_kernel(model, "torch").reason


def test_one_slow_layer_among_others_is_found_in_a_nested_model():
    inner = keras.Sequential(
        [
            keras.Input((None, 3)),
            keras.layers.LSTM(2, return_sequences=True),
            keras.layers.Bidirectional(keras.layers.GRU(2, recurrent_dropout=0.2)),
        ]
    )
    path = recurrent_kernel(model_of(inner), "tensorflow")
    assert not path.fused
    assert path.reason.endswith("recurrent_dropout=0.2")
