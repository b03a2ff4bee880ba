"""A Keras model taken apart: its layers as numbers, names and weights, and its calls in order.

What :mod:`textnets.lite.graph` puts together again. A layer that it lacks is refused by name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textnets.errors import InputError
from textnets.lite.activations import ACTIVATIONS
from textnets.lite.contents import ContentsWriter
from textnets.lite.layers import LAYERS
from textnets.lite.operations import OPERATIONS
from textnets.lite.weights import is_large, packed

_TABLES = frozenset({"embeddings"})


@dataclass(frozen=True)
class _Kind:
    """What of a layer its answer rests on.

    Attributes:
        config: attributes that are numbers or names.
        weights: attributes that are weights; one that is ``None`` or not there is left out.
        activations: attributes that are functions.
        fixed: attributes that must be as they are here: of others nobody knows.
    """

    config: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    activations: tuple[str, ...] = ()
    fixed: Mapping[str, Any] = field(default_factory=dict)


_OF_KERNEL = ("kernel", "bias")
_CHANNELS = {"data_format": "channels_last"}
_CONV = ("strides", "padding", "dilation_rate", "groups")
_RNN = ("return_sequences", "return_state", "go_backwards", "zero_output_for_mask")
_LSTM_WEIGHTS = ("kernel", "recurrent_kernel", "bias")
_OF_KERAS = ("RNN", "LSTM", "GRU", "SimpleRNN")
_RECURRENT = (*_OF_KERAS, *(f"textnets.WeightDrop{name}" for name in _OF_KERAS))

_KINDS: dict[str, _Kind] = {
    "Embedding": _Kind(weights=("embeddings",), fixed={"mask_zero": False}),
    "ReversibleEmbedding": _Kind(
        ("logit_soft_cap",), ("embeddings", "reverse_embeddings"), fixed={"mask_zero": False}
    ),
    "Dense": _Kind((), _OF_KERNEL, ("activation",)),
    "EinsumDense": _Kind(("equation",), _OF_KERNEL, ("activation",)),
    "Activation": _Kind(activations=("activation",)),
    "Softmax": _Kind(("axis",)),
    "ReLU": _Kind(("negative_slope", "max_value", "threshold")),
    "LeakyReLU": _Kind(("negative_slope",)),
    "ELU": _Kind(("alpha",)),
    "PReLU": _Kind(weights=("alpha",)),
    "LayerNormalization": _Kind(("axis", "epsilon"), ("gamma", "beta")),
    "RMSNormalization": _Kind(("axis", "epsilon"), ("scale",)),
    "BatchNormalization": _Kind(
        ("axis", "epsilon"), ("gamma", "beta", "moving_mean", "moving_variance")
    ),
    "UnitNormalization": _Kind(("axis",)),
    "Conv1D": _Kind(_CONV, _OF_KERNEL, ("activation",), _CHANNELS),
    "DepthwiseConv1D": _Kind(_CONV[:3], _OF_KERNEL, ("activation",), _CHANNELS),
    "SeparableConv1D": _Kind(
        _CONV[:3], ("depthwise_kernel", "pointwise_kernel", "bias"), ("activation",), _CHANNELS
    ),
    "MaxPooling1D": _Kind(("pool_size", "strides", "padding"), fixed=_CHANNELS),
    "AveragePooling1D": _Kind(("pool_size", "strides", "padding"), fixed=_CHANNELS),
    "GlobalMaxPooling1D": _Kind(("keepdims",), fixed=_CHANNELS),
    "GlobalAveragePooling1D": _Kind(("keepdims",), fixed=_CHANNELS),
    "Concatenate": _Kind(("axis",)),
    "Dot": _Kind(("axes", "normalize")),
    "Reshape": _Kind(("target_shape",)),
    "Flatten": _Kind(fixed=_CHANNELS),
    "Permute": _Kind(("dims",)),
    "RepeatVector": _Kind(("n",)),
    "Cropping1D": _Kind(("cropping",)),
    "ZeroPadding1D": _Kind(("padding",)),
    "UpSampling1D": _Kind(("size",)),
    "Rescaling": _Kind(("scale", "offset")),
    **dict.fromkeys(_RECURRENT, _Kind(_RNN, fixed={"stateful": False})),
    "SimpleRNNCell": _Kind(("units",), _LSTM_WEIGHTS, ("activation",)),
    "LSTMCell": _Kind(("units",), _LSTM_WEIGHTS, ("activation", "recurrent_activation")),
    "GRUCell": _Kind(
        ("units", "reset_after"), _LSTM_WEIGHTS, ("activation", "recurrent_activation")
    ),
    "textnets.PeepholeLSTMCell": _Kind(
        ("units",), (*_LSTM_WEIGHTS, "input_peephole", "forget_peephole", "output_peephole")
    ),
    "textnets.PrototypeLSTMCell": _Kind(("units",), _LSTM_WEIGHTS),
    "textnets.LayerNormLSTMCell": _Kind(
        ("units",), (*_LSTM_WEIGHTS, "input_gain", "recurrent_gain", "cell_gain", "cell_bias")
    ),
    "Bidirectional": _Kind(("merge_mode",)),
    "Attention": _Kind(("score_mode",), ("scale", "concat_score_weight")),
    "AdditiveAttention": _Kind((), ("scale",)),
    "MultiHeadAttention": _Kind(fixed={"_attention_axes": (1,)}),
    "textnets.TokenTable": _Kind(weights=("embeddings", "bias")),
    **dict.fromkeys(
        ("textnets.AdaptiveTokenTable", "textnets.ReducedTokenTable"),
        _Kind(("cutoffs",), ("embeddings", "bias", "group_vectors", "group_bias")),
    ),
    "textnets.AttentionPooling": _Kind(weights=("kernel", "bias", "query")),
    "textnets.SelfAttention": _Kind(("heads",)),
    "textnets.CachedAttention": _Kind(("heads", "rotary")),
    "textnets.MemoryAttention": _Kind(("heads",)),
    "textnets.CausalMask": _Kind(("banded",)),
    "textnets.EmptyCaches": _Kind(("widths",)),
    "textnets.LearnedPositions": _Kind(weights=("table",)),
    "textnets.CharacterConvolution": _Kind(weights=_OF_KERNEL),
    "textnets.FeatureScores": _Kind(weights=("embeddings", "bias")),
    "textnets.NgramBag": _Kind(("weighting", "num_word_ngrams"), ("kernel", "bias", "table")),
    "textnets.LinearChainCRF": _Kind(weights=("transitions", "start", "end")),
}


def describe(model: Any, writer: ContentsWriter, quantize: str = "") -> dict[str, Any]:
    """A functional model as plain data, its weights put into a file.

    Args:
        model: a ``keras.Model``.
        writer: of the file.
        quantize: how large weights are kept: ``int8``, ``float16``, or empty for as they are.

    Raises:
        InputError: naming the layer that cannot be told.
    """
    return _Describer(writer, quantize).model(model)


def describe_layer(layer: Any, writer: ContentsWriter) -> dict[str, Any]:
    """One layer, as :func:`describe` has it."""
    return _Describer(writer, "").layer(layer)


class _Describer:
    def __init__(self, writer: ContentsWriter, quantize: str) -> None:
        self._writer, self._quantize = writer, quantize
        self._weights: dict[int, dict[str, str]] = {}  # of layers that models share

    def model(self, model: Any) -> dict[str, Any]:
        import keras

        if not hasattr(model, "_nodes_by_depth") and isinstance(model, keras.Sequential):
            model = model._functional
        numbers: dict[int, int] = {}
        layers: list[dict[str, Any]] = []
        places: dict[int, int] = {}
        inputs = self._nest(model._inputs_struct, numbers, names=True)
        calls = []
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if node.is_input or not node.operation:
                    continue
                calls.append(self._call(node, numbers, layers, places))
        return {
            "inputs": inputs,
            "outputs": self._nest(model._outputs_struct, numbers),
            "layers": layers,
            "calls": calls,
        }

    # --- Calls ---

    def _call(
        self,
        node: Any,
        numbers: dict[int, int],
        layers: list[dict[str, Any]],
        places: dict[int, int],
    ) -> dict[str, Any]:
        import keras

        called = node.operation
        for tensor in node.input_tensors:
            if getattr(tensor, "_keras_mask", None) is not None:
                raise InputError(
                    f"{_named(called)}: it may read a mask of Keras's own, which this format "
                    "cannot hold; mask with layers.PaddingMask instead of mask_zero or Masking"
                )
        what: dict[str, Any]
        if isinstance(called, keras.layers.Layer):
            if id(called) not in places:
                places[id(called)] = len(layers)
                layers.append(self.layer(called))
            what = {"layer": places[id(called)]}
        else:
            what = {"operation": _operation_name(called), "config": _operation_config(called)}
        arguments = [self._nest(one, numbers) for one in node.arguments.args]
        named = {
            name: self._nest(one, numbers)
            for name, one in node.arguments.kwargs.items()
            if one is not None and name != "training"
        }
        for tensor in node.outputs:
            numbers.setdefault(id(tensor), len(numbers))
        gives = [numbers[id(tensor)] for tensor in node.outputs]
        return {**what, "arguments": arguments, "named": named, "gives": gives}

    def _nest(self, found: Any, numbers: dict[int, int], *, names: bool = False) -> dict[str, Any]:
        """A nest of tensors and plain values as references."""
        import keras

        if isinstance(found, keras.KerasTensor):
            number = numbers.setdefault(id(found), len(numbers))
            return {"tensor": number, "name": found.name} if names else {"tensor": number}
        if isinstance(found, list | tuple):
            return {"list": [self._nest(one, numbers, names=names) for one in found]}
        if isinstance(found, dict):
            return {
                "dict": {key: self._nest(one, numbers, names=names) for key, one in found.items()}
            }
        if isinstance(found, slice):
            parts = (found.start, found.stop, found.step)
            return {"slice": [self._nest(one, numbers) for one in parts]}
        if found is Ellipsis:
            return {"ellipsis": True}
        if found is None or isinstance(found, str | bool | int | float):
            return {"value": found}
        array = np.asarray(found)
        if array.ndim == 0:
            return {"value": array.item()}
        raise InputError(
            f"the model computes with a constant array of shape {array.shape}, which this format "
            "cannot hold; make it a weight of a layer"
        )

    # --- Layers ---

    def layer(self, layer: Any) -> dict[str, Any]:
        """One layer as plain data.

        Raises:
            InputError: it cannot be told.
        """
        if hasattr(layer, "_nodes_by_depth") or type(layer).__name__ == "Sequential":
            return {"name": layer.name, "class": "Functional", "model": self.model(layer)}
        kind = _kind_of(layer)
        if kind not in LAYERS:
            raise InputError(
                f"{_named(layer)}: this format does not know the class; it holds Keras's layers "
                "that textnets' builders use and others of them, and those of textnets.layers"
            )
        known = _KINDS.get(kind, _Kind())
        for name, wanted in known.fixed.items():
            if getattr(layer, name, wanted) != wanted:
                raise InputError(
                    f"{_named(layer)}: this format cannot hold {name}={getattr(layer, name)!r}"
                )
        config = {name: _plain(getattr(layer, name), layer) for name in known.config}
        for name in known.activations:
            config[name] = _activation(getattr(layer, name), layer)
        return {
            "name": layer.name,
            "class": kind,
            "config": config,
            "weights": {
                name: self._kept(value, by_row=name in _TABLES or name.startswith("table_"))
                for name, value in _weights_of(layer, known)
            },
            "inner": {
                name: [self.layer(one) for one in some] for name, some in _inner_of(layer, kind)
            },
            **_more_of(layer, kind),
        }

    def _kept(self, variable: Any, *, by_row: bool) -> dict[str, str]:
        """A weight in the file, once for all layers that share it."""
        if id(variable) not in self._weights:
            values = np.asarray(variable, np.float32)
            if not np.isfinite(values).all():
                raise InputError(f"the weight {variable.path} is not finite; its training diverged")
            small = self._quantize and is_large(values)
            arrays = packed(values, self._quantize, by_row=by_row) if small else {"values": values}
            self._weights[id(variable)] = {
                key: self._writer.array(one) for key, one in arrays.items()
            }
        return self._weights[id(variable)]


def _kind_of(layer: Any) -> str:
    """The name of its class, that of one of textnets' own after ``textnets.``; of a stranger's the
    whole path, which no name is like."""
    kind = type(layer)
    module = kind.__module__
    if module.startswith("keras."):
        return str(kind.__name__)
    if module.startswith("textnets.layers."):
        return f"textnets.{kind.__name__}"
    return f"{module}.{kind.__name__}"


def _named(layer: Any) -> str:
    return f"layer {layer.name!r} of class {_kind_of(layer).removeprefix('textnets.')}"


def _weights_of(layer: Any, known: _Kind) -> list[tuple[str, Any]]:
    found = [(name, getattr(layer, name, None)) for name in known.weights]
    if _kind_of(layer) == "ReversibleEmbedding" and layer.tie_weights:
        found = found[:1]
    if _kind_of(layer) == "textnets.AdditiveAttention":
        found = [
            ("query_kernel", layer.query_projection.kernel),
            ("score_kernel", layer.score.kernel),
        ]
    if _kind_of(layer) == "textnets.ReducedTokenTable":
        for number, parts in enumerate(zip(layer.tables, layer.projections, strict=True)):
            found += zip((f"table_{number}", f"projection_{number}"), parts, strict=True)
    return [(name, value) for name, value in found if value is not None]


def _inner_of(layer: Any, kind: str) -> list[tuple[str, Sequence[Any]]]:
    if kind in _RECURRENT:
        return [("cell", getattr(layer.cell, "cells", [layer.cell]))]
    if kind == "Bidirectional":
        return [("forward", [layer.forward_layer]), ("backward", [layer.backward_layer])]
    if kind == "TimeDistributed":
        return [("layer", [layer.layer])]
    if kind == "MultiHeadAttention":
        return [
            ("query", [layer._query_dense]),
            ("key", [layer._key_dense]),
            ("value", [layer._value_dense]),
            ("output", [layer._output_dense]),
        ]
    if kind == "textnets.AttentionRNN":
        cell = layer.cell
        return [("cells", cell.cells), ("attention", [cell.attention]), ("combine", [cell.combine])]
    return []


def _more_of(layer: Any, kind: str) -> dict[str, Any]:
    """What stands in no attribute of the layer itself."""
    if kind == "textnets.AttentionRNN":
        return {"config": {"look": layer.cell.look}}
    if kind == "MultiHeadAttention":
        return {"config": {"key_dim": int(layer._key_dim)}}
    return {}


def _plain(value: Any, layer: Any) -> Any:
    """A number or name of a config, or a list of them; what Keras has as a tuple of one is that."""
    if (
        isinstance(value, tuple)
        and len(value) == 1
        and type(layer).__name__ not in ("Reshape", "Permute")
    ):
        value = value[0]
    if isinstance(value, list | tuple):
        return [_plain(one, layer) for one in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    array = np.asarray(value)
    if array.dtype.kind in "fiu":
        return array.tolist()
    raise InputError(f"{_named(layer)}: this format cannot hold {value!r}")


def _activation(function: Any, layer: Any) -> str:
    name = (
        "linear"
        if function is None
        else str(getattr(function, "__name__", type(function).__name__))
    )
    if name not in ACTIVATIONS or not str(getattr(function, "__module__", "keras")).startswith(
        "keras"
    ):
        raise InputError(
            f"{_named(layer)}: this format does not know the activation {name!r}; known: "
            f"{', '.join(sorted(ACTIVATIONS))}"
        )
    return name


def _operation_name(called: Any) -> str:
    name = type(called).__name__
    if name not in OPERATIONS or not type(called).__module__.startswith("keras."):
        raise InputError(
            f"operation {called.name!r} of class {name}: this format does not know it; known: "
            f"{', '.join(sorted(OPERATIONS))}"
        )
    return name


def _operation_config(called: Any) -> dict[str, Any]:
    """What its constructor was given."""
    config = {key: value for key, value in called.get_config().items() if key != "name"}
    return {key: _plain_of_operation(value, called) for key, value in config.items()}


def _plain_of_operation(value: Any, called: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain_of_operation(one, called) for one in value]
    if value is None or isinstance(value, str | bool | int | float):
        return value
    array = np.asarray(value)
    if array.ndim == 0 and array.dtype.kind in "fiub":
        return array.item()
    raise InputError(f"operation {called.name!r}: this format cannot hold {value!r}")
