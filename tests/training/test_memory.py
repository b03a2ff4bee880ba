"""Memory runs out in the middle of training: the batch is read in parts, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.warm import run_program
from textnets.builders import (
    build_mlp_classifier,
    build_rnn_language_model,
    build_rnn_tagger,
)
from textnets.builders.loss_model import build_loss_model
from textnets.errors import TrainingError
from textnets.pipeline import train
from textnets.progress import Progress
from textnets.recipe.sections import TrainingSection
from textnets.text.batches import ExampleBatches, TargetsAsInput, TrainingBatches
from textnets.text.encoded import EncodedSplit, join_rows
from textnets.text.streams import StreamBatches
from textnets.training import fitting
from textnets.training.fitting import FitPlan, TrainingState, fit
from textnets.training.losses import OutputAsLoss
from textnets.training.optimizers import build_optimizer

V = 15
RANDOM = np.random.default_rng(0)
ROWS = [RANDOM.integers(4, V, size=RANDOM.integers(1, 9)).astype(np.int32) for _ in range(44)]
TEXT = RANDOM.integers(3, V, 181).astype(np.int32)

BUCKET_WIDTH = 4

Made = tuple[Any, TrainingBatches, dict[str, Any]]


def classifier(section: TrainingSection) -> Made:
    """Every example weighs otherwise, and the mean is over examples."""
    model = build_mlp_classifier(
        vocabulary_size=V, num_classes=2, embedding_width=8, dense_units=[6], dropout=0.0
    )
    accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
    model.compile(build_optimizer(section), keras.losses.BinaryCrossentropy(), metrics=[accuracy])
    weights = np.linspace(0.5, 2.0, len(ROWS), dtype=np.float32)
    labels = np.array([row.max() > 12 for row in ROWS], np.int32)
    split = EncodedSplit({"token_ids": join_rows(ROWS)}, labels, weights)
    return model, ExampleBatches(split, section.batch_size, BUCKET_WIDTH, seed=3), {}


def tagger(section: TrainingSection) -> Made:
    """The mean is over the words of the batch, of which each part has another number."""
    model = build_rnn_tagger(
        vocabulary_size=V, num_tags=3, embedding_width=6, cell="simple", units=[5],
        characters="none",
        num_characters=5, dropout=0.0, word_dropout=0.0,
    )  # fmt: skip
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
    model.compile(build_optimizer(section), loss, weighted_metrics=[accuracy])
    split = EncodedSplit({"token_ids": join_rows(ROWS)}, join_rows(row % 3 for row in ROWS))
    return model, ExampleBatches(split, section.batch_size, BUCKET_WIDTH, seed=3), {}


def language_model(section: TrainingSection) -> Made:
    """Each row of a batch goes on with states of its own."""
    core = build_rnn_language_model(vocabulary_size=V, cell="gru", units=(6,), embedding_width=4)
    found = build_loss_model(core, streams=section.batch_size, num_sampled=None, seed=9)
    found.model.compile(build_optimizer(section), OutputAsLoss())
    streams = StreamBatches(TEXT[:-1], TEXT[1:], section.batch_size, window=5)
    told = {"begin_epoch": found.reset, "at_row": found.begin_at}
    return found.model, TargetsAsInput(streams), told


MAKERS = [classifier, tagger, language_model]


def trained(make: Callable[..., Made], folder: Path, **given: Any) -> tuple[Any, TrainingState]:
    keras.utils.set_random_seed(4)
    section = TrainingSection.model_validate(
        {"optimizer": "momentum", "learning_rate": 0.3, "clip_norm": 1.0, "epochs": 2,
         "batch_size": 8}
    )  # fmt: skip
    model, batches, told = make(section)
    plan = FitPlan(section, seed=3, monitor=None)
    return model, fit(model, batches, plan, folder=folder, **told, **given)


class Talk(Progress):
    """Remembers its warnings."""

    def __init__(self) -> None:
        super().__init__()
        self.warnings: list[str] = []

    def warn(self, message: str) -> None:
        self.warnings.append(message)


def let_memory_end(monkeypatch: pytest.MonkeyPatch, *, at_step: int, rows: int) -> None:
    """From a step on there is only memory for so many rows: what TensorFlow raises then is
    raised where it would be, by the compiled step."""
    real_step, real_parts = fitting.train_step, fitting.parted_step
    steps = 0

    def full(*arguments: Any) -> Exception:
        import tensorflow as tf  # not at the top: a process on JAX imports this module, too

        return tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    def train_step(*arguments: Any) -> Any:
        step = real_step(*arguments)

        def limited(inputs: Any, targets: Any, weights: Any) -> dict[str, float]:
            nonlocal steps
            steps += 1
            if steps >= at_step and len(targets) > rows:
                raise full()
            return step(inputs, targets, weights)

        return limited

    def limited_parts(*arguments: Any) -> Any:
        step = real_parts(*arguments)

        def limited(inputs: Any, targets: Any, weights: Any, parts: int) -> dict[str, float]:
            if -(-len(targets) // parts) > rows:
                raise full()
            return step(inputs, targets, weights, parts)

        return limited

    monkeypatch.setattr(fitting, "train_step", train_step)
    monkeypatch.setattr(fitting, "parted_step", limited_parts)


@pytest.mark.parametrize("make", MAKERS)
def test_the_updates_stay_those_of_the_whole_batch(
    make: Callable[..., Made], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calm = trained(make, tmp_path / "whole")
    before = [variable.numpy() for variable in whole.trainable_variables]
    let_memory_end(monkeypatch, at_step=3, rows=3)
    talk = Talk()
    parted, state = trained(make, tmp_path / "parted", progress=talk)
    assert state.parts == 4  # halved twice: 8, 4, 2 rows
    assert [("2 parts" in line, "4 parts" in line) for line in talk.warnings] == [
        (True, False), (False, True)
    ]  # fmt: skip
    assert "epoch 1, batch 3" in talk.warnings[0]
    for expected, found in zip(before, parted.trainable_variables, strict=True):
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-5, err_msg=found.path)
    for one, other in zip(calm.history, state.history, strict=True):
        assert one.keys() == other.keys()
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-5)
        if "accuracy" in one:
            assert other["accuracy"] == pytest.approx(one["accuracy"], abs=1e-6)


def test_a_run_remembers_its_parts_when_it_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_memory_end(monkeypatch, at_step=2, rows=4)
    trained(classifier, tmp_path)
    talk = Talk()
    _, state = trained(classifier, tmp_path, progress=talk, resume=True)
    assert state.parts == 2
    assert talk.warnings == []


def test_not_even_one_example_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    let_memory_end(monkeypatch, at_step=5, rows=0)
    with pytest.raises(TrainingError, match=r"even with one example.*text\.max_length"):
        trained(classifier, tmp_path)
    assert (tmp_path / "checkpoint" / "state.npz").is_file()


def test_other_errors_are_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any) -> Any:
        def step(*data: Any) -> dict[str, float]:
            raise ValueError("no memory of this")

        return step

    monkeypatch.setattr(fitting, "train_step", broken)
    with pytest.raises(ValueError, match="no memory of this"):
        trained(classifier, tmp_path)


def test_the_report_says_so(
    make_recipe: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_memory_end(monkeypatch, at_step=4, rows=8)
    result = train(make_recipe(), output=tmp_path / "run")
    assert result.run.environment["batch_parts"] == 2
    assert "a batch was read in 2 parts" in (tmp_path / "run" / "report.html").read_text()


ON_JAX = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2])!r})
import jax, numpy as np
from tests.training import test_memory as t
from textnets.recipe.sections import TrainingSection
from textnets.backend.accumulation import parted_step
from textnets.backend.steps import train_step
import keras
t.BUCKET_WIDTH = 8  # one width: each shape is compiled
for make in t.MAKERS:
    ends = []
    for parts in (1, 3):
        keras.utils.set_random_seed(4)
        section = TrainingSection.model_validate(
            {{"optimizer": "momentum", "learning_rate": 0.3, "batch_size": 8}})
        model, batches, told = make(section)
        model.optimizer.build(model.trainable_variables)
        whole = train_step(model, *batches.load(batches.of_epoch(0)[0]))
        parted = parted_step(model, told.get("at_row"))
        losses = []
        for rows in batches.of_epoch(0)[:2]:
            data = batches.load(rows)
            logs = whole(*data) if parts == 1 else parted(*data, parts)
            losses.append(logs["loss"])
        ends.append([*map(np.asarray, model.variables), np.array(losses)])
    for one, other in zip(*ends, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)

# A step that takes the weights with it, as JAX's do: it goes on from the last checkpoint.
from pathlib import Path
from textnets.training import fitting
folder = Path(sys.argv[1])
whole, calm = t.trained(t.classifier, folder / "whole")
expected = [np.asarray(variable) for variable in whole.trainable_variables]
real_step, steps = fitting.train_step, []
def train_step(model, *arguments):
    step = real_step(model, *arguments)
    def taking(*data):
        steps.append(len(steps))
        if len(steps) == 4:
            for variable in [*model.variables, *model.optimizer.variables]:
                variable.value.delete()
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return step(*data)
    return taking
fitting.train_step = train_step
talk = t.Talk()
parted, state = t.trained(t.classifier, folder / "parted", progress=talk)
assert len(steps) == 4 and len(talk.warnings) == 1, (steps, talk.warnings)
assert state.parts == 2
for one, other in zip(expected, parted.trainable_variables, strict=True):
    np.testing.assert_allclose(one, np.asarray(other), atol=2e-5)
for one, other in zip(calm.history, state.history, strict=True):
    assert abs(one["loss"] - other["loss"]) < 1e-5
print("the same")
"""


@pytest.mark.long
def test_the_updates_stay_the_same_on_jax(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    assert run_program(ON_JAX, tmp_path, backend="jax").strip().endswith("the same")
