"""Weights and words of a recurrent net that are dropped for a whole batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tests.backend.test_recurrence import model_of, trained
from textnets import layers
from textnets.backend.recurrence import train_recurrence_fast
from textnets.builders import build_rnn_classifier, build_rnn_tagger

RATE, SEED = 0.4, 3
PLAIN: dict[str, Any] = {
    "simple": keras.layers.SimpleRNN,
    "lstm": keras.layers.LSTM,
    "gru": keras.layers.GRU,
}
DROPPED: dict[str, Any] = {
    "simple": layers.WeightDropSimpleRNN,
    "lstm": layers.WeightDropLSTM,
    "gru": layers.WeightDropGRU,
}
CELLS = (*PLAIN, "peephole_lstm", "layer_norm_lstm")


def pair(cell: str) -> tuple[Any, Any]:
    """A layer that drops weights, and one that does not."""
    given: dict[str, Any] = {"return_sequences": True, "name": "layer"}
    dropped: dict[str, Any] = {"weight_dropout": RATE, "weight_seed": SEED}
    if cell in PLAIN:
        return DROPPED[cell](7, **given, **dropped), PLAIN[cell](7, **given)
    one, other = (layers.CELLS[cell](7, name="cell") for _ in range(2))
    return layers.WeightDropRNN(one, **given, **dropped), keras.layers.RNN(other, **given)


def first_mask(shape: tuple[int, ...]) -> np.ndarray:
    """What the layer multiplies its kernel by when it first draws."""
    ones, generator = np.ones(shape, "float32"), keras.random.SeedGenerator(SEED)
    mask = keras.ops.convert_to_numpy(keras.random.dropout(ones, RATE, seed=generator))
    assert set(np.unique(mask)) == {0.0, np.float32(1 / (1 - RATE))}
    return mask


@pytest.mark.heavy
@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("cell", CELLS)
def test_it_trains_as_a_layer_whose_kernel_has_holes(cell: str, fast: bool) -> None:
    if fast and cell not in ("lstm", "gru"):
        pytest.skip("Keras's own loop computes it")
    models = [model_of(layer) for layer in pair(cell)]
    kernels = [model.get_layer("layer").cell.recurrent_kernel for model in models]
    for one, other in zip(models[0].trainable_weights, models[1].trainable_weights, strict=True):
        other.assign(one)
    mask = first_mask(kernels[0].shape)
    kernels[1].assign(kernels[0].numpy() * mask)
    inputs = [np.random.default_rng(2).normal(size=(3, 6, 5)).astype("float32")]
    before = kernels[0].numpy()
    if fast:
        assert train_recurrence_fast(models[0]) == ["layer"]
    found, expected = (trained(model, inputs) for model in models)
    places = [weight is kernels[1] for weight in models[1].trainable_weights]
    for number, (one, other) in enumerate(zip(found, expected, strict=True)):
        is_kernel = 1 <= number <= len(places) and places[number - 1]
        np.testing.assert_allclose(one, other * mask if is_kernel else other, atol=1e-5)
    np.testing.assert_array_equal(kernels[0].numpy(), before)
    # The next batch has other holes, and what answers has none.
    assert not np.allclose(trained(models[0], inputs)[0], found[0], atol=1e-4)
    kernels[1].assign(before)
    answers = [keras.ops.convert_to_numpy(model(inputs)) for model in models]
    np.testing.assert_array_equal(*answers)


@pytest.mark.parametrize("cell", CELLS)
def test_configs_round_trip(cell: str) -> None:
    layer, _ = pair(cell)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is type(layer)
    assert (copy.weight_dropout, copy.weight_seed) == (RATE, SEED)
    assert copy.get_config() == layer.get_config()


def test_words_are_dropped_wherever_they_stand() -> None:
    layer = layers.VocabularyDropout(50, 0.5, seed=1)
    ids = np.random.default_rng(0).integers(1, 50, (4, 60)).astype("int32")
    vectors = np.ones((4, 60, 2), "float32")
    found = keras.ops.convert_to_numpy(layer([vectors, ids], training=True))
    of_word = {word: np.unique(found[ids == word]) for word in np.unique(ids)}
    assert all(len(values) == 1 for values in of_word.values())
    values = np.concatenate(list(of_word.values()))
    assert set(values) == {0.0, 2.0}
    assert 0.25 < (values == 0.0).mean() < 0.75
    again = keras.ops.convert_to_numpy(layer([vectors, ids], training=True))
    assert (again != found).any()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer([vectors, ids])), vectors)


@pytest.mark.parametrize("build", [build_rnn_classifier, build_rnn_tagger])
def test_builders_hand_it_on(build: Any) -> None:
    sizes = {"num_classes": 3} if build is build_rnn_classifier else {"num_tags": 3}
    keys = {"weight_dropout": 0.3, "variational_dropout": True, "vocabulary_dropout": 0.2}
    given = {"vocabulary_size": 9, "units": (4, 5), "dropout": 0.1, "cell": "gru", **sizes}
    kinds = [
        [type(layer).__name__ for layer in build(**given, **more).layers] for more in ({}, keys)
    ]
    assert kinds[0].count("GRU") == kinds[1].count("WeightDropGRU") == 4
    assert "SpatialDropout1D" not in kinds[0]
    assert kinds[1].count("SpatialDropout1D") == (1 if build is build_rnn_classifier else 3)
    assert kinds[1].count("VocabularyDropout") == 1
