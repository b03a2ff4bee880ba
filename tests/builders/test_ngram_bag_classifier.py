"""The five proofs of a bag of n-grams, whose input is a set; its values by hand are the layer's."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.builders import build_ngram_bag_classifier
from textnets.layers import NgramBag

IDS = np.array([[4, 7, 9, 0, 0], [5, 0, 0, 0, 0], [4, 5, 6, 8, 9]], np.int32)
HEADS = {
    "binary": ({"num_classes": 2}, 1),
    "classes": ({"num_classes": 3}, 3),
    "multi_label": ({"num_classes": 4, "multi_label": True}, 4),
}


def build(head: str, **more) -> keras.Model:
    keras.utils.set_random_seed(7)
    sizes, outputs = HEADS[head]
    model = build_ngram_bag_classifier(num_features=10, **sizes, **more)
    (bag,) = [layer for layer in model.layers if isinstance(layer, NgramBag)]
    targets = np.eye(outputs, dtype=np.float32)[[0, 0, outputs - 1]]
    targets = targets if outputs > 1 else np.array([[1], [0], [1]], np.float32)
    rows, places = np.nonzero(IDS)
    bag.adapt(IDS[rows, places], rows, targets)
    return model


def answer(model: keras.Model, ids: np.ndarray) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(ids, training=False))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("weighting", ["naive_bayes", "idf", "none"])
class TestProofs:
    def test_shape(self, head, weighting):
        model = build(head, weighting=weighting)
        assert (model.input.name, model.input.shape) == ("ngram_ids", (None, None))
        found = answer(model, IDS)
        assert found.shape == (3, HEADS[head][1])
        assert found.dtype == np.float32
        if head == "classes":
            np.testing.assert_allclose(found.sum(axis=1), 1.0, atol=1e-6)

    def test_the_amount_of_padding_does_not_change_the_answer(self, head, weighting):
        model = build(head, weighting=weighting)
        expected = answer(model, IDS)
        np.testing.assert_allclose(
            answer(model, np.pad(IDS, [(0, 0), (0, 6)])), expected, atol=1e-6
        )
        np.testing.assert_allclose(answer(model, IDS[1:2, :1])[0], expected[1], atol=1e-6)

    def test_the_order_of_the_features_does_not_change_the_answer(self, head, weighting):
        model = build(head, weighting=weighting)
        turned = answer(model, IDS[:, ::-1].copy())
        np.testing.assert_allclose(turned, answer(model, IDS), atol=1e-6)

    @pytest.mark.heavy
    def test_one_step_moves_the_weights_of_what_is_there(self, head, weighting):
        model = build(head, weighting=weighting)
        bag = model.get_layer("logits")
        before = bag.kernel.numpy().copy()
        loss = "binary_crossentropy" if head != "classes" else "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
        shape = (3,) if head == "classes" else (3, HEADS[head][1])
        plain = np.arange(np.prod(shape)).reshape(shape) % 2
        targets = np.ones(shape) if head == "binary" else plain
        model.train_on_batch(IDS, targets)
        moved = (bag.kernel.numpy() != before).any(axis=1)
        assert moved[[4, 5, 6, 7, 8, 9]].all()
        assert not moved[[0, 1, 2, 3]].any()
        assert [weight.path for weight in model.trainable_weights] == [
            "logits/kernel", "logits/bias",
        ]  # fmt: skip

    @pytest.mark.heavy
    def test_saved_and_loaded_it_answers_the_same(self, head, weighting, tmp_path):
        model = build(head, weighting=weighting, feature_dropout=0.5)
        model.save(tmp_path / "bag.keras")
        again = keras.models.load_model(tmp_path / "bag.keras", compile=False, safe_mode=True)
        np.testing.assert_array_equal(answer(again, IDS), answer(model, IDS))
