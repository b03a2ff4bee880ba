"""One compiled call a batch: the training step and the forward pass.

On TensorFlow, ``train_on_batch`` traces its graph again for the first batch of another
width and for the last, smaller batch: three times for a recurrent net whose graph takes
seconds. Here the graph is traced once, for every shape. Other backends compile a shape at
a time whoever asks, so there Keras's own calls are used.

AutoGraph is left out: it turns Python's branches on tensors into a graph's, of which ours have
none, and looks into no layer that Keras calls.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import numpy.typing as npt

TrainStep = Callable[[Any, Any, Any], dict[str, float]]
Forward = Callable[[Any], npt.NDArray[Any]]


def train_step(model: Any, inputs: Any, targets: Any, weights: Any) -> TrainStep:
    """The function that trains a compiled model on one batch.

    Args:
        model: a compiled ``keras.Model``.
        inputs, targets: of any batch; their dtypes and ranks count.
        weights: the same for sample weights, or ``None``.

    Returns:
        ``(inputs, targets, weights) -> logs``: the loss and the metrics of that batch alone.
    """
    import keras

    if keras.config.backend() != "tensorflow":
        return lambda inputs, targets, weights: {
            name: float(value)
            for name, value in model.train_on_batch(
                inputs, targets, sample_weight=weights, return_dict=True
            ).items()
        }
    return _tensorflow_step(model, inputs, targets, weights)


def forward(model: Any) -> Forward:
    """The function that gives a model's outputs for one batch of inputs."""
    import keras

    if keras.config.backend() != "tensorflow":
        return lambda inputs: np.asarray(model.predict_on_batch(inputs))
    import tensorflow as tf

    compiled = tf.function(
        _own(lambda inputs: model(inputs, training=False)),
        input_signature=[_input_spec(model)],
        autograph=False,
    )
    return lambda inputs: np.asarray(compiled(inputs))


def compiled(model: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of tensors, which uses a model's weights, as one compiled call.

    Args:
        model: whose weights it reads, at each call as they are then; anything that has
            ``variables``.
        function: from arrays (or nests of them) to the same, written in ``keras.ops``.
    """
    import keras

    backend = keras.config.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        return cast(
            "Callable[..., Any]",
            tf.function(_own(function), reduce_retracing=True, autograph=False),
        )
    if backend != "jax":
        return function
    import jax

    def pure(values: Any, *arguments: Any) -> Any:
        # A jitted function would keep the weights that it was compiled with.
        with keras.StatelessScope(state_mapping=zip(model.variables, values, strict=True)):
            return function(*arguments)

    jitted = jax.jit(pure)
    return lambda *arguments: jitted([weight.value for weight in model.variables], *arguments)


def _own(function: Callable[..., Any]) -> Callable[..., Any]:
    """The same function as an object of its own: TensorFlow warns where the same lines are traced
    again and again, which they are, once for each model of a process."""
    return functools.partial(function)


def _tensorflow_step(model: Any, inputs: Any, targets: Any, weights: Any) -> TrainStep:
    import tensorflow as tf

    batch = [_input_spec(model), _spec_like(targets)]
    if weights is not None:
        batch.append(_spec_like(weights))
    # Metrics and loss make their variables on first sight of data, which a graph forbids.
    model._symbolic_build(data_batch=(inputs, targets, None))

    def step(data: Any) -> Any:
        model.reset_metrics()
        return model.train_step(data)

    jit = model.jit_compile
    step_batch = tf.function(
        _own(step), input_signature=[tuple(batch)], jit_compile=jit, autograph=False
    )

    def run(*data: Any) -> dict[str, float]:
        logs = step_batch(tuple(array for array in data if array is not None))
        return {name: float(value) for name, value in logs.items()}

    return run


def _input_spec(model: Any) -> Any:
    """Of one input, or of several by name; every dimension open."""
    import tensorflow as tf

    specs = {
        tensor.name: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype)
        for tensor in model.inputs
    }
    return specs if len(specs) > 1 else next(iter(specs.values()))


def _spec_like(array: Any) -> Any:
    import tensorflow as tf

    return tf.TensorSpec([None] * array.ndim, array.dtype)
