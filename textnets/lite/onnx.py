"""Models in ONNX, run by onnxruntime; the texts around them by textnets.lite, without TensorFlow.

``textnets export RUN --to onnx --output DIR`` writes the models of ids, and ``model.json``. Here
they answer texts as the run does::

    import textnets.lite.onnx

    model = textnets.lite.onnx.load("DIR")
    model.predict(["my card still has not arrived"])

Whoever has ids needs only onnxruntime and the files ``*.onnx``; ``docs/export.md`` says what they
take and give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from textnets.errors import MissingExtraError
from textnets.lite.graph import Array, LiteLayer
from textnets.lite.layers import LAYERS
from textnets.lite.loading import predictor_of
from textnets.lite.plain import PlainContents

_CRF = "textnets.LinearChainCRF"


def load(folder: str | Path) -> Any:
    """Open what ``textnets export --to onnx`` wrote.

    Args:
        folder: of the export.

    Returns:
        A :class:`textnets.lite.LitePredictor` whose models onnxruntime computes.

    Raises:
        InputError: onnxruntime is not installed.
        RunError: it is no such export, or damaged.
    """
    return predictor_of(PlainContents.open_with(Path(folder), "onnx", _open_model))


class OnnxGraph:
    """One file.

    Attributes:
        input_names: what it takes.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise MissingExtraError("a model in ONNX", extra="onnx") from None
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
        self.input_names = [one.name for one in self._session.get_inputs()]
        self._output_names = [one.name for one in self._session.get_outputs()]

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Arrays by name to arrays by name."""
        given = {name: np.ascontiguousarray(inputs[name]) for name in self.input_names}
        return dict(zip(self._output_names, self._session.run(None, given), strict=True))


def _open_model(contents: PlainContents, found: Mapping[str, Any]) -> Any:
    graphs = {
        name: OnnxGraph(contents.path.parent / file) for name, file in found["graphs"].items()
    }
    if "encoder" in graphs:
        return _Translator(graphs["encoder"], graphs["step"])
    if found.get("state_sizes"):
        return _LanguageModel(graphs["model"], found["state_sizes"])
    field = LiteLayer(found["field_layer"], contents) if found.get("field_layer") else None
    return _Reader(graphs["model"], field)


class _Reader:
    """A classifier or a tagger; as :class:`textnets.lite.graph.LiteModel`."""

    #: For :meth:`run`.
    outputs: Any = None

    def __init__(self, graph: OnnxGraph, field: LiteLayer | None) -> None:
        self._graph, self._field = graph, field
        self.input_names = graph.input_names
        self.layers = {} if field is None else {field.name: field}

    def __call__(self, inputs: Any) -> Array:
        found = self.run(inputs, self.outputs)
        return np.asarray(found if self._field is None else found[0])

    def run(self, inputs: Any, wanted: Any) -> Any:
        """The probabilities, or the marginals of a conditional random field and what it read."""
        found, mask = self._found(inputs)
        if self._field is None:
            return found["probabilities"]
        emissions = found["emissions"]
        return np.asarray(LAYERS[_CRF](self._field, [emissions, mask])), (emissions, mask)

    def _found(self, inputs: Any) -> tuple[dict[str, Array], Array]:
        given = inputs if isinstance(inputs, dict) else {self.input_names[0]: inputs}
        found = self._graph(given)
        return found, given.get("token_ids", next(iter(given.values()))) != 0


class _LanguageModel:
    def __init__(self, graph: OnnxGraph, state_sizes: Sequence[int]) -> None:
        self._graph = graph
        self.state_sizes = tuple(map(int, state_sizes))

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        numbered = range(1, len(self.state_sizes) + 1)
        states = {f"state_{i}": state for i, state in zip(numbered, inputs["states"], strict=True)}
        found = self._graph({"token_ids": inputs["token_ids"], **states})
        after = [found[f"state_{i}_after"] for i in numbered]
        return {"logits": found["logits"], "states": after}


class _Translator:
    """As the layers that :class:`textnets.lite.decoding.NumpyEncoderDecoder` calls: here ids take
    the place of vectors, and logits that of the outputs."""

    def __init__(self, encoder: OnnxGraph, step: OnnxGraph) -> None:
        self._encoder, self._step = encoder, step
        self._num_states = sum(name.startswith("state_") for name in step.input_names)
        self.layers: dict[str, Callable[[Any], Any]] = {
            "target_embedding": lambda ids: ids,
            "encoder": self._encode,
            "decoder": self._decode,
            "logits": lambda logits: logits,
        }

    def _encode(self, inputs: Mapping[str, Array]) -> dict[str, Any]:
        found: dict[str, Any] = self._encoder({"source_ids": inputs["source_vectors"]})
        found["states"] = [found.pop(f"state_{i}") for i in range(1, self._num_states + 1)]
        return found

    def _decode(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        states = {f"state_{i}": state for i, state in enumerate(inputs["states"], 1)}
        found = self._step({**inputs, **states, "target_ids": inputs["target_vectors"]})
        return {
            "outputs": found["logits"],
            "states": [found[f"state_{i}_after"] for i in range(1, self._num_states + 1)],
            "weights": found.get("weights"),
        }


if __name__ == "__main__":
    from textnets.lite.answering import run

    run(load)
