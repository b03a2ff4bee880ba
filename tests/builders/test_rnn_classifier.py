"""The recurrent classifier: by hand, and equal to Keras's masked Bidirectional."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.builders.cells_by_hand import STEPS, read_by_hand, sigmoid
from textnets.builders import build_rnn_classifier
from textnets.layers import recurrent_kernel

VOCABULARY_SIZE, EMBEDDING_WIDTH = 23, 5


def build(**arguments):
    keras.utils.set_random_seed(5)
    sizes = {"vocabulary_size": VOCABULARY_SIZE, "embedding_width": EMBEDDING_WIDTH}
    return build_rnn_classifier(**{"num_classes": 2, **sizes, **arguments})


# --- By hand ---


def constant_weights(model):
    """Every weight the same in its kind, but for the embedding: 0.1 times the token id."""
    for weight in model.weights:
        value = {"kernel": 0.3, "recurrent_kernel": -0.2, "bias": 0.1}.get(weight.name, 0.4)
        if weight.name == "embeddings":
            value = 0.1 * np.arange(VOCABULARY_SIZE)[:, None]
        weight.assign(np.broadcast_to(value, weight.shape))


@pytest.mark.parametrize("cell", STEPS)
@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_probability_by_hand(cell, pooling, token_ids, answer):
    model = build(cell=cell, pooling=pooling, units=(2,))
    constant_weights(model)
    table = model.get_layer("embedding").get_weights()[0]
    layer = model.get_layer(f"{cell}_1_forward")
    weights = {weight.name: weight.numpy() for weight in layer.trainable_weights}
    for row, probability in zip(token_ids, answer(model, token_ids), strict=True):
        vectors = table[row[row != 0]][None]
        forward = read_by_hand(cell, vectors, weights)[0]
        backward = read_by_hand(cell, vectors[:, ::-1], weights)[0, ::-1]
        features = {
            "last": np.concatenate([forward[-1], backward[0]]),
            "max": np.concatenate([forward.max(axis=0), backward.max(axis=0)]),
            "mean": np.concatenate([forward.mean(axis=0), backward.mean(axis=0)]),
        }[pooling]
        assert probability[0] == pytest.approx(sigmoid(0.3 * features.sum() + 0.1), abs=1e-6)


def test_one_token_by_hand(answer):
    model = build(cell="simple", units=(1,), bidirectional=False, embedding_width=1)
    constant_weights(model)
    state = np.tanh(0.3 * 0.7 + 0.1)  # token 7 is 0.7; there is no state before it
    expected = 1 / (1 + np.exp(-(0.3 * state + 0.1)))
    assert answer(model, np.array([[7]]))[0, 0] == pytest.approx(expected, abs=1e-7)


# --- Against Keras's masks ---


def build_with_keras_masks(cell, units, pooling):
    """The same net from ``mask_zero`` and ``Bidirectional``."""
    layer = {"simple": keras.layers.SimpleRNN, "lstm": keras.layers.LSTM, "gru": keras.layers.GRU}
    token_ids = keras.Input((None,), dtype="int32")
    embedding = keras.layers.Embedding(VOCABULARY_SIZE, EMBEDDING_WIDTH, mask_zero=True)
    sequence = embedding(token_ids)
    for number, size in enumerate(units, start=1):
        sequences = pooling == "mean" or number < len(units)
        recurrent = layer[cell](size, return_sequences=sequences)
        sequence = keras.layers.Bidirectional(recurrent)(sequence)
    if pooling == "mean":
        sequence = keras.layers.GlobalAveragePooling1D()(sequence)
    probabilities = keras.layers.Dense(3, activation="softmax")(sequence)
    return keras.Model(token_ids, probabilities)


def in_order_of(model, cell, units):
    """Our weights in the order of the model with Keras's masks."""
    names = [
        f"{cell}_{number}_{way}"
        for number in range(1, len(units) + 1)
        for way in ("forward", "backward")
    ]
    names = ["embedding", *names, "probabilities"]
    return [weight for name in names for weight in model.get_layer(name).trainable_weights]


