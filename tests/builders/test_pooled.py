"""Pooling in several ways at once, and words that are dropped, in every builder that has them."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.builders import BUILDERS
from textnets.errors import InputError

IDS = np.array([[4, 5, 6], [7, 0, 0]], np.int32)
SIZES = {"vocabulary_size": 9, "num_classes": 3, "embedding_width": 4}
SMALL = {
    "cnn_classifier": {"widths": (2,), "maps": 5},
    "mlp_classifier": {"dense_units": ()},
    "rnn_classifier": {"units": (3,)},
}


def build(builder: str, **more) -> keras.Model:
    keras.utils.set_random_seed(1)
    return BUILDERS[builder](**SIZES, **{**SMALL[builder], **more})


@pytest.mark.parametrize(
    ("builder", "pooling", "width"),
    [
        ("cnn_classifier", ["max", "mean"], 10),
        ("cnn_classifier", "attention", 5),
        ("mlp_classifier", ["mean", "max", "attention"], 12),
        ("rnn_classifier", ["max", "mean"], 12),
        ("rnn_classifier", ["last", "mean"], 12),
        ("rnn_classifier", ["last"], 6),
    ],
)
def test_several_kinds_stand_side_by_side(builder, pooling, width):
    model = build(builder, pooling=pooling, dropout=0.0)
    assert model.get_layer("probabilities").kernel.shape == (width, 3)
    answer = keras.ops.convert_to_numpy(model(IDS, training=False))
    longer = keras.ops.convert_to_numpy(model(np.pad(IDS, [(0, 0), (0, 4)]), training=False))
    np.testing.assert_allclose(longer, answer, atol=1e-6)


def test_the_mean_and_the_maximum_of_two_are_those_of_each():
    both = build("mlp_classifier", pooling=["mean", "max"])
    vectors = both.get_layer("embedding").get_weights()[0]
    found = keras.Model(both.input, both.get_layer("text_vector").output)(IDS)
    expected = np.concatenate([vectors[IDS[0]].mean(0), vectors[IDS[0]].max(0)])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(found)[0], expected, atol=1e-6)


@pytest.mark.parametrize("builder", SMALL)
def test_a_kind_twice_is_refused(builder):
    with pytest.raises(InputError, match="pooling: each kind once, was twice: max"):
        build(builder, pooling=["max", "max"])


@pytest.mark.parametrize("builder", SMALL)
def test_words_are_dropped_in_training_only(builder):
    model, plain = build(builder, word_dropout=0.9, dropout=0.0), build(builder, dropout=0.0)
    assert "word_dropout" in [layer.name for layer in model.layers]
    assert "word_dropout" not in [layer.name for layer in plain.layers]
    ids = np.tile(IDS[:1], (20, 1))
    still = keras.ops.convert_to_numpy(model(ids, training=False))
    assert np.ptp(still, axis=0).max() < 1e-6
    assert np.ptp(keras.ops.convert_to_numpy(model(ids, training=True)), axis=0).max() > 1e-6
