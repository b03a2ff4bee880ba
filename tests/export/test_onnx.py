"""``textnets export --to onnx``: models of ids, and texts around them without TensorFlow."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
import textnets.lite.litert
import textnets.lite.onnx
from tests.cli.conftest import refuse
from tests.export.conftest import Exported
from tests.lite.test_answers import assert_same, expected, texts_of
from textnets.errors import InputError, MissingExtraError, RunError
from textnets.export import export_run
from textnets.export.onnx_format import converted

pytestmark = pytest.mark.heavy


@pytest.mark.parametrize(
    ("project", "name"),
    [("chunks", "predict.jsonl"), ("phrases", "predict.jsonl"), ("verses", "score.jsonl")],
)
def test_what_an_earlier_version_said(exported: Exported, project: str, name: str) -> None:
    model = textnets.lite.onnx.load(exported("onnx", project))
    texts = texts_of(project)
    found = list(model.score(texts)) if name == "score.jsonl" else model.predict(texts)
    assert_same(found, expected(project, name))


def test_all_that_a_file_of_numpy_can_do(exported: Exported) -> None:
    translator = textnets.lite.onnx.load(exported("onnx", "phrases"))
    texts = texts_of("phrases")
    found = translator.predict(texts, n_best=2, beam_size=2, attention=True)
    assert_same(found, expected("phrases", "n_best.jsonl"))
    writer = textnets.lite.onnx.load(exported("onnx", "verses"))
    whole = writer.write("the", length=8, seed=4)[0]
    assert [step["token"] for step in writer.stream("the", length=8, seed=4)] == whole["tokens"]


def test_models_that_answer_together(joint_chunks: Path, tmp_path: Path) -> None:
    """One reads features of words, and the rules of spans hold for both."""
    found = export_run(joint_chunks, "onnx", tmp_path / "out")
    names = sorted(path.name for path in found.folder.glob("*.onnx"))
    assert names == ["model_1.onnx", "model_2.onnx"]
    texts = [*texts_of("chunks"), ""]
    known = [one.as_json() for one in textnets.Predictor.load(joint_chunks).predict(texts)]
    assert_same(textnets.lite.onnx.load(found.folder).predict(texts), known)


@pytest.mark.long
def test_translators_that_answer_together(joint_phrases: Path, tmp_path: Path) -> None:
    found = export_run(joint_phrases, "onnx", tmp_path / "out")
    texts = [*texts_of("phrases"), ""]
    known = [one.as_json() for one in textnets.Predictor.load(joint_phrases).predict(texts)]
    assert_same(textnets.lite.onnx.load(found.folder).predict(texts), known)


# --- Without textnets ---

ALONE = """
import json, sys
import numpy as np, onnxruntime

told = json.load(open("model.json", encoding="utf-8"))
vocabulary = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", *told["preprocessors"][0]["text"]["vocabulary"]]
ids = {token: number for number, token in enumerate(vocabulary)}
session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
(taken,) = session.get_inputs()
rows = [[ids.get(word, 1) for word in text.lower().split()] for text in json.loads(sys.argv[1])]
width = max(map(len, rows))
padded = np.array([row + [0] * (width - len(row)) for row in rows], np.int32)
(found,) = session.run(["probabilities"], {taken.name: padded})
assert "textnets" not in sys.modules and "tensorflow" not in sys.modules
print(json.dumps([taken.name, taken.type, taken.shape[1:] != [width],
                  [told["settings"]["labels"][row.argmax()] for row in found], found.tolist()]))
