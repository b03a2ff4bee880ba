"""Means of weights: what the formulas say, what is measured and kept, and continued exactly."""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tests.training.test_fitting import compiled, fit, plan, toy_split, untimed, weights_bytes
from textnets.progress import Progress, Step
from textnets.training.averaging import is_triggered
from textnets.training.fitting import Monitor, TrainingState

SCORE = Monitor("validation_score", lower_is_better=True)
STEPS = 12  # of an epoch
EPOCHS = 4
NEVER_BETTER = (1.0, 2.0, 2.0, 2.0)

Weights = list[npt.NDArray[np.float64]]


def weights_of(model: Any) -> Weights:
    return [variable.numpy().astype("float64") for variable in model.trainable_variables]


class Watched(Progress):
    """Notes the weights after each step, as training goes on with them; may end as a kill does."""

    def __init__(self, model: Any, stop: int | None = None) -> None:
        self.model, self.stop = model, stop
        self.weights: list[Weights] = []

    @contextmanager
    def steps(self, label: str, total: int | None, unit: str = "") -> Iterator[Step]:
        yield self

    def advance(self, amount: int = 1, note: str = "") -> None:
        if note:
            self.weights.append(weights_of(self.model))
            if len(self.weights) == self.stop:
                raise InterruptedError


def trained(
    folder: Path,
    average: dict[str, Any] | None,
    *,
    stop: int | None = None,
    resume: bool = False,
    every: int | None = None,
) -> tuple[Any, list[Weights], list[Weights], TrainingState]:
    """The model, its weights after each step and those that each epoch was measured with."""
    the_plan = plan(SCORE, epochs=EPOCHS, average=average, checkpoint_every=every)
    model = compiled(the_plan.section)
    measured: list[Weights] = []

    def measure() -> dict[str, float]:
        measured.append(weights_of(model))
        epoch = int(model.optimizer.iterations) // STEPS
        return {"score": NEVER_BETTER[epoch - 1]}

    watched = Watched(model, stop)
    state = fit(
        model, toy_split(), the_plan, folder=folder, measure=measure, resume=resume,
        progress=watched,
    )  # fmt: skip
    return model, watched.weights, measured, state


@functools.cache
def plain_steps() -> list[Weights]:
    """The weights after each step where nothing is averaged."""
    with tempfile.TemporaryDirectory() as folder:
        return trained(Path(folder), None)[1]


def mean(some: list[Weights]) -> Weights:
    return [np.mean(values, axis=0) for values in zip(*some, strict=True)]


def exponential(steps: list[Weights], start: Weights, decay: float) -> list[Weights]:
    found, means = [], start
    for number, weights in enumerate(steps):
        kept = min(decay, (1 + number) / (10 + number))
        means = [kept * one + (1 - kept) * now for one, now in zip(means, weights, strict=True)]
        found.append(means)
    return found


def start() -> Weights:
    return weights_of(compiled(plan(SCORE).section))


def ends(steps: list[Weights]) -> list[Weights]:
    return steps[STEPS - 1 :: STEPS]


KINDS: dict[str, tuple[dict[str, Any], Callable[[list[Weights]], list[Weights]]]] = {
    "ema": (
        {"kind": "ema", "decay": 0.6},
        lambda steps: ends(exponential(steps, start(), 0.6)),
    ),
    "epochs from the second": (
        {"kind": "epochs", "first": 2},
        lambda steps: [ends(steps)[0], *(mean(ends(steps)[1 : epoch + 1]) for epoch in (1, 2, 3))],
    ),
    "the last two epochs": (
        {"kind": "epochs", "last": 2},
        lambda steps: [mean(ends(steps)[max(0, epoch - 1) : epoch + 1]) for epoch in range(4)],
    ),
    "steps from the third epoch": (
        {"kind": "steps", "first": 3},
        lambda steps: [*ends(steps)[:2], mean(steps[24:36]), mean(steps[24:48])],
    ),
    # The third check is the first that is more than one after the best, so it begins after that.
    "steps once validation stalls": (
        {"kind": "steps", "patience": 1},
        lambda steps: [*ends(steps)[:3], mean(steps[36:48])],
    ),
}


@pytest.mark.parametrize("name", list(KINDS))
def test_a_mean_is_measured_and_training_goes_on_with_the_weights(
    name: str, tmp_path: Path
) -> None:
    average, expected = KINDS[name]
    _, steps, measured, state = trained(tmp_path / "averaged", average)
    for one, other in zip(steps, plain_steps(), strict=True):  # the same to the bit
        assert all((a == b).all() for a, b in zip(one, other, strict=True))
    assert state.best_epoch == 1
    for epoch, (found, wanted) in enumerate(zip(measured, expected(steps), strict=True), start=1):
        for one, other in zip(found, wanted, strict=True):
            np.testing.assert_allclose(one, other, atol=2e-6, err_msg=f"epoch {epoch}")


def test_the_mean_of_the_best_epoch_is_kept(tmp_path: Path) -> None:
    model, steps, measured, _ = trained(tmp_path, {"kind": "ema", "decay": 0.9})
    for kept, of_best, raw in zip(weights_of(model), measured[0], steps[STEPS - 1], strict=True):
        np.testing.assert_array_equal(kept, of_best)
        assert (kept != raw).any()


