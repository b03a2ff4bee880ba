"""Optimizers by name, and learning rates as a pure function of the step.

Keras 3.15 on TensorFlow takes the gradient of a looked-up table as it comes: a row for each token
of the batch, repeated tokens repeated. It squares these rows before it adds them up, so that
adaptive optimizers see the sum of the squares where the square of the sum is meant, and it clips
by a norm in which a repeated token counts as many. :class:`SummedRows` adds them up first.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any

from textnets.recipe.sections import TrainingSection

#: What a run records of how its optimizer treats repeated tokens, see :class:`SummedRows`.
SUMMED_ROWS = "summed"


def build_optimizer(
    section: TrainingSection, tables: Sequence[Any] = (), *, fused: bool = True
) -> Any:
    """The ``keras.Optimizer`` that a recipe names, with its gradient clipping.

    ``clip_norm`` bounds the norm of the whole gradient, as in Pascanu et al. 2013, not of
    each weight's. One step equals the same arithmetic with dense gradients, also where a token
    stands in a batch many times.

    Args:
        section: the recipe's ``training:``.
        tables: the variables that ``training.embedding_rate`` is about, see :func:`token_tables`.
        fused: whether a step of Adam may be TensorFlow's own: see :class:`FusedAdam`.
    """
    import keras

    # A fixed name: Keras's own counts the optimizers of the process, and checkpoints match
    # variables by path.
    shared = {
        "global_clipnorm": section.clip_norm,
        "clipvalue": section.clip_value,
        "name": "optimizer",
    }
    rate, momentum = section.learning_rate, section.momentum
    match section.optimizer:
        case "sgd":
            made = _summing(keras.optimizers.SGD)(rate, **shared)
        case "momentum":
            made = _summing(keras.optimizers.SGD)(rate, momentum=momentum, **shared)
        case "nesterov":
            made = _summing(keras.optimizers.SGD)(rate, momentum=momentum, nesterov=True, **shared)
        case "adagrad":
            made = _summing(keras.optimizers.Adagrad)(rate, **shared)
        case "rmsprop":
            made = _summing(keras.optimizers.RMSprop)(rate, **shared)
        case "adam":
            made = _summing(keras.optimizers.Adam)(rate, **shared)
        case "adamw":
            decay = section.weight_decay
            made = _summing(keras.optimizers.AdamW)(rate, weight_decay=decay, **shared)
    made.keeps_sparse = not section.xla
    made.is_fused = fused and not section.xla and keras.config.backend() == "tensorflow"
    made.scale_rate(tables, section.embedding_rate)
    return made


class SummedRows:
    """Goes before one of Keras's optimizers and mends what it makes of repeated tokens.

    Attributes:
        keeps_sparse: whether a looked-up table's gradient stays one of distinct rows, of a number
            that XLA cannot know; else it becomes as large as the table.
    """

    keeps_sparse = True
    is_fused = False
    _scaled: frozenset[Any] = frozenset()
    _factor = 1.0

    def scale_rate(self, variables: Iterable[Any], factor: float) -> None:
        """Let some variables learn at a rate of their own, ``factor`` times that of the others."""
        optimizer: Any = self
        self._scaled = frozenset(optimizer._var_key(variable) for variable in variables)
        self._factor = factor

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """As ``keras.Optimizer.apply``, the rows of each repeated token added up."""
        summed = [_summed(gradient, self.keeps_sparse) for gradient in grads]
        super().apply(summed, trainable_variables)  # type: ignore[misc]

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """As of the optimizer, at the variable's own rate."""
        if self._is_scaled(variable):
            learning_rate = learning_rate * self._factor
        super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]

    def _apply_weight_decay(self, variables: Sequence[Any]) -> None:
        """Decoupled decay is by the rate, so by the variable's own, too."""
        optimizer: Any = self
        plain = [variable for variable in variables if not self._is_scaled(variable)]
        super()._apply_weight_decay(plain)  # type: ignore[misc]
        if optimizer.weight_decay is not None:
            kept = 1.0 - optimizer.weight_decay * optimizer.learning_rate * self._factor
            for variable in filter(self._is_scaled, variables):
                variable.assign(variable * kept)

    def _is_scaled(self, variable: Any) -> bool:
        optimizer: Any = self
        return self._factor != 1.0 and optimizer._var_key(variable) in self._scaled


