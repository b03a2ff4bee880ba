"""Scores that are sums of weights: a linear model over features that are there or not."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("textnets")
class FeatureScores(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Adds up the weights of the features that are there, for each of several outputs.

    What a dense layer over indicators of all features would do, of which few are set. All weights
    start at zero: nothing is known of a feature until it was seen.

    Args:
        num_features: how many ids of features there are; 0 stands for none.
        num_outputs: how many scores each place gets.

    Call with ids, ``<int32>[batch, length, features]``; returns
    ``<float>[batch, length, num_outputs]``. A place without features gets the bias.
    """

    def __init__(
        self,
        num_features: int,
        num_outputs: int,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.num_features, self.num_outputs = num_features, num_outputs

    def build(self, input_shape: Any) -> None:
        """Make the weights."""
        size = (self.num_features, self.num_outputs)
        # The name of tables that are looked up, see training.optimizers.token_tables.
        self.embeddings = self.add_weight(shape=size, initializer="zeros", name="embeddings")
        self.bias = self.add_weight(shape=size[1:], initializer="zeros", name="bias")

    def call(self, feature_ids: Any) -> Any:
        """``<int32>[batch, length, features]`` to ``<float>[batch, length, num_outputs]``."""
        rows = keras.ops.take(self.embeddings, feature_ids, axis=0)
        is_there = keras.ops.cast(feature_ids > 0, rows.dtype)
        return keras.ops.sum(rows * is_there[..., None], axis=2) + self.bias

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``[batch, length, num_outputs]``."""
        return (*input_shape[:2], self.num_outputs)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        sizes = {"num_features": self.num_features, "num_outputs": self.num_outputs}
        return {**super().get_config(), **sizes}
