"""ONNX: ids in, with any batch and any length; and what turns texts into ids, as JSON.

Nothing in it is of one machine: recurrent layers are written as plain loops. A conditional random
field and every search are left to who calls, see :mod:`textnets.lite.onnx`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from textnets.decoding.tags import conditional_random_field
from textnets.errors import InputError
from textnets.export.graph import describe_layer
from textnets.export.members import (
    is_encoder_decoder,
    is_language_model,
    members_of,
    plain_kernels,
    quiet_converters,
    state_sizes,
)
from textnets.export.numpy_format import Description
from textnets.export.subject import Subject
from textnets.lite.contents import ContentsWriter
from textnets.lite.plain import PlainWriter, write_description

OPSET = 18  # the newest that tf2onnx 1.17 writes


def write(subject: Subject, folder: Path) -> None:
    """Write the models and :data:`DESCRIPTION_FILE`.

    Raises:
        InputError: ONNX cannot hold the model; says what of it.
    """
    writer = PlainWriter()
    with plain_kernels(subject.models), quiet_converters():
        description = _OnnxDescription(subject, writer, folder).whole()
    files = [file for one in description["models"] for file in one["graphs"].values()]
    write_description(folder, description, files, "onnx")


def loading(subject: Subject) -> str:
    """The lines that load it and predict."""
    load = 'model = textnets.lite.onnx.load(".")'
    return "\n".join(["import textnets.lite.onnx", "", load, *subject.predictor.usage])


class _OnnxDescription(Description):
    """As of the file of NumPy, with the names of ONNX's files in place of the graphs."""

    def __init__(self, subject: Subject, writer: ContentsWriter, folder: Path) -> None:
        super().__init__(subject, writer)
        self._layers, self._folder = writer, folder
        self._count, self._number = len(members_of(subject)), 0

    def of_model(self, model: Any) -> dict[str, Any]:
        self._number += 1
        if is_language_model(model):
            return self._language_model(model)
        return self._encoder_decoder(model) if is_encoder_decoder(model) else self._reader(model)

    def _reader(self, model: Any) -> dict[str, Any]:
        """A model that is asked once for all tokens."""
        field = conditional_random_field(model)
        if field is None:
            graphs = {"model": self._written("model", model, "probabilities")}
            return {"graphs": graphs, "field": None}
        if model.output is not field.output:
            raise InputError(
                f"layer {field.name!r}: the model goes on after its conditional random field, "
                "which onnx cannot hold; numpy can"
            )
        emissions, _ = field.input
        return {
            "graphs": {"model": self._written("model", _until(model, emissions), "emissions")},
            "field": {"layer": field.name, "reads": None},
            "field_layer": describe_layer(field, self._layers),
        }

    def _written(self, name: str, model: Any, output: str) -> str:
        """A model of ids, its inputs by their names."""
        inputs = {tensor.name: _spec(tensor) for tensor in model.inputs}

        def call(**given: Any) -> list[Any]:
            return [model(given if len(given) > 1 else next(iter(given.values())), training=False)]

        return self._converted(name, call, inputs, [output])

    def _language_model(self, model: Any) -> dict[str, Any]:
        states = model.input["states"]
        named = [f"state_{number}" for number in range(1, len(states) + 1)]
        inputs = {"token_ids": _spec(model.input["token_ids"])}
        inputs |= {
            name: _state_spec(state, name) for name, state in zip(named, states, strict=True)
        }

        def call(token_ids: Any, **given: Any) -> list[Any]:
            states = [given[name] for name in named]
            found = model({"token_ids": token_ids, "states": states}, training=False)
            return [found["logits"], *found["states"]]

        outputs = ["logits", *(f"{name}_after" for name in named)]
        return {
            "graphs": {"model": self._converted("model", call, inputs, outputs)},
            "state_sizes": state_sizes(model),
        }

    def _encoder_decoder(self, model: Any) -> dict[str, Any]:
        from textnets.decoding.encoder_decoder import EncoderDecoder

        parts = EncoderDecoder(model)
        encoder = model.get_layer("encoder")
        named = [f"state_{number}" for number in range(1, len(encoder.output["states"]) + 1)]
        others = sorted(name for name in encoder.output if name != "states")
        source = next(tensor for tensor in model.inputs if tensor.name == "source_ids")
        target = next(tensor for tensor in model.inputs if tensor.name == "target_ids")

        def encode(source_ids: Any) -> list[Any]:
            found = parts.encode(source_ids)
            return [*found["states"], *(found[name] for name in others)]

        has_weights = "weights" in model.get_layer("decoder").output

        def step(target_ids: Any, **given: Any) -> list[Any]:
            states = [given.pop(name) for name in named]
            logits, after, weights = parts.decode(target_ids, {"states": states, **given})
            return [logits, *after, *([weights] if has_weights else [])]

        inputs = {"target_ids": _spec(target)}
        inputs |= {
            name: _state_spec(state, name)
            for name, state in zip(named, encoder.output["states"], strict=True)
        }
        inputs |= {name: _spec(encoder.output[name], name) for name in others}
        after = ["logits", *(f"{name}_after" for name in named), *["weights"] * has_weights]
        return {
            "graphs": {
                "encoder": self._converted(
                    "encoder", encode, {"source_ids": _spec(source)}, [*named, *others]
                ),
                "step": self._converted("step", step, inputs, after),
            }
        }

    def _converted(
        self,
        name: str,
        function: Callable[..., list[Any]],
        inputs: Mapping[str, Any],
        outputs: Sequence[str],
    ) -> str:
        file = f"{name}.onnx" if self._count == 1 else f"{name}_{self._number}.onnx"
        content = converted(function, inputs, outputs)
        (self._folder / file).write_bytes(content)
        return file


