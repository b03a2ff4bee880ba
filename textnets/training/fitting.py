"""The training loop: epochs, the monitored metric, early stopping, exact continuation.

Where the weights are averaged, it is the mean that is measured and kept, and training goes on with
the weights themselves (:mod:`textnets.training.averaging`).

The loop is ours rather than ``Model.fit`` because the order of batches, the learning rate
and everything that must survive an interruption are then plain data: batches are a pure
function of (seed, epoch), the learning rate of the step, and the rest is
:class:`TrainingState`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from textnets.backend.accumulation import parted_step
from textnets.backend.steps import train_step
from textnets.errors import TrainingError
from textnets.progress import Progress, Step
from textnets.run.checkpoint_files import drop_other_bests, has_checkpoint
from textnets.run.files import write_lines
from textnets.run.layout import CHECKPOINT_FOLDER, CHECKPOINT_STATE_FILE, HISTORY_FILE
from textnets.text.batches import Rows, TrainingBatches
from textnets.training.averaging import WeightAverage
from textnets.training.checkpoints import BestWeights, are_lost, load_checkpoint, save_checkpoint
from textnets.training.interrupts import Interrupts
from textnets.training.memory import StepInMemory, WeightsLostError
from textnets.training.optimizers import learning_rate_at
from textnets.training.policies import CheckpointClock, FitPlan, Monitor
from textnets.training.state import (
    EpochSoFar,
    TrainingState,
    from_record,
    goes_on_averaging,
    to_record,
)

__all__ = ["FitPlan", "Measure", "Monitor", "TrainingState", "fit"]

Measure = Callable[[], Mapping[str, float]]


def fit(
    model: Any,
    train: TrainingBatches,
    plan: FitPlan,
    *,
    folder: Path,
    measure: Measure | None = None,
    begin_epoch: Callable[[], None] | None = None,
    at_row: Callable[[int], None] | None = None,
    rehearse: Callable[[], None] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> TrainingState:
    """Train a compiled model and leave it with the weights of its best epoch.

    Where memory runs out a batch is read in parts, and trained on as before: see
    :mod:`textnets.backend.accumulation`.

    Args:
        model: a compiled ``keras.Model``.
        train: the batches of the training split.
        plan: see :class:`FitPlan`.
        folder: of the run; holds ``history.jsonl`` and ``checkpoint/``.
        measure: scores the model on the validation split; ``None`` without one.
        begin_epoch: called before an epoch's first batch, not where one is continued.
        at_row: see :func:`textnets.backend.accumulation.parted_step`.
        rehearse: tries out, after the first checkpoint and before the first batch, what comes
            after the training: a run shall not fail there after an hour.
        resume: continue from the folder's checkpoint if there is one.
        progress: where to show it.

    Raises:
        TrainingError: the loss is no longer a finite number, or there is no memory for a
            single example.
        InterruptedTrainingError: Ctrl-C or SIGTERM; the checkpoint was written first.
        RunError: the checkpoint to continue from is damaged, of another model or version.
    """
    fitting = _Fitting(
        model, train, plan, folder, measure, begin_epoch, rehearse, progress or Progress()
    )
    fitting.build_step(at_row)
    return fitting.run(resume)


@dataclass
class _Fitting:
    """The loop; its fields are the arguments of :func:`fit`."""

    model: Any
    train: TrainingBatches
    plan: FitPlan
    folder: Path
    measure: Measure | None
    begin_epoch: Callable[[], None] | None
    rehearse: Callable[[], None] | None
    progress: Progress

    def __post_init__(self) -> None:
        self.section, self.checkpoint = self.plan.section, self.folder / CHECKPOINT_FOLDER
        self.state = TrainingState.at_the_start(self.plan)
        self.best = BestWeights(self.checkpoint, self.model)
        self.average = self._average()
        self.clock = CheckpointClock(self.section.checkpoint_minutes, self.section.checkpoint_every)
        self.interrupts = Interrupts()

    def _average(self) -> WeightAverage | None:
        section = self.section.average
        return None if section is None else WeightAverage(section, self.model, self.plan.monitor)

    def build_step(self, at_row: Callable[[int], None] | None) -> None:
        """Make the optimizer's variables and the compiled step."""
        self.model.optimizer.build(self.model.trainable_variables)
        self.step = StepInMemory(
            train_step(self.model, *self.train.load(self.train.of_epoch(0)[0])),
            partial(parted_step, self.model, at_row, self.train.rows_together),
            partial(are_lost, self.model),
            self.progress,
            self.train.rows_together,
        )

    # --- The story ---

    def run(self, resume: bool) -> TrainingState:
        with self.interrupts:
            if resume and has_checkpoint(self.checkpoint):
                self._restore()
            else:
                self._begin()
            while self.state.epoch < self.plan.epochs and not self.state.stopped:
                try:
                    self._train_epoch()
                except WeightsLostError:
                    self._restore()
                    continue
                self._end_epoch()
            if not self.clock.is_saved:  # what follows may fail; training is then not lost
                self._save()
        self.best.put_back()
        return self.state

    def _begin(self) -> None:
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        self._save()
        if self.rehearse is not None:
            self.rehearse()
        self.interrupts.raise_if_pending()

    def _train_epoch(self) -> None:
        so_far = self.state.so_far
        batches = self.train.of_epoch(self.state.epoch)
        if so_far.batches == 0 and self.begin_epoch is not None:
            self.begin_epoch()
        label = f"epoch {self.state.epoch + 1}/{self.plan.epochs}"
        with self.progress.steps(label, len(self.train), self.train.unit) as shown:
            shown.advance(so_far.seen)
            for rows in batches[so_far.batches :]:
                self._train_batch(rows, len(batches), shown)
                if self.interrupts.pending or self.clock.is_due:
                    self._save()
                    self.interrupts.raise_if_pending()

    def _train_batch(self, rows: Rows, steps_per_epoch: int, shown: Step) -> None:
        state, so_far, started = self.state, self.state.so_far, time.monotonic()
        rate = learning_rate_at(
            self.section,
            step=state.step,
            steps_per_epoch=steps_per_epoch,
            plateau_drops=state.plateau.drops,
        )
        self.model.optimizer.learning_rate = rate
        logs = self.step(self.train.load(rows), state)
        if not math.isfinite(logs["loss"]):
            raise _bad_loss(logs["loss"], state.place, rate)
        count = self.train.count(rows)
        so_far.add(logs, count)
        state.step += 1
        if self.average is not None:
            self.average.after_step(state)
        self.clock.count(steps=1)
        so_far.seconds += time.monotonic() - started
        shown.advance(count, _note(so_far.means()))

    def _end_epoch(self) -> None:
        state = self.state
        if self.average is not None:
            self.average.after_epoch(state)
        with nullcontext() if self.average is None else self.average.in_place(state):
            record = self._record()
            is_best = state.best.follow(record)
            if is_best:
                self.best.keep()
        state.history.append(record)
        state.plateau.follow(is_best)
        state.stopping.follow(record)
        state.epoch, state.so_far = state.epoch + 1, EpochSoFar()
        self.clock.count()
        self._write_history()
        if self.clock.is_due or self.clock.is_cheap or self.interrupts.pending:
            self._save()
        self.progress.say(_epoch_line(record, self.plan.epochs, is_best, self.train.unit))
        self.interrupts.raise_if_pending()

    def _record(self) -> dict[str, float]:
        so_far, unit = self.state.so_far, self.train.unit
        record: dict[str, float] = {"epoch": self.state.epoch + 1, **so_far.means()}
        if self.measure is not None:
            started = time.monotonic()
            measured = self.measure()
            record.update({f"validation_{name}": value for name, value in measured.items()})
            record["validation_seconds"] = round(time.monotonic() - started, 3)
        record["learning_rate"] = float(self.model.optimizer.learning_rate)
        record["seconds"] = round(so_far.seconds, 3)
        record[f"{unit}_per_second"] = round(so_far.seen / max(so_far.seconds, 1e-9), 1)
        return record

    def _write_history(self) -> None:
        """For who looks on; a checkpoint has it too."""
        write_lines(self.folder / HISTORY_FILE, self.state.history, synced=False)

    # --- Checkpoints ---

    def _save(self) -> None:
        """Write the best weights, then the checkpoint that names them, then drop older ones."""
        state = self.state
        with self.clock.saving():
            self.best.save(state.best_epoch)
            averages = {} if self.average is None else self.average.arrays()
            if not save_checkpoint(self.checkpoint, self.model, to_record(state), averages):
                raise TrainingError(
                    f"the weights are no longer finite numbers in {state.place}; those of the last "
                    "checkpoint are kept. Try a lower training.learning_rate, or "
                    "training.clip_norm: 1.0"
                )
            drop_other_bests(self.checkpoint, state.best_epoch)

    def _restore(self) -> None:
        parts = self.state.parts
        path = self.checkpoint / CHECKPOINT_STATE_FILE
        record, arrays = load_checkpoint(self.checkpoint, self.model)
        self.state = from_record(record, self.plan, path)
        if self.average is not None:
            known = arrays if goes_on_averaging(record, self.state) else {}
            self.average.restore(known, str(path))
        self.state.parts = max(parts, self.state.parts)
        self.best.load(self.state.best_epoch)
        self.clock.restart()
        self._write_history()  # what is there may be newer, or damaged
        self.progress.say(f"continuing from the checkpoint: {self.state.place}")


def _bad_loss(loss: float, place: str, rate: float) -> TrainingError:
    return TrainingError(
        f"the loss became {loss} in {place}, at learning rate {rate:g}; the weights of the last "
        "checkpoint are kept. Go on from there with a lower rate (--resume --allow-changes --set "
        f"training.learning_rate={rate / 10:g}), or with --set training.clip_norm=1.0"
    )


def _note(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


def _epoch_line(record: dict[str, float], epochs: int, is_best: bool, unit: str) -> str:
    speed = f"{unit}_per_second"
    plain = {"epoch", "learning_rate", "seconds", "validation_seconds", speed}
    scores = _note({name: value for name, value in record.items() if name not in plain})
    rate = f"{record[speed]:,.0f} {unit}/s"
    best = "  best so far" if is_best else ""
    return f"epoch {record['epoch']:.0f}/{epochs}  {scores}  {rate}{best}"
