"""The deep averaging network, by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.builders import build_mlp_classifier


def build(**arguments):
    keras.utils.set_random_seed(5)
    sizes = {"vocabulary_size": 23, "num_classes": 2, "embedding_width": 5}
    return build_mlp_classifier(**{**sizes, **arguments})


def test_constant_weights_by_hand(answer):
    model = build(embedding_width=2, dense_units=(3,))
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 0.25))
    table = np.arange(23.0)[:, None] * [0.1, -0.2]
    model.get_layer("embedding").set_weights([table])
    # The mean of tokens 4 and 6 is (0.5, -1.0); 0.25 * -0.5 + 0.25 = 0.125, three times.
    expected = 1 / (1 + np.exp(-(0.25 * 3 * 0.125 + 0.25)))
    assert answer(model, np.array([[4, 6, 0]]))[0, 0] == pytest.approx(expected, abs=1e-7)


def test_several_labels_by_hand(token_ids, answer):
    model = build(num_classes=4, multi_label=True, dense_units=())
    table = model.get_layer("embedding").get_weights()[0]
    kernel, bias = model.get_layer("probabilities").get_weights()
    for row, probabilities in zip(token_ids, answer(model, token_ids), strict=True):
        scores = table[row[row != 0]].mean(axis=0) @ kernel + bias
        np.testing.assert_allclose(probabilities, 1 / (1 + np.exp(-scores)), atol=1e-6)


def test_the_order_of_words_does_not_matter(answer):
    model = build()
    forward, backward = np.array([[4, 9, 6, 0]]), np.array([[6, 9, 4, 0]])
    np.testing.assert_allclose(answer(model, forward), answer(model, backward), atol=1e-7)


def test_layer_names_and_penalties():
    model = build(dense_units=(8, 7), dropout=0.5, embedding_dropout=0.5, l2=0.5)
    assert {layer.name for layer in model.layers} == {
        "token_ids", "embedding", "padding_mask", "embedding_dropout", "mean_vector",
        "features_dropout", "dense_1", "dense_1_dropout", "dense_2", "dense_2_dropout",
        "probabilities",
    }  # fmt: skip
    kernels = [weight.numpy() for weight in model.weights if weight.name == "kernel"]
    expected = 0.5 * sum((kernel**2).sum() for kernel in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)
