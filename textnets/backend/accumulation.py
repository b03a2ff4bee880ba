"""The same update from less memory: a batch in parts whose gradients are added up.

Each part's loss weighs as much as the part does in the whole batch's mean, so that the sum
of the gradients is the batch's own gradient, and the optimizer steps once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

PartedStep = Callable[[Any, Any, Any, int], dict[str, float]]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a backend could not get the memory for a step, on whatever device."""
    if isinstance(error, MemoryError):
        return True
    # TensorFlow raises a class of its own, JAX one for everything, with this in its text.
    return type(error).__name__ == "ResourceExhaustedError" or "RESOURCE_EXHAUSTED" in str(error)


def parted_step(
    model: Any, at_row: Callable[[int], None] | None = None, rows_together: int = 1
) -> PartedStep:
    """The function that trains a compiled model on one batch, a part at a time.

    Args:
        model: a compiled ``keras.Model``, on TensorFlow or JAX.
        at_row: told which row of the batch a part begins with, before it is read, by models
            that keep something for each row; and 0 when the batch is done.
        rows_together: so many rows, one after the other, are in the same part.

    Returns:
        ``(inputs, targets, weights, parts) -> logs``, as of
        :func:`textnets.backend.steps.train_step`.
    """
    import keras

    backend = keras.config.backend()
    if backend not in ("tensorflow", "jax"):
        raise NotImplementedError(f"gradients are not added up on {backend}")
    add_part = _tensorflow_part(model) if backend == "tensorflow" else _jax_part(model)
    tell = at_row or (lambda row: None)

    def step(inputs: Any, targets: Any, weights: Any, parts: int) -> dict[str, float]:
        size = len(targets)
        total = _mass(model, weights, size)
        gradients: list[Any] | None = None
        loss = 0.0
        model.reset_metrics()
        try:
            groups = size // rows_together
            for rows in np.array_split(np.arange(groups), min(parts, groups)):
                part = slice(int(rows[0]) * rows_together, (int(rows[-1]) + 1) * rows_together)
                part_weights = None if weights is None else weights[part]
                held = part.stop - part.start
                share = _mass(model, part_weights, held) / total if total else 0.0
                if share == 0.0:  # padding only: a mean over nothing
                    continue
                tell(part.start)
                data = (_rows_of(inputs, part), targets[part], part_weights)
                part_loss, added = add_part(data, share, gradients)
                gradients, loss = added, loss + share * float(part_loss)
        finally:
            tell(0)
        if gradients is not None:
            model.optimizer.apply(gradients, model.trainable_variables)
        metrics = model.get_metrics_result()
        return {**{name: float(value) for name, value in metrics.items()}, "loss": loss}

    return step


def _mass(model: Any, weights: Any, size: int) -> float:
    """What a batch's loss is divided by: its examples, or all its weights."""
    by_weight = getattr(model.loss, "reduction", "") == "mean_with_sample_weight"
    return float(weights.sum()) if by_weight and weights is not None else float(size)


def _rows_of(inputs: Any, part: slice) -> Any:
    if isinstance(inputs, dict):
        return {name: array[part] for name, array in inputs.items()}
    return inputs[part]


def _tensorflow_part(model: Any) -> Callable[..., tuple[Any, list[Any]]]:
    import tensorflow as tf

    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def part(inputs: Any, targets: Any, weights: Any, share: Any) -> Any:
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = model.compute_loss(inputs, targets, outputs, weights, training=True)
            weighed = loss * share
        model.compute_metrics(inputs, targets, outputs, weights)
        found = tape.gradient(weighed, [v.value for v in model.trainable_variables])
        # Rows of a table that were looked up come as those rows alone.
        return loss, [tf.convert_to_tensor(gradient) for gradient in found]

    def add(data: Any, share: float, gradients: list[Any] | None) -> tuple[Any, list[Any]]:
        loss, found = part(*data, tf.constant(share, tf.float32))
        if gradients is not None:
            found = [a + b for a, b in zip(gradients, found, strict=True)]
        return loss, found

    return add


def _jax_part(model: Any) -> Callable[..., tuple[Any, list[Any]]]:
    import jax
    import keras

    trained = model.trainable_variables
    others = [*model.non_trainable_variables, *model.metrics_variables]

    def part(values: Any, other_values: Any, data: Any, share: Any) -> Any:
        inputs, targets, weights = data
        mapping = [*zip(trained, values, strict=True), *zip(others, other_values, strict=True)]
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True) as scope:
            outputs = model(inputs, training=True)
            loss = model.compute_loss(inputs, targets, outputs, weights, training=True)
            model.compute_metrics(inputs, targets, outputs, weights)
        after = [scope.get_current_value(v) for v in others]
        after = [v if new is None else new for v, new in zip(other_values, after, strict=True)]
        return loss * share, (loss, after)

    graded = jax.jit(jax.grad(part, has_aux=True))

    def add(data: Any, share: float, gradients: list[Any] | None) -> tuple[Any, list[Any]]:
        found, (loss, after) = graded(
            [v.value for v in trained], [v.value for v in others], data, share
        )
        for variable, value in zip(others, after, strict=True):
            variable.assign(value)
        if gradients is not None:
            found = [a + b for a, b in zip(gradients, found, strict=True)]
        return loss, found

    return add
