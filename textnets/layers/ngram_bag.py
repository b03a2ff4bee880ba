"""The sum of the weights of a text's n-grams: a linear model on sets of features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

WEIGHTINGS = ("naive_bayes", "idf", "none")
_SCALE = 0.1  # of the sum of naive-Bayes ratios: hundreds of them, which all know the same
_SMOOTHING = 1.0  # texts that each feature is taken to be in besides


@keras.saving.register_keras_serializable("textnets")
class NgramBag(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Logits of a set of features: ``b[c] + sum over g of s[g, c] w[g, c]``.

    What ``s`` is goes by ``weighting``; it is found in the training split by :meth:`adapt` and
    not trained:

    - ``naive_bayes`` (Wang and Manning 2012): a tenth of how much more frequent the feature is in
      texts of the class than in the others, ``log(p[g, c] / sum p[c]) - log(q[g, c] / sum q[c])``,
      with ``p`` the texts of the class that have it, ``q`` the others that do, 1 added to each. The
      weights start at 0.2, so that the model begins as a timid naive Bayes.
    - ``idf``: ``1 + log((1 + texts) / (1 + texts that have it))``, then each text's are divided by
      the root of the sum of their squares; those of words by their own, and those of characters,
      of which there are several times as many, by theirs. The weights start at 0.
    - ``none``: 0.1, with weights that start at 0.

    Args:
        num_features: rows of the tables, special ids included; padding counts for nothing.
        num_word_ngrams: how many of them, the first ones, are of words; ``None`` for all.
        num_outputs: columns: one for two classes, else one a class.
        weighting: as above.
        initial_weight: where the weights start with ``naive_bayes``.

    Call with ids ``<int32>[batch, features]``, each once a row, padded with 0; returns logits,
    ``<float32>[batch, num_outputs]``.
    """

    def __init__(
        self,
        num_features: int,
        num_outputs: int,
        *,
        num_word_ngrams: int | None = None,
        weighting: str = "naive_bayes",
        initial_weight: float = 0.2,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
    ) -> None:
        # In float32 always: sums of hundreds of small numbers.
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.num_features, self.num_outputs = num_features, num_outputs
        self.num_word_ngrams = num_word_ngrams
        self.weighting, self.initial_weight = weighting, initial_weight

    def build(self, input_shape: Any) -> None:
        """Make weights, biases and the table that :meth:`adapt` fills."""
        shape = (self.num_features, self.num_outputs)
        start = self.initial_weight if self.weighting == "naive_bayes" else 0.0
        self.kernel = self.add_weight(
            shape=shape, initializer=keras.initializers.Constant(start), name="kernel"
        )
        self.bias = self.add_weight(shape=(self.num_outputs,), initializer="zeros", name="bias")
        if self.weighting != "none":
            columns = self.num_outputs if self.weighting == "naive_bayes" else 1
            self.table = self.add_weight(
                shape=(self.num_features, columns),
                initializer="zeros",
                trainable=False,
                name="table",
            )

    def adapt(
        self, ids: npt.NDArray[np.int32], rows: npt.NDArray[np.int64], targets: npt.NDArray[Any]
    ) -> None:
        """Fill the table from the training split.

        Args:
            ids: ``<int32>[pairs]``, the features of all texts.
            rows: ``<int64>[pairs]``, the text that each is of.
            targets: ``<float32>[texts, num_outputs]``: 1 where a text is of the class.
        """
        if self.weighting == "none":
            return
        if self.weighting == "idf":
            counts = np.bincount(ids, minlength=self.num_features)
            table = 1.0 + np.log((1.0 + len(targets)) / (1.0 + counts))[:, None]
        else:
            table = np.empty((self.num_features, self.num_outputs), np.float32)
            of_all = np.bincount(ids, minlength=self.num_features).astype(np.float64)
            for column in range(self.num_outputs):
                of_class = np.bincount(
                    ids, weights=targets[rows, column], minlength=self.num_features
                )
                table[:, column] = _log_ratio(of_class, of_all - of_class)
        table[0] = 0.0  # padding
        self.table.assign(table.astype(np.float32))

    def call(self, ids: Any) -> Any:
        """``<int32>[batch, features]`` to ``<float32>[batch, num_outputs]``."""
        weights = keras.ops.take(self.kernel, ids, axis=0)
        if self.weighting == "none":
            inside = keras.ops.cast(keras.ops.not_equal(ids, 0), weights.dtype)
            return _SCALE * keras.ops.sum(weights * inside[:, :, None], axis=1) + self.bias
        scales = keras.ops.take(self.table, ids, axis=0)
        if self.weighting == "naive_bayes":
            return _SCALE * keras.ops.sum(weights * scales, axis=1) + self.bias
        return keras.ops.sum(weights * self._unit(scales, ids), axis=1) + self.bias

    def _unit(self, scales: Any, ids: Any) -> Any:
        """A text's scales, those of words of length 1 and those of characters too:
        ``<float32>[batch, features, 1]``."""
        squares = keras.ops.square(scales)
        if self.num_word_ngrams is None:
            return scales / _root(keras.ops.sum(squares, axis=1, keepdims=True))
        is_of_words = keras.ops.cast(ids < self.num_word_ngrams, scales.dtype)[:, :, None]
        of_words = keras.ops.sum(squares * is_of_words, axis=1, keepdims=True)
        of_characters = keras.ops.sum(squares * (1.0 - is_of_words), axis=1, keepdims=True)
        roots = is_of_words * _root(of_words) + (1.0 - is_of_words) * _root(of_characters)
        return scales / roots

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, int]:
        """``[batch, num_outputs]``."""
        return (input_shape[0], self.num_outputs)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {
            **super().get_config(),
            "num_features": self.num_features,
            "num_outputs": self.num_outputs,
            "num_word_ngrams": self.num_word_ngrams,
            "weighting": self.weighting,
            "initial_weight": self.initial_weight,
        }


def _root(squares: Any) -> Any:
    return keras.ops.maximum(keras.ops.sqrt(squares), 1e-12)


def _log_ratio(inside: npt.NDArray[Any], outside: npt.NDArray[Any]) -> Any:
    """How much more frequent each feature is inside than outside: ``<float64>[features]``."""
    p, q = inside + _SMOOTHING, outside + _SMOOTHING
    return np.log(p / p.sum()) - np.log(q / q.sum())


@keras.saving.register_keras_serializable("textnets")
class OneVersusRest(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Probabilities of classes that exclude one another, of logits that were each trained to tell
    one class from all others: their sigmoids, divided by the sum.

    A model that ends in this layer is trained by the sigmoids, see
    :class:`textnets.training.losses.OneVersusRestCrossEntropy`.

    Call with logits ``<float>[batch, classes]``; returns ``<float32>[batch, classes]``.
    """

    def call(self, logits: Any) -> Any:
        """``<float>[batch, classes]`` to ``<float32>[batch, classes]``."""
        likely = keras.ops.log_sigmoid(keras.ops.cast(logits, "float32"))
        return keras.ops.softmax(likely, axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the logits."""
        return input_shape