class FusedAdam:
    """Goes before Keras's Adam and AdamW and takes a step by TensorFlow's own operation.

    It is the same arithmetic in one pass over the weights, where Keras makes about ten.

    Attributes:
        is_fused: whether it does.
    """

    is_fused = False

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """As of the optimizer."""
        optimizer: Any = self
        if not self.is_fused or variable.dtype != "float32" or optimizer.amsgrad:
            super().update_step(gradient, variable, learning_rate)  # type: ignore[misc]
            return
        import tensorflow as tf

        index, step = optimizer._get_variable_index(variable), optimizer.iterations.value + 1
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=optimizer._momentums[index].value.handle,
            v=optimizer._velocities[index].value.handle,
            beta1_power=tf.pow(optimizer.beta_1, tf.cast(step, tf.float32)),
            beta2_power=tf.pow(optimizer.beta_2, tf.cast(step, tf.float32)),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=optimizer.beta_1,
            beta2=optimizer.beta_2,
            epsilon=optimizer.epsilon,
            grad=tf.convert_to_tensor(gradient),
        )


@functools.cache
def _summing(optimizer: type) -> Any:
    """One of Keras's optimizers with :class:`SummedRows` before it, and :class:`FusedAdam`."""
    import keras

    before = (
        (SummedRows, FusedAdam) if issubclass(optimizer, keras.optimizers.Adam) else (SummedRows,)
    )
    return type(optimizer.__name__, (*before, optimizer), {})


def _summed(gradient: Any, keeps_sparse: bool) -> Any:
    """A gradient in which each row of a table stands once: only TensorFlow repeats them."""
    if not hasattr(gradient, "dense_shape"):
        return gradient
    import tensorflow as tf

    if not keeps_sparse:
        return tf.convert_to_tensor(gradient)
    rows, places = tf.unique(gradient.indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, tf.size(rows))
    return tf.IndexedSlices(values, rows, gradient.dense_shape)


def token_tables(model: Any) -> list[Any]:
    """The tables of token vectors that a model learns, of words, pieces or characters.

    They are known by their name, ``embeddings``, which ``keras.layers.Embedding``, its relatives
    and :class:`textnets.layers.TokenTable` give them, in whatever layer or nested model; those of
    its groups have it at the end of theirs.
    """
    variables = model.trainable_variables
    return [variable for variable in variables if variable.name.endswith("embeddings")]


def learning_rate_at(
    section: TrainingSection, *, step: int, steps_per_epoch: int, plateau_drops: int
) -> float:
    """The learning rate of one step.

    Args:
        section: the recipe's ``training:``.
        step: 0-based, over all epochs.
        steps_per_epoch: for the schedules that count epochs.
        plateau_drops: how often the monitored metric has stalled; ``schedule: plateau``.
    """
    rate = section.learning_rate
    warmup = section.warmup_steps or round(section.warmup_share * section.epochs * steps_per_epoch)
    if step < warmup:
        return rate * (step + 1) / warmup
    epoch = step // steps_per_epoch
    match section.schedule:
        case "halving":
            return rate * 0.5**epoch
        case "exponential":
            return rate * section.decay_rate**epoch
        case "cosine":  # Loshchilov & Hutter 2017, without restarts
            total = max(section.epochs * steps_per_epoch - warmup, 1)
            return rate * 0.5 * (1.0 + math.cos(math.pi * min((step - warmup) / total, 1.0)))
        case "plateau":
            return rate * section.plateau_factor**plateau_drops
        case "constant":
            return rate
