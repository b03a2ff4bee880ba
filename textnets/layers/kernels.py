"""Which kernel a recurrent layer takes on a GPU: the fused one, or the generic loop.

Keras chooses in silence. The conditions here were read from Keras 3.15's source
(``layers/rnn/lstm.py``, ``gru.py`` and each backend's ``rnn.py``), where each of them
raises ``NotImplementedError`` and so falls back to a loop over the time steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras

from textnets.layers.attention import AttentionCell, AttentionRNN
from textnets.layers.cells import CELLS

_BACKENDS = ("tensorflow", "jax", "torch")


@dataclass(frozen=True)
class KernelPath:
    """Whether a model's recurrent layers can use the fused GPU kernels, and why (not).

    Attributes:
        fused: True when every recurrent layer meets the conditions. Whether there is a
            GPU is another question.
        reason: in words, for the run's record.
        recurrent: False where there is no recurrent layer at all.
    """

    fused: bool
    reason: str
    recurrent: bool = True


def recurrent_kernel(model: keras.Model, backend: str) -> KernelPath:
    """Say whether a model's recurrent layers meet the conditions of the fused kernels.

    Args:
        model: any Keras model; nested models and ``Bidirectional`` are looked into.
        backend: the Keras backend it will run on, ``keras.backend.backend()``.
    """
    layers = list(all_layers(model))
    recurrent = [layer for layer in layers if isinstance(layer, keras.layers.RNN)]
    if not recurrent:
        return KernelPath(fused=False, reason="no recurrent layers", recurrent=False)
    obstacle = _backend_obstacle(layers, backend)
    if obstacle:
        return KernelPath(fused=False, reason=obstacle)
    for layer in recurrent:
        obstacle = _layer_obstacle(layer, backend)
        if obstacle:
            return KernelPath(fused=False, reason=f"{layer.name}: {obstacle}")
    return KernelPath(fused=True, reason="every recurrent layer meets cuDNN's conditions")


def _backend_obstacle(layers: list[Any], backend: str) -> str | None:
    """What keeps the whole model off the fused kernels, or None."""
    if backend not in _BACKENDS:
        return f"the {backend} backend has no fused recurrent kernel"
    # TensorFlow passes a mask's lengths on to cuDNN; the others refuse any mask.
    if backend != "tensorflow":
        for layer in layers:
            if getattr(layer, "mask_zero", False) or isinstance(layer, keras.layers.Masking):
                return f"{layer.name} makes a Keras mask, which cuDNN does not take on {backend}"
    return None


def _layer_obstacle(layer: Any, backend: str) -> str | None:
    """The first condition of the fused kernels that a recurrent layer breaks, or None."""
    if not isinstance(layer, keras.layers.LSTM | keras.layers.GRU):
        return f"{_kind(layer)} has no fused kernel"
    is_gru = isinstance(layer, keras.layers.GRU)
    obstacles = {
        "on JAX a GRU has no fused kernel": is_gru and backend == "jax",
        # jaxlib's cuDNN call knows these two only.
        f"on JAX the fused kernel computes in float32, was: {layer.compute_dtype}": (
            backend == "jax" and layer.compute_dtype not in ("float32", "float64")
        ),
        f"use_cudnn={layer.use_cudnn}": not layer.use_cudnn,
        f"recurrent_dropout={layer.recurrent_dropout}": bool(layer.recurrent_dropout),
        f"activation is not tanh, was: {_name(layer.activation)}": (
            layer.activation not in (keras.activations.tanh, keras.ops.tanh)
        ),
        f"recurrent_activation is not sigmoid, was: {_name(layer.recurrent_activation)}": (
            layer.recurrent_activation not in (keras.activations.sigmoid, keras.ops.sigmoid)
        ),
        "unroll=True": layer.unroll,
        "use_bias=False": not layer.use_bias,
        "reset_after=False": is_gru and not layer.reset_after,
    }
    return next((words for words, is_broken in obstacles.items() if is_broken), None)


def all_layers(layer: Any) -> Iterator[Any]:
    """The layers of a model, of models and wrappers inside it, and those themselves."""
    inner = list(getattr(layer, "layers", ()))
    inner += [
        getattr(layer, name)
        for name in ("forward_layer", "backward_layer")
        if isinstance(layer, keras.layers.Bidirectional)
    ]
    if isinstance(layer, keras.layers.TimeDistributed):
        inner.append(layer.layer)
    if isinstance(layer, AttentionRNN):
        inner.append(layer.rnn)
    yield layer
    for one in inner:
        yield from all_layers(one)


def _kind(layer: Any) -> str:
    """What a recipe calls the layer's cell, else the layer's class."""
    cell = getattr(layer, "cell", None)
    if isinstance(cell, AttentionCell):
        return "a step that looks into a memory"
    names = (name for name, variant in CELLS.items() if isinstance(cell, variant))
    return next(names, type(layer).__name__)


def _name(function: Any) -> str:
    return str(getattr(function, "__name__", function))
