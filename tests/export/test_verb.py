"""``textnets export``: whole and tried, or absent."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
import textnets.lite
from tests.cli.conftest import listing, refuse, succeed
from tests.cli.conftest import textnets as command
from tests.conftest import CHEAP_RECIPE, QUICK, write_recipe
from tests.exports import exported_run
from textnets.export.formats import FORMATS
from textnets.lite.contents import ContentsWriter

pytestmark = pytest.mark.heavy

TEXTS = ["my card still has not arrived", "", "PIN?"]


def export(run: Path, output: str | Path = "out", *more: str) -> tuple[str | Path, ...]:
    """The words of the command."""
    return ("export", run, "--to", "numpy", "--output", output, *more)


@pytest.fixture(scope="module")
def exported(finished: Path) -> Path:
    """An export of the cheap run; do not write into it."""
    return exported_run(finished)


def test_what_it_writes_answers_as_the_run_does(exported: Path, finished: Path) -> None:
    names = sorted(path.name for path in exported.iterdir())
    assert names == ["README.md", "export.json", "model.textnets"]
    asked = [word for text in TEXTS for word in ("--text", text)]
    lines = succeed("predict", finished, "--format", "jsonl", *asked).lines
    for place in (exported, exported / "model.textnets", str(exported)):
        found = textnets.lite.load(place).predict(TEXTS)
        for one, line in zip(found, lines, strict=True):
            known = json.loads(line)
            assert list(one) == list(known)
            assert one["label"] == known["label"]
            assert one["probabilities"] == pytest.approx(known["probabilities"], abs=2e-6)


def test_it_records_what_was_made_of_what(exported: Path, finished: Path) -> None:
    record = json.loads((exported / "export.json").read_text())
    assert (record["format"], record["task"]) == ("numpy", "classification")
    assert record["proof"]["largest_difference"] <= 1e-5
    assert record["proof"]["texts"] == 66
    assert record["files"].keys() == {"README.md", "model.textnets"}
    digest = json.loads((finished / "environment.json").read_text())["digest"]
    assert record["run"] == {"name": finished.name, "digest": digest}


def test_the_model_card(exported: Path) -> None:
    card = (exported / "README.md").read_text(encoding="utf-8")
    for title in ("How to load it", "What it is", "Scores", "Data", "Limits", "Recipe", "Hashes"):
        assert f"\n## {title}\n" in card
    assert "examples of the test split, with intervals of 95%" in card
    assert "`card_arrival`" in card
    assert "builder: mlp_classifier" in card
    # Its lines of Python run where the file lies.
    code = card.partition("```python\n")[2].partition("```")[0]
    assert len(code.strip().splitlines()) <= 5
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=exported, capture_output=True, text=True, check=True
    )
    assert "'label': " in ran.stdout


def test_the_same_run_gives_the_same_bytes(exported: Path, finished: Path, tmp_path: Path) -> None:
    ended = succeed(*export(finished, tmp_path / "made" / "again"))
    assert "tried in a fresh process on 66 texts: largest difference" in ended.out
    again = (tmp_path / "made" / "again" / "model.textnets").read_bytes()
    assert again == (exported / "model.textnets").read_bytes()


def test_a_run_that_was_moved_and_whose_texts_are_gone(finished: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(finished, tmp_path / "elsewhere")
    shutil.rmtree(moved / "predictions")
    for name in ("evaluation.json", "report.html"):  # no prediction rests on them
        (moved / name).unlink()
    ended = succeed(*export(moved))
    assert "on 66 texts" in ended.out
    assert "No split was scored" in Path("out/README.md").read_text(encoding="utf-8")


# --- What is refused ---


def test_words_that_are_wrong(finished: Path) -> None:
    told = refuse("export", finished, "--to", "nunpy", "-o", "out")
    assert "--to nunpy: no such format; did you mean 'numpy'?" in told
    assert "Missing option '--to'" in refuse("export", finished, "-o", "out")
    assert "int8" in refuse(*export(finished, "out", "--quantize", "int4"))
    assert "-1" in refuse(*export(finished, "out", "--max-drop", "-1"))
    assert "no such run directory" in refuse(*export(Path("nothing")))
    assert "is no place for an export" in refuse(*export(finished, ".."))


def test_what_stands_there_is_left_alone(finished: Path, exported: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    for flags in ((), ("--overwrite",)):
        assert "is no export, so it is left alone" in refuse(*export(finished, mine, *flags))
    assert "is no export" in refuse(*export(finished, mine / "thesis.txt", "--overwrite"))
    place = Path(shutil.copytree(exported, tmp_path / "place"))
    assert "exists already; --overwrite replaces it" in refuse(*export(finished, place))
    (place / "notes.txt").write_text("mine")
    assert "is no export" in refuse(*export(finished, place, "--overwrite"))
    (place / "notes.txt").unlink()
    (place / "model.textnets").write_bytes(b"damaged")
    succeed(*export(finished, place, "--overwrite"))
    assert textnets.lite.load(place).predict(TEXTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "place"]


def test_a_run_is_no_place_for_an_export(finished: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(finished, tmp_path / "run"))
    assert "is no export" in refuse(*export(run, run, "--overwrite"))


def test_a_cross_validation_has_no_one_model(tmp_path: Path) -> None:
    text = CHEAP_RECIPE.replace("  test: test.csv\n  validation: 0.2", "  folds: 2")
    run = textnets.train(write_recipe(tmp_path, text), [*QUICK, "training.epochs=1"], output="cv")
    told = refuse(*export(run.folder), below=tmp_path)
    assert "a cross-validation has a model for each fold, such as" in told
    succeed(*export(run.folder / "folds" / "1"))


def test_a_missing_package_is_named(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = replace(FORMATS["numpy"], packages=("no_such_package",), extra="onnx")
    monkeypatch.setitem(FORMATS, "numpy", lacking)
    assert "needs an optional package: pip install 'textnets[onnx]'" in refuse(*export(finished))


def test_a_task_that_a_format_cannot_hold(finished: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "other", replace(FORMATS["numpy"], tasks=("tagging",)))
    told = refuse("export", finished, "--to", "other", "-o", "out")
    assert "other cannot hold a run of the task classification; these can: numpy" in told


# --- What goes wrong half-way ---


def stops(monkeypatch: pytest.MonkeyPatch, target: str, error: BaseException) -> None:
    def fail(*arguments: Any, **named: Any) -> None:
        raise error

    monkeypatch.setattr(target, fail)


def test_a_full_disk(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = OSError(errno.ENOSPC, "No space")
    stops(monkeypatch, "textnets.lite.contents.ContentsWriter.write", full)
    before = listing(tmp_path)
    ended = command(*export(finished, tmp_path / "deep" / "out"))
    assert (ended.code, ended.out) == (2, "")
    assert "cannot be written: No space" in ended.err
    assert listing(tmp_path) == before


def test_ctrl_c_while_it_is_tried(
    finished: Path, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Path(shutil.copytree(exported, tmp_path / "place"))
    stops(monkeypatch, "subprocess.run", KeyboardInterrupt())
    before = listing(tmp_path)
    for words in (export(finished, tmp_path / "out"), export(finished, place, "--overwrite")):
        ended = command(*words)
        assert ended.code == 130
        assert listing(tmp_path) == before


def test_what_answers_otherwise_is_removed(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = ContentsWriter.array

    def keep_wrong(writer: ContentsWriter, values: Any) -> str:
        return keep(writer, values + np.float32(1e-3))

    monkeypatch.setattr(ContentsWriter, "array", keep_wrong)
    ended = command(*export(finished))
    assert (ended.code, ended.out) == (1, "")
    assert "does not answer as the run does, so it was removed" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_loaded_is_removed(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("textnets.lite.contents.FORMAT", 99)
    ended = command(*export(finished))
    assert ended.code == 1
    assert "cannot be used, so it was removed: error: " in ended.err
    assert "written by a newer textnets (format 99" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_a_run_in_bfloat16_is_exported_in_float32(tmp_path: Path) -> None:
    start, end = CHEAP_RECIPE.index("model:"), CHEAP_RECIPE.index("training:")
    model = "model: {builder: rnn_classifier, cell: simple, embedding_width: 5, units: [4]}\n"
    recipe = write_recipe(tmp_path, CHEAP_RECIPE[:start] + model + CHEAP_RECIPE[end:])
    settings = [*QUICK, "training.epochs=1", "training.precision=mixed_bfloat16"]
    run = textnets.train(recipe, settings, output="run")
    ended = succeed(*export(run.folder))
    assert "its export is in float32, and compared so" in ended.err
    known = [one.as_json()["probability"] for one in run.predict(TEXTS)]
    found = [one["probability"] for one in textnets.lite.load("out").predict(TEXTS)]
    assert found == pytest.approx(known, abs=0.02)


# --- Builders of a user's own ---

MODULE = '''
import keras

from textnets.builders.parameters import Model, NumClasses, VocabularySize


@keras.saving.register_keras_serializable(package="mine")
class Half(keras.layers.Layer):
    def call(self, inputs):
        return inputs / 2


def build(size, classes, extra):
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(size, 6, name="embedding")(token_ids)
    seen = keras.ops.cast(keras.ops.not_equal(token_ids, 0), "float32")[:, :, None]
    mean = keras.ops.sum(vectors * seen, axis=1) / keras.ops.sum(seen, axis=1)
    return keras.Model(token_ids, keras.layers.Dense(classes, "softmax", name="top")(extra(mean)))


def build_plain(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    """Build a bag of words of known layers and operations."""
    return build(vocabulary_size, num_classes, keras.layers.LayerNormalization(name="norm"))


def build_own(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    """Build one with a layer of its own."""
    return build(vocabulary_size, num_classes, Half(name="half"))
'''


@pytest.fixture
def trained_with(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """The name of a builder to a run of it, where its module has been forgotten."""
    (tmp_path / "my_models.py").write_text(MODULE)
    paths = list(sys.path)

    def train(builder: str) -> Path:
        start, end = CHEAP_RECIPE.index("model:"), CHEAP_RECIPE.index("training:")
        section = f"model: {{builder: 'my_models:{builder}'}}\n"
        text = CHEAP_RECIPE[:start] + section + CHEAP_RECIPE[end:]
        recipe = write_recipe(tmp_path, text)
        return textnets.train(recipe, [*QUICK, "training.epochs=1"], output="run").folder

    yield train
    sys.path[:] = paths
    sys.modules.pop("my_models", None)


def test_a_builder_of_known_layers(trained_with: Callable[[str], Path]) -> None:
    run = trained_with("build_plain")
    told = refuse(*export(run))
    assert "is none of textnets' own; --allow-builder my_models imports that module" in told
    ended = succeed(*export(run, "out", "--allow-builder", "my_models"))
    assert "on 66 texts" in ended.out
    # Whoever loads it needs the module no more.
    Path("my_models.py").unlink()
    assert textnets.lite.load("out").predict(TEXTS)[1]["label"]


def test_a_builder_with_a_layer_of_its_own(trained_with: Callable[[str], Path]) -> None:
    run = trained_with("build_own")
    told = refuse(*export(run, "out", "--allow-builder", "my_models"), below=run)
    assert "layer 'half' of class my_models.Half: this format does not know the class" in told
    assert not Path("out").exists()
