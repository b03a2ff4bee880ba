"""The training loop: it learns, keeps the best epoch, stops, and continues exactly."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from textnets.backend.inference import predict_all
from textnets.backend.steps import forward
from textnets.builders import build_mlp_classifier, build_rnn_classifier
from textnets.errors import RunError, TrainingError
from textnets.progress import Progress, Step
from textnets.recipe.sections import TrainingSection
from textnets.text.batches import ExampleBatches
from textnets.text.encoded import EncodedSplit, join_rows
from textnets.training import fitting
from textnets.training.fitting import FitPlan, Monitor, TrainingState
from textnets.training.optimizers import build_optimizer

LOSS = Monitor("loss", lower_is_better=True)


def toy_split(examples: int = 96, seed: int = 0) -> EncodedSplit:
    """Whether token 4 stands in a text: easy to learn."""
    random = np.random.default_rng(seed)
    rows = [random.integers(5, 20, size=random.integers(1, 9)) for _ in range(examples)]
    labels = random.integers(0, 2, size=examples).astype(np.int32)
    for row, label in zip(rows, labels, strict=True):
        if label:
            row[random.integers(len(row))] = 4
    return EncodedSplit({"token_ids": join_rows(rows)}, labels)


def compiled(section: TrainingSection, build: Callable[..., Any] = build_mlp_classifier) -> Any:
    import keras

    keras.utils.set_random_seed(5)
    sizes: dict[str, Any] = {"vocabulary_size": 20, "num_classes": 2, "embedding_width": 8}
    extra: dict[str, Any] = {"dense_units": [8], "dropout": 0.1}
    if build is build_rnn_classifier:  # every kind of dropout, in one quickly traced direction
        extra = dict.fromkeys(("dropout", "recurrent_dropout", "embedding_dropout"), 0.2)
        extra |= {"units": [4], "cell": "simple", "bidirectional": False}
    model = build(**sizes, **extra)
    model.compile(
        build_optimizer(section),
        keras.losses.BinaryCrossentropy(),
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
        jit_compile=False,
    )
    return model


def plan(monitor: Monitor = LOSS, **section: Any) -> FitPlan:
    stopping = section.pop("stopping", None)
    patience = section.pop("patience", 1)
    typed = TrainingSection.model_validate({"learning_rate": 0.02, "batch_size": 8, **section})
    return FitPlan(typed, seed=11, monitor=monitor, stopping=stopping, patience=patience)


def fit(model: Any, split: EncodedSplit, plan: FitPlan, **given: Any) -> TrainingState:
    section = plan.section
    batches = ExampleBatches(split, section.batch_size, section.bucket_width, plan.seed)
    return fitting.fit(model, batches, plan, **given)


def weights_bytes(model: Any) -> bytes:
    return b"".join(variable.numpy().tobytes() for variable in model.variables)


def scripted(values: Sequence[float], name: str = "score") -> Callable[[], dict[str, float]]:
    """A validation measure that gives these values one after the other."""
    remaining = iter(values)
    return lambda: {name: next(remaining)}


def test_a_toy_problem_is_learned(tmp_path: Path) -> None:
    the_plan = plan(epochs=15)
    model = compiled(the_plan.section)
    state = fit(model, toy_split(), the_plan, folder=tmp_path)
    unseen = toy_split(64, seed=9)
    found = predict_all(forward(model), unseen.inputs)[:, 0] > 0.5
    assert float((found == unseen.targets).mean()) > 0.95
    assert state.history[-1]["loss"] < state.history[0]["loss"]


def test_history_is_written_one_line_an_epoch(tmp_path: Path) -> None:
    the_plan = plan(epochs=3)
    state = fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path)
    lines = (tmp_path / "history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2, 3]
    assert [json.loads(line) for line in lines] == state.history


def test_the_best_epochs_weights_are_kept(tmp_path: Path) -> None:
    monitor = Monitor("validation_score", lower_is_better=False)
    kept = plan(monitor, epochs=2)
    reference = compiled(kept.section)
    fit(reference, toy_split(), kept, folder=tmp_path / "two", measure=scripted([0.1, 0.9]))
    longer = plan(monitor, epochs=4)
    model = compiled(longer.section)
    measure = scripted([0.1, 0.9, 0.9, 0.2])
    state = fit(model, toy_split(), longer, folder=tmp_path / "four", measure=measure)
    assert state.best_epoch == 2
    assert weights_bytes(model) == weights_bytes(reference)


def test_early_stopping_waits_for_its_patience(tmp_path: Path) -> None:
    stopping = Monitor("validation_score", lower_is_better=True)
    the_plan = plan(stopping, epochs=10, stopping=stopping, patience=2)
    measure = scripted([3.0, 2.0, 2.5, 2.5, 1.0])
    state = fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path, measure=measure)
    assert len(state.history) == 4
    assert state.best_epoch == 2
    assert "validation_score" in state.stopped


def test_early_stopping_takes_a_small_change_for_none(tmp_path: Path) -> None:
    stopping = Monitor("validation_score", lower_is_better=True, min_delta=0.5)
    the_plan = plan(LOSS, epochs=5, stopping=stopping, patience=1)
    measure = scripted([3.0, 2.9, 0.0, 0.0, 0.0])
    state = fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path, measure=measure)
    assert len(state.history) == 2


def test_plateau_lowers_the_rate_after_a_stall(tmp_path: Path) -> None:
    monitor = Monitor("validation_score", lower_is_better=True)
    the_plan = plan(monitor, epochs=5, schedule="plateau", plateau_factor=0.1, plateau_patience=1)
    measure = scripted([3.0, 3.0, 2.0, 2.0, 2.0])
    state = fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path, measure=measure)
    rates = [row["learning_rate"] for row in state.history]
    assert rates == pytest.approx([0.02, 0.02, 0.002, 0.002, 0.0002])


def test_a_loss_that_is_no_number_stops_at_once(tmp_path: Path) -> None:
    the_plan = plan(epochs=3, optimizer="sgd", learning_rate=1e38)
    with pytest.raises(TrainingError, match=r"epoch 1, batch \d+.*clip_norm"):
        fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path)


def test_sample_weights_count(tmp_path: Path) -> None:
    split = toy_split()
    weights = np.where(split.targets == 1, 100.0, 1.0).astype(np.float32)
    weighted = EncodedSplit(split.inputs, split.targets, weights)
    the_plan = plan(epochs=2)
    plain, skewed = compiled(the_plan.section), compiled(the_plan.section)
    fit(plain, split, the_plan, folder=tmp_path / "plain")
    fit(skewed, weighted, the_plan, folder=tmp_path / "weighted")
    assert (
        predict_all(forward(skewed), split.inputs).mean()
        > predict_all(forward(plain), split.inputs).mean() + 0.1
    )


class _StopAtError(Exception):
    pass


class _StopAt(Progress):
    """Ends training from inside, after some batches: as a kill would, without a clean-up."""

    def __init__(self, batches: int | None) -> None:
        self._left = batches

    @contextmanager
    def steps(self, label: str, total: int | None, unit: str = "") -> Iterator[Step]:
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        if self._left is not None and note:
            self._left -= 1
            if self._left == 0:
                raise _StopAtError


def test_a_continued_run_equals_one_that_was_never_interrupted(tmp_path: Path) -> None:
    """Dropout, recurrent dropout, Adam, a plateau and early stopping; stopped after the last step
    of an epoch, and after the fifth of one."""
    monitor = Monitor("validation_score", lower_is_better=True)
    scores = [3.0, 3.1, 2.0, 2.5]
    the_plan = plan(
        monitor,
        epochs=4,
        schedule="plateau",
        checkpoint_minutes=0.0,
        stopping=monitor,
        patience=3,
    )

    def measure_of(model: Any) -> Callable[[], dict[str, float]]:
        # The real epoch, so that a continued run sees the scores it would have seen.
        steps = 12
        return lambda: {"score": scores[int(model.optimizer.iterations) // steps - 1]}

    def run(folder: Path, stop: int | None, *, resume: bool) -> tuple[Any, TrainingState | None]:
        model = compiled(the_plan.section, build_rnn_classifier)
        try:
            state = fit(
                model,
                toy_split(),
                the_plan,
                folder=folder,
                measure=measure_of(model),
                resume=resume,
                progress=_StopAt(stop),
            )
        except _StopAtError:
            return model, None
        return model, state

    whole, expected = run(tmp_path / "whole", None, resume=False)
    assert expected is not None
    for stop_at in (12, 17):
        folder = tmp_path / f"broken at {stop_at}"
        _, none = run(folder, stop_at, resume=False)
        assert none is None
        continued, state = run(folder, None, resume=True)
        assert state is not None
        assert weights_bytes(continued) == weights_bytes(whole), stop_at
        assert untimed(state.history) == untimed(expected.history), stop_at
        assert (state.best, state.plateau) == (expected.best, expected.plateau), stop_at
        assert state.stopping == expected.stopping, stop_at


def untimed(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    timings = ("seconds", "validation_seconds", "examples_per_second")
    return [{key: row[key] for key in row if key not in timings} for row in history]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    the_plan = plan(epochs=2)
    models = [compiled(the_plan.section, build_rnn_classifier) for _ in range(2)]
    for index, model in enumerate(models):
        fit(model, toy_split(), the_plan, folder=tmp_path / str(index))
    assert weights_bytes(models[0]) == weights_bytes(models[1])


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    the_plan = plan(epochs=1)
    fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path)
    path = tmp_path / "checkpoint" / "state.npz"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(RunError, match=r"state\.npz"):
        fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path, resume=True)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    the_plan = plan(epochs=1)
    fit(compiled(the_plan.section), toy_split(), the_plan, folder=tmp_path)
    with pytest.raises(RunError, match="another model"):
        fit(
            compiled(the_plan.section, build_rnn_classifier),
            toy_split(),
            the_plan,
            folder=tmp_path,
            resume=True,
        )
