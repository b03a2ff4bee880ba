"""Classifiers in LiteRT, run by ai-edge-litert; the texts before them by textnets.lite.

``textnets export RUN --to litert --output DIR`` writes a model that takes the ids of one text of a
fixed length, and ``model.json``. Here it answers texts as the run does, of their first (or last)
tokens::

    import textnets.lite.litert

    model = textnets.lite.litert.load("DIR")
    model.predict(["my card still has not arrived"])
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textnets.errors import MissingExtraError
from textnets.lite.graph import Array
from textnets.lite.loading import predictor_of
from textnets.lite.plain import PlainContents


def load(folder: str | Path) -> Any:
    """Open what ``textnets export --to litert`` wrote.

    Args:
        folder: of the export.

    Returns:
        A :class:`textnets.lite.LitePredictor` whose models LiteRT computes.

    Raises:
        InputError: ai-edge-litert is not installed.
        RunError: it is no such export, or damaged.
    """
    return predictor_of(PlainContents.open_with(Path(folder), "litert", _open_model))


def _open_model(contents: PlainContents, found: Mapping[str, Any]) -> LitertModel:
    path = contents.path.parent / found["graphs"]["model"]
    return LitertModel(path, str(found["input"]))


class LitertModel:
    """One file: a text of a fixed length in; as :class:`textnets.lite.graph.LiteModel`.

    Attributes:
        input_names: what it takes.
        length: of a text, in tokens.
    """

    def __init__(self, path: Path, input_name: str) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise MissingExtraError("a model in LiteRT", extra="litert") from None
        self._interpreter = Interpreter(model_path=str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()
        self.input_names = [input_name]
        self.length = int(self._input["shape"][1])

    def __call__(self, ids: Array) -> Array:
        """``<int32>[batch, tokens]`` to ``<float32>[batch, outputs]``, text by text."""
        width = min(ids.shape[1], self.length)
        padded = np.zeros((len(ids), self.length), np.int32)
        padded[:, :width] = ids[:, :width]
        found = []
        for row in padded:
            self._interpreter.set_tensor(self._input["index"], row[None])
            self._interpreter.invoke()
            found.append(self._interpreter.get_tensor(self._output["index"])[0])
        return np.stack(found).astype(np.float32, copy=False)


if __name__ == "__main__":
    from textnets.lite.answering import run

    run(load)
