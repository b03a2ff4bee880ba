"""A table of token vectors, read from both sides: from ids to vectors, from vectors to logits."""

from __future__ import annotations

import math
from typing import Any

import keras

# As textnets.text.vocabulary has them; what loads a model needs no text pipeline.
UNKNOWN_ID, EOS_ID, FIRST_ID = 1, 3, 4
_NEVER = (0, 2)  # padding and [BOS]: nothing is ever followed by them
_IMPOSSIBLE = -1e9


def ranks_of(token_ids: Any) -> Any:
    """How many tokens are taken to be more frequent: ``<int32>[...]`` ids to the same of ranks.

    Ids follow the counts of the training split, but for ``[EOS]`` and ``[UNK]``, which are
    taken for the two most frequent tokens.
    """
    ranks = keras.ops.where(token_ids == UNKNOWN_ID, 1, token_ids - FIRST_ID + 2)
    return keras.ops.where(token_ids == EOS_ID, 0, ranks)


def log_share(ranks: Any, num_ranks: int) -> Any:
    """log of a rank's share by Zipf's law, in its log-uniform form: ``<float32>[...]``.

    The shares of the ranks from 0 to ``num_ranks - 1`` sum to 1.
    """
    ranks = keras.ops.cast(ranks, "float32")
    return keras.ops.log(keras.ops.log((ranks + 2.0) / (ranks + 1.0)) / math.log(num_ranks + 1.0))


@keras.saving.register_keras_serializable("textnets")
class ZipfBias(keras.initializers.Initializer):  # type: ignore[misc]  # Keras ships no types
    """Biases of tokens in the order of their counts that make a softmax follow Zipf's law.

    A model then begins near the shares of the tokens, which a large vocabulary's biases
    would otherwise take thousands of steps to find.
    """

    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        """``<float>[vocabulary]``."""
        (size,) = shape
        ids = keras.ops.arange(size, dtype="int32")
        ranks = keras.ops.maximum(ranks_of(ids), 0)
        return keras.ops.cast(log_share(ranks, size - 2), dtype or "float32")


@keras.saving.register_keras_serializable("textnets")
class TokenTable(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """One vector a token, and one bias.

    Called with token ids, ``<int32>[batch, length]``, it gives their vectors,
    ``<float>[batch, length, width]``. Called with vectors and ``reverse=True`` it gives the
    logits of the token that comes next, ``<float32>[batch, length, vocabulary]``: the vectors'
    products with the table's, plus the biases. A model that does both with one layer has tied
    embeddings (Press and Wolf 2017; Inan et al. 2017).

    Padding and ``[BOS]`` follow nothing: their logits are so low that their probability is 0.

    Args:
        vocabulary_size: rows of the table, special ids included.
        width: columns of the table.
        initializer: how the table starts.
        with_bias: whether there are biases; a table that is only read forwards needs none.
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        *,
        initializer: Any = "uniform",
        with_bias: bool = True,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.vocabulary_size, self.width = vocabulary_size, width
        self.initializer, self.with_bias = keras.initializers.get(initializer), with_bias

    def build(self, input_shape: Any) -> None:
        """Make the table and the biases."""
        self.embeddings = self.add_weight(
            shape=(self.rows, self.width),
            initializer=self.initializer,
            name="embeddings",
        )
        if self.with_bias:
            self.bias = self.add_weight(
                shape=(self.vocabulary_size,), initializer=ZipfBias(), name="bias"
            )

    @property
    def rows(self) -> int:
        """Of the table."""
        return self.vocabulary_size

    def vectors(self) -> Any:
        """The vector of each token, ``<float>[vocabulary, width]``."""
        return self.embeddings

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Ids to vectors, or vectors to logits."""
        if not reverse:
            vectors = keras.ops.take(self.embeddings, inputs, axis=0)
            return keras.ops.cast(vectors, self.compute_dtype)
        batch, length, _ = keras.ops.shape(inputs)
        # In two dimensions: a product with a matrix a row of the batch is far slower.
        features = keras.ops.reshape(inputs, (-1, self.width))
        vectors = keras.ops.cast(self.embeddings, features.dtype)
        logits = keras.ops.matmul(features, keras.ops.transpose(vectors))
        logits = keras.ops.cast(logits, "float32") + self.next_bias()
        return keras.ops.reshape(logits, (batch, length, self.vocabulary_size))

    def next_bias(self) -> Any:
        """``<float32>[vocabulary]``: the biases, those of impossible tokens very low."""
        ids = keras.ops.arange(self.vocabulary_size, dtype="int32")
        never = keras.ops.logical_or(ids == _NEVER[0], ids == _NEVER[1])
        bias = keras.ops.cast(self.bias, "float32")
        return keras.ops.where(never, _IMPOSSIBLE, bias)

    def compute_output_spec(self, inputs: Any, reverse: bool = False) -> keras.KerasTensor:
        """The shape and dtype of what a call gives."""
        if reverse:
            shape = (*inputs.shape[:-1], self.vocabulary_size)
            return keras.KerasTensor(shape, dtype="float32")
        return keras.KerasTensor((*inputs.shape, self.width), dtype=self.compute_dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {
            **super().get_config(),
            "vocabulary_size": self.vocabulary_size,
            "width": self.width,
            "initializer": keras.initializers.serialize(self.initializer),
            "with_bias": self.with_bias,
        }
