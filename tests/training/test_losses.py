"""Losses that Keras lacks, by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.training.losses import OutputAsLoss


def test_the_output_is_the_loss_and_padding_weighs_nothing() -> None:
    losses = np.array([[1.0, 2.0, 99.0], [6.0, 99.0, 99.0]], np.float32)
    weights = np.array([[1, 1, 0], [1, 0, 0]], np.float32)
    targets = np.full((2, 3), 7, np.int32)
    found = OutputAsLoss()(targets, losses, sample_weight=weights)
    assert float(keras.ops.convert_to_numpy(found)) == pytest.approx(3.0)
    # Without weights it is the plain mean, of one loss an example too.
    found = OutputAsLoss()(targets[:, 0], np.array([1.0, 4.0], np.float32))
    assert float(keras.ops.convert_to_numpy(found)) == pytest.approx(2.5)
