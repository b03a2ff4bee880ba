"""The place of a new run is taken by a whole run or stays as it was; nothing is trained here."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import listing
from tests.run.conftest import CONTENT, fill
from textnets.errors import RunError, StoppedError
from textnets.run.directory import open_run
from textnets.run.places import written_beside
from textnets.run.target import RunTarget

MakeRun = Callable[[str], Path]


def write_checkpoint(folder: Path) -> None:
    (folder / "checkpoint").mkdir()
    np.savez(folder / "checkpoint" / "state.npz", model=np.zeros(3))


def test_a_run_is_absent_until_it_is_whole(tmp_path: Path) -> None:
    target = RunTarget(tmp_path / "new" / "place" / "run")
    target.check(resume=False)
    assert not (tmp_path / "new").exists()  # nothing is written by looking
    with target.writing(resume=False) as folder:
        fill(folder)
        assert folder == tmp_path / "new" / "place" / "run.partial"
        assert not target.output.exists()
        run = target.finish({"data": {}, "created": "today"})
    assert run.folder == target.output
    assert set(open_run(run.folder).environment["files"]) == set(CONTENT)
    assert [path.name for path in target.output.parent.iterdir()] == ["run"]
    assert not (run.folder / ".lock").exists()


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), RunError("x")])
def test_what_fails_before_training_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    target = RunTarget(tmp_path / "new" / "run")
    with pytest.raises(type(error)), target.writing(resume=False) as folder:  # noqa: PT012
        fill(folder)
        raise error
    assert list(tmp_path.iterdir()) == []  # nor the folders that were made for it


def test_a_full_disk_before_training_leaves_nothing(tmp_path: Path) -> None:
    target = RunTarget(tmp_path / "run")
    with pytest.raises(OSError, match="No space left") as caught, target.writing(resume=False):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert not isinstance(caught.value, StoppedError)
    assert caught.value.filename == str(target.partial)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_was_moved_away_is_told(tmp_path: Path) -> None:
    target = RunTarget(tmp_path / "run")
    with (  # noqa: PT012
        pytest.raises(RunError, match="is no longer there"),
        target.writing(resume=False) as folder,
    ):
        folder.rename(tmp_path / "moved")
        raise OSError(errno.ENOENT, "No such file")


def test_a_finished_run_stays_while_another_fails(make_run: MakeRun) -> None:
    kept = make_run("run")
    before = listing(kept)
    with pytest.raises(RunError, match="exists already; --overwrite replaces it"):
        RunTarget(kept).check(resume=False)
    target = RunTarget(kept, overwrite=True)
    target.check(resume=False)
    with pytest.raises(ValueError, match="broken"), target.writing(resume=False) as folder:  # noqa: PT012
        fill(folder)
        raise ValueError("broken")
    assert listing(kept) == before
    assert not target.partial.exists()


def test_a_finished_run_is_replaced_as_a_whole(make_run: MakeRun, tmp_path: Path) -> None:
    kept = make_run("run")
    left = tmp_path / ".run.replaced-1"  # by one that was killed between its two renames
    left.mkdir()
    target = RunTarget(kept, overwrite=True)
    with target.writing(resume=False) as folder:
        fill(folder, {"recipe.yaml": "task: tagging\n"})
        target.finish({"data": {}})
    assert {path.name for path in kept.iterdir()} == {"recipe.yaml", "environment.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_folder_that_is_no_run_is_never_replaced(tmp_path: Path) -> None:
    for name in ("run", "run.partial"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "chapter.txt").touch()
        for resume in (False, True):
            with pytest.raises(RunError, match=name):
                RunTarget(tmp_path / "run", overwrite=True).check(resume=resume)
        (folder / "chapter.txt").unlink()
        folder.rmdir()


def test_only_one_writes_in_a_place(tmp_path: Path) -> None:
    first, second = RunTarget(tmp_path / "run"), RunTarget(tmp_path / "run", overwrite=True)
    with first.writing(resume=False) as folder:
        fill(folder)
        with pytest.raises(RunError, match="another training is writing there"):
            second.begin(resume=True)
        assert (folder / "recipe.yaml").exists()
        first.finish({"data": {}})
    second.begin(resume=False)
    second.release()


def test_an_unfinished_run_needs_a_flag(tmp_path: Path) -> None:
    fill(tmp_path / "run.partial", {"recipe.yaml": "task: tagging\n"})
    write_checkpoint(tmp_path / "run.partial")
    with pytest.raises(RunError, match="--resume continues it, --overwrite starts again"):
        RunTarget(tmp_path / "run").check(resume=False)
    continuing = RunTarget(tmp_path / "run")
    continuing.check(resume=True)
    assert continuing.can_continue
    with continuing.writing(resume=True) as folder:
        assert (folder / "checkpoint" / "state.npz").exists()
    again = RunTarget(tmp_path / "run", overwrite=True)
    with again.writing(resume=False) as folder:
        assert [path.name for path in folder.iterdir()] == [".lock"]


def test_a_finished_run_is_reopened_beside_itself(make_run: MakeRun) -> None:
    kept = make_run("run")
    before = listing(kept)
    target = RunTarget(kept)
    assert target.is_finished
    target.reopen()
    assert listing(kept) == before
    assert not target.is_finished
    names = {path.name for path in target.partial.iterdir()}
    assert not names & {"evaluation.json", "report.html", "predictions"}
    RunTarget(kept).check(resume=True)  # known as the same run: no --overwrite is needed
    with pytest.raises(RunError, match="exists already"):
        RunTarget(kept).check(resume=False)


@pytest.mark.parametrize("output", [".", "..", "/"])
def test_places_that_have_no_name(output: str) -> None:
    with pytest.raises(RunError):
        RunTarget(Path(output)).check(resume=False)


def test_a_folder_that_is_written_beside_is_whole_or_absent(tmp_path: Path) -> None:
    place = tmp_path / "store"
    with pytest.raises(ValueError, match="broken"), written_beside(place) as folder:  # noqa: PT012
        (folder / "ids.npy").touch()
        raise ValueError("broken")
    assert list(tmp_path.iterdir()) == []
    for name in ("one", "two"):
        with written_beside(place) as folder:
            (folder / name).touch()
        assert [path.name for path in place.iterdir()] == [name]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
