"""Full disks, moved and damaged runs, signals at bad moments: what is said, and nothing is lost."""

from __future__ import annotations

import itertools
import json
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cli.conftest import Ended, listing, succeed, textnets
from tests.conftest import CHEAP_RECIPE, QUICK, write_recipe
from tests.sharing import made_once
from tests.test_continuation import what_it_learned
from tests.warm import WarmProcess, start_textnets
from textnets.errors import RunError, TextnetsError, TrainingError
from textnets.pipeline import train
from textnets.progress import Progress
from textnets.run.directory import open_run
from textnets.run.integrity import read_started, write_environment
from textnets.training import fitting
from textnets.training.checkpoints import load_checkpoint

MakeRecipe = Callable[..., Path]
FLAGS = [word for setting in QUICK for word in ("--set", setting)]


class Talk(Progress):
    """Remembers what was said."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []

    def say(self, message: str) -> None:
        self.said.append(message)

    def warn(self, message: str) -> None:
        self.said.append(message)


class PulledPlugError(BaseException):
    """As abrupt as kill -9 as far as the loop can tell."""


Seen = Callable[[int, dict[str, float]], dict[str, float]]


def watch_steps(monkeypatch: pytest.MonkeyPatch, seen: Seen) -> None:
    """Let ``seen`` have each step's number, from 1, and what it logged, and answer in its place."""
    real = fitting.train_step
    numbers = itertools.count(1)

    def train_step(*arguments: Any) -> Any:
        compiled = real(*arguments)
        return lambda *data: seen(next(numbers), compiled(*data))

    monkeypatch.setattr(fitting, "train_step", train_step)


