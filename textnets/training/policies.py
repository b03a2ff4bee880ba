"""What decides while a model is trained: which epoch is best, when the learning rate falls, when
training ends, when a checkpoint is due.

One small class a policy, with its settings and all that it remembers. They see the plain numbers
of an epoch's record, never a model.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from textnets.recipe.sections import TrainingSection

# A checkpoint that was not asked for at a certain step may cost this share of the time.
_CHECKPOINT_SHARE = 0.01
# What decides between epochs in which the monitored metric is the same.
_TIE_BREAKER = "validation_loss"


@dataclass(frozen=True)
class Monitor:
    """A metric that decides something.

    Attributes:
        metric: its name in the history, such as ``validation_accuracy``.
        lower_is_better: the direction.
        min_delta: a smaller change is no improvement.
    """

    metric: str
    lower_is_better: bool
    min_delta: float = 0.0

    def improves(self, value: float, best: float | None) -> bool:
        """Whether a value is better than the best so far. NaN never is."""
        if best is None:
            return not math.isnan(value)
        change = best - value if self.lower_is_better else value - best
        return change > self.min_delta


@dataclass(frozen=True)
class FitPlan:
    """What decides how a model is fitted.

    Attributes:
        section: the recipe's ``training:``.
        seed: of the run.
        monitor: decides which epoch's weights are kept, and the plateau schedule; ``None`` to
            keep the last.
        stopping: decides when to stop; ``None`` to train all epochs.
        patience: epochs without improvement after which early stopping ends training.
        last_epoch: after which training ends though the schedule goes on; ``None``: with the
            schedule.
    """

    section: TrainingSection
    seed: int
    monitor: Monitor | None
    stopping: Monitor | None = None
    patience: int = 1
    last_epoch: int | None = None

    @property
    def epochs(self) -> int:
        """Of the training, where nothing stops it earlier."""
        return self.section.epochs if self.last_epoch is None else self.last_epoch

    def with_steps(self, steps_per_epoch: int) -> FitPlan:
        """With as many epochs as ``min_steps`` asks for.

        Args:
            steps_per_epoch: of the training split.
        """
        wanted = math.ceil((self.section.min_steps or 0) / steps_per_epoch)
        if wanted <= self.section.epochs:
            return self
        last = None if self.last_epoch is None else min(self.last_epoch, wanted)
        section = self.section.model_copy(update={"epochs": wanted})
        return dataclasses.replace(self, section=section, last_epoch=last)


@dataclass
class BestEpoch:
    """The epoch whose weights are kept.

    Attributes:
        monitor: what it is judged by; ``None``: the last epoch is the best.
        epoch: 1-based; 0 before there is one.
        value: of the metric in that epoch.
        loss: of the validation split in that epoch, where it was measured. It decides between
            epochs of the same value: of few validation examples many epochs have the same, and
            the first of them has hardly learned.
        first_of_alike: whether of epochs with the same value the first is kept instead, as in
            runs that were begun before there was this rule.
    """

    monitor: Monitor | None = None
    epoch: int = 0
    value: float | None = None
    loss: float | None = None
    first_of_alike: bool = False

    def follow(self, record: Mapping[str, float]) -> bool:
        """Whether an epoch, by its record, is the best so far."""
        value = record[self.monitor.metric] if self.monitor else None
        loss = record.get(_TIE_BREAKER)
        if self.monitor is not None and value is not None:
            is_alike = value == self.value and not self.first_of_alike
            is_better = self.monitor.improves(value, self.value)
            if not is_better and not (is_alike and _is_lower(loss, self.loss)):
                return False
        self.epoch, self.value, self.loss = int(record["epoch"]), value, loss
        return True


def _is_lower(loss: float | None, than: float | None) -> bool:
    return loss is not None and than is not None and loss < than


@dataclass
class Plateau:
    """How often the learning rate fell because epochs did not become better.

    Attributes:
        patience: epochs in a row without a best one after which it falls.
        waited: such epochs since the last best one, or since it fell.
        drops: how often it fell; see :func:`textnets.training.optimizers.learning_rate_at`.
    """

    patience: int = 1
    waited: int = 0
    drops: int = 0

    def follow(self, is_best: bool) -> None:
        """Take in whether an epoch was the best so far."""
        self.waited = 0 if is_best else self.waited + 1
        if self.waited >= self.patience:
            self.waited, self.drops = 0, self.drops + 1


@dataclass
class EarlyStopping:
    """Whether training ends before its last epoch.

    Attributes:
        monitor: what it is judged by; ``None``: it never ends early.
        patience: epochs in a row without improvement after which it ends.
        best: value of the metric so far.
        waited: epochs since then.
        stopped: why training ended; empty while it goes on.
    """

    monitor: Monitor | None = None
    patience: int = 1
    best: float | None = None
    waited: int = 0
    stopped: str = ""

    def follow(self, record: Mapping[str, float]) -> None:
        """Take in an epoch's record."""
        if self.monitor is None:
            return
        value = record[self.monitor.metric]
        if self.monitor.improves(value, self.best):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped = f"{self.monitor.metric} has not improved for {self.waited} epochs"

    def go_on(self, best: float | None, waited: int, stopped: str) -> None:
        """Take up what a checkpoint kept; where there is more patience now than training was
        stopped with, it is not stopped any more."""
        self.best, self.waited = best, waited
        self.stopped = stopped if self.monitor and waited >= self.patience else ""


class CheckpointClock:
    """When a checkpoint is due; nothing of it is saved.

    Args:
        minutes: between two checkpoints.
        every: steps between two; ``None``: by time alone.
        now: the time in seconds.
    """

    def __init__(
        self, minutes: float, every: int | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds, self._every, self._now = 60.0 * minutes, every, now
        self._last, self._cost, self._steps = now(), 0.0, 0
        self.is_saved = True

    @property
    def is_due(self) -> bool:
        """Whether so many steps or minutes have passed."""
        if self._every is not None and self._steps >= self._every:
            return True
        return self._now() - self._last > self._seconds

    @property
    def is_cheap(self) -> bool:
        """Whether the last one took so little time that another one costs next to nothing."""
        return self._cost < _CHECKPOINT_SHARE * (self._now() - self._last)

    def count(self, steps: int = 0) -> None:
        """There is something to save: some steps, or an epoch's end."""
        self._steps += steps
        self.is_saved = False

    def restart(self) -> None:
        """Training stands where the checkpoint does."""
        self._steps, self.is_saved = 0, True

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Take the time while a checkpoint is written; a failed one does not count."""
        started = self._now()
        yield
        self._last = self._now()
        self._cost = self._last - started
        self.restart()
