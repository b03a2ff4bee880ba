"""The five proofs of a classifier over an encoder's vectors, which themselves are never trained."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.builders import build_encoder_classifier
from textnets.errors import InputError

HEADS = {
    "binary": ({"num_classes": 2}, 1),
    "classes": ({"num_classes": 3}, 3),
    "multi_label": ({"num_classes": 4, "multi_label": True}, 4),
}
TABLE = np.random.default_rng(1).normal(size=(23, 5)).astype("float32")
TABLE[:4] = 0.0
IDS = np.array([[4, 9, 6, 0, 0], [1, 0, 0, 0, 0], [22, 4, 4, 5, 8], [7, 0, 0, 0, 0]], "int32")


def build(head: str = "binary", **more) -> keras.Model:
    keras.utils.set_random_seed(5)
    sizes = {"encoder_vectors": TABLE, "dense_units": (7,), **HEADS[head][0]}
    return build_encoder_classifier(**{**sizes, **more})


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("unit_length", [False, True])
class TestProofs:
    def test_shape(self, head, unit_length, answer):
        model = build(head, unit_length=unit_length)
        assert (model.input.name, model.input.shape) == ("token_ids", (None, None))
        found = answer(model, IDS)
        assert (found.shape, found.dtype) == ((4, HEADS[head][1]), np.float32)
        if head == "classes":
            np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)

    def test_the_amount_of_padding_does_not_change_the_answer(self, head, unit_length, answer):
        model = build(head, unit_length=unit_length)
        expected = answer(model, IDS)
        longer = np.pad(IDS, [(0, 0), (0, 6)])
        np.testing.assert_allclose(answer(model, longer), expected, atol=1e-6)
        np.testing.assert_allclose(answer(model, IDS[3:, :1])[0], expected[3], atol=1e-6)

    @pytest.mark.heavy
    def test_a_step_moves_every_weight_but_the_vectors(self, head, unit_length):
        model = build(head, unit_length=unit_length, activation="tanh")
        before = [weight.numpy().copy() for weight in model.trainable_weights]
        assert len(before) == 4  # kernels and biases of two layers
        loss = "sparse_categorical_crossentropy" if head == "classes" else "binary_crossentropy"
        model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
        targets = np.eye(4, HEADS[head][1]) if head != "classes" else np.array([0, 1, 2, 0])
        model.train_on_batch(IDS, targets)
        for weight, old in zip(model.trainable_weights, before, strict=True):
            assert (weight.numpy() != old).mean() > 0.9, weight.path
        np.testing.assert_array_equal(model.get_layer("embedding").get_weights()[0], TABLE)

    def test_saved_and_loaded_it_answers_the_same(self, head, unit_length, answer, tmp_path):
        model = build(head, unit_length=unit_length)
        model.save(tmp_path / "model.keras")
        loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
        assert not loaded.get_layer("embedding").trainable
        np.testing.assert_array_equal(answer(loaded, IDS), answer(model, IDS))


def test_vectors_by_hand(answer):
    model = build(unit_length=True)
    vectors = answer(keras.Model(model.input, model.get_layer("encoder_vector").output), IDS)
    for row, found in zip(IDS, vectors, strict=True):
        mean = TABLE[row[row != 0]].mean(axis=0)
        np.testing.assert_allclose(found, mean / max(np.linalg.norm(mean), 1e-12), atol=1e-6)
    assert not vectors[1].any()  # no known token
    plain = build()
    means = answer(keras.Model(plain.input, plain.get_layer("encoder_vector").output), IDS)
    np.testing.assert_allclose(means[2], TABLE[[22, 4, 4, 5, 8]].mean(axis=0), atol=1e-6)


def test_constant_weights_by_hand(answer):
    table = np.arange(23.0)[:, None] * [0.1, -0.2]
    model = build(encoder_vectors=table, dense_units=(3,))
    for weight in model.trainable_weights:
        weight.assign(np.full(weight.shape, 0.25))
    # The mean of tokens 4 and 6 is (0.5, -1.0); 0.25 * -0.5 + 0.25 = 0.125, three times.
    expected = 1 / (1 + np.exp(-(0.25 * 3 * 0.125 + 0.25)))
    assert answer(model, np.array([[4, 6, 0]]))[0, 0] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("vectors", [None, 3.0, np.zeros(4), np.zeros((0, 3))])
def test_vectors_that_are_no_table_are_refused(vectors):
    with pytest.raises(InputError, match="encoder_vectors: must be of shape"):
        build(encoder_vectors=vectors)
