"""``textnets export --to litert``: classifiers of texts of a fixed length."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import textnets
import textnets.lite.litert
from tests.cli.conftest import refuse, succeed
from tests.export.conftest import Exported
from tests.lite.test_answers import assert_same, expected, texts_of
from textnets.export.litert_format import converted
from textnets.export.members import plain_kernels
from textnets.lite.litert import LitertModel

pytestmark = pytest.mark.heavy


def test_a_convolutional_net_and_several_labels(exported: Exported) -> None:
    folder = exported("litert", "topics")
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["README.md", "export.json", "model.json", "model.tflite"]
    model = textnets.lite.litert.load(folder)
    texts = texts_of("topics")
    assert_same(model.predict(texts), expected("topics", "predict.jsonl"))
    assert_same([model.predict([text])[0] for text in texts], model.predict(texts))


def test_of_a_longer_text_it_reads_as_much_as_it_says(exported: Exported, finished: Path) -> None:
    folder = exported("litert", "finished")
    told = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    length = told["preprocessors"][0]["text"]["text"]["max_length"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f"A text has a fixed length in LiteRT: {length} tokens." in card
    model = textnets.lite.litert.load(folder)
    beginning = " ".join(["card"] * length)
    found, cut = model.predict([f"{beginning} pin pin pin", beginning])
    assert found["probabilities"] == cut["probabilities"]
    assert_same(cut, textnets.Predictor.load(finished).predict([beginning])[0].as_json())


def test_a_recurrent_net_whose_steps_are_written_out(recurrent: Path, tmp_path: Path) -> None:
    (model,) = textnets.Predictor.load(recurrent).models
    with plain_kernels([model], unroll=True):
        (tmp_path / "model.tflite").write_bytes(converted(model, 5, ""))
    lite = LitertModel(tmp_path / "model.tflite", "token_ids")
    ids = np.array([[7, 4, 9, 5, 6], [8, 0, 0, 0, 0], [1, 4, 4, 0, 0]], np.int32)
    np.testing.assert_allclose(lite(ids), np.asarray(model(ids)), atol=1e-6)
    np.testing.assert_allclose(lite(ids[1:, :3]), lite(ids[1:]), atol=1e-7)


def test_halves(finished: Path) -> None:
    words = ("--to", "litert", "--quantize", "float16", "--max-drop", "0.05")
    ended = succeed("export", finished, *words, "-o", "out")
    assert "float16" in ended.out
    sizes = {form: Path("out/model.tflite").stat().st_size for form in ("float16",)}
    succeed("export", finished, "--to", "litert", "-o", "whole")
    assert sizes["float16"] < 0.75 * Path("whole/model.tflite").stat().st_size
    said = refuse("export", finished, *words[:2], "--quantize", "int8", "-o", "other")
    assert "--quantize int8: litert has no such weights; known: float16" in said


def test_what_it_cannot_hold(earlier: Callable[[str], Path], joint_questions: Path) -> None:
    said = refuse("export", earlier("chunks"), "--to", "litert", "-o", "out")
    assert (
        "litert cannot hold a run of the task tagging; these can: numpy, savedmodel, onnx" in said
    )
    said = refuse("export", joint_questions, "--to", "litert", "-o", "out")
    assert "litert cannot hold a bag of n-grams" in said
    assert "these can: numpy, onnx, savedmodel" in said