def stop_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let the next training end abruptly in one of its steps."""

    def seen(number: int, logs: dict[str, float]) -> dict[str, float]:
        if number == step:
            raise PulledPlugError
        return logs

    watch_steps(monkeypatch, seen)


@pytest.fixture
def make_recipe(make_cheap_recipe: MakeRecipe) -> MakeRecipe:
    """These tests are about files."""
    return make_cheap_recipe


def make_unfinished(folder: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        stop_at(patch, 16)
        with pytest.raises(PulledPlugError):
            train(write_recipe(folder, CHEAP_RECIPE), QUICK, output=folder / "run")
    assert len((folder / "run.partial/history.jsonl").read_text().splitlines()) == 1


@pytest.fixture
def unfinished(tmp_path: Path) -> Path:
    """A recipe whose run was cut off in its second epoch, as ``run.partial``."""
    shutil.copytree(made_once("unfinished", make_unfinished), tmp_path, dirs_exist_ok=True)
    return tmp_path / "tiny.yaml"


Process = WarmProcess | subprocess.Popen[str]


def start(recipe: Path, *words: str) -> Process:
    return start_textnets("train", recipe, "-o", "run", *FLAGS, *words)


def ended(process: Process) -> Ended:
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err
    assert process.returncode is not None
    return Ended(process.returncode, out, err)


def wait_until(true: Callable[[], bool], process: Process) -> None:
    for _ in range(60_000):
        if true():
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.001)
    raise AssertionError("it never came to that")


# --- A full disk ---


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own that can be filled and made larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    resize(folder, "1m", "")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def resize(folder: Path, size: str, how: str = "remount,") -> None:
    command = ["mount", "-t", "tmpfs", "-o", f"{how}size={size}", "none", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        done = False
    if not done:
        pytest.skip("only root can mount a file system")


def test_a_disk_that_is_full_at_any_moment(
    make_recipe: MakeRecipe, disk: Path, finished: Path
) -> None:
    recipe = make_recipe()
    expected = what_it_learned(finished)
    run, size, stopped, refused = disk / "run", 16, 0, 0
    while not run.exists():
        assert size < 4096, "it never succeeds"
        resize(disk, f"{size}k")
        left = (disk / "run.partial").exists()
        found = textnets("train", recipe, "-o", run, *FLAGS, *(["--resume"] if left else []))
        assert "Traceback" not in found.err
        if found.code:
            assert found.code in (1, 2)
            assert found.err.count("error: ") <= 1
            assert "No space left on device" in found.err, found.err
            assert str(disk) in found.err
        if (disk / "run.partial").exists():
            stopped += 1
            assert "--resume" in found.err
            assert not list(disk.rglob("*.new"))
        elif found.code:
            refused += 1
        size = int(size * 1.15) + 1
    assert stopped >= 2  # in the middle of training, or behind it
    assert refused >= 2  # before the first step: nothing is left that would be in the way
    assert what_it_learned(run) == expected


@pytest.mark.heavy
def test_a_run_on_a_disk_that_cannot_be_written(
    make_recipe: MakeRecipe, disk: Path, tmp_path: Path
) -> None:
    recipe = make_recipe()
    train(recipe, QUICK, output=disk / "run")
    resize(disk, "1m", "remount,ro,")
    try:
        assert succeed("predict", disk / "run", "--text", "my card is lost").lines
        assert "accuracy" in succeed("evaluate", disk / "run").out
        found = textnets("train", recipe, "-o", disk / "other", *FLAGS)
        assert found.code == 2
        assert "Read-only file system" in found.err
    finally:
        resize(disk, "1m", "remount,rw,")
    assert not (disk / "other.partial").exists()


# --- Signals at bad moments ---


def test_killed_while_it_evaluates_and_while_it_writes_its_end(
    make_recipe: MakeRecipe, finished: Path
) -> None:
    recipe = make_recipe()
    partial = Path("run.partial")
    model = partial / "model.keras"

    def trained() -> bool:
        history = partial / "history.jsonl"
        return (
            history.exists()
            and len(history.read_text().splitlines()) == 2
            and model.exists()
            and model.stat().st_mtime_ns > history.stat().st_mtime_ns
        )

    moments = (trained, (partial / "predictions").exists, (partial / "report.html").exists)
    for number, moment in enumerate(moments):
        process = start(recipe, *(["--resume"] if number else []))
        wait_until(moment, process)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if Path("run").exists():  # it was faster than the signal, and is whole
            break
        shutil.rmtree(partial / "predictions", ignore_errors=True)
    succeed("train", recipe, "-o", "run", "--resume", *FLAGS)
    assert what_it_learned(Path("run")) == what_it_learned(finished)
    assert open_run(Path("run"))


@pytest.mark.heavy
def test_sigterm_saves_and_says_how_to_continue(make_recipe: MakeRecipe) -> None:
    process = start(make_recipe(replace={"epochs: 2": "epochs: 300"}))
    wait_until(Path("run.partial/history.jsonl").exists, process)
    process.terminate()
    found = ended(process)
    assert found.code == 128 + signal.SIGTERM
    assert "stopped by SIGTERM; the checkpoint is complete; continue with --resume:" in found.err
    assert "textnets train" in found.err


# --- Moved ---


@pytest.mark.heavy
def test_a_run_that_is_moved_away_while_it_trains(make_recipe: MakeRecipe) -> None:
    recipe = make_recipe(replace={"epochs: 2": "epochs: 4"})
    process = start(recipe)
    wait_until(Path("run.partial/history.jsonl").exists, process)
    Path("run.partial").rename("moved")
    found = ended(process)
    assert found.code == 2
    assert "run.partial: is no longer there; if it was moved, move it back" in found.err
    assert not Path("run.partial").exists()
    Path("moved").rename("run.partial")
    succeed("train", recipe, "-o", "run", "--resume", *FLAGS)
    assert len(Path("run/history.jsonl").read_text().splitlines()) == 4


def test_a_finished_run_may_be_moved(finished: Path, tmp_path: Path) -> None:
    shutil.copytree(finished, "run")
    (tmp_path / "elsewhere").mkdir()
    Path("run").rename("elsewhere/other name")
    assert succeed("predict", "elsewhere/other name", "--text", "my card is lost").lines


# --- Damaged files ---

DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda content: None,
    "emptied": lambda content: b"",
    "cut": lambda content: content[: len(content) // 2],
    "another byte": lambda content: (
        content[: len(content) // 2]
        + bytes([content[len(content) // 2] ^ 0x40])
        + content[len(content) // 2 + 1 :]
    ),
}
# What a continued training writes anew, and reads from nowhere.
WRITTEN_ANEW = {"history.jsonl", "model.keras", ".lock"}


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_of_an_unfinished_run_damaged(damage: str, unfinished: Path) -> None:
    shutil.copytree("run.partial", "kept")
    names = sorted(str(p.relative_to("kept")) for p in Path("kept").rglob("*") if p.is_file())
    assert {"recipe.yaml", "environment.json", "vocabulary.txt", "checkpoint/state.npz"} < {*names}
    for name in names:
        if name in WRITTEN_ANEW:
            continue
        path = Path("run.partial") / name
        content = DAMAGES[damage](path.read_bytes())
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        before = listing(Path("run.partial"))
        found = textnets("train", unfinished, "-o", "run", "--resume", *FLAGS)
        if damage == "missing" and name == "checkpoint/state.npz":
            assert "nothing to continue" in found.err
            shutil.rmtree("run")
        else:
            assert found.code == 2, (name, found)
            assert path.name in found.err, (name, found.err)
            assert "Traceback" not in found.err
            assert listing(Path("run.partial")) == before
        shutil.rmtree("run.partial", ignore_errors=True)
        shutil.copytree("kept", "run.partial")
    for name in WRITTEN_ANEW - {".lock"}:
        content = DAMAGES[damage]((Path("run.partial") / name).read_bytes())
        if content is not None:
            (Path("run.partial") / name).write_bytes(content)
    succeed("train", unfinished, "-o", "run", "--resume", *FLAGS)
    assert open_run(Path("run"))


@pytest.mark.parametrize("damage", DAMAGES)
def test_every_file_of_a_finished_run_damaged(
    damage: str, make_recipe: MakeRecipe, finished: Path
) -> None:
    recipe, kept = make_recipe(), finished
    names = sorted(str(p.relative_to(kept)) for p in kept.rglob("*") if p.is_file())
    assert len(names) >= 9
    more = ("train", recipe, "-o", "run", "--resume", "--set", "training.epochs=3", *FLAGS)
    for name in names:
        shutil.copytree(kept, "run")
        path = Path("run") / name
        content = DAMAGES[damage](path.read_bytes())
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)
        before = listing(Path("run"))
        verbs: list[tuple[Any, ...]] = [("predict", "run", "--text", "card"), ("evaluate", "run")]
        if name.startswith("checkpoint/"):
            verbs = [more]  # nothing else reads it
            if damage == "missing" and path.name == "state.npz":
                verbs = []
        elif name == "evaluation.json":
            verbs = verbs[1:]  # no prediction rests on it
        elif name == "report.html" or name.startswith("predictions/"):
            verbs = []  # read by nobody but people
        for verb in verbs:
            found = textnets(*verb)
            assert found.code == 2, (name, verb, found)
            assert path.name in found.err, (name, verb, found.err)
            assert "Traceback" not in found.err
            assert listing(Path("run")) == before
        shutil.rmtree("run")
        shutil.rmtree("run.partial", ignore_errors=True)


def test_any_byte_of_a_checkpoint_changed(unfinished: Path) -> None:
    """It is refused, or the byte was one that says nothing (a time of the archive)."""
    import keras

    path = Path("run.partial/checkpoint/state.npz")
    content = path.read_bytes()
    with np.load(path) as arrays:
        true = {name: arrays[name].tobytes() for name in arrays.files}

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("adam")

    @settings(max_examples=400, deadline=None)
    @given(st.integers(0, len(content) - 1), st.integers(1, 255))
    def check(place: int, change: int) -> None:
        changed = bytearray(content)
        changed[place] ^= change
        path.write_bytes(changed)
        with pytest.raises(RunError, match=r"damaged|another model") as caught:
            load_checkpoint(path.parent, model)  # of another model it is in any case
        if "damaged" not in str(caught.value):
            with np.load(path) as arrays:
                assert {name: arrays[name].tobytes() for name in arrays.files} == true

    check()


def test_another_value_in_a_sound_archive_is_noticed(unfinished: Path) -> None:
    path = Path("run.partial/checkpoint/state.npz")
    with np.load(path) as arrays:
        content = dict(arrays)
    name = next(name for name in content if name.startswith("model/"))
    np.savez(path, allow_pickle=False, **{**content, name: content[name] + 1})
    with pytest.raises(RunError, match=r"state\.npz.*its sha256 differs"):
        train(unfinished, QUICK, output="run", resume=True)


# --- Losses that are no number ---


@pytest.mark.heavy
def test_after_a_loss_that_is_no_number_it_goes_on_with_another_rate(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe()

    def diverges(number: int, logs: dict[str, float]) -> dict[str, float]:
        return {**logs, "loss": float("inf")} if number == 14 else logs

    with monkeypatch.context() as patch:
        watch_steps(patch, diverges)
        with pytest.raises(TrainingError, match=r"became inf in epoch 2, batch 2") as caught:
            train(recipe, QUICK, output="run")
    assert "--resume --allow-changes --set training.learning_rate=0.0005" in str(caught.value)
    lower = [*QUICK, "training.learning_rate=0.0005"]
    with pytest.raises(RunError, match=r"learning_rate: 0\.005 before, 0\.0005 now"):
        train(recipe, lower, output="run", resume=True)
    talk = Talk()
    result = train(
        recipe, lower, output="run", resume=True, allow_changes=True, command="again", progress=talk
    )
    assert any("epoch 2, batch 2" in line for line in talk.said)
    assert any("going on all the same" in line for line in talk.said)
    (step,) = result.run.environment["continued"]
    assert step["command"] == "again"
    assert step["changes"] == ["training.learning_rate: 0.005 before, 0.0005 now"]
    assert [row["learning_rate"] for row in result.state.history] == pytest.approx([5e-3, 5e-4])


# --- Finished runs, trained on ---


def test_more_epochs_of_a_finished_run_are_as_if_asked_for_at_once(
    make_recipe: MakeRecipe, finished: Path
) -> None:
    recipe = make_recipe()
    train(recipe, [*QUICK, "training.epochs=3"], output="whole")
    shutil.copytree(finished, "run")
    before = listing(Path("run"))
    again = succeed("train", recipe, "-o", "run", "--resume", *FLAGS)
    assert "run: is finished; nothing was done" in again.err
    assert "accuracy" in again.out
    assert listing(Path("run")) == before
    more = ("--set", "training.epochs=3")
    succeed("train", recipe, "-o", "run", "--resume", *FLAGS, *more)
    assert what_it_learned(Path("run")) == what_it_learned(Path("whole"))
    assert not list(Path().glob(".run*"))
    assert not Path("run.partial").exists()


def test_a_finished_run_stays_until_the_longer_one_is_whole(
    make_recipe: MakeRecipe, finished: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe()
    shutil.copytree(finished, "run")
    before = listing(Path("run"))
    more = [*QUICK, "training.epochs=4"]
    with monkeypatch.context() as patch:
        stop_at(patch, 5)
        with pytest.raises(PulledPlugError):
            train(recipe, more, output="run", resume=True)
    assert listing(Path("run")) == before
    assert open_run(Path("run"))
    # The unfinished one is known as the same run: no --overwrite is needed.
    assert len(train(recipe, more, output="run", resume=True).state.history) == 4
    assert len(open_run(Path("run")).history()) == 4


def test_a_run_of_the_faulty_optimizers_is_not_continued_as_if_it_were_the_same(
    unfinished: Path,
) -> None:
    """Runs that were begun before textnets added up repeated rows say nothing about them."""
    begun = read_started(Path("run.partial"))
    assert begun.pop("repeated_rows") == "summed"
    write_environment(Path("run.partial"), {key: begun[key] for key in begun if key != "digest"})
    with pytest.raises(RunError, match="did not add up the gradients of repeated tokens"):
        train(unfinished, QUICK, output="run", resume=True)
    result = train(unfinished, QUICK, output="run", resume=True, allow_changes=True)
    (step,) = result.run.environment["continued"]
    assert "repeated tokens" in step["changes"][0]
    assert result.run.environment["repeated_rows"] == "summed"


def test_changed_data_is_named(unfinished: Path) -> None:
    with Path("train.csv").open("a") as file:
        file.write("one more,change_pin\n")
    with pytest.raises(RunError, match="the train data has changed since") as caught:
        train(unfinished, QUICK, output="run", resume=True)
    assert "--allow-changes" in str(caught.value)
    result = train(unfinished, QUICK, output="run", resume=True, allow_changes=True)
    (step,) = result.run.environment["continued"]
    assert step["changes"] == ["the train data has changed since"]


def test_another_version_is_named(unfinished: Path) -> None:
    path = Path("run.partial/environment.json")
    environment = json.loads(path.read_text())
    environment["versions"]["keras"] = "3.0.0"
    write_environment(path.parent, environment)
    with pytest.raises(RunError, match=r"keras was 3\.0\.0, is "):
        train(unfinished, QUICK, output="run", resume=True)


# --- Before the first batch ---


@pytest.mark.heavy
def test_what_fails_behind_training_fails_before_it(
    make_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textnets.tasks.classification.evaluation import ClassificationEvaluation

    def broken(*arguments: Any) -> Any:
        raise TextnetsError("the scores are broken")

    steps: list[int] = []

    def seen(number: int, logs: dict[str, float]) -> dict[str, float]:
        steps.append(number)
        return logs

    watch_steps(monkeypatch, seen)
    monkeypatch.setattr(ClassificationEvaluation, "score", broken)
    with pytest.raises(TextnetsError, match="the scores are broken"):
        train(make_recipe(), QUICK, output="run")
    assert steps == []
    assert not Path("run.partial").exists()
