"""A Keras model's graph, run by NumPy: what is called with what, in which order.

The graph is data of the file. Each of its calls names a layer or an operation; those of
:mod:`textnets.lite.layers` and :mod:`textnets.lite.operations` are all there are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import RunError
from textnets.lite.contents import Contents
from textnets.lite.weights import unpacked

Array = npt.NDArray[Any]
_DEEPEST = 32


class LiteWeights:
    """The weights of a layer, read when they are first used."""

    def __init__(self, contents: Contents, names: Mapping[str, Mapping[str, str]]) -> None:
        self._contents, self._names = contents, names
        self._whole: dict[str, Array] = {}
        self._kept: dict[str, dict[str, Array]] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def __getitem__(self, name: str) -> Array:
        """``<float32>[...]``."""
        if name not in self._whole:
            self._whole[name] = unpacked(self._parts(name))
        return self._whole[name]

    def rows(self, name: str, ids: Array) -> Array:
        """Rows of a table: ``<int>[...]`` ids to ``<float32>[..., columns]``."""
        if name in self._whole:
            return np.take(self._whole[name], ids, axis=0)
        parts = self._parts(name)
        if len(ids) and (ids.min() < 0 or ids.max() >= len(parts["values"])):
            raise RunError(f"its table {name} has no row for every id")
        found = {"values": np.take(parts["values"], ids, axis=0)}
        if "scale" in parts:  # one a row, or one a column for all rows
            scale = parts["scale"]
            found["scale"] = np.take(scale, ids, axis=0) if len(scale) > 1 else scale[0]
        return unpacked(found)

    def _parts(self, name: str) -> dict[str, Array]:
        if name not in self._kept:
            parts = self._names[name]
            self._kept[name] = {key: self._contents.array(part) for key, part in parts.items()}
        return self._kept[name]


class LiteLayer:
    """One layer, with all that it is made of.

    Attributes:
        name: in the model.
        kind: its class; that of a layer of textnets' own begins with ``textnets.``.
        config: numbers and names.
        weights: by name.
        inner: layers inside of it, by what they are to it.
        model: of a layer that is a model.
    """

    def __init__(self, found: Mapping[str, Any], contents: Contents, *, depth: int = 0) -> None:
        from textnets.lite.layers import LAYERS

        if depth > _DEEPEST:
            raise RunError("its layers are nested too deeply")
        self.name, self.kind = str(found["name"]), str(found["class"])
        self.config: Mapping[str, Any] = found.get("config", {})
        self.weights = LiteWeights(contents, found.get("weights", {}))
        self.inner = {
            name: [LiteLayer(one, contents, depth=depth + 1) for one in some]
            for name, some in found.get("inner", {}).items()
        }
        self.model = (
            LiteModel(found["model"], contents, depth=depth + 1) if "model" in found else None
        )
        self._call: Callable[..., Any] | None = None
        if self.model is None:
            self._call = LAYERS.get(self.kind)
            if self._call is None:
                raise RunError(
                    f"layer {self.name!r} is of the class {self.kind!r}, which this version lacks"
                )

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        try:
            if self._call is None:
                return self.model(*arguments) if self.model is not None else None
            return self._call(self, *arguments, **named)
        except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
            raise RunError(
                f"layer {self.name!r} cannot compute: {error}; the file is damaged"
            ) from error


class LiteModel:
    """A functional model of Keras.

    Args:
        found: of the file.
        contents: where its weights are.
    """

    def __init__(self, found: Mapping[str, Any], contents: Contents, *, depth: int = 0) -> None:
        from textnets.lite.operations import operation

        self.layers: dict[str, LiteLayer] = {}
        self._inputs, self._outputs = found["inputs"], found["outputs"]
        self._state_sizes = tuple(int(size) for size in found.get("state_sizes", ()))
        self._calls: list[tuple[Callable[..., Any], Any, Any, list[int]]] = []
        made = [LiteLayer(one, contents, depth=depth) for one in found["layers"]]
        self.layers = {layer.name: layer for layer in made}
        for call in found["calls"]:
            called: Callable[..., Any]
            if "layer" in call:
                called = made[call["layer"]]
            else:
                called = operation(call["operation"], call.get("config", {}))
            self._calls.append((called, call["arguments"], call["named"], call["gives"]))
        self._last = self._last_uses()

    @property
    def input_names(self) -> list[str]:
        """Of a model that takes its inputs by name, or takes one."""
        found = self._inputs
        return list(found["dict"]) if "dict" in found else [str(found.get("name", ""))]

    @property
    def outputs(self) -> Any:
        """References to the outputs, for :meth:`run`."""
        return self._outputs

    @property
    def state_sizes(self) -> tuple[int, ...]:
        """Of a language model's states."""
        return self._state_sizes

    def __call__(self, inputs: Any) -> Any:
        """The outputs: an array, or a nest of them as the model has it."""
        return self.run(inputs, self._outputs)

    def run(self, inputs: Any, wanted: Any) -> Any:
        """Some tensors of the graph.

        Args:
            inputs: an array, or a nest of them as the model takes it.
            wanted: a nest of references, such as ``{"tensor": 7}``.
        """
        known: dict[int, Any] = {}
        _bind(self._inputs, inputs, known)
        kept = set(_tensors(wanted))
        with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
            for number, (called, arguments, named, gives) in enumerate(self._calls):
                found = called(
                    *[_filled(one, known) for one in arguments],
                    **{name: _filled(one, known) for name, one in named.items()},
                )
                known.update(zip(gives, flattened(found), strict=True))
                for tensor in self._last.get(number, ()):
                    if tensor not in kept:
                        known.pop(tensor, None)
        return _filled(wanted, known)

    def _last_uses(self) -> dict[int, list[int]]:
        """What is read by a call, and by none after it."""
        last: dict[int, int] = {}
        for number, (_, arguments, named, _) in enumerate(self._calls):
            for tensor in [*_tensors(arguments), *_tensors(list(named.values()))]:
                last[tensor] = number
        found: dict[int, list[int]] = {}
        for tensor, number in last.items():
            found.setdefault(number, []).append(tensor)
        return found


