"""Real processes: two in one place; and one without TensorFlow."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import succeed, textnets
from tests.conftest import write_recipe
from tests.jax_runs import jax_runs
from tests.warm import start_textnets

MakeRecipe = Callable[..., Path]
SETTINGS = ("--set", "training.checkpoint_minutes=0", "--set", "evaluation.baselines=false")


@pytest.mark.heavy
def test_two_trainings_do_not_share_a_place(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe(replace={"epochs: 2": "epochs: 500"})
    first = start_textnets("train", recipe, "-o", "run", *SETTINGS)
    try:
        while not Path("run.partial/checkpoint/state.npz").exists():
            assert first.poll() is None, first.communicate()[1]
            time.sleep(0.01)
        second = textnets("train", recipe, "-o", "run", "--resume", *SETTINGS)
        assert second.code == 2
        assert "another training is writing there" in second.err
        assert first.poll() is None
    finally:
        first.kill()
        first.communicate()


def write_for_jax(folder: Path) -> Path:
    # One width, so that JAX compiles once.
    return write_recipe(folder, replace={"epochs: 2": "epochs: 6\n  bucket_width: 64"})


@pytest.mark.heavy
def test_stored_ids_train_on_jax_without_tensorflow() -> None:
    pytest.importorskip("jax")
    said = json.loads((jax_runs() / "said.json").read_text())["classification"]
    assert "jax on CPU" in said["err"]
    run = jax_runs() / "classification" / "run"
    accuracy = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
    assert accuracy["accuracy"]["low"] > 0.4  # four classes
    # What JAX trained, TensorFlow uses: the scores are the same.
    found = json.loads(succeed("evaluate", run, "--format", "json").out)["scores"]
    assert found["accuracy"] == accuracy["accuracy"]
    assert found["log_loss"]["value"] == pytest.approx(accuracy["log_loss"]["value"], abs=1e-6)
