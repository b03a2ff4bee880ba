"""Operations of a functional Keras model that are no layers: arithmetic on arrays."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from textnets.errors import RunError
from textnets.lite.activations import ACTIVATIONS, log_softmax, softmax
from textnets.lite.graph import Array

_Config = Mapping[str, Any]
_MOST = 2**28  # numbers that an operation may make of fewer


def operation(name: str, config: _Config) -> Callable[..., Any]:
    """An operation by the name of its class, with what its constructor was given.

    Raises:
        RunError: there is none of that name.
    """
    if name not in OPERATIONS:
        raise RunError(f"its operation {name!r} is none that this version has")
    function = OPERATIONS[name]

    def call(*arguments: Any, **named: Any) -> Any:
        try:
            found = function({**config, **named}, *arguments)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise RunError(f"its operation {name} cannot compute: {error}") from error
        return [_narrow(one) for one in found] if isinstance(found, list) else _narrow(found)

    return call


def _narrow(found: Any) -> Array:
    """Float32 where NumPy widens."""
    array = np.asarray(found)
    return array.astype(np.float32) if array.dtype == np.float64 else array


def _axis(config: _Config) -> Any:
    axis = config.get("axis")
    return tuple(axis) if isinstance(axis, list) else axis


def _reduced(function: Callable[..., Any]) -> Callable[..., Any]:
    def reduce(config: _Config, x: Array) -> Any:
        return function(x, axis=_axis(config), keepdims=bool(config.get("keepdims", False)))

    return reduce


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda config, *arguments: function(*arguments)


def _take(config: _Config, x: Array, indices: Array) -> Any:
    return np.take(x, np.asarray(indices).astype(np.int64), axis=config.get("axis"))


def _reshape(config: _Config, x: Array) -> Any:
    return x.reshape(*(-1 if size is None else size for size in config["newshape"]))


def _repeat(config: _Config, x: Array) -> Any:
    repeats = config["repeats"]
    if x.size * int(np.max(repeats)) > _MOST:
        raise ValueError("it repeats too much")
    return np.repeat(x, repeats, axis=config.get("axis"))


def _tile(config: _Config, x: Array) -> Any:
    if x.size * int(np.prod(config["repeats"], dtype=np.float64)) > _MOST:
        raise ValueError("it repeats too much")
    return np.tile(x, config["repeats"])


def _get_item(config: _Config, x: Array, key: Any) -> Any:
    return x[tuple(key) if isinstance(key, list) else key]


def _log_sum_exp(config: _Config, x: Array) -> Any:
    axis, keep = _axis(config), bool(config.get("keepdims", False))
    peak = x.max(axis=axis, keepdims=True)
    found = np.log(np.exp(x - peak).sum(axis=axis, keepdims=True)) + peak
    return found if keep else np.squeeze(found, axis=axis)


def _activation(name: str) -> Callable[..., Any]:
    return lambda config, x: ACTIVATIONS[name](x)


OPERATIONS: dict[str, Callable[..., Any]] = {
    # --- Arithmetic ---
    "Add": _plain(np.add),
    "Subtract": _plain(np.subtract),
    "Multiply": _plain(np.multiply),
    "Divide": _plain(np.divide),
    "TrueDivide": _plain(np.divide),
    "Power": _plain(np.power),
    "Maximum": _plain(np.maximum),
    "Minimum": _plain(np.minimum),
    "Matmul": _plain(np.matmul),
    "Negative": _plain(np.negative),
    "Absolute": _plain(np.abs),
    "Square": _plain(np.square),
    "Sqrt": _plain(np.sqrt),
    "Rsqrt": _plain(lambda x: 1.0 / np.sqrt(x)),
    "Exp": _plain(np.exp),
    "Log": _plain(np.log),
    "Log1p": _plain(np.log1p),
    "Sin": _plain(np.sin),
    "Cos": _plain(np.cos),
    "Sign": _plain(np.sign),
    "Reciprocal": _plain(np.reciprocal),
    "Clip": lambda config, x: np.clip(x, config["x_min"], config["x_max"]),
    # --- Comparisons ---
    "Equal": _plain(np.equal),
    "NotEqual": _plain(np.not_equal),
    "Greater": _plain(np.greater),
    "GreaterEqual": _plain(np.greater_equal),
    "Less": _plain(np.less),
    "LessEqual": _plain(np.less_equal),
    "LogicalAnd": _plain(np.logical_and),
    "LogicalOr": _plain(np.logical_or),
    "LogicalNot": _plain(np.logical_not),
    "Where": _plain(np.where),
    # --- Sums ---
    "Sum": _reduced(np.sum),
    "Mean": _reduced(np.mean),
    "Max": _reduced(np.max),
    "Min": _reduced(np.min),
    "Amax": _reduced(np.max),
    "Amin": _reduced(np.min),
    "Prod": _reduced(np.prod),
    "Any": _reduced(np.any),
    "All": _reduced(np.all),
    "Var": _reduced(np.var),
    "Std": _reduced(np.std),
    "Logsumexp": _log_sum_exp,
    "Cumsum": lambda config, x: np.cumsum(x, axis=config.get("axis")),
    "Argmax": lambda config, x: np.argmax(x, axis=config.get("axis")).astype(np.int32),
    # --- Shapes ---
    "Concatenate": lambda config, xs: np.concatenate(xs, axis=config.get("axis", 0)),
    "Stack": lambda config, xs: np.stack(xs, axis=config.get("axis", 0)),
    "ExpandDims": lambda config, x: np.expand_dims(x, _axis(config)),
    "Squeeze": lambda config, x: np.squeeze(x, _axis(config)),
    "Reshape": _reshape,
    "Transpose": lambda config, x: np.transpose(x, config.get("axes")),
    "Swapaxes": lambda config, x: np.swapaxes(x, config["axis1"], config["axis2"]),
    "Flip": lambda config, x: np.flip(x, _axis(config)),
    "Repeat": _repeat,
    "Tile": _tile,
    "GetItem": _get_item,
    "Take": _take,
    "TakeAlongAxis": lambda config, x, i: np.take_along_axis(x, i.astype(np.int64), config["axis"]),
    "Cast": lambda config, x: np.asarray(x).astype(_DTYPES[config["dtype"]]),
    "StopGradient": _plain(lambda x: x),
    "ZerosLike": _plain(np.zeros_like),
    "OnesLike": _plain(np.ones_like),
    # --- Activations ---
    "Relu": _activation("relu"),
    "Sigmoid": _activation("sigmoid"),
    "Tanh": _activation("tanh"),
    "Softplus": _activation("softplus"),
    "Silu": _activation("silu"),
    "Selu": _activation("selu"),
    "LogSigmoid": _activation("log_sigmoid"),
    "Softmax": lambda config, x: softmax(x, config.get("axis", -1)),
    "LogSoftmax": lambda config, x: log_softmax(x, config.get("axis", -1)),
}
_DTYPES: dict[str, Any] = {
    "float32": np.float32, "float64": np.float64, "int32": np.int32, "int64": np.int64,
    "bool": np.bool_, "int8": np.int8, "uint8": np.uint8,
}  # fmt: skip
