"""Keras models as the file has them, to ask both the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np

from textnets.export.graph import describe
from textnets.lite.contents import Contents, ContentsWriter
from textnets.lite.graph import LiteModel


def lite_of(model: keras.Model, folder: Path, quantize: str = "") -> LiteModel:
    """The model, through a file."""
    writer = ContentsWriter()
    graph = describe(model, writer, quantize)
    path = folder / "graph.textnets"
    with path.open("wb") as file:
        writer.write(file, {"graph": graph})
    contents = Contents.open(path)
    return LiteModel(contents.header["graph"], contents)


def shaken(model: keras.Model, seed: int = 5) -> keras.Model:
    """The same with weights that are all different: none is 0 or 1, as many are at the start."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            values = random.normal(0.0, 0.4, weight.shape)
            is_variance = weight.path.endswith("variance")
            weight.assign(np.abs(values) + 0.5 if is_variance else values)
    return model


def assert_alike(model: keras.Model, inputs: Any, folder: Path) -> None:
    """Both answer the same."""
    expected = keras.tree.flatten(model(inputs, training=False))
    found = keras.tree.flatten(lite_of(model, folder)(inputs))
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        other = keras.ops.convert_to_numpy(other)
        assert one.shape == other.shape
        assert one.dtype == other.dtype or one.dtype.kind == other.dtype.kind == "i"
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=2e-6)
