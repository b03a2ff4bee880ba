"""Cross-entropy of the next token: over the whole vocabulary, or over a sample of it."""

from __future__ import annotations

import math
from typing import Any

import keras

from textnets.layers.token_table import EOS_ID, FIRST_ID, UNKNOWN_ID, log_share, ranks_of


def token_losses(logits: Any, target_ids: Any) -> Any:
    """Cross-entropy of each target, in nats.

    Args:
        logits: ``<float32>[batch, length, vocabulary]``.
        target_ids: ``<int32>[batch, length]``.

    Returns:
        ``<float32>[batch, length]``; at padding the number means nothing.
    """
    # Keras's own softmax loss has the backend's fused gradient. Padding can never follow and
    # would cost infinitely much; it stands for [UNK], and its weight is 0.
    targets = keras.ops.where(target_ids == 0, UNKNOWN_ID, target_ids)
    return keras.ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)


@keras.saving.register_keras_serializable("textnets")
class FullSoftmaxLoss(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """:func:`token_losses` as a layer: call with ``[logits, target_ids]``."""

    def call(self, inputs: Any) -> Any:
        """``<float32>[batch, length]``."""
        logits, target_ids = inputs
        return token_losses(logits, target_ids)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """One loss a place."""
        return keras.KerasTensor(inputs[1].shape, dtype="float32")


@keras.saving.register_keras_serializable("textnets")
class SampledSoftmaxLoss(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """An estimate of :func:`token_losses` from some tokens of the vocabulary; for training.

    The sum over the vocabulary is estimated by importance sampling (Bengio and Senécal 2008;
    Jean et al. 2015, "On Using Very Large Target Vocabulary for Neural Machine Translation"):
    the target's own term is exact, and of all others a sample of S tokens is drawn, with
    replacement and once a batch, where token k has the probability q(k) and its term the weight
    1 / (S q(k)). A drawn token that is the target counts nothing. So the estimated sum is right
    on average, and the loss is on average a little below the true one, less so for larger S.

    q is log-uniform (Zipf's law), as in TensorFlow's candidate sampling: ids follow the rank of
    the tokens, but for ``[EOS]`` and ``[UNK]``, which are taken for the most frequent ones.
    Padding and ``[BOS]`` are never drawn; they follow nothing.

    Not for use outside of training, where it would flatter: it is no probability.

    Args:
        table: the :class:`textnets.layers.TokenTable` that makes the logits; the loss reads
            only the rows that it needs.
        num_sampled: S.
        seed: of the draws.

    Call with ``[features, target_ids]``, ``<float>[batch, length, width]`` and
    ``<int32>[batch, length]``; returns ``<float32>[batch, length]``.
    """

    def __init__(
        self,
        table: Any,
        num_sampled: int,
        seed: int | None = None,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.table, self.num_sampled, self.seed = table, num_sampled, seed
        self.num_ranks = table.vocabulary_size - 2  # without padding and [BOS]
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any) -> Any:
        """``<float32>[batch, length]``."""
        features, target_ids = inputs
        shape = keras.ops.shape(target_ids)
        features = keras.ops.reshape(features, (-1, self.table.width))
        targets = keras.ops.reshape(target_ids, (-1,))
        sampled = self.draw()
        # One read for both, so that the table has one sparse gradient.
        rows = keras.ops.concatenate([targets, sampled])
        vectors = keras.ops.cast(
            keras.ops.take(self.table.embeddings, rows, axis=0), features.dtype
        )
        biases = keras.ops.cast(keras.ops.take(self.table.bias, rows, axis=0), "float32")
        # A place for each target is known only when the graph runs, the sample's size before.
        of_targets, of_sampled = vectors[: -self.num_sampled], vectors[-self.num_sampled :]
        true = keras.ops.cast(keras.ops.sum(features * of_targets, axis=-1), "float32")
        true = true + biases[: -self.num_sampled]
        others = keras.ops.matmul(features, keras.ops.transpose(of_sampled))
        correction = biases[-self.num_sampled :] - self._log_weights(sampled)
        others = keras.ops.cast(others, "float32") + correction[None, :]
        others = keras.ops.where(targets[:, None] == sampled[None, :], -1e9, others)
        top = keras.ops.stop_gradient(keras.ops.maximum(true, keras.ops.max(others, axis=-1)))
        total = keras.ops.exp(true - top) + keras.ops.sum(
            keras.ops.exp(others - top[:, None]), axis=-1
        )
        return keras.ops.reshape(keras.ops.log(total) + top - true, shape)

    def draw(self) -> Any:
        """``<int32>[sampled]`` token ids."""
        numbers = keras.random.uniform((self.num_sampled,), seed=self.seed_generator)
        ranks = keras.ops.exp(numbers * math.log(self.num_ranks + 1.0)) - 1.0
        ranks = keras.ops.clip(keras.ops.cast(ranks, "int32"), 0, self.num_ranks - 1)
        ids = keras.ops.where(ranks == 1, UNKNOWN_ID, ranks + FIRST_ID - 2)
        return keras.ops.where(ranks == 0, EOS_ID, ids)

    def _log_weights(self, token_ids: Any) -> Any:
        """``<float32>[tokens]``: log of S q(k), how often a token is expected in the sample."""
        share = log_share(ranks_of(token_ids), self.num_ranks)
        return math.log(self.num_sampled) + share

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """One loss a place."""
        return keras.KerasTensor(inputs[1].shape, dtype="float32")
