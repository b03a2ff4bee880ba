"""What a builder makes of ``training:`` where the recipe does not say."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from textnets.errors import RecipeError
from textnets.recipe import Recipe
from textnets.run.files import write_recipe
from textnets.tasks import read_task
from textnets.tasks.registry import read_run

Read = Callable[..., Recipe]

BAG = """\
task: classification
data: {train: train.csv}
model: {builder: ngram_bag_classifier}
"""
OF_THE_BAG = {"learning_rate": 0.02, "batch_size": 64, "epochs": 4, "min_steps": 500}


def training(recipe: Recipe) -> dict[str, object]:
    return {key: getattr(recipe.training, key) for key in OF_THE_BAG}


def test_a_recipe_without_training_has_the_builders(read: Read) -> None:
    recipe = read(BAG)
    assert training(recipe) == OF_THE_BAG
    assert recipe.training.schedule == "cosine"
    assert recipe.training.optimizer == "adam"  # what the builder does not say
    for nothing in ("training:\n", "training: {}\n"):
        assert read(BAG + nothing).training == recipe.training


def test_the_recipes_own_keys_go_before_them(read: Read) -> None:
    recipe = read(BAG + "training: {learning_rate: 1e-3}\n", "training.batch_size=8")
    assert training(recipe) == {**OF_THE_BAG, "learning_rate": 1e-3, "batch_size": 8}


def test_who_says_how_many_epochs_gets_so_many(read: Read) -> None:
    assert read(BAG + "training: {epochs: 4}\n").training.min_steps is None
    assert read(BAG, "training.epochs=2").training.min_steps is None
    both = read(BAG, "training.epochs=2", "training.min_steps=50")
    assert (both.training.epochs, both.training.min_steps) == (2, 50)


def test_a_rule_of_training_is_told_at_the_recipes_own_key(
    mistakes: Callable[..., list[str]],
) -> None:
    (line,) = mistakes(BAG + "training:\n  decay_rate: 0.5\n")
    assert line.startswith("r.yaml:5:3: training.decay_rate: ")
    (line,) = mistakes(BAG + "training: 3\n")
    assert "training: expected a section of keys, was: 3" in line


def test_each_member_has_its_own_builders(read: Read) -> None:
    recipe = read("""\
task: classification
data: {train: train.csv}
ensemble:
  members:
    - {name: bag, model: {builder: ngram_bag_classifier}}
    - {name: net, model: {builder: cnn_classifier}}
    - {name: quick, model: {builder: ngram_bag_classifier}, training: {epochs: 1}}
training: {batch_size: 16}
""")
    bag, net, quick = (member.training for member in recipe.ensemble.members)
    assert (bag.learning_rate, bag.epochs, bag.min_steps, bag.batch_size) == (0.02, 4, 500, 16)
    assert (net.learning_rate, net.epochs, net.min_steps, net.batch_size) == (1e-3, 10, None, 16)
    assert (quick.learning_rate, quick.epochs, quick.min_steps) == (0.02, 1, None)
    assert bag.schedule == quick.schedule == "cosine"
    assert net.schedule == "constant"


def test_what_members_share_is_no_builders_of_them(read: Read) -> None:
    """Members that change the builder do not train as that of the shared model would."""
    recipe = read("""\
task: classification
data: {train: train.csv}
model: {builder: ngram_bag_classifier}
ensemble:
  members:
    - {name: bag, text: {lowercase: true}}
    - {name: net, model: {builder: cnn_classifier}}
""")
    bag, net = (member.training for member in recipe.ensemble.members)
    assert (bag.learning_rate, net.learning_rate) == (0.02, 1e-3)


@pytest.mark.parametrize("given", ["", "training: {epochs: 3}\n", "training: {min_steps: 9}\n"])
def test_a_run_is_what_it_was_trained_with(read: Read, tmp_path: Path, given: str) -> None:
    recipe = read(BAG + given)
    run = tmp_path / "run"
    run.mkdir()
    write_recipe(run / "recipe.yaml", recipe)
    assert read_run(run).recipe.training == recipe.training
    # One of before there were such defaults: what it leaves out was off.
    text = (run / "recipe.yaml").read_text()
    lines = [line for line in text.splitlines(keepends=True) if "min_steps" not in line]
    (run / "recipe.yaml").write_text("".join(lines))
    assert read_run(run).recipe.training.min_steps is None


MODULE = """
from textnets.builders.arguments import trained_with
from textnets.builders.parameters import Model, NumClasses, VocabularySize


@trained_with(learning_rate=0.5, epochs=2)
def build_good(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model: ...


@trained_with(warmup_share=0.05)
def build_warm(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model: ...


@trained_with(learning_rate=-1)
def build_bad(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model: ...


@trained_with(rate=1)
def build_misspelt(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model: ...


def build_odd(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model: ...
build_odd.training_defaults = 3
"""


@pytest.fixture
def own_builders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "trained_models.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    paths = list(sys.path)
    yield
    sys.path[:] = paths
    sys.modules.pop("trained_models", None)


def test_builders_of_ones_own_may_say_it_too(own_builders: None, read: Read) -> None:
    recipe = read(BAG.replace("ngram_bag_classifier", "trained_models:build_good"))
    assert (recipe.training.learning_rate, recipe.training.epochs) == (0.5, 2)


def test_what_a_recipe_switched_off_stays_off_in_its_run(
    own_builders: None, read: Read, tmp_path: Path
) -> None:
    """A run leaves out some keys that are off, which the builder would switch on again."""
    text = BAG.replace("ngram_bag_classifier", "trained_models:build_warm")
    assert read(text).training.warmup_share == 0.05
    recipe = read(text + "training: {warmup_share: 0}\n")
    (tmp_path / "run").mkdir()
    write_recipe(tmp_path / "run" / "recipe.yaml", recipe)
    again = read_run(tmp_path / "run", allow_builders=["trained_models"])
    assert again.recipe.training.warmup_share == 0


@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("build_bad", "training_defaults: learning_rate: Input should be greater than 0"),
        ("build_misspelt", "training_defaults: rate: "),
        ("build_odd", "training_defaults: "),
    ],
)
def test_what_is_no_training_is_refused(
    own_builders: None, tmp_path: Path, builder: str, message: str
) -> None:
    path = tmp_path / "r.yaml"
    path.write_text(BAG.replace("ngram_bag_classifier", f"trained_models:{builder}"))
    with pytest.raises(RecipeError, match=r"model\.builder") as caught:
        read_task(path)
    assert message in str(caught.value)