def flattened(found: Any) -> list[Any]:
    """The arrays of a nest, as Keras lists them: dicts by their sorted keys."""
    if isinstance(found, dict):
        return [one for key in sorted(found) for one in flattened(found[key])]
    if isinstance(found, list | tuple):
        return [one for part in found for one in flattened(part)]
    return [found]


def _bind(names: Any, inputs: Any, known: dict[int, Any]) -> None:
    """Note each input under its number."""
    if "tensor" in names:
        known[names["tensor"]] = inputs
    elif "dict" in names:
        for key, one in names["dict"].items():
            _bind(one, inputs[key], known)
    else:
        for one, given in zip(names["list"], inputs, strict=True):
            _bind(one, given, known)


def _filled(found: Any, known: Mapping[int, Any]) -> Any:
    """A nest of references with the arrays that they stand for."""
    if "tensor" in found:
        return known[found["tensor"]]
    if "list" in found:
        return [_filled(one, known) for one in found["list"]]
    if "dict" in found:
        return {key: _filled(one, known) for key, one in found["dict"].items()}
    if "slice" in found:
        return slice(*(_filled(one, known) for one in found["slice"]))
    if "ellipsis" in found:
        return Ellipsis
    return found["value"]


def _tensors(found: Any) -> Sequence[int]:
    """The numbers of all tensors in a nest of references."""
    if isinstance(found, list):
        return [number for one in found for number in _tensors(one)]
    if not isinstance(found, dict):
        return []
    if "tensor" in found:
        return [found["tensor"]]
    inside = [*found.get("list", ()), *found.get("slice", ()), *found.get("dict", {}).values()]
    return _tensors(inside)
