"""Letting a decoder read in training what it would have written itself."""

from __future__ import annotations

from typing import Any

import keras

_EOS_ID = 3  # of [EOS], as textnets.text.vocabulary has it; what stands before is never written


class OwnTokens(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """In training, puts a decoder's own tokens in place of some of those that it is given.

    Scheduled sampling (Bengio et al. 2015), for all places at once: what the decoder would write is
    read off its answer to the given tokens (Mihaylova and Martins 2019). The share of tokens rises
    from 0 in the first epoch to ``share`` in the last one.

    Called with ``target_ids``, ``<int32>[batch, length]``, ``[BOS]`` first and 0 for padding, and
    the decoder's ``logits`` for them, ``<float32>[batch, length, vocabulary]``; returns ids of the
    same shape. ``[BOS]`` and padding stay.

    Args:
        share: of the tokens, in the last epoch.
        epochs: that there are.
        seed: of the draws.
    """

    def __init__(
        self, share: float, epochs: int, seed: int | None = None, *, name: str | None = None
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.share, self.epochs = share, epochs
        self.seed_generator = keras.random.SeedGenerator(seed)
        # As variables of the model they are part of a checkpoint.
        self.begun = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="begun_epochs"
        )

    def begin_epoch(self) -> None:
        """Another epoch begins."""
        self.begun.assign(int(self.begun.numpy()) + 1)

    def call(self, target_ids: Any, logits: Any, training: bool = False) -> Any:
        """``<int32>[batch, length]``."""
        if not training:
            return target_ids
        ops = keras.ops
        best = ops.argmax(ops.stop_gradient(logits)[..., _EOS_ID:], axis=-1)
        best = ops.cast(best, "int32") + _EOS_ID
        own = ops.concatenate([target_ids[:, :1], best[:, :-1]], axis=1)
        done = ops.cast(ops.maximum(ops.convert_to_tensor(self.begun) - 1, 0), "float32")
        share = ops.minimum(self.share * done / max(self.epochs - 1, 1), self.share)
        draws = keras.random.uniform(ops.shape(target_ids), seed=self.seed_generator)
        is_own = ops.logical_and(draws < share, ops.not_equal(target_ids, 0))
        return ops.where(is_own, own, target_ids)  # the first column is the same in both

    def compute_output_spec(
        self, target_ids: Any, logits: Any, training: bool = False
    ) -> keras.KerasTensor:
        """That of the ids."""
        return keras.KerasTensor(target_ids.shape, dtype=target_ids.dtype)
