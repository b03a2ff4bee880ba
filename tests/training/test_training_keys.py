"""The keys that are off by default, through the public doors, all at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import textnets
from tests.cli.conftest import refuse
from tests.cli.conftest import textnets as command
from tests.test_language_modeling import write_project as write_play
from tests.test_tagging import write_project as write_sentences
from textnets.errors import InputError
from textnets.run.checkpoint_files import read_checkpoint
from textnets.tasks import read_task

KEYS = {
    "average": "{kind: ema, decay: 0.9}",
    "r_drop": "0.5",
    "virtual_adversarial": "{epsilon: 0.05}",
}
OVERRIDES = [f"training.{key}={value}" for key, value in KEYS.items()]


def test_a_recipe_may_have_all_of_them_and_be_trained_once_more(
    make_cheap_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    more = ["training.refit=all", "training.epochs=3", "model.dropout=0.2"]
    overrides, recipe = [*OVERRIDES, *more], make_cheap_recipe()
    run = textnets.train(recipe, overrides, output=tmp_path / "run").run.folder
    written = (run / "recipe.yaml").read_text()
    assert "decay: 0.9" in written
    assert "last" not in written  # what has no effect is not written
    again = read_task(run / "recipe.yaml")
    assert again.recipe.training.average.decay == 0.9
    arrays, state = read_checkpoint(run / "checkpoint")
    assert state["averaged"] == state["step"]
    means = [name for name in arrays if name.startswith("average/")]
    of_model = [name for name in arrays if name.startswith("model/")]
    assert len(means) == len([name for name in of_model if "seed_generator" not in name])
    # What predicts is the mean, and the checkpoint goes on with the weights.
    model = textnets.Predictor.load(run).model
    kept = {weight.path: np.asarray(weight) for weight in model.trainable_weights}
    for name in means:
        path = name.split("/", 3)[-1]
        np.testing.assert_array_equal(kept[path], arrays[name])
        raw = next(arrays[one] for one in arrays if one.startswith("model/") and one.endswith(path))
        assert (raw != arrays[name]).any()
    assert json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]["accuracy"]


def test_few_texts_are_trained_as_long_as_min_steps_says(
    make_cheap_recipe: Callable[..., Path], tmp_path: Path
) -> None:
    recipe = str(make_cheap_recipe())
    more = ["--set", "training.epochs=1", "--set", "evaluation.baselines=false"]
    told = command("check", recipe, *more)
    steps = int(re.search(r"steps an epoch +(\d+), \1 at most", told.out)[1])
    more += ["--set", f"training.min_steps={3 * steps - 1}"]
    assert f"{steps}, {3 * steps} at most" in command("check", recipe, *more).out
    run = tmp_path / "run"
    done = command("train", recipe, *more, "--output", str(run))
    assert done.code == 0, done.err
    assert "epoch 3/3" in done.err
    assert len(textnets.Predictor.load(run).run.history()) == 3
    again = command("train", recipe, *more, "--output", str(run), "--resume")
    assert "--set training.epochs=N with more than 3 trains on" in again.err
    longer = command(
        "train", recipe, *more, "--set", "training.epochs=4", "--output", str(run), "--resume"
    )
    assert longer.code == 0, longer.err
    assert len(textnets.Predictor.load(run).run.history()) == 4


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.average={kind: epochs}", "give 'first' or 'last'"),
        ("training.average={kind: steps, first: 1, patience: 2}", "and not both"),
        ("training.average={kind: ema, first: 2}", "it goes with kind: epochs or steps"),
        ("training.average={kind: steps, first: 90}", "expected an epoch that is trained"),
        ("training.r_drop=0", "expected more than 0"),
        ("training.virtual_adversarial={epsilon: 1.5}", "less than 1, was: 1.5"),
    ],
)
def test_what_contradicts_itself_is_refused(
    make_cheap_recipe: Callable[..., Path], override: str, message: str
) -> None:
    assert message in refuse("check", make_cheap_recipe(), "--set", override)


def test_averaging_that_waits_for_validation_needs_one(
    make_cheap_recipe: Callable[..., Path],
) -> None:
    recipe, waits = make_cheap_recipe(), "training.average={kind: steps, patience: 2}"
    refused = refuse("check", recipe, "--set", waits, "--set", "training.refit=all")
    assert "training.average.patience: needs validation" in refused
    refused = refuse("check", recipe, "--set", waits, "--set", "data.validation=null")
    assert "training.average.patience: needs data.validation" in refused


def test_what_a_model_has_not_is_told_before_it_is_trained(tmp_path: Path) -> None:
    recipe = write_sentences(tmp_path)
    crf = ["model.head=crf", "training.epochs=1"]
    for key in ("r_drop", "virtual_adversarial"):
        with pytest.raises(InputError, match=rf"training\.{key}: "):
            textnets.train(
                recipe, [*crf, f"training.{key}={KEYS[key]}"], output=tmp_path / f"run {key}"
            )
    (tmp_path / "play").mkdir()
    play = write_play(tmp_path / "play")
    refused = refuse(
        "check", play, "--set", "training.r_drop=1", "--set", "training.sampled_softmax=8"
    )
    assert "training.r_drop: compares the probabilities of all tokens" in refused