def converted(
    function: Callable[..., list[Any]], inputs: Mapping[str, Any], outputs: Sequence[str]
) -> bytes:
    """A function of tensors as a model in ONNX.

    Args:
        function: takes its inputs by name, and gives a list.
        inputs: ``tf.TensorSpec`` by name.
        outputs: names, in the order of the list.

    Raises:
        InputError: ONNX lacks an operation of it.
    """
    import tensorflow as tf
    import tf2onnx

    names = list(inputs)
    graph = tf.function(lambda *given: function(**dict(zip(names, given, strict=True))))
    model, _ = tf2onnx.convert.from_function(
        graph, input_signature=list(inputs.values()), opset=OPSET
    )
    _check_operations(model.graph)
    _name_outputs(model.graph, outputs)
    content: bytes = model.SerializeToString()
    return content


def _check_operations(graph: Any) -> None:
    import onnx

    unknown = {node.op_type: node.name for node in _nodes(graph) if not onnx.defs.has(node.op_type)}
    for kind, name in unknown.items():
        raise InputError(
            f"onnx cannot hold the operation {kind} that the model computes at {name!r}; numpy and "
            "savedmodel may"
        )


def _nodes(graph: Any) -> Iterator[Any]:
    """Those of a graph and of the graphs inside of its loops."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nodes(attribute.g)


def _name_outputs(graph: Any, names: Sequence[str]) -> None:
    from onnx import helper

    for output, name in zip(graph.output, names, strict=True):
        graph.node.append(helper.make_node("Identity", [output.name], [name], name=f"out_{name}"))
        output.name = name


def _until(model: Any, tensor: Any) -> Any:
    """The model up to one of its tensors."""
    import keras

    return keras.Model(model.input, tensor)


def _spec(tensor: Any, name: str | None = None) -> Any:
    """Any batch, and any length: all dimensions but those of characters and of vectors."""
    import tensorflow as tf

    return tf.TensorSpec(tuple(tensor.shape), tensor.dtype, name or tensor.name)


def _state_spec(tensor: Any, name: str) -> Any:
    import tensorflow as tf

    return tf.TensorSpec((*[None] * (len(tensor.shape) - 1), tensor.shape[-1]), "float32", name)
