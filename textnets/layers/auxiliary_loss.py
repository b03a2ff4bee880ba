"""A loss of what a model learns to tell beside what it is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class AuxiliaryLoss(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Gives a model's answers on, and in training adds the losses of further heads to its own.

    Multi-task learning with shared layers (Caruana 1997; of taggers Plank et al. 2016): each
    head's cross-entropy, in nats, is a mean over the words whose value it knows, so that padding
    weighs nothing and does not divide, and a batch in parts adds up to the whole one.

    Called with ``[answers, value_ids, *logits]``: any ``<float32>`` tensor, ``<int32>[batch,
    length, heads]``, the value of each word for each head, and for each head ``<float32>[batch,
    length, classes]``. Returns the answers.

    Args:
        first_ids: of each head the id of its first class. Ids below, or above its last class, are
            of no value that it knows; 0 is padding.
        weight: of each head's loss.
    """

    def __init__(self, first_ids: Sequence[int], weight: float, *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.first_ids, self.weight = tuple(first_ids), weight

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The answers."""
        answers, value_ids, *logits = inputs
        if training:
            self.add_loss(self.weight * self.cross_entropy(value_ids, logits))
        return answers

    def cross_entropy(self, value_ids: Any, logits: Sequence[Any]) -> Any:
        """The sum of the heads' means: ``<float32>[]``."""
        total = 0.0
        for number, (first, scores) in enumerate(zip(self.first_ids, logits, strict=True)):
            classes = value_ids[:, :, number] - first
            is_known = keras.ops.logical_and(classes >= 0, classes < scores.shape[-1])
            losses = keras.ops.sparse_categorical_crossentropy(
                keras.ops.where(is_known, classes, 0), scores, from_logits=True
            )
            counted = keras.ops.cast(is_known, "float32")
            words = keras.ops.maximum(keras.ops.sum(counted), 1.0)
            total += keras.ops.sum(losses * counted) / words
        return total

    def compute_output_spec(self, inputs: Any, training: bool = False) -> keras.KerasTensor:
        """That of the answers."""
        return keras.KerasTensor(inputs[0].shape, dtype=inputs[0].dtype)
