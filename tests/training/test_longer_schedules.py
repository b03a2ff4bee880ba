"""A run given more epochs under ``schedule: cosine``, whose every step depends on their number."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import refuse, succeed
from tests.test_faults import FLAGS, QUICK, PulledPlugError, stop_at
from textnets.pipeline import train
from textnets.recipe.sections import TrainingSection
from textnets.run.checkpoint_files import read_checkpoint
from textnets.training.optimizers import learning_rate_at

COSINE = "training.schedule=cosine"
CHANGE = "training.epochs: 2 before, 3 now"


def words(recipe: Path, *more: str) -> list[str]:
    return ["train", str(recipe), "-o", "run", *FLAGS, "--set", COSINE, *more]


def history(run: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(run, "history.jsonl").read_text().splitlines()]


def rate(epochs: int, step: int, steps_per_epoch: int) -> float:
    section = TrainingSection.model_validate(
        {"schedule": "cosine", "learning_rate": 5e-3, "epochs": epochs}
    )
    return learning_rate_at(section, step=step, steps_per_epoch=steps_per_epoch, plateau_drops=0)


def test_a_finished_cosine_is_not_trained_on_unless_that_is_allowed(
    make_recipe: Callable[..., Path],
) -> None:
    recipe = make_recipe()
    succeed(*words(recipe))
    steps = int(read_checkpoint(Path("run/checkpoint"))[1]["step"]) // 2
    longer = words(recipe, "--resume", "--set", "training.epochs=3")
    message = refuse(*longer)
    assert "run: cannot continue this run, since it would not be the same one" in message
    assert CHANGE in message
    assert "--allow-changes" in message

    allowed = succeed(*longer, "--allow-changes")
    assert f"warning: going on all the same: {CHANGE}" in allowed.err
    environment = json.loads(Path("run/environment.json").read_text())
    assert [step.get("changes") for step in environment["continued"]] == [[CHANGE]]
    # The epochs that were trained keep their rates; the new one is the last of three.
    expected = [rate(2, steps - 1, steps), rate(2, 2 * steps - 1, steps),
                rate(3, 3 * steps - 1, steps)]  # fmt: skip
    found = [row["learning_rate"] for row in history("run")]
    assert found == pytest.approx(expected)


def test_an_unfinished_cosine_keeps_its_length(
    make_recipe: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = make_recipe()
    with monkeypatch.context() as patch:
        stop_at(patch, 16)
        with pytest.raises(PulledPlugError):
            train(recipe, [*QUICK, COSINE], output="run")
    assert CHANGE in refuse(*words(recipe, "--resume", "--set", "training.epochs=3"))
    assert "continuing from the checkpoint: epoch 2" in succeed(*words(recipe, "--resume")).err
    assert len(history("run")) == 2