@pytest.mark.heavy
@pytest.mark.parametrize("cell", ["simple", "lstm", "gru"])
@pytest.mark.parametrize(
    ("units", "pooling"),
    [
        ((4,), "last"),
        ((4, 6), "mean"),
        pytest.param((4, 6), "last", marks=pytest.mark.long),
        pytest.param((4,), "mean", marks=pytest.mark.long),
    ],
    ids=str,
)
def test_answers_and_gradients_equal_keras_masks(cell, units, pooling, token_ids, answer):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    import tensorflow

    def gradients_of(model, weights):
        with tensorflow.GradientTape() as tape:
            loss = keras.losses.sparse_categorical_crossentropy(
                np.arange(len(token_ids)) % 3, model(token_ids)
            )
            loss = tensorflow.reduce_mean(loss)
        gradients = tape.gradient(loss, [weight.value for weight in weights])
        return [tensorflow.convert_to_tensor(gradient).numpy() for gradient in gradients]

    model = build(cell=cell, units=units, pooling=pooling, num_classes=3)
    masked = build_with_keras_masks(cell, units, pooling)
    ours = in_order_of(model, cell, units)
    masked.set_weights([weight.numpy() for weight in ours])
    np.testing.assert_allclose(answer(model, token_ids), answer(masked, token_ids), atol=1e-6)
    pairs = zip(
        gradients_of(model, ours), gradients_of(masked, masked.trainable_weights), strict=True
    )
    for mine, theirs in pairs:
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


# --- Sizes, options, kernels ---


def test_the_imdb_model_has_exactly_as_many_parameters_as_published():
    model = build_rnn_classifier(
        vocabulary_size=20_000, num_classes=2, embedding_width=128, units=(64, 64)
    )
    assert model.count_params() == 2_757_761


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", ["last", "attention"])
def test_fused_kernels_can_be_used(cell, pooling):
    model = build(cell=cell, units=(4, 6), pooling=pooling, dropout=0.5, l2=0.1)
    assert recurrent_kernel(model, "tensorflow").fused
    assert recurrent_kernel(model, "jax").fused == (cell == "lstm")


def test_recurrent_dropout_and_simple_cells_go_without():
    slow = recurrent_kernel(build(recurrent_dropout=0.2), "tensorflow")
    assert slow.reason == "lstm_1_forward: recurrent_dropout=0.2"
    assert not recurrent_kernel(build(cell="simple"), "tensorflow").fused


def test_layer_names():
    model = build(units=(4, 6), dense_units=(8,), dropout=0.5, embedding_dropout=0.5)
    assert {layer.name for layer in model.layers} == {
        "token_ids", "padding_mask", "embedding", "embedding_dropout",
        "lstm_1_forward", "lstm_1_backward_inputs", "lstm_1_backward", "lstm_1_backward_outputs",
        "lstm_1_outputs", "lstm_2_dropout",
        "lstm_2_forward", "lstm_2_backward_inputs", "lstm_2_backward",
        "last_state_forward", "last_state_backward", "last_states", "features_dropout",
        "dense_1", "dense_1_dropout", "probabilities",
    }  # fmt: skip
    one_way = {layer.name for layer in build(bidirectional=False, pooling="max").layers}
    expected = {"token_ids", "padding_mask", "embedding", "lstm_1_forward", "max_pooling"}
    assert one_way == {*expected, "probabilities"}


def test_penalties_are_on_all_kernels_but_the_embedding():
    model = build(units=(4, 6), dense_units=(8,), l2=0.5)
    kernels = [weight for weight in model.weights if weight.name.endswith("kernel")]
    assert len(kernels) == 2 * 2 * 2 + 2
    expected = 0.5 * sum((weight.numpy() ** 2).sum() for weight in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_initializers_are_used():
    model = build(cell="gru", kernel_initializer="he_normal", recurrent_initializer="orthogonal")
    layer = model.get_layer("gru_1_backward")
    assert isinstance(layer.kernel_initializer, keras.initializers.HeNormal)
    assert layer.cell.reset_after
    weights = layer.get_weights()[1]
    np.testing.assert_allclose(weights @ weights.T, np.eye(64), atol=1e-5)


@pytest.mark.heavy
def test_every_kind_of_dropout_acts_in_training_only(token_ids, answer):
    model = build(embedding_dropout=0.5, dropout=0.5, recurrent_dropout=0.5)
    np.testing.assert_array_equal(answer(model, token_ids), answer(model, token_ids))
    first, second = (model(token_ids, training=True) for _ in range(2))
    assert not np.allclose(*map(keras.ops.convert_to_numpy, (first, second)))
    model.compile("adam", "binary_crossentropy", jit_compile=False)
    assert np.isfinite(model.train_on_batch(token_ids, np.ones((len(token_ids), 1))))
