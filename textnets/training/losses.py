"""Losses that Keras lacks."""

from __future__ import annotations

from typing import Any

import keras


class OutputAsLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """The loss is what the model answers: the targets were among its inputs.

    For losses that need weights of the model (a conditional random field's transitions, the
    rows of a sampled softmax): a model around the builder's takes the targets as an input
    (:class:`textnets.text.batches.TargetsAsInput`) and computes its own loss.

    The mean is over what has a sample weight: of a loss a place, ``<float32>[batch, length]``
    with weights of the same shape, padding weighs nothing and does not divide either.
    """

    def __init__(
        self,
        reduction: str = "mean_with_sample_weight",
        name: str = "output_as_loss",
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """The outputs, whatever the targets are."""
        return y_pred
