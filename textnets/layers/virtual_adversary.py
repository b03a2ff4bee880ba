"""A loss of answers that change where token vectors are moved a little, the worst way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras

_LEAST = 1e-7  # of a probability, before its logarithm is taken
_TINY = 1e-12  # of a squared norm
_PROBE = 0.1  # the step of the power iteration, as a share of the move


class VirtualAdversary(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Gives a model's answers on, and in training adds virtual adversarial loss to its own.

    Miyato et al. (2017), "Adversarial Training Methods for Semi-Supervised Text Classification":
    the token vectors of an example are moved in the direction in which the answer changes most,
    found by one power iteration from a random one, and the Kullback-Leibler divergence of the
    answer there from the answer here is a loss. They normalize the vectors, so that a net cannot
    escape by larger ones; here the move is a share of the vectors' own norm, which comes to the
    same and leaves the model as it is. No dropout is drawn for it.

    Called with ``answers``, ``<float32>[batch, ..., classes]`` probabilities (that of class 1
    where there is one), and ``inputs``, those of the model, ``token_ids`` among them,
    ``<int32>[batch, length]`` with 0 for padding. Returns the answers.

    Args:
        embedding: from token ids to vectors, ``<float>[batch, length, width]``.
        answer: a model from the vectors and the inputs, a list, to answers; it shares the weights
            of the model that is trained.
        names: of the inputs, in that order.
        epsilon: the move, as a share of the norm of all vectors of an example.
        weight: of the loss.
        one_by_one: whether each number of an answer is the probability of a yes.
        seed: of the random directions.
    """

    def __init__(
        self,
        embedding: Any,
        answer: Any,
        names: Sequence[str],
        *,
        epsilon: float,
        weight: float,
        one_by_one: bool,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.embedding, self.answer, self.names = embedding, answer, tuple(names)
        self.epsilon, self.weight, self.one_by_one = epsilon, weight, one_by_one
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, answers: Any, inputs: dict[str, Any], training: bool = False) -> Any:
        """The answers."""
        if training:
            self.add_loss(self.weight * self.divergence(inputs))
        return answers

    def divergence(self, inputs: dict[str, Any]) -> Any:
        """The mean over examples, or over their tokens where there is an answer for each."""
        ops = keras.ops
        is_token = ops.cast(ops.not_equal(inputs["token_ids"], 0), "float32")
        inside = is_token[:, :, None]
        vectors = ops.cast(self.embedding(inputs["token_ids"]), "float32")
        reach = self.epsilon * ops.stop_gradient(_norm(vectors * inside))
        here = ops.stop_gradient(self._answer(vectors, inputs))

        def apart(move: Any) -> Any:
            return self._divergences(here, self._answer(vectors + move, inputs))

        drawn = keras.random.normal(ops.shape(vectors), seed=self.seed_generator)
        probe = ops.stop_gradient(_PROBE * reach * _unit(drawn * inside))
        slope = _gradient(lambda move: ops.sum(_flat(apart(move))), probe)
        found = apart(ops.stop_gradient(reach * _unit(slope * inside)))
        if len(found.shape) == 1:
            return ops.mean(found)
        return ops.sum(found * is_token) / ops.sum(is_token)

    def _answer(self, vectors: Any, inputs: dict[str, Any]) -> Any:
        given = [vectors, *(inputs[name] for name in self.names)]
        found = self.answer(given, training=False)
        return keras.ops.cast(found, "float32")

    def _divergences(self, here: Any, there: Any) -> Any:
        """KL(here, there) of each answer: ``<float32>[batch, ...]``."""
        ops = keras.ops
        if not self.one_by_one:
            here, there = (ops.maximum(one, _LEAST) for one in (here, there))
            return ops.sum(here * (ops.log(here) - ops.log(there)), axis=-1)
        here, there = (ops.clip(one, _LEAST, 1.0 - _LEAST) for one in (here, there))
        of_yes = here * (ops.log(here) - ops.log(there))
        of_no = (1.0 - here) * (ops.log(1.0 - here) - ops.log(1.0 - there))
        return ops.mean(of_yes + of_no, axis=-1)

    def compute_output_spec(
        self, answers: Any, inputs: dict[str, Any], training: bool = False
    ) -> keras.KerasTensor:
        """That of the answers."""
        return keras.KerasTensor(answers.shape, dtype=answers.dtype)


def _flat(values: Any) -> Any:
    return keras.ops.reshape(values, (-1,))


def _norm(vectors: Any) -> Any:
    """Of all vectors of an example: ``<float32>[batch, 1, 1]``."""
    squares = keras.ops.sum(vectors * vectors, axis=(1, 2), keepdims=True)
    return keras.ops.sqrt(squares + _TINY)


def _unit(vectors: Any) -> Any:
    return vectors / _norm(vectors)


def _gradient(function: Callable[[Any], Any], point: Any) -> Any:
    """Of a number by where it is computed."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(point)
            value = function(point)
        return tape.gradient(value, point)
    if backend == "jax":
        import jax

        return jax.grad(function)(point)
    raise NotImplementedError(f"directions are not found on {backend}")
