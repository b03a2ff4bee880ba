"""Runs that are damaged, unfinished, newer or in the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Trained, refuse, succeed

Project = Callable[..., Path]

NEEDED = (
    "recipe.yaml",
    "environment.json",
    "vocabulary.txt",
    "labels.txt",
    "model.keras",
    "history.jsonl",
)


@pytest.mark.parametrize("name", NEEDED)
def test_a_file_is_missing(run_copy: Path, name: str) -> None:
    (run_copy / name).unlink()
    for verb in ("predict", "evaluate", "tokenize"):
        err = refuse(verb, "run", stdin=b"card\n")
        assert "the run is incomplete" in err
        assert name in err


@pytest.mark.parametrize("name", NEEDED)
def test_a_file_is_cut_off(run_copy: Path, name: str) -> None:
    content = (run_copy / name).read_bytes()
    (run_copy / name).write_bytes(content[: len(content) // 2])
    assert name in refuse("predict", "run", "--text", "card")


@pytest.mark.parametrize("name", NEEDED)
def test_a_byte_is_another(run_copy: Path, name: str) -> None:
    content = bytearray((run_copy / name).read_bytes())
    content[len(content) // 2] ^= 0x80
    (run_copy / name).write_bytes(content)
    assert name in refuse("predict", "run", "--text", "card")


@pytest.mark.parametrize("damage", ["missing", "cut", "list"])
def test_the_scores_are_damaged(run_copy: Path, trained: Trained, damage: str) -> None:
    path = run_copy / "evaluation.json"
    if damage == "missing":
        path.unlink()
    else:
        path.write_text("[]" if damage == "list" else path.read_text()[:100])
    assert "evaluation.json" in refuse("evaluate", "run")
    assert succeed("predict", "run", "--text", "card").lines  # needs no scores


def test_another_format(run_copy: Path) -> None:
    path = run_copy / "environment.json"
    environment = json.loads(path.read_text())
    path.write_text(json.dumps({**environment, "format": 99, "textnets": "9.9"}))
    for verb in ("predict", "evaluate", "tokenize"):
        err = refuse(verb, "run", stdin=b"card\n")
        assert "newer textnets (format 99, textnets 9.9" in err
        assert "update textnets" in err


@pytest.mark.parametrize("content", ["{}", "[]", '{"format": 1}', '{"format": 1, "files": []}'])
def test_an_environment_without_its_keys(run_copy: Path, content: str) -> None:
    (run_copy / "environment.json").write_text(content)
    refuse("predict", "run", "--text", "card")


def test_what_may_be_no_run_is_not_replaced(project: Project, run_copy: Path) -> None:
    (run_copy / "environment.json").write_text("{}")
    for flag in ("--overwrite", "--resume"):
        assert "left alone" in refuse("train", project(), "-o", "run", flag)


@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_not_a_run(verb: str) -> None:
    Path("empty").mkdir()
    Path("file").touch()
    assert "nowhere: no such run directory" in refuse(verb, "nowhere")
    assert "empty: is no run directory" in refuse(verb, "empty")
    assert "file: is a file, expected a run directory" in refuse(verb, "file")


def test_an_unfinished_run(run_copy: Path) -> None:
    environment = json.loads((run_copy / "environment.json").read_text())
    del environment["format"]
    (run_copy / "environment.json").write_text(json.dumps(environment))
    run_copy.rename("other.partial")
    for name in ("other", "other.partial"):
        err = refuse("predict", name, "--text", "card")
        assert "training has not finished" in err
        assert "--resume" in err


# --- In the way ---


def test_a_finished_run_is_in_the_way(project: Project, run_copy: Path) -> None:
    err = refuse("train", project(), "-o", "run")
    assert "run: exists already; --overwrite replaces it" in err
    assert "--output" in err


def test_overwrite_keeps_the_old_run_when_it_fails(project: Project, run_copy: Path) -> None:
    refuse("train", project({"widths: [2, 3]": "widths: [2, 2]"}), "-o", "run", "--overwrite")


def test_overwrite_replaces_a_run(project: Project, run_copy: Path) -> None:
    (run_copy / "report.html").write_text("mark")
    succeed("train", project(), "-o", "run", "--overwrite", "--set", "training.epochs=1")
    assert (run_copy / "report.html").read_text() != "mark"
    names = {path.name for path in Path().iterdir()}
    assert names == {"run", "tiny.yaml", "train.csv", "test.csv"}


def test_a_folder_of_the_users_own_is_never_replaced(project: Project, run_copy: Path) -> None:
    (run_copy / "notes.txt").touch()  # a run, but something else lies in it too
    assert "left alone" in refuse("train", project(), "-o", "run", "--overwrite")
    Path("mine").mkdir()
    recipe = Path("mine/recipe.yaml")
    recipe.write_text(Path(project()).read_text())
    for name in ("train.csv", "test.csv"):
        shutil.copy(name, f"mine/{name}")
    assert "left alone" in refuse("train", str(recipe), "-o", "mine", "--overwrite")
    assert recipe.exists()


@pytest.mark.parametrize("flags", [(), ("--overwrite",), ("--resume",)])
def test_what_is_no_run_is_left_alone(project: Project, flags: tuple[str, ...]) -> None:
    recipe = project()
    for place in ("thesis", "thesis.partial"):
        Path(place).mkdir()
        Path(place, "chapter.txt").touch()
        err = refuse("train", recipe, "-o", "thesis", *flags)
        assert place in err
        assert "--output" in err
        shutil.rmtree(place)


def test_an_unfinished_run_is_in_the_way(project: Project, run_copy: Path) -> None:
    run_copy.rename("new.partial")
    err = refuse("train", project(), "-o", "new")
    assert "--resume continues it, --overwrite starts again" in err


@pytest.mark.parametrize("output", [".", "..", "tiny.yaml", "/"])
def test_an_output_that_is_no_place_for_a_run(project: Project, output: str) -> None:
    refuse("train", project(), "-o", output, "--overwrite")


@pytest.mark.parametrize("output", ["tiny.yaml/run", "/proc/nothing/run"])
def test_an_output_that_cannot_be_written(project: Project, output: str) -> None:
    assert "cannot be written: " in refuse("train", project(), "-o", output)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "holds no stored ids"), ("{", "cannot be read"), ("{}", "is not what was written")],
)
def test_bad_store(project: Project, content: str | None, said: str) -> None:
    recipe = project()
    if content is not None:
        Path("ids").mkdir()
        Path("ids/store.json").write_text(content)
    assert said in refuse("train", recipe, "--store", "ids")


def test_a_store_is_not_written_over_other_things(project: Project, run_copy: Path) -> None:
    recipe = project()
    for flags in ((), ("--overwrite",)):
        err = refuse("tokenize", recipe, "--store", "run", *flags)
        assert "run: exists and holds no stored ids" in err
    assert "cannot be written" in refuse("tokenize", recipe, "--store", "tiny.yaml/ids")
