"""A place is taken at once or not at all, and nothing of a user's own is removed."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.run.conftest import CONTENT, fill
from textnets.errors import RunError
from textnets.run import places
from textnets.run.directory import open_run
from textnets.run.integrity import write_environment
from textnets.run.places import written_beside
from textnets.run.target import RunTarget
from textnets.training.interrupts import Interrupts

MakeRun = Callable[[str], Path]


def train_by_hand(target: RunTarget, recipe: str = "x") -> None:
    target.check(resume=False)
    with target.writing(resume=False) as folder:
        fill(folder, {"recipe.yaml": recipe})
        write_environment(folder, {})
        target.finish({"data": {}})


class KilledError(BaseException):
    """As abrupt as kill -9 as far as the code can tell."""


@pytest.fixture
def at_rename(monkeypatch: pytest.MonkeyPatch) -> Callable[[str, BaseException], None]:
    """Lets the renaming to this name fail, where folders can be exchanged and where not."""
    acts: dict[str, BaseException] = {}

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and acts and Path(arguments[1]).name in acts:
            raise acts.pop(Path(arguments[1]).name)

    sys.addaudithook(hook)

    def set_act(name: str, act: BaseException) -> None:
        acts[name] = act

    return set_act


@pytest.fixture(params=["exchanged", "moved"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that can exchange two folders, and one that cannot."""
    if request.param == "moved":
        monkeypatch.setattr(places, "_exchanging_call", lambda: None)
    elif places._exchanging_call() is None:
        pytest.skip("this system cannot exchange two folders")


@pytest.mark.usefixtures("system")
def test_a_folder_is_replaced_or_stays(
    tmp_path: Path, at_rename: Callable[[str, BaseException], None]
) -> None:
    place = tmp_path / "films"
    place.mkdir()
    (place / "model.keras").write_text("the old run")
    at_rename("films", OSError(errno.EIO, "Input/output error"))
    with (
        pytest.raises(RunError, match="films: cannot be written: Input/output error"),
        written_beside(place) as beside,
    ):
        (beside / "model.keras").write_text("the new run")
    assert (place / "model.keras").read_text() == "the old run"
    assert [path.name for path in tmp_path.iterdir()] == ["films"]
    with written_beside(place) as beside:
        (beside / "model.keras").write_text("the new run")
    assert (place / "model.keras").read_text() == "the new run"
    assert [path.name for path in tmp_path.iterdir()] == ["films"]


@pytest.mark.usefixtures("system")
def test_a_run_is_replaced_or_stays(
    tmp_path: Path, make_run: MakeRun, at_rename: Callable[[str, BaseException], None]
) -> None:
    make_run("run")
    before = open_run(tmp_path / "run").environment
    at_rename("run", KilledError())
    with pytest.raises(KilledError):
        train_by_hand(RunTarget(tmp_path / "run", overwrite=True))
    assert open_run(tmp_path / "run").environment == before
    train_by_hand(RunTarget(tmp_path / "run", overwrite=True))
    assert open_run(tmp_path / "run").environment != before
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_what_a_killed_process_left_beside_a_run_is_swept(
    tmp_path: Path, make_run: MakeRun
) -> None:
    make_run("run")
    for kind in ("replaced", "written", "reopened"):
        fill(tmp_path / f".run.{kind}-{os.getpid()}-0a1b2c")
    (tmp_path / ".run.written-by-me").mkdir()
    RunTarget(tmp_path / "run", overwrite=True).check(resume=False)
    assert {path.name for path in tmp_path.iterdir()} == {"run", ".run.written-by-me"}


def test_killed_in_the_very_first_write(tmp_path: Path) -> None:
    for resume in (True, False):
        partial = tmp_path / "run.partial"
        partial.mkdir()
        (partial / ".lock").touch()
        (partial / "recipe.yaml.new").touch()
        target = RunTarget(tmp_path / "run", overwrite=not resume)
        target.check(resume=resume)
        with target.writing(resume=False) as folder:
            assert [path.name for path in folder.iterdir()] == [".lock"]
        partial.joinpath(".lock").unlink()
        partial.rmdir()


