"""Every mistake in a recipe is one clear error, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import refuse, textnets
from tests.conftest import RECIPE

Project = Callable[..., Path]


def test_missing_recipe() -> None:
    err = refuse("train", "nowhere.yaml")
    assert err.startswith("error: nowhere.yaml: no such recipe")
    assert "textnets recipes" in err


def test_the_recipe_is_a_folder() -> None:
    Path("folder").mkdir()
    assert "folder: cannot be read: Is a directory" in refuse("train", "folder")


def place(old: str, column: int = 3, further: int = 0) -> str:
    """Where a part of the tiny recipe stands."""
    return f"tiny.yaml:{RECIPE[: RECIPE.index(old)].count(chr(10)) + 1 + further}:{column}: "


EPOCHS = "  epochs: 2"
MISTAKES = [
    (EPOCHS, "  epoch: 2", (place(EPOCHS), "training.epoch", "did you mean 'epochs'?")),
    ("seed: 3", "sede: 3", (place("seed: 3", 1), "sede", "did you mean 'seed'?")),
    ("  maps: 8", "  mapps: 8", (place("  maps: 8"), "model.mapps", "did you mean 'maps'?")),
    (EPOCHS, f"{EPOCHS}\n  epochs: 3", (place(EPOCHS, further=1), "given twice")),
    (EPOCHS, "  epochs: two", (place(EPOCHS), "training.epochs", "was: 'two'")),
    (EPOCHS, "  epochs: 0", (place(EPOCHS), "training.epochs", "was: 0")),
    (EPOCHS, "  epochs: true", (place(EPOCHS), "training.epochs", "was: ")),
    ("maps: 8", "maps: -1", ("model.maps", "was: -1")),
    ("cnn_classifier", "cnn_clasifier", ("model.builder", "did you mean 'cnn_classifier'?")),
    ("task: classification", "task: classify", ("tiny.yaml:1:1", "task")),
    ("  train: train.csv\n", "", ("data", "'dataset'", "'train'")),
    ("seed: 3", "seed: [", ("tiny.yaml:", "not valid YAML")),
    ("train: train.csv", "dataset: banking7", ("unknown dataset", "'banking77'")),
    ("  batch_size: 16", "  monitor: validation_f1", ("training.monitor", "macro_f1")),
    ("seed: 3", "claim: {metric: acuracy, at_least: 1}", ("claim.metric", "'accuracy'?")),
    ("seed: 3", "claim: {metric: accuracy}", ("claim", "at_least")),
]


@pytest.mark.parametrize(("old", "new", "said"), MISTAKES, ids=[new for _, new, _ in MISTAKES])
@pytest.mark.parametrize("verb", ["train", "check"])
def test_one_mistake(
    project: Project, verb: str, old: str, new: str, said: tuple[str, ...]
) -> None:
    err = refuse(verb, project({old: new}))
    for words in said:
        assert words in err
    assert err.startswith("error: tiny.yaml")
    assert len(err.splitlines()) == 1


def test_all_mistakes_at_once(project: Project) -> None:
    changes = {EPOCHS: "  epoch: 2", "maps: 8": "maps: many", "validation: 0.2": "validation: 2.0"}
    err = refuse("train", project(changes), "--set", "seed=x")
    lines = err.splitlines()
    assert lines[0] == "error: 4 mistakes in the recipe"
    for line, start in zip(
        lines[1:],
        [place("  validation"), place("  maps"), place(EPOCHS), "--set seed=x: "],
        strict=True,
    ):
        assert line.startswith("  " + start)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("training.epochs", "expected SECTION.KEY=VALUE"),
        ("training.epohcs=3", "did you mean 'epochs'?"),
        ("training.epochs=none", "was: 'none'"),
        ("seed.x=3", "'seed' is a value, not a section"),
        ("=3", "expected SECTION.KEY=VALUE"),
    ],
)
def test_bad_override(project: Project, override: str, said: str) -> None:
    err = refuse("train", project(), "--set", override)
    assert said in err
    assert f"--set {override}" in err


def test_a_recipe_that_is_not_utf8() -> None:
    Path("latin.yaml").write_bytes("# café\ntask: classification\n".encode("latin-1"))
    assert "latin.yaml: not UTF-8 at byte 5" in refuse("train", "latin.yaml")


def test_an_empty_recipe() -> None:
    Path("empty.yaml").touch()
    assert "the recipe is empty" in refuse("train", "empty.yaml")


@pytest.mark.parametrize("device", ["cuda", "gpu:x", "cpu:1", ""])
def test_bad_device(project: Project, device: str) -> None:
    err = refuse("train", project(), "--device", device)
    assert "expected auto, cpu, gpu or gpu:N" in err
    assert f"was: {device!r}" in err


def test_a_gpu_that_is_not_there(project: Project) -> None:
    err = refuse("train", project(), "--device", "gpu:77")
    assert "--device gpu:77" in err
    assert "use --device cpu" in err


def test_a_mistake_found_late_leaves_nothing(project: Project) -> None:
    """Only the builder itself knows that a width may stand once."""
    err = refuse("train", project({"widths: [2, 3]": "widths: [2, 2]"}), "-o", "new/place/run")
    assert "widths" in err
    assert "was: [2, 2]" in err


@pytest.mark.parametrize(
    ("vectors", "said"),
    [
        (None, "vectors.txt"),
        ("card 1 2 3\nmy 1 2 3\n", "set model.embedding_width: 3, was: 16"),
        ("card 1 2 3\nmy 1 2\n", "vectors.txt:2"),
        ("card 1 2 x\n", "vectors.txt:1"),
    ],
)
def test_bad_word_vectors(project: Project, vectors: str | None, said: str) -> None:
    recipe = project({"  max_tokens: 500": "  vectors: vectors.txt"})
    if vectors is not None:
        Path("vectors.txt").write_text(vectors)
    assert said in refuse("train", recipe)


def test_class_weights_of_unknown_labels(project: Project) -> None:
    err = refuse("train", project({EPOCHS: EPOCHS + "\n  class_weights: {pin: 2.0, x: 1}"}))
    assert "'pin', 'x'" in err
    assert "'change_pin'" in err


def test_a_claim_without_a_test_split(project: Project) -> None:
    claim = "claim: {metric: accuracy, at_least: 0.5}"
    err = refuse("train", project({"  test: test.csv\n": "", "seed: 3": claim}))
    assert "data.test is not given" in err


def test_a_data_set_that_cannot_be_fetched(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTNETS_MIRROR", "http://127.0.0.1:9")
    recipe = project({"train: train.csv\n  test: test.csv\n": "dataset: trec\n"})
    before = {path.name for path in Path().iterdir()}
    ended = textnets("train", recipe)
    assert ended.code == 2
    assert "cannot provide trec: http://127.0.0.1:9" in ended.err
    assert "there are three ways to provide it:" in ended.err
    for way in ("data/trec", "TEXTNETS_DATA", "textnets data trec", "TEXTNETS_MIRROR"):
        assert way in ended.err
    assert {path.name for path in Path().iterdir()} == before


def test_a_misspelt_shipped_recipe_names_the_nearest() -> None:
    message = refuse("train", "banking77_cn")
    assert "banking77_cn: there is no such file, and no recipe ships under this name" in message
    assert "did you mean 'banking77_cnn'?" in message
