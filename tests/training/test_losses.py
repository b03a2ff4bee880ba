"""Losses that Keras lacks, by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.training.losses import OutputAsLoss, SmoothedCrossEntropy

V = 12


def test_the_output_is_the_loss_and_padding_weighs_nothing() -> None:
    losses = np.array([[1.0, 2.0, 99.0], [6.0, 99.0, 99.0]], np.float32)
    weights = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    targets = np.full((2, 3), 7, np.int32)
    found = OutputAsLoss()(targets, losses, sample_weight=weights)
    assert float(keras.ops.convert_to_numpy(found)) == pytest.approx(3.0)
    # Without weights it is the plain mean, of one loss an example too.
    found = OutputAsLoss()(targets[:, 0], np.array([1.0, 4.0], np.float32))
    assert float(keras.ops.convert_to_numpy(found)) == pytest.approx(2.5)


def test_label_smoothing_is_the_cross_entropy_with_smoothed_targets() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(2, 3, V)).astype("float32")
    targets = random.integers(0, V, size=(2, 3))
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    smoothed = np.full((2, 3, V), 0.1 / V) + 0.9 * np.eye(V)[targets]
    expected = (-(smoothed * log_p).sum(-1) * weights).sum() / 3
    found = SmoothedCrossEntropy(0.1)(targets, logits, sample_weight=weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    plain = (-(np.eye(V)[targets] * log_p).sum(-1) * weights).sum() / 3
    found = SmoothedCrossEntropy()(targets, logits, sample_weight=weights)
    assert float(found) == pytest.approx(plain, rel=1e-5)
