"""What decides while a model is trained, each policy by itself: plain numbers, no model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from textnets.recipe.sections import TrainingSection
from textnets.training.policies import (
    BestEpoch,
    CheckpointClock,
    EarlyStopping,
    FitPlan,
    Monitor,
    Plateau,
)

HIGHER, LOWER = Monitor("score", lower_is_better=False), Monitor("score", lower_is_better=True)
NAN = math.nan


def records(values: Sequence[float]) -> list[dict[str, float]]:
    """One record an epoch."""
    return [{"epoch": number, "score": value} for number, value in enumerate(values, start=1)]


# --- A metric that decides ---


@pytest.mark.parametrize(
    ("monitor", "value", "best", "improves"),
    [
        (HIGHER, 0.1, None, True),
        (HIGHER, 0.6, 0.5, True),
        (HIGHER, 0.5, 0.5, False),
        (HIGHER, 0.4, 0.5, False),
        (LOWER, 0.4, 0.5, True),
        (LOWER, 0.5, 0.5, False),
        (LOWER, 0.6, 0.5, False),
        (HIGHER, NAN, None, False),
        (HIGHER, NAN, 0.5, False),
        (LOWER, NAN, 0.5, False),
        (LOWER, -math.inf, 0.5, True),
        (Monitor("score", False, min_delta=0.25), 0.75, 0.5, False),  # just that is not enough
        (Monitor("score", False, min_delta=0.25), 0.875, 0.5, True),
        (Monitor("score", True, min_delta=0.25), 0.375, 0.5, False),
        (Monitor("score", True, min_delta=0.25), 0.125, 0.5, True),
        (Monitor("score", True, min_delta=0.25), 9.0, None, True),  # there is nothing to compare
    ],
)
def test_what_an_improvement_is(
    monitor: Monitor, value: float, best: float | None, improves: bool
) -> None:
    assert monitor.improves(value, best) is improves


# --- The best epoch ---


@pytest.mark.parametrize(
    ("monitor", "values", "bests", "kept"),
    [
        (HIGHER, [0.1, 0.9, 0.9, 0.2], [True, True, False, False], (2, 0.9)),
        (LOWER, [3.0, 2.0, 2.5, 1.0], [True, True, False, True], (4, 1.0)),
        (HIGHER, [NAN, 0.1, NAN], [False, True, False], (2, 0.1)),
        (HIGHER, [NAN, NAN], [False, False], (0, None)),
        (None, [0.9, NAN, 0.1], [True, True, True], (3, None)),
    ],
)
def test_the_best_epoch(
    monitor: Monitor | None,
    values: list[float],
    bests: list[bool],
    kept: tuple[int, float | None],
) -> None:
    best = BestEpoch(monitor)
    assert [best.follow(record) for record in records(values)] == bests
    assert (best.epoch, best.value) == kept


@pytest.mark.parametrize(
    ("losses", "kept"),
    [
        ([0.7, 0.5, 0.6], 2),  # alike in accuracy: the lowest loss
        ([0.5, 0.5, 0.6], 1),
        ([0.5, NAN, 0.4], 3),
        ([NAN, 0.5, 0.4], 1),
        ([None, None, None], 1),  # not measured: the first
    ],
)
def test_epochs_alike_are_told_apart_by_their_loss(losses: list[float | None], kept: int) -> None:
    history = [
        {"epoch": number, "score": 0.8} | ({} if loss is None else {"validation_loss": loss})
        for number, loss in enumerate(losses, start=1)
    ]
    best = BestEpoch(HIGHER)
    for record in history:
        best.follow(record)
    assert best.epoch == kept
    # In another process, after any of the epochs.
    for done in range(1, len(history)):
        first = BestEpoch(HIGHER)
        for record in history[:done]:
            first.follow(record)
        second = BestEpoch(HIGHER, first.epoch, first.value, first.loss)
        for record in history[done:]:
            second.follow(record)
        assert second == best


def test_a_run_that_was_begun_earlier_keeps_the_first_of_epochs_alike() -> None:
    best = BestEpoch(HIGHER, first_of_alike=True)
    assert best.follow({"epoch": 1, "score": 0.8, "validation_loss": 0.3})
    assert not best.follow({"epoch": 2, "score": 0.8, "validation_loss": 0.1})
    assert best.follow({"epoch": 3, "score": 0.9, "validation_loss": 0.5})


def test_a_better_value_goes_before_a_lower_loss() -> None:
    best = BestEpoch(HIGHER)
    assert best.follow({"epoch": 1, "score": 0.8, "validation_loss": 0.3})
    assert best.follow({"epoch": 2, "score": 0.9, "validation_loss": 0.5})
    assert not best.follow({"epoch": 3, "score": 0.8, "validation_loss": 0.1})


# --- Steps at least ---


@pytest.mark.parametrize(
    ("min_steps", "steps_per_epoch", "epochs"),
    [(None, 5, 4), (20, 5, 4), (21, 5, 5), (500, 5, 100), (1, 1, 4)],
)
def test_few_steps_an_epoch_make_more_epochs(
    min_steps: int | None, steps_per_epoch: int, epochs: int
) -> None:
    section = TrainingSection(epochs=4, min_steps=min_steps)
    plan = FitPlan(section, seed=1, monitor=None).with_steps(steps_per_epoch)
    assert plan.epochs == plan.section.epochs == epochs
    # Of a training that ends after the epoch that another one found.
    once_more = FitPlan(section, seed=1, monitor=None, last_epoch=3).with_steps(steps_per_epoch)
    assert (once_more.epochs, once_more.section.epochs) == (3, epochs)


# --- The plateau schedule ---


@pytest.mark.parametrize(
    ("patience", "is_best", "drops"),
    [
        (1, [True, False, True, False, False], [0, 1, 1, 2, 3]),
        (2, [True, False, True, False, False], [0, 0, 0, 0, 1]),
        (2, [False] * 5, [0, 1, 1, 2, 2]),  # it waits anew after each drop
        (3, [True] * 5, [0] * 5),
    ],
)
def test_the_rate_falls_after_a_stall(patience: int, is_best: list[bool], drops: list[int]) -> None:
    plateau = Plateau(patience)
    seen = []
    for one in is_best:
        plateau.follow(one)
        seen.append(plateau.drops)
    assert seen == drops


# --- Early stopping ---


def epochs_until_stop(stopping: EarlyStopping, values: Sequence[float]) -> int:
    """How many epochs are trained."""
    for number, record in enumerate(records(values), start=1):
        stopping.follow(record)
        if stopping.stopped:
            return number
    return len(values)


@pytest.mark.parametrize(
    ("monitor", "patience", "values", "epochs"),
    [
        (LOWER, 1, [3.0, 2.0, 2.0, 1.0], 3),
        (LOWER, 2, [3.0, 2.0, 2.5, 2.5, 1.0], 4),
        (LOWER, 2, [3.0, 3.5, 2.0, 2.5, 1.0], 5),  # it waits anew after an improvement
        (HIGHER, 1, [0.1, 0.2, 0.1], 3),
        (HIGHER, 2, [0.5, NAN, NAN, 0.9], 3),
        (HIGHER, 2, [NAN, NAN, 0.9], 2),
        (HIGHER, 2, [NAN, 0.1, NAN, 0.2], 4),
        (Monitor("score", True, min_delta=0.5), 1, [3.0, 2.9, 0.0], 2),
        # Small steps add up: each is compared with the last improvement, not with the last epoch.
        (Monitor("score", True, min_delta=0.5), 2, [3.0, 2.7, 2.4, 2.1, 1.8], 5),
        (None, 1, [1.0, 2.0, 3.0], 3),
    ],
)
def test_training_ends_after_the_patience(
    monitor: Monitor | None, patience: int, values: list[float], epochs: int
) -> None:
    assert epochs_until_stop(EarlyStopping(monitor, patience), values) == epochs


def test_the_reason_is_told() -> None:
    stopping = EarlyStopping(LOWER, patience=2)
    epochs_until_stop(stopping, [1.0, 2.0, 2.0])
    assert stopping.stopped == "score has not improved for 2 epochs"


def test_with_more_patience_than_it_was_stopped_with_it_goes_on() -> None:
    before = EarlyStopping(LOWER, patience=2)
    epochs_until_stop(before, [1.0, 2.0, 2.0])
    for patience, expected in [(1, before.stopped), (2, before.stopped), (3, "")]:
        now = EarlyStopping(LOWER, patience)
        now.go_on(before.best, before.waited, before.stopped)
        assert now.stopped == expected
    assert (now.best, now.waited) == (1.0, 2)
    now.follow({"score": 1.5})
    assert now.stopped == "score has not improved for 3 epochs"
    without = EarlyStopping(None)
    without.go_on(before.best, before.waited, before.stopped)
    assert without.stopped == ""


# --- The clock of checkpoints ---


class Clock:
    """A time that tests set."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def saved(clock: CheckpointClock, time: Clock, seconds: float) -> None:
    """A checkpoint that takes so long."""
    with clock.saving():
        time.seconds += seconds


