"""Dropping whole words, so that a model learns to do without."""

from __future__ import annotations

from typing import Any

import keras

_UNKNOWN_ID = 1  # of [UNK], as textnets.text.vocabulary has it


@keras.saving.register_keras_serializable("textnets")
class WordDropout(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """In training, turns some tokens into ``[UNK]``; padding stays padding.

    What is learned for ``[UNK]`` then serves the words that nobody has seen (Iyyer et al.
    2015; Kiperwasser and Goldberg 2016).

    Args:
        rate: share of the tokens to drop.
        seed: of the draws.

    Call with token ids ``<int32>[batch, length]``; returns the same shape.
    """

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, token_ids: Any, training: bool = False) -> Any:
        """``<int32>[batch, length]`` to ``<int32>[batch, length]``."""
        if not training:
            return token_ids
        draws = keras.random.uniform(keras.ops.shape(token_ids), seed=self.seed_generator)
        dropped = keras.ops.logical_and(draws < self.rate, keras.ops.not_equal(token_ids, 0))
        unknown = keras.ops.full_like(token_ids, _UNKNOWN_ID)
        return keras.ops.where(dropped, unknown, token_ids)

    def compute_output_spec(self, token_ids: Any, training: bool = False) -> keras.KerasTensor:
        """That of the ids."""
        return keras.KerasTensor(token_ids.shape, dtype=token_ids.dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("textnets")
class FeatureDropout(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """In training, turns some of a set's features into padding.

    What is left does not grow to make up for it: a linear model of sets learns with fewer.

    Args:
        rate: share of the features to drop.
        seed: of the draws.

    Call with ids ``<int32>[batch, features]``; returns the same shape.
    """

    def __init__(
        self,
        rate: float,
        seed: int | None = None,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.rate, self.seed = rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, ids: Any, training: bool = False) -> Any:
        """``<int32>[batch, features]`` to ``<int32>[batch, features]``."""
        if not training:
            return ids
        draws = keras.random.uniform(keras.ops.shape(ids), seed=self.seed_generator)
        return keras.ops.where(draws < self.rate, keras.ops.zeros_like(ids), ids)

    def compute_output_spec(self, ids: Any, training: bool = False) -> keras.KerasTensor:
        """That of the ids."""
        return keras.KerasTensor(ids.shape, dtype=ids.dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable("textnets")
class VocabularyDropout(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """In training, zeroes the vectors of some words of the vocabulary, wherever they stand.

    A word is dropped from a whole batch, and the vectors of the others are divided by what is left
    of 1 (Merity et al. 2018, "Regularizing and Optimizing LSTM Language Models", after Gal and
    Ghahramani 2016). :class:`WordDropout` draws for each place, and reads ``[UNK]`` there.

    Args:
        vocabulary_size: how many token ids there are.
        rate: share of them to drop.
        seed: of the draws.

    Call with ``[vectors, token_ids]``, ``<float>[batch, length, width]`` and
    ``<int32>[batch, length]``; returns the vectors.
    """

    def __init__(
        self,
        vocabulary_size: int,
        rate: float,
        seed: int | None = None,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.vocabulary_size, self.rate, self.seed = vocabulary_size, rate, seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """``<float>[batch, length, width]``."""
        vectors, token_ids = inputs
        if not training:
            return vectors
        ones = keras.ops.ones((self.vocabulary_size,), dtype=vectors.dtype)
        kept = keras.random.dropout(ones, self.rate, seed=self.seed_generator)
        return vectors * keras.ops.take(kept, token_ids, axis=0)[..., None]

    def compute_output_spec(self, inputs: Any, training: bool = False) -> keras.KerasTensor:
        """That of the vectors."""
        return keras.KerasTensor(inputs[0].shape, dtype=inputs[0].dtype)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        own = {"vocabulary_size": self.vocabulary_size, "rate": self.rate, "seed": self.seed}
        return {**super().get_config(), **own}
