"""From a padded sequence of vectors to one vector a row, blind to the padding.

Each layer is called with ``[sequence, mask]``, ``<float>[batch, length, width]`` and
``<bool>[batch, length]``, where every row of the mask has at least one True and padding
is on the right, and returns ``<float>[batch, width]``.

Sums over a sequence are done in float32: bfloat16 cannot even count beyond 256.
"""

from __future__ import annotations

from typing import Any

import keras

from textnets.layers.positions import lengths_of, take_positions


class _Pooling(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """What the pooling layers share: the shape of their answer."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``[batch, length, width]`` and ``[batch, length]`` to ``[batch, width]``."""
        batch, _, width = input_shape[0]
        return (batch, width)


@keras.saving.register_keras_serializable("textnets")
class LastState(_Pooling):
    """The vector at the last token: the final state of a recurrent net.

    Of a net that ran over a reversed sequence (:class:`ReverseSequence`) it is the state
    at the first token, which is the last one that it read.
    """

    def call(self, inputs: Any) -> Any:
        """``[sequence, mask]`` to ``<float>[batch, width]``."""
        sequence, mask = inputs
        last = lengths_of(mask)[:, None] - 1
        return take_positions(sequence, last)[:, 0]


@keras.saving.register_keras_serializable("textnets")
class MaskedMaxPooling(_Pooling):
    """The largest value of each component over the tokens (max over time)."""

    def call(self, inputs: Any) -> Any:
        """``[sequence, mask]`` to ``<float>[batch, width]``."""
        sequence, mask = inputs
        hidden = keras.ops.cast(lowest(sequence.dtype), sequence.dtype)
        tokens = keras.ops.where(keras.ops.expand_dims(mask, axis=-1), sequence, hidden)
        return keras.ops.max(tokens, axis=1)


@keras.saving.register_keras_serializable("textnets")
class MaskedMeanPooling(_Pooling):
    """The mean over the tokens."""

    def call(self, inputs: Any) -> Any:
        """``[sequence, mask]`` to ``<float>[batch, width]``."""
        sequence, mask = inputs
        shares = keras.ops.cast(mask, "float32")
        shares = shares / keras.ops.sum(shares, axis=1, keepdims=True)
        return _weighted_sum(sequence, shares)


@keras.saving.register_keras_serializable("textnets")
class AttentionPooling(_Pooling):
    """A weighted mean over the tokens whose weights are learned.

    Each token's vector h is scored by its likeness to a learned query q,
    ``q · tanh(W h + b)``; a softmax over the tokens turns scores into weights. This is
    the word attention of Yang et al. (2016), "Hierarchical Attention Networks for
    Document Classification", equations 5 to 7.

    Args:
        attention_width: the size of the query; ``None`` takes the sequence's width.
        kernel_initializer: how W and the query start.
    """

    def __init__(
        self,
        attention_width: int | None = None,
        kernel_initializer: Any = "glorot_uniform",
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.attention_width = attention_width
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        """Make W, b and q for the width of the sequence."""
        width = input_shape[0][-1]
        attention_width = self.attention_width or width
        self.kernel = self.add_weight(
            shape=(width, attention_width),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(attention_width,), initializer="zeros", name="bias")
        self.query = self.add_weight(
            shape=(attention_width, 1), initializer=self.kernel_initializer, name="query"
        )

    def call(self, inputs: Any) -> Any:
        """``[sequence, mask]`` to ``<float>[batch, width]``."""
        sequence, mask = inputs
        return _weighted_sum(sequence, self.weigh(sequence, mask))

    def weigh(self, sequence: Any, mask: Any) -> Any:
        """The weight of each token, 0 for padding: ``<float32>[batch, length]``."""
        keys = keras.ops.tanh(keras.ops.matmul(sequence, self.kernel) + self.bias)
        scores = keras.ops.squeeze(keras.ops.matmul(keys, self.query), axis=-1)
        scores = keras.ops.cast(scores, "float32")
        scores = keras.ops.where(mask, scores, lowest("float32"))
        # A softmax by hand: Keras's own warns whenever a batch is one token long.
        likeness = keras.ops.exp(scores - keras.ops.max(scores, axis=-1, keepdims=True))
        return likeness / keras.ops.sum(likeness, axis=-1, keepdims=True)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {
            **super().get_config(),
            "attention_width": self.attention_width,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def _weighted_sum(sequence: Any, weights: Any) -> Any:
    """``<float>[batch, length, width]``, ``<float32>[batch, length]`` to ``[batch, width]``."""
    products = keras.ops.cast(sequence, "float32") * keras.ops.expand_dims(weights, axis=-1)
    return keras.ops.cast(keras.ops.sum(products, axis=1), sequence.dtype)


def lowest(dtype: Any) -> float:
    """A finite number below all that a net computes, in range for the dtype."""
    # bfloat16 has the range of float32; float16 ends at 65504.
    return -65504.0 if keras.backend.standardize_dtype(dtype) == "float16" else -3.0e38
