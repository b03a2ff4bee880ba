"""Real processes: killed in the middle, stopped by signals, and without TensorFlow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

MakeRecipe = Callable[..., Path]

TEXTNETS = [sys.executable, "-m", "textnets_cli"]

# Refuses TensorFlow as an environment without it would.
WITHOUT_TENSORFLOW = """\
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "tensorflow_text"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
from textnets_cli import main
main(sys.argv[1:])
"""


def run_verb(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*TEXTNETS, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=300,
        check=False,
    )


def start_verb(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*TEXTNETS, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(path: Path, process: subprocess.Popen[str], changes: int = 1) -> None:
    """Until a file has been written so many times (a checkpoint a step)."""
    seen: set[int] = set()
    for _ in range(6000):
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
        if len(seen) >= changes:
            return
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    raise AssertionError(f"{path} was not written {changes} times")


SETTINGS = ("--set", "training.checkpoint_minutes=0", "--set", "evaluation.baselines=false")


def test_ctrl_c_saves_and_says_how_to_continue(make_recipe: MakeRecipe) -> None:
    recipe = str(make_recipe(replace={"epochs: 2": "epochs: 200"}))
    training = start_verb("train", recipe, "-o", "run", *SETTINGS)
    wait_for(Path("run.partial/history.jsonl"), training)
    training.send_signal(signal.SIGINT)
    _, talk = training.communicate(timeout=60)
    assert training.returncode == 130, talk
    assert "--resume" in talk
    assert "Traceback" not in talk
    refused = run_verb("train", recipe, "-o", "run", *SETTINGS)
    assert refused.returncode == 2
    assert "--resume" in refused.stderr
    changed = run_verb("train", recipe, "-o", "run", "--resume", "--set", "model.maps=9", *SETTINGS)
    assert changed.returncode == 2
    assert "model.maps: 8 before, 9 now" in changed.stderr
    done = len(Path("run.partial/history.jsonl").read_text().splitlines())
    fewer = ("--set", f"training.epochs={done + 1}")
    continued = run_verb("train", recipe, "-o", "run", "--resume", *fewer, *SETTINGS)
    assert continued.returncode == 0, continued.stderr
    assert len(Path("run/history.jsonl").read_text().splitlines()) == done + 1


def test_two_trainings_do_not_share_a_place(make_recipe: MakeRecipe) -> None:
    recipe = str(make_recipe(replace={"epochs: 2": "epochs: 500"}))
    first = start_verb("train", recipe, "-o", "run", *SETTINGS)
    try:
        wait_for(Path("run.partial/checkpoint/state.npz"), first)
        second = run_verb("train", recipe, "-o", "run", "--resume", *SETTINGS)
        assert second.returncode == 2
        assert "another training is writing there" in second.stderr
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()


def test_stored_ids_train_on_jax_without_tensorflow(
    make_recipe: MakeRecipe, tmp_path: Path
) -> None:
    pytest.importorskip("jax")
    recipe = str(make_recipe(replace={"epochs: 2": "epochs: 6"}))
    stored = run_verb("tokenize", recipe, "--store", "ids")
    assert stored.returncode == 0, stored.stderr
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, "train", recipe, "--store", "ids"]
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    trained = subprocess.run(
        [*command, "-o", "jax_run"], capture_output=True, text=True, env=environment, check=False
    )
    assert trained.returncode == 0, trained.stderr
    assert "jax on CPU" in trained.stderr
    accuracy = json.loads(Path("jax_run/evaluation.json").read_text())["splits"]["test"]["scores"]
    assert accuracy["accuracy"]["low"] > 0.4  # four classes
    # What JAX trained, TensorFlow uses: the scores are the same.
    again = run_verb("evaluate", "jax_run", "--format", "json")
    assert again.returncode == 0, again.stderr
    found = json.loads(again.stdout)["scores"]
    assert found["accuracy"] == accuracy["accuracy"]
    assert found["log_loss"]["value"] == pytest.approx(accuracy["log_loss"]["value"], abs=1e-6)