"""


def test_ids_of_any_batch_and_length(exported: Exported, finished: Path) -> None:
    folder = exported("onnx", "finished")
    predictor = textnets.Predictor.load(finished)
    for texts in (["my card"], ["where is my new card", "pin", "the exchange rate is wrong"]):
        ran = subprocess.run(
            [sys.executable, "-c", ALONE, json.dumps(texts)],
            cwd=folder, capture_output=True, text=True, check=True,
        )  # fmt: skip
        name, kind, is_open, labels, found = json.loads(ran.stdout)
        assert (name, kind, is_open) == ("token_ids", "tensor(int32)", True)
        known = predictor.predict(texts)
        assert labels == [one.labels[0] for one in known]
        values = [list(one.probabilities.values()) for one in known]
        np.testing.assert_allclose(found, values, atol=1e-6)


def test_only_operations_of_onnx_itself(exported: Exported) -> None:
    """None is left of TensorFlow's, such as the recurrent kernels of a GPU."""
    import onnx

    for project in ("chunks", "phrases", "verses"):
        files = list(exported("onnx", project).glob("*.onnx"))
        assert files
        for file in files:
            model = onnx.load(file)
            onnx.checker.check_model(model, full_check=True)
            assert {one.domain for one in model.opset_import} <= {"", "ai.onnx.ml"}


def test_loading_needs_no_tensorflow(exported: Exported) -> None:
    code = (
        "import sys, textnets.lite.onnx\n"
        f"model = textnets.lite.onnx.load({str(exported('onnx', 'finished'))!r})\n"
        "print(model.predict(['my card'])[0]['label'])\n"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'onnx', 'tf2onnx'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.splitlines()[1] == "[]"


# --- What is refused ---


def test_an_operation_that_onnx_lacks() -> None:
    import tensorflow as tf

    spec = {"values": tf.TensorSpec([None], tf.float32, "values")}
    with pytest.raises(InputError, match="onnx cannot hold the operation Erfinv that the model"):
        converted(lambda values: [tf.math.erfinv(values)], spec, ["found"])


def damage(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    path = folder / "model.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    change(told)
    path.write_text(json.dumps(told), encoding="utf-8")


def test_damaged_files(exported: Exported, tmp_path: Path) -> None:
    whole = exported("onnx", "finished")

    def copy(name: str) -> Path:
        return Path(shutil.copytree(whole, tmp_path / name))

    model = copy("model")
    content = bytearray((model / "model.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (model / "model.onnx").write_bytes(content)
    labels, newer, cut, gone = copy("labels"), copy("newer"), copy("cut"), copy("gone")
    damage(labels, lambda told: told["settings"]["labels"].reverse())
    damage(newer, lambda told: told.update(textnets_model=9))
    (cut / "model.json").write_text('{"textnets_model": 1')
    (gone / "model.onnx").unlink()
    outside = copy("outside")
    damage(outside, lambda told: told["files"].update({"../model/model.onnx": "0"}))
    for folder, said in {
        model: "damaged: the sha256 of model.onnx differs",
        labels: "damaged: its own sha256 differs",
        newer: "written by a newer textnets",
        cut: "or damaged: ",
        gone: "model.onnx: no such file",
        outside: "damaged: its own sha256 differs",
        tmp_path / "nothing": "model.json: no such file",
    }.items():
        with pytest.raises(RunError, match=said):
            textnets.lite.onnx.load(folder)
    with pytest.raises(RunError, match="no model of 'textnets export --to litert'"):
        textnets.lite.litert.load(whole)


def test_a_missing_extra_is_named(
    exported: Exported, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = exported("onnx", "finished")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'textnets\[onnx\]'"):
        textnets.lite.onnx.load(folder)
    monkeypatch.delitem(sys.modules, "onnxruntime")
    monkeypatch.setattr("textnets.export.exporting.find_spec", lambda name: None)
    said = refuse("export", finished, "--to", "onnx", "-o", "out")
    assert "--to onnx needs an optional package: pip install 'textnets[onnx]'" in said
    assert "--to litert needs an optional package: pip install 'textnets[litert]'" in refuse(
        "export", finished, "--to", "litert", "-o", "out"
    )


def test_no_smaller_weights(finished: Path) -> None:
    said = refuse("export", finished, "--to", "onnx", "-o", "out", "--quantize", "int8")
    assert "--quantize int8: onnx has no such weights; known: none" in said