@pytest.mark.parametrize(
    "name", ["thesis.txt", "predictions/mine.txt", "members/a/thesis.txt", "checkpoint/notes.npz"]
)
def test_files_of_a_users_own_stay(tmp_path: Path, make_run: MakeRun, name: str) -> None:
    own = fill(tmp_path / "mine.partial", {"recipe.yaml": "task: x", ".lock": "", name: "my only"})
    for resume in (True, False):
        with pytest.raises(RunError, match=rf"mine\.partial.*holds more than one: {name}"):
            RunTarget(tmp_path / "mine", overwrite=True).check(resume=resume)
    assert (own / name).read_text() == "my only"
    run = make_run("run")
    fill(run, {name: "my only"})
    with pytest.raises(RunError, match="is left alone, even with --overwrite"):
        RunTarget(run, overwrite=True).check(resume=False)


@pytest.mark.parametrize("name", [".DS_Store", "predictions/Thumbs.db", "members/._x", ".nfs0001"])
def test_what_a_file_manager_leaves_is_nobodys(tmp_path: Path, name: str) -> None:
    target = RunTarget(tmp_path / "run", overwrite=True)
    target.check(resume=False)
    with target.writing(resume=False) as folder:
        fill(folder, {"recipe.yaml": "x", name: "looked at while it trained"})
        write_environment(folder, {})
        target.finish({"data": {}})
    (tmp_path / "run" / name).write_text("looked at again")
    assert open_run(tmp_path / "run").folder == tmp_path / "run"  # it was never hashed
    train_by_hand(target, "y")
    assert not (tmp_path / "run" / name).exists()


def test_a_recipe_of_a_users_own_stays(tmp_path: Path) -> None:
    fill(tmp_path / "mine.partial", {"recipe.yaml": "task: x"})
    with pytest.raises(RunError, match="is no unfinished run"):
        RunTarget(tmp_path / "mine", overwrite=True).check(resume=False)


def test_a_place_that_is_a_link(tmp_path: Path, make_run: MakeRun) -> None:
    make_run("whole")
    (tmp_path / "link").symlink_to("whole")
    for _ in range(2):
        train_by_hand(RunTarget(tmp_path / "link", overwrite=True), "another")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "whole" / "recipe.yaml").read_text() == "another"
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "link"}
    with written_beside(tmp_path / "link") as beside:
        fill(beside, CONTENT)
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "whole" / "report.html").exists()


@pytest.mark.parametrize("target", ["/nowhere/gone", "dangling"])
def test_a_place_that_is_a_dangling_link(tmp_path: Path, target: str) -> None:
    (tmp_path / "dangling").symlink_to(target)
    with pytest.raises(RunError, match=r"dangling: is a link to .*, which is not there"):
        RunTarget(tmp_path / "dangling")
    assert [path.name for path in tmp_path.iterdir()] == ["dangling"]


def test_what_is_synced_before_a_run_is_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file, then its folder, then the record; only then the rename, and its folder."""
    synced: list[str] = []
    real = os.fsync

    def fsync(number: int) -> None:
        synced.append(Path(f"/proc/self/fd/{number}").readlink().name)
        real(number)

    if not Path("/proc/self/fd").is_dir():
        pytest.skip("names of open files are not known here")
    monkeypatch.setattr(os, "fsync", fsync)
    target = RunTarget(tmp_path / "run")
    with target.writing(resume=False) as folder:
        fill(folder)
        target.finish({"data": {}})
    names = {Path(name).name for name in CONTENT}
    assert names <= set(synced)
    last = synced.index("environment.json.new")
    assert all(synced.index(name) < last for name in names)
    assert synced[last + 1 :][:2] == ["run.partial", tmp_path.name]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_stays_ignored(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Interrupts() as interrupts:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is signal.SIG_IGN
            interrupts.raise_if_pending()
    finally:
        signal.signal(number, before)