def test_rows_that_no_token_asked_for_move_too(tmp_path: Path) -> None:
    """Token 4 stands in no text from now on, and the mean of its row still nears the row."""
    the_plan = plan(SCORE, epochs=1, optimizer="sgd", average={"kind": "ema", "decay": 0.5})
    model = compiled(the_plan.section)
    (table,) = (v for v in model.trainable_variables if v.path.endswith("embeddings"))
    untouched = toy_split()
    untouched.inputs["token_ids"].ids[:] = np.maximum(untouched.inputs["token_ids"].ids, 5)
    seen = []

    def measure() -> dict[str, float]:
        seen.append(table.numpy()[4])
        return {"score": 0.0}

    class Moved(Watched):
        """Changes the row once, before the first step's mean is taken."""

        def advance(self, amount: int = 1, note: str = "") -> None:
            if note and not self.weights:
                values = table.numpy()
                values[4] = 1.0
                table.assign(values)
            super().advance(amount, note)

    before = table.numpy()[4]
    fit(model, untouched, the_plan, folder=tmp_path, measure=measure, progress=Moved(model))
    left = 1.0
    for number in range(1, STEPS):
        left *= min(0.5, (1 + number) / (10 + number))
    np.testing.assert_allclose(seen[0], 1.0 + left * (before - 1.0), atol=1e-6)


@pytest.mark.parametrize(
    ("name", "stop"),
    [("ema", 30), ("the last two epochs", 30), ("steps once validation stalls", 42)],
)
def test_a_continued_run_equals_one_that_was_never_interrupted(
    name: str, stop: int, tmp_path: Path
) -> None:
    """Ended in the middle of an epoch, a few steps after a checkpoint."""
    average, _ = KINDS[name]
    whole, _, _, expected = trained(tmp_path / "whole", average)
    with pytest.raises(InterruptedError):
        trained(tmp_path / "broken", average, stop=stop, every=7)
    model, steps, _, state = trained(tmp_path / "broken", average, resume=True)
    assert weights_bytes(model) == weights_bytes(whole)
    assert untimed(state.history) == untimed(expected.history)
    assert state.averaged == expected.averaged
    assert len(steps) == STEPS * EPOCHS - (stop - 1) // 7 * 7


def test_averaging_may_begin_where_a_run_is_continued(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        trained(tmp_path, None, stop=25, every=24)
    _, steps, measured, state = trained(tmp_path, {"kind": "steps", "first": 3}, resume=True)
    assert state.averaged == len(steps) == 24
    for one, other in zip(measured[-1], mean(steps), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"kind": "ema", "decay": 0.9}, {"kind": "steps", "first": 3}),
        ({"kind": "steps", "first": 1}, {"kind": "steps", "first": 3}),
        ({"kind": "epochs", "last": 2}, {"kind": "epochs", "first": 3}),
    ],
    ids=str,
)
def test_a_mean_by_another_rule_is_begun_anew(
    before: dict[str, Any], after: dict[str, Any], tmp_path: Path
) -> None:
    """Else what the run had averaged by the old rule would be a part of the new mean."""
    with pytest.raises(InterruptedError):
        trained(tmp_path, before, stop=20, every=6)
    _, steps, measured, state = trained(tmp_path, after, resume=True)  # from the 18th step
    wanted = steps[6:] if after["kind"] == "steps" else steps[5 + STEPS :: STEPS]
    assert state.averaged == len(wanted)
    for one, other in zip(measured[-1], mean(wanted), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)
    for one, other in zip(measured[0], steps[5], strict=True):  # before it counts, no mean
        np.testing.assert_array_equal(one, other)


def test_another_decay_goes_on_with_the_mean(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        trained(tmp_path, {"kind": "ema", "decay": 0.5}, stop=20, every=6)
    *_, state = trained(tmp_path, {"kind": "ema", "decay": 0.9}, resume=True)
    assert state.averaged == STEPS * EPOCHS


def test_a_finished_run_is_trained_on_as_if_it_had_never_ended(tmp_path: Path) -> None:
    def ended(folder: Path, epochs: int, *, resume: bool = False) -> tuple[Any, TrainingState]:
        average = {"kind": "epochs", "last": 2}
        the_plan = plan(SCORE, epochs=epochs, average=average)
        model = compiled(the_plan.section)
        scores = {1: 3.0, 2: 2.0, 3: 1.0}

        def measure() -> dict[str, float]:
            return {"score": scores[int(model.optimizer.iterations) // STEPS]}

        state = fit(model, toy_split(), the_plan, folder=folder, measure=measure, resume=resume)
        return model, state

    whole, expected = ended(tmp_path / "whole", 3)
    ended(tmp_path / "longer", 2)
    longer, state = ended(tmp_path / "longer", 3, resume=True)
    assert weights_bytes(longer) == weights_bytes(whole)
    assert untimed(state.history) == untimed(expected.history)


def test_when_averaging_is_triggered() -> None:
    """The check of Merity et al.'s program: worse than the best of more than n checks before."""
    assert not is_triggered([3.0, 2.0, 1.0], 1, SCORE)
    assert not is_triggered([1.0, 2.0], 1, SCORE)
    assert is_triggered([1.0, 2.0, 2.0], 1, SCORE)
    assert not is_triggered([1.0, 2.0, 2.0], 2, SCORE)
    assert not is_triggered([2.0, 3.0, 1.0], 1, SCORE)
    assert is_triggered([1.0, 2.0, 2.0, 0.5], 1, SCORE)  # it stays so
    higher = Monitor("accuracy", lower_is_better=False)
    assert is_triggered([0.9, 0.8, 0.9], 1, higher)
    assert not is_triggered([0.7, 0.8, 0.9], 1, higher)
