"""Losses that Keras lacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from textnets.layers import (
    divergence_of_answers,
    divergence_of_logits,
    divergence_of_probabilities,
)


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


class OneVersusRestCrossEntropy(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """Binary cross-entropy of each class against all others, in nats, added up.

    Called with class ids, ``<int>[batch]``, and logits, ``<float>[batch, classes]``.
    """

    def __init__(
        self,
        reduction: str = "sum_over_batch_size",
        name: str = "one_versus_rest_cross_entropy",
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A loss an example, ``<float32>[batch]``."""
        classes = keras.ops.reshape(keras.ops.cast(y_true, "int32"), (-1,))
        right = keras.ops.one_hot(classes, y_pred.shape[-1], dtype=y_pred.dtype)
        # softplus(x) - x y, for the sigmoid of x.
        return keras.ops.sum(keras.ops.softplus(y_pred) - y_pred * right, axis=-1)


class SmoothedCrossEntropy(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """Cross-entropy of logits, in nats, with label smoothing (Szegedy et al. 2016).

    The target is the right class with ``1 - smoothing``, and all classes with the rest in
    equal parts. The mean is over what has a sample weight, as in :class:`OutputAsLoss`.

    Called with class ids, ``<int>[batch, length]``, and logits,
    ``<float>[batch, length, classes]``.

    Args:
        smoothing: from 0, which smooths nothing, to below 1.
    """

    def __init__(
        self,
        smoothing: float = 0.0,
        reduction: str = "mean_with_sample_weight",
        name: str = "smoothed_cross_entropy",
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.smoothing = smoothing

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A loss a place, ``<float32>[batch, length]``."""
        classes = keras.ops.cast(y_true, "int32")
        if not self.smoothing:
            return keras.ops.sparse_categorical_crossentropy(classes, y_pred, from_logits=True)
        # Over thousands of classes each pass over the logits counts: the backend's loss finds its
        # gradient in the same one. Made of logarithms, sums and means it takes ten.
        size = y_pred.shape[-1]
        even = self.smoothing / size
        is_right = keras.ops.expand_dims(classes, -1) == keras.ops.arange(size)
        wanted = keras.ops.where(is_right, 1.0 - self.smoothing + even, even)
        return keras.ops.categorical_crossentropy(wanted, y_pred, from_logits=True)


class PairedLoss(keras.losses.Loss):  # type: ignore[misc]  # Keras ships no types
    """A loss of batches that hold each example twice, one after the other: R-Drop.

    Wu et al. (2021), "R-Drop: Regularized Dropout for Neural Networks": an example is answered
    twice, each time with another dropout, and what the answers differ by costs something. To what
    ``loss`` makes of each row is added ``weight`` times half the sum of both Kullback-Leibler
    divergences of the two answers, so that the mean is the mean loss of both and the divergence.

    Args:
        loss: one of those that :func:`has_divergence` knows.
        weight: of the divergence.
    """

    def __init__(self, loss: Any, weight: float, name: str = "paired_loss") -> None:
        super().__init__(name=name, reduction=loss.reduction, dtype=loss.dtype)
        self.loss, self.weight = loss, weight
        self._divergence = _DIVERGENCES[type(loss)]

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """A loss a row, or a place of it."""
        return self.loss.call(y_true, y_pred) + self.weight * self._divergence(y_pred)


def has_divergence(loss: Any) -> bool:
    """Whether :class:`PairedLoss` knows how far two answers are apart that this loss judges."""
    return type(loss) in _DIVERGENCES


def _mean_of_answers(probabilities: Any) -> Any:
    return keras.ops.mean(divergence_of_answers(probabilities), axis=-1)  # as the loss is a mean


def _sum_of_answers(logits: Any) -> Any:
    return keras.ops.sum(divergence_of_answers(keras.ops.sigmoid(logits)), axis=-1)


_DIVERGENCES: dict[type[Any], Callable[[Any], Any]] = {
    keras.losses.BinaryCrossentropy: _mean_of_answers,
    keras.losses.SparseCategoricalCrossentropy: divergence_of_probabilities,
    OneVersusRestCrossEntropy: _sum_of_answers,
    SmoothedCrossEntropy: divergence_of_logits,
}
