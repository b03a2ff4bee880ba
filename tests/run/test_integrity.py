"""A run is what was written, to the byte, or is refused by the name of the file."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.run.conftest import CONTENT
from textnets.errors import RunError
from textnets.run.directory import is_partial, is_run, open_run
from textnets.run.integrity import check_file, digest_of, hashes_of, read_started, write_environment

MakeRun = Callable[[str], Path]
NOT_NEEDED = {"evaluation.json", "report.html", "predictions/test.jsonl"}


def test_a_run_made_by_hand_is_one(make_run: MakeRun) -> None:
    run = open_run(make_run("run"))
    assert run.history() == [{"epoch": 1, "loss": 0.5}]
    assert run.evaluation() == {"splits": {}}
    assert is_run(run.folder)


def test_hashes_are_sha256_by_relative_path(make_run: MakeRun) -> None:
    folder = make_run("run")
    assert hashes_of(folder) == {
        name: hashlib.sha256(text.encode()).hexdigest() for name, text in CONTENT.items()
    }


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_every_file_that_is_needed_is_checked(make_run: MakeRun, name: str, damage: str) -> None:
    folder = make_run("run")
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_text("another")
    if name in NOT_NEEDED:
        run = open_run(folder)
        if name == "evaluation.json":
            with pytest.raises(RunError, match=r"evaluation\.json"):
                run.evaluation()
        return
    with pytest.raises(RunError, match=name):
        open_run(folder)


def test_the_list_of_hashes_is_checked_itself(make_run: MakeRun) -> None:
    path = make_run("run") / "environment.json"
    environment = json.loads(path.read_text())
    environment["files"]["model.keras"] = "0" * 64
    path.write_text(json.dumps(environment))
    for reads in (open_run, read_started):
        with pytest.raises(RunError, match=r"environment\.json: is not the file that was written"):
            reads(path.parent)


def test_the_digest_does_not_count_itself_or_the_order_of_keys() -> None:
    assert digest_of({"a": 1, "b": 2}) == digest_of({"b": 2, "a": 1, "digest": "x"})
    assert digest_of({"a": 1}) != digest_of({"a": 2})


@pytest.mark.parametrize("name", ["../secret", "a/../../secret", "/etc/passwd"])
def test_no_file_outside_of_the_run_is_asked_for(make_run: MakeRun, name: str) -> None:
    with pytest.raises(RunError, match="names a file outside of the run"):
        check_file(make_run("run"), name, None)


def test_what_is_no_run_is_told_apart(make_run: MakeRun, tmp_path: Path) -> None:
    folder = make_run("run")
    (folder / "notes.txt").touch()
    assert not is_run(folder)  # a user's file lies in it
    (tmp_path / "empty").mkdir()
    assert not is_run(tmp_path / "empty")
    assert is_partial(tmp_path / "empty")  # stopped before its first file
    (tmp_path / "empty" / "chapter.txt").touch()
    assert not is_partial(tmp_path / "empty")
    assert not is_partial(tmp_path / "nowhere")
    for found, message in (
        (tmp_path / "nowhere", "no such run directory"),
        (tmp_path / "empty", "is no run directory"),
        (folder / "notes.txt", "is a file"),
    ):
        with pytest.raises(RunError, match=message):
            open_run(found)


def test_an_unfinished_run_and_one_of_a_newer_version(make_run: MakeRun) -> None:
    folder = make_run("run")
    environment = json.loads((folder / "environment.json").read_text())
    del environment["digest"], environment["format"]
    write_environment(folder, environment)
    with pytest.raises(RunError, match="has not finished; continue with"):
        open_run(folder)
    assert read_started(folder)["command"] == "textnets train"
    write_environment(folder, {**environment, "format": 99})
    with pytest.raises(RunError, match="written by a newer textnets"):
        open_run(folder)
