"""How far two answers to the same example are apart, where a batch holds each example twice."""

from __future__ import annotations

from typing import Any

import keras

from textnets.layers.softmax_losses import token_losses

_LEAST = 1e-7  # of a probability, before its logarithm is taken


def divergence_of_logits(logits: Any) -> Any:
    """Of softmaxes: see :func:`divergence_of_probabilities`; ``<float>[2 * batch, ..., classes]``
    logits.

    Over thousands of classes each pass counts, so that the gradient is written by hand: a backend's
    own takes ten times as long.
    """
    found = _apart(keras.ops.cast(logits, "float32"))
    return keras.ops.repeat(found, 2, axis=0)


@keras.ops.custom_gradient  # type: ignore[untyped-decorator]
def _apart(logits: Any) -> Any:
    """``<float32>[2 * batch, ..., classes]`` to ``<float32>[batch, ...]``, and the gradient.

    With ``p`` and ``q`` of the logits ``x`` and ``y`` it is half of the sum of (p - q) (x - y): the
    logarithms of both sums are the same for all classes, and p - q adds up to 0.
    """
    ops = keras.ops
    shape = ops.shape(logits)
    pairs = (shape[0] // 2, 2, *shape[1:])
    first, second = ops.unstack(ops.reshape(ops.softmax(logits, axis=-1), pairs), 2, axis=1)
    one, other = ops.unstack(ops.reshape(logits, pairs), 2, axis=1)
    moved, apart = first - second, one - other

    def gradient(*given: Any, upstream: Any = None) -> Any:
        (of_found,) = given if upstream is None else (upstream,)
        half = 0.5 * ops.expand_dims(of_found, -1)
        of_first, of_second = (
            shares * (apart - ops.sum(shares * apart, axis=-1, keepdims=True))
            for shares in (first, second)
        )
        both = [half * (moved + of_first), -half * (moved + of_second)]
        return ops.reshape(ops.stack(both, axis=1), shape)

    return 0.5 * ops.sum(moved * apart, axis=-1), gradient


def divergence_of_probabilities(probabilities: Any) -> Any:
    """Half the sum of both Kullback-Leibler divergences of neighboring rows, in nats.

    Args:
        probabilities: ``<float32>[2 * batch, ..., classes]``; rows 0 and 1 belong together, then 2
            and 3, and so on.

    Returns:
        ``<float32>[2 * batch, ...]``, the same for both rows of a pair.
    """
    logarithms = keras.ops.log(keras.ops.maximum(probabilities, _LEAST))
    return keras.ops.sum(_of_pairs(probabilities, logarithms), axis=-1)


def divergence_of_answers(probabilities: Any) -> Any:
    """The same where each number is the probability of an answer yes; one for each of them."""
    inside = keras.ops.clip(probabilities, _LEAST, 1.0 - _LEAST)
    return _of_pairs(inside, keras.ops.log(inside) - keras.ops.log(1.0 - inside))


def _of_pairs(probabilities: Any, logarithms: Any) -> Any:
    # KL(p, q) + KL(q, p) is the sum of (p - q) (log p - log q).
    apart = probabilities[0::2] - probabilities[1::2]
    found = 0.5 * apart * (logarithms[0::2] - logarithms[1::2])
    return keras.ops.repeat(found, 2, axis=0)


@keras.saving.register_keras_serializable("textnets")
class PairedSoftmaxLoss(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The loss of the next token, of a batch that holds each row twice: cross-entropy, and
    ``weight`` times :func:`divergence_of_logits`.

    Call with ``[logits, target_ids]``, as :class:`textnets.layers.FullSoftmaxLoss`.

    Args:
        weight: of the divergence.
    """

    def __init__(
        self,
        weight: float,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.weight = weight

    def call(self, inputs: Any) -> Any:
        """``<float32>[2 * batch, length]``."""
        logits, target_ids = inputs
        return token_losses(logits, target_ids) + self.weight * divergence_of_logits(logits)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """One loss a place."""
        return keras.KerasTensor(inputs[1].shape, dtype="float32")
