"""``textnets reproduce``: several seeds, their mean, the recipe's claim."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import textnets as library
from tests.cli.conftest import listing, refuse, succeed, textnets
from tests.conftest import CHEAP_RECIPE, write_recipe
from tests.sharing import made_once
from tests.warm import start_textnets
from textnets.errors import TrainingError
from textnets.reproduction import side_by_side
from textnets.reproduction.seeds import held

MakeRecipe = Callable[..., Path]
CLAIM = "--set", "claim={metric: accuracy, at_least: 0.3, seeds: 2}"
FOLDER = Path("runs/tiny-reproduced")


@pytest.fixture(scope="module")
def two_seeds() -> Path:
    """A project whose two seeds were reproduced; do not write into it."""

    def make(folder: Path) -> None:
        recipe = write_recipe(folder, CHEAP_RECIPE)
        before = Path.cwd()
        os.chdir(folder)
        try:
            ended = textnets("reproduce", recipe.name, *CLAIM)
        finally:
            os.chdir(before)
        assert ended.code == 0, ended.err
        (folder / "out.txt").write_text(ended.out)
        (folder / "err.txt").write_text(ended.err)

    return made_once("two-seeds", make)


@pytest.fixture
def project(two_seeds: Path, tmp_path: Path) -> Path:
    """A copy of it, in the folder where the test runs."""
    shutil.copytree(two_seeds, tmp_path, dirs_exist_ok=True)
    return tmp_path


def stored(folder: Path = FOLDER) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "reproduce.json").read_text())
    return content


def scores_of(run: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((run / "evaluation.json").read_text())
    return content["splits"]["test"]


@pytest.mark.heavy
def test_it_trains_the_seeds_of_the_claim(two_seeds: Path) -> None:
    folder = two_seeds / FOLDER
    assert {path.name for path in folder.iterdir()} == {
        "seed-1", "seed-2", "reproduce.json", "reproduce.md",
    }  # fmt: skip
    found = stored(folder)
    runs = [scores_of(folder / f"seed-{seed}") for seed in (1, 2)]
    values = [run["scores"]["accuracy"]["value"] for run in runs]
    assert found["seeds"] == [1, 2]
    assert found["scores"]["accuracy"]["values"] == values
    assert found["scores"]["accuracy"]["mean"] == pytest.approx(sum(values) / 2)
    theirs = [run["baselines"]["nb_svm"]["scores"]["macro_f1"]["value"] for run in runs]
    assert found["baselines"]["nb_svm"]["scores"]["macro_f1"]["values"] == theirs
    assert list(found["baselines"]) == ["majority", "tfidf_svm", "nb_svm"]
    assert found["claim"]["holds"] is True
    assert str(two_seeds) not in (folder / "reproduce.json").read_text()


@pytest.mark.heavy
def test_a_seed_is_the_run_that_train_would_give(project: Path) -> None:
    succeed("train", "tiny.yaml", "--set", "seed=2", *CLAIM, "--output", "alone")
    one, other = (run / "predictions" / "test.jsonl" for run in (FOLDER / "seed-2", Path("alone")))
    assert one.read_bytes() == other.read_bytes()
    assert scores_of(FOLDER / "seed-2")["scores"] == scores_of(Path("alone"))["scores"]


@pytest.mark.heavy
def test_it_says_each_seed_their_mean_and_the_verdict(two_seeds: Path) -> None:
    lines = (two_seeds / "out.txt").read_text().splitlines()
    assert lines[0] == "tiny, seeds 1, 2: 160 examples of the test split"
    assert [line.split()[0] for line in lines[2:9]] == [
        "seed", "seed", "mean", "deviation", "majority", "tfidf_svm", "nb_svm",
    ]  # fmt: skip
    found = stored(two_seeds / FOLDER)["scores"]["accuracy"]
    shown = f"mean       {found['mean']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
    assert lines[4].startswith(shown)
    assert lines[-3].startswith("accuracy is ")
    assert "than that of" in lines[-3]
    assert lines[-2] == (
        f"HOLDS: accuracy {found['mean']:.3f} on the test split, the mean of 2 seeds; claimed at "
        "least 0.3"
    )
    page = (two_seeds / FOLDER / "reproduce.md").read_text()
    assert page.startswith(f"# {lines[0]}\n\n|  | accuracy | macro_f1 | log_loss |\n| --- |")
    assert all(f"- {sentence}" in page for sentence in lines[-3:-1])
    said = (two_seeds / "err.txt").read_text()
    assert "seed 1: training (0 of 2 seeds are trained)\n" in said
    assert f"seed 2: trained, accuracy {found['values'][1]:.3f} (2 of 2 seeds)\n" in said


@pytest.mark.heavy
def test_finished_seeds_are_not_trained_again_and_a_claim_may_fail(project: Path) -> None:
    before = listing(FOLDER / "seed-1") | listing(FOLDER / "seed-2")
    claim = "--set", "claim={metric: log_loss, at_most: 0.001, seeds: 3}"
    ended = textnets("reproduce", "tiny.yaml", "--resume", "--seeds", "2", *claim)
    assert ended.code == 1
    assert ended.lines[-2].startswith("FAILS: log_loss ")
    assert ended.lines[-2].endswith("the mean of 2 seeds; claimed at most 0.001 of 3 seeds")
    assert "2 of 2 seeds are trained already" in ended.err
    assert stored()["claim"]["holds"] is False
    # Without a claim: nothing is judged, and one seed has no interval.
    ended = succeed("reproduce", "tiny.yaml", "--resume", "--seeds", "1", "--quiet")
    assert ended.lines[-2] == "the recipe makes no claim"
    assert stored()["scores"]["accuracy"]["low"] is None
    assert listing(FOLDER / "seed-1") | listing(FOLDER / "seed-2") == before
    # Data are not needed for what is trained.
    Path("train.csv").unlink()
    succeed("reproduce", "tiny.yaml", "--resume", "--seeds", "2")


@pytest.mark.heavy
def test_without_a_test_split_validation_is_shown(project: Path) -> None:
    words = ("--set", "evaluation.test=false", "--seeds", "1", "--output", "chosen")
    ended = succeed("reproduce", "tiny.yaml", *words)
    assert ended.lines[0] == "tiny, seed 1: 48 examples of the validation split"
    assert stored(Path("chosen"))["split"] == "validation"


@pytest.mark.heavy
def test_a_place_with_other_runs_is_refused(project: Path) -> None:
    words = "reproduce", "tiny.yaml"
    assert "exists already; --resume goes on" in refuse(*words)
    err = refuse(*words, "--resume", "--set", "training.learning_rate=0.1")
    assert "runs/tiny-reproduced/seed-1: was trained with other settings:\n" in err
    assert "  training.learning_rate: 0.005 before, 0.1 now\n" in err
    err = refuse(*words, "--resume", "--set", "training.epochs=1")
    assert "training.epochs: 2 before, 1 now" in err
    (FOLDER / "seed-1").rename(FOLDER / "seed-3")
    (FOLDER / "seed-2").rename(FOLDER / "seed-1")
    err = refuse(*words, "--resume")
    assert "seed-1: was trained with other settings:\n  seed: 2 before, 1 now\n" in err
    for place, why in (("train.csv", "is a file"), (FOLDER / "seed-3", "holds something else")):
        assert why in refuse(*words, "--resume", "--output", place)


@pytest.mark.heavy
def test_seeds_of_other_data_are_not_put_together(project: Path) -> None:
    shutil.rmtree(FOLDER / "seed-2")
    rows = Path("train.csv").read_text().splitlines(keepends=True)
    Path("train.csv").write_text("".join(rows[:-1]))
    ended = textnets("reproduce", "tiny.yaml", "--resume", "--seeds", "2")
    assert ended.code == 2
    assert "seed-2: was trained on other data than seed 1" in ended.err


@pytest.mark.heavy
def test_bad_input_is_one_error_and_leaves_nothing(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe()
    words = "reproduce", recipe.name
    assert "--set seed: the seeds 1, 2, 3" in refuse(*words, "--set", "seed=4")
    assert "unknown key; did you mean 'epochs'?" in refuse(*words, "--set", "training.epoch=4")
    unseen = ("--set", "evaluation.test=false")
    assert "claim is about the test split" in refuse(*words, *CLAIM, *unseen)
    assert "'--seeds'" in refuse(*words, "--seeds", "0")
    nothing = (*unseen, "--set", "data.validation=null")
    assert "no split would be scored" in refuse(*words, *nothing)
    Path("train.csv").write_text("text,label\nonly,\n")
    for jobs in ("1", "2"):
        assert "train.csv" in refuse(*words, "--jobs", jobs)
    with pytest.raises(library.InputError, match="--jobs: expected 1 or more, was: 0"):
        library.reproduce(recipe, jobs=0)
    with pytest.raises(library.InputError, match="--seeds: expected 1 or more, was: 0"):
        library.reproduce(recipe, seeds=0)


@pytest.mark.heavy
def test_a_seed_that_fails_leaves_the_others_whole(
    make_cheap_recipe: MakeRecipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textnets.reproduction import training

    recipe, real = make_cheap_recipe(), training.train

    def train(*given: Any, output: str, **named: Any) -> Any:
        if output.endswith("seed-2"):
            raise TrainingError("the loss is no number")
        return real(*given, output=output, **named)

    words = ("reproduce", recipe.name, "--set", "evaluation.baselines=false")
    with monkeypatch.context() as patch:
        patch.setattr(training, "train", train)
        ended = textnets(*words)
    assert ended.code == 1
    assert "1 of 3 seeds could not be trained" in ended.err
    assert "  seed 2: the loss is no number\n" in ended.err
    assert {path.name for path in FOLDER.iterdir()} == {"seed-1", "seed-3"}
    assert "2 of 3 seeds are trained already" in succeed(*words, "--resume").err
    assert stored()["seeds"] == [1, 2, 3]


@pytest.mark.heavy
def test_two_do_not_work_in_one_folder(project: Path) -> None:
    shutil.rmtree(FOLDER / "seed-2")
    words = "reproduce", "tiny.yaml", *CLAIM, "--resume"
    with held(FOLDER):
        assert "another 'textnets reproduce' is working there" in refuse(*words)
    succeed(*words)


# --- Side by side ---

LONG = ("--set", "training.epochs=4000", "--set", "training.checkpoint_minutes=0",
        "--set", "evaluation.baselines=false", "--seeds", "3", "--jobs", "2")  # fmt: skip
STATES = [FOLDER / f"seed-{seed}.partial" / "checkpoint" / "state.npz" for seed in (1, 2)]


def children_of(process: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(process)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def wait_until(is_so: Callable[[], bool], process: Any) -> None:
    latest = time.monotonic() + 300
    while not is_so():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < latest
        time.sleep(0.05)


@pytest.mark.heavy
def test_side_by_side_is_the_same_as_one_after_the_other(project: Path) -> None:
    words = "reproduce", "tiny.yaml", *CLAIM
    ended = succeed(*words, "--jobs", "2", "--output", "both")
    together, alone = stored(Path("both")), stored()
    assert together["scores"] == alone["scores"]
    assert together["baselines"] == alone["baselines"]
    assert "\nseed 1: epoch 2/2" in ended.err
    assert "(2 of 2 seeds)" in ended.err
    # One that is damaged is told before anything is trained; one that ends badly, after all.
    (Path("both/seed-2") / "model.keras").unlink()
    assert "both/seed-2" in refuse(*words, "--resume", "--output", "both")


@pytest.mark.heavy
def test_ctrl_c_stops_all_and_loses_nothing(make_cheap_recipe: MakeRecipe) -> None:
    words = ("reproduce", make_cheap_recipe().name, *LONG)
    process = start_textnets(*words)
    try:
        wait_until(lambda: all(state.exists() for state in STATES), process)
        children = children_of(process.pid)
        assert len(children) == 2
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, err
    assert "stopped by Ctrl-C; the checkpoint is complete; continue with --resume" in err
    assert "--jobs 2 " in err.splitlines()[-1]
    assert err.splitlines()[-1].endswith(" --resume")
    assert "Traceback" not in err
    assert not any(Path(f"/proc/{child}").exists() for child in children)
    assert {path.name for path in FOLDER.iterdir()} == {"seed-1.partial", "seed-2.partial"}
    # What was begun goes on; with other settings it does not.
    assert "training.epochs: 4000 before, 2 now" in refuse(
        "reproduce", words[1], "--set", "evaluation.baselines=false", "--resume"
    )


@pytest.mark.heavy
@pytest.mark.long
def test_seeds_end_with_the_process_that_started_them(make_cheap_recipe: MakeRecipe) -> None:
    words = ("reproduce", make_cheap_recipe().name, *LONG)
    process = start_textnets(*words)
    wait_until(lambda: all(state.exists() for state in STATES), process)
    children = children_of(process.pid)
    assert len(children) == 2
    process.kill()
    process.wait()
    latest = time.monotonic() + 120
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < latest
        time.sleep(0.1)
    assert all(state.exists() for state in STATES)


@pytest.mark.heavy
def test_a_process_that_dies_is_told(make_cheap_recipe: MakeRecipe, monkeypatch: Any) -> None:
    monkeypatch.setattr(side_by_side, "_MODULE", "no_such_package.module")
    ended = textnets("reproduce", make_cheap_recipe().name, "--jobs", "2")
    assert ended.code == 1
    assert "3 of 3 seeds could not be trained" in ended.err
    assert "seed 3: its process ended with exit code 1: " in ended.err
    assert "No module named 'no_such_package'" in ended.err
    assert not FOLDER.exists()
