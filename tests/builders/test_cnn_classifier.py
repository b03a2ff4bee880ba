"""The convolutional classifier, by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.builders import build_cnn_classifier
from textnets.errors import InputError


def build(**arguments):
    keras.utils.set_random_seed(5)
    sizes = {"vocabulary_size": 23, "num_classes": 3, "embedding_width": 5, "maps": 4}
    return build_cnn_classifier(**{**sizes, **arguments})


def convolve_by_hand(vectors, kernel, bias):
    """Slide over one unpadded text, with zeros around it: <float>[tokens, maps]."""
    width = len(kernel)
    before = (width - 1) // 2
    padded = np.pad(vectors, [(before, width - 1 - before), (0, 0)])
    windows = [padded[start : start + width] for start in range(len(vectors))]
    return np.array([np.einsum("wi,wim->m", window, kernel) + bias for window in windows])


@pytest.mark.parametrize("widths", [(3,), (2, 5), (1, 4, 9)])
def test_probabilities_by_hand(widths, token_ids, answer):
    model = build(widths=widths)
    table = model.get_layer("embedding").get_weights()[0]
    kernel, bias = model.get_layer("probabilities").get_weights()
    for row, probabilities in zip(token_ids, answer(model, token_ids), strict=True):
        features = []
        for width in widths:
            weights = model.get_layer(f"convolution_{width}").get_weights()
            maps = np.maximum(convolve_by_hand(table[row[row != 0]], *weights), 0)
            features.append(maps.max(axis=0))
        likeness = np.exp(np.concatenate(features) @ kernel + bias)
        np.testing.assert_allclose(probabilities, likeness / likeness.sum(), atol=1e-6)


def test_constant_weights_by_hand(answer):
    model = build(widths=(3,), num_classes=2, embedding_width=1, maps=2)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, 0.5))
    # Windows of "a b": (0, .5, .5) and (.5, .5, 0), each 0.5 * 1.0 + 0.5 = 1.0; two maps.
    expected = 1 / (1 + np.exp(-(0.5 * 2 * 1.0 + 0.5)))
    assert answer(model, np.array([[8, 9, 0, 0]]))[0, 0] == pytest.approx(expected, abs=1e-7)


def test_a_negative_feature_is_not_lost_to_the_padding(answer):
    # With tanh all features may be negative; a zero at the padding would be the largest.
    model = build(widths=(1,), num_classes=2, activation="tanh")
    model.get_layer("convolution_1").set_weights([np.zeros((1, 5, 4)), np.full(4, -2.0)])
    short, long = np.array([[8, 9]]), np.array([[8, 9, 0, 0, 0]])
    np.testing.assert_allclose(answer(model, short), answer(model, long), atol=1e-7)


def test_weights_into_a_class_keep_their_norm(token_ids):
    model = build(max_norm=0.1, dropout=0.0)
    model.compile(keras.optimizers.SGD(1.0), "sparse_categorical_crossentropy", run_eagerly=True)
    model.train_on_batch(token_ids, np.arange(len(token_ids)) % 3)
    kernel = model.get_layer("probabilities").get_weights()[0]
    np.testing.assert_allclose(np.linalg.norm(kernel, axis=0), 0.1, rtol=1e-4)
    assert build(max_norm=None).get_layer("probabilities").kernel_constraint is None


def test_defaults_are_those_of_kim():
    model = build_cnn_classifier(vocabulary_size=23, num_classes=2)
    layers = [model.get_layer(f"convolution_{width}") for width in (3, 4, 5)]
    assert [layer.filters for layer in layers] == [100, 100, 100]
    assert model.get_layer("features_dropout").rate == 0.5
    assert model.get_layer("probabilities").kernel_constraint.max_value == 3.0


def test_layer_names():
    names = {layer.name for layer in build(widths=(2, 3), dense_units=(8,)).layers}
    assert names == {
        "token_ids", "padding_mask", "embedding", "masked_embeddings",
        "convolution_2", "convolution_2_maximum", "convolution_3", "convolution_3_maximum",
        "features", "features_dropout", "dense_1", "dense_1_dropout", "probabilities",
    }  # fmt: skip


def test_penalties_are_on_all_kernels_but_the_embedding():
    model = build(widths=(2, 3), dense_units=(8,), l2=0.5)
    kernels = [weight for weight in model.weights if weight.name == "kernel"]
    assert len(kernels) == 4
    expected = 0.5 * sum((weight.numpy() ** 2).sum() for weight in kernels)
    assert float(sum(model.losses)) == pytest.approx(expected, rel=1e-5)


def test_a_width_given_twice_is_refused():
    with pytest.raises(InputError, match=r"widths: each width once .* was: \[3, 3\]"):
        build(widths=[3, 3])