def test_a_checkpoint_is_due_after_some_minutes() -> None:
    time = Clock()
    clock = CheckpointClock(minutes=5.0, now=time)
    time.seconds += 300.0
    assert not clock.is_due
    time.seconds += 0.5
    assert clock.is_due
    saved(clock, time, 2.0)
    assert not clock.is_due
    time.seconds += 300.5  # counted from its end
    assert clock.is_due


def test_a_checkpoint_is_due_after_some_steps() -> None:
    time = Clock()
    clock = CheckpointClock(minutes=5.0, every=3, now=time)
    due = []
    for _ in range(7):
        clock.count(steps=1)
        due.append(clock.is_due)
        if clock.is_due:
            saved(clock, time, 0.1)
    assert due == [False, False, True, False, False, True, False]
    clock.count()  # the end of an epoch is no step
    assert not clock.is_due
    clock.restart()
    clock.count(steps=2)
    assert not clock.is_due


def test_a_checkpoint_is_cheap_where_it_takes_a_hundredth_of_the_time() -> None:
    time = Clock()
    clock = CheckpointClock(minutes=5.0, now=time)
    saved(clock, time, 0.5)
    time.seconds += 49.5
    assert not clock.is_cheap
    time.seconds += 1.0
    assert clock.is_cheap


def test_the_clock_knows_whether_all_is_saved() -> None:
    time = Clock()
    clock = CheckpointClock(minutes=5.0, now=time)
    assert clock.is_saved
    clock.count()
    assert not clock.is_saved
    with pytest.raises(OSError, match="full"), clock.saving():
        raise OSError("the disk is full")
    assert not clock.is_saved
    saved(clock, time, 0.1)
    assert clock.is_saved
