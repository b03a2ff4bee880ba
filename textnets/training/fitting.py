"""The training loop: epochs, the monitored metric, early stopping, exact continuation.

The loop is ours rather than ``Model.fit`` because the order of batches, the learning rate
and everything that must survive an interruption are then plain data: batches are a pure
function of (seed, epoch), the learning rate of the step, and the rest is
:class:`TrainingState`.
"""

from __future__ import annotations

import dataclasses
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textnets.backend.accumulation import PartedStep, is_out_of_memory, parted_step
from textnets.backend.steps import train_step
from textnets.errors import TrainingError
from textnets.progress import Progress, Step
from textnets.recipe.sections import TrainingSection
from textnets.run import checkpoint_files
from textnets.run.layout import CHECKPOINT_FOLDER, HISTORY_FILE
from textnets.text.batches import Rows, TrainingBatches
from textnets.text.encoded import Batch
from textnets.training import checkpoints
from textnets.training.interrupts import Interrupts
from textnets.training.optimizers import learning_rate_at

Measure = Callable[[], Mapping[str, float]]

# A checkpoint that was not asked for at a certain step may cost this share of the time.
_CHECKPOINT_SHARE = 0.01


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
    """

    section: TrainingSection
    seed: int
    monitor: Monitor | None
    stopping: Monitor | None = None
    patience: int = 1


@dataclass
class TrainingState:
    """All plain numbers that change while training; saved with each checkpoint.

    Attributes:
        epoch: 0-based, the one being trained.
        batch: batches of it that are done.
        step: optimizer steps over all epochs.
        sums: of each training metric over this epoch's batches, times what each held.
        seen: this epoch's examples (or tokens) so far.
        seconds: of training and validation in this epoch so far.
        best_epoch, best_value: 1-based epoch and value of the monitored metric.
        stopping_best, stopping_waited: of early stopping.
        plateau_waited, plateau_drops: of the plateau schedule.
        parts: in how many parts a batch is read, because memory ran out; 1 where it did not.
        history: one record an epoch.
        stopped: why training ended before its last epoch; empty otherwise.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    best_value: float | None = None
    stopping_best: float | None = None
    stopping_waited: int = 0
    plateau_waited: int = 0
    plateau_drops: int = 0
    parts: int = 1
    history: list[dict[str, float]] = field(default_factory=list)
    stopped: str = ""


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
        RunError: the checkpoint to continue from is damaged or of another model.
    """
    hooks = _Hooks(begin_epoch, at_row, rehearse)
    fitting = _Fitting(model, train, plan, folder, measure, hooks, progress or Progress())
    return fitting.run(resume)


@dataclass(frozen=True)
class _Hooks:
    """What :func:`fit` calls on the way."""

    begin_epoch: Callable[[], None] | None
    at_row: Callable[[int], None] | None
    rehearse: Callable[[], None] | None


class _Fitting:
    def __init__(
        self,
        model: Any,
        train: TrainingBatches,
        plan: FitPlan,
        folder: Path,
        measure: Measure | None,
        hooks: _Hooks,
        progress: Progress,
    ) -> None:
        self.model, self.train, self.plan = model, train, plan
        self.folder, self.measure, self.hooks, self.progress = folder, measure, hooks, progress
        self.checkpoint = folder / CHECKPOINT_FOLDER
        self.section = plan.section
        self.state = TrainingState()
        self.best: checkpoint_files.Arrays | None = None
        self.saved_best = 0  # the epoch whose weights lie in a file
        self.last_checkpoint, self.checkpoint_seconds = time.monotonic(), 0.0
        self.steps_since_checkpoint, self.is_saved = 0, True
        model.optimizer.build(model.trainable_variables)
        self.step = train_step(model, *train.load(train.of_epoch(0)[0]))
        self.parted_step: PartedStep | None = None

    # --- The story ---

    def run(self, resume: bool) -> TrainingState:
        with Interrupts() as self.interrupts:
            if resume and checkpoint_files.has_checkpoint(self.checkpoint):
                self._restore()
            else:
                self._begin()
            while self.state.epoch < self.section.epochs and not self.state.stopped:
                try:
                    self._train_epoch()
                except _WeightsLostError:
                    self._restore()
                    continue
                self._end_epoch()
            if not self.is_saved:  # what follows may fail; training is then not lost
                self._save()
        if self.best is not None:
            checkpoints.set_weights(self.model, self.best)
        return self.state

    def _begin(self) -> None:
        self.checkpoint.mkdir(parents=True, exist_ok=True)
        self._save()
        if self.hooks.rehearse is not None:
            self.hooks.rehearse()
        self.interrupts.raise_if_pending()

    def _train_epoch(self) -> None:
        state = self.state
        batches = self.train.of_epoch(state.epoch)
        if state.batch == 0 and self.hooks.begin_epoch is not None:
            self.hooks.begin_epoch()
        label = f"epoch {state.epoch + 1}/{self.section.epochs}"
        with self.progress.steps(label, len(self.train), self.train.unit) as shown:
            shown.advance(state.seen)
            for rows in batches[state.batch :]:
                self._train_batch(rows, len(batches), shown)
                if self.interrupts.pending or self._checkpoint_is_due():
                    self._save()
                    self.interrupts.raise_if_pending()

    def _train_batch(self, rows: Rows, steps_per_epoch: int, shown: Step) -> None:
        state, started = self.state, time.monotonic()
        rate = learning_rate_at(
            self.section,
            step=state.step,
            steps_per_epoch=steps_per_epoch,
            plateau_drops=state.plateau_drops,
        )
        self.model.optimizer.learning_rate = rate
        logs = self._step_in_memory(self.train.load(rows))
        if not math.isfinite(logs["loss"]):
            self._stop_at_bad_loss(logs["loss"], rate)
        count = self.train.count(rows)
        for name, value in sorted(logs.items(), key=lambda item: item[0] != "loss"):
            state.sums[name] = state.sums.get(name, 0.0) + value * count
        state.seen += count
        state.batch += 1
        state.step += 1
        self.steps_since_checkpoint += 1
        self.is_saved = False
        state.seconds += time.monotonic() - started
        shown.advance(count, _note({n: s / state.seen for n, s in state.sums.items()}))

    def _end_epoch(self) -> None:
        record = self._record()
        state = self.state
        state.history.append(record)
        self._keep_best(record)
        self._follow_plateau(record)
        self._follow_stopping(record)
        state.epoch += 1
        self.is_saved = False
        state.batch, state.seen, state.seconds, state.sums = 0, 0, 0.0, {}
        self._write_history()
        due = self._checkpoint_is_due() or self._checkpoint_is_cheap()
        if due or self.interrupts.pending:
            self._save()
        self.progress.say(
            _epoch_line(record, self.section.epochs, state.best_epoch, self.train.unit)
        )
        self.interrupts.raise_if_pending()

    # --- One epoch's record and what follows from it ---

    def _record(self) -> dict[str, float]:
        state = self.state
        record: dict[str, float] = {"epoch": state.epoch + 1}
        record.update({name: total / state.seen for name, total in state.sums.items()})
        if self.measure is not None:
            started = time.monotonic()
            measured = self.measure()
            record.update({f"validation_{name}": value for name, value in measured.items()})
            record["validation_seconds"] = round(time.monotonic() - started, 3)
        record["learning_rate"] = float(self.model.optimizer.learning_rate)
        record["seconds"] = round(state.seconds, 3)
        record[f"{self.train.unit}_per_second"] = round(state.seen / max(state.seconds, 1e-9), 1)
        return record

    def _keep_best(self, record: dict[str, float]) -> None:
        monitor, state = self.plan.monitor, self.state
        value = record[monitor.metric] if monitor else None
        if monitor is None or value is None or monitor.improves(value, state.best_value):
            state.best_epoch, state.best_value = int(record["epoch"]), value
            self.best = checkpoints.weights_of(self.model)

    def _follow_plateau(self, record: dict[str, float]) -> None:
        state = self.state
        if state.best_epoch == record["epoch"]:
            state.plateau_waited = 0
            return
        state.plateau_waited += 1
        if state.plateau_waited >= self.section.plateau_patience:
            state.plateau_drops += 1
            state.plateau_waited = 0

    def _follow_stopping(self, record: dict[str, float]) -> None:
        stopping, state = self.plan.stopping, self.state
        if stopping is None:
            return
        value = record[stopping.metric]
        if stopping.improves(value, state.stopping_best):
            state.stopping_best, state.stopping_waited = value, 0
            return
        state.stopping_waited += 1
        if state.stopping_waited >= self.plan.patience:
            state.stopped = f"{stopping.metric} has not improved for {state.stopping_waited} epochs"

    def _stop_at_bad_loss(self, loss: float, rate: float) -> None:
        state = self.state
        raise TrainingError(
            f"the loss became {loss} in epoch {state.epoch + 1}, batch {state.batch + 1}, at "
            f"learning rate {rate:g}; the weights of the last checkpoint are kept. Go on from "
            "there with a lower rate (--resume --allow-changes --set training.learning_rate="
            f"{rate / 10:g}), or with --set training.clip_norm=1.0"
        )

    # --- Memory ---

    def _step_in_memory(self, data: Batch) -> dict[str, float]:
        """Train on a batch, in as many parts as memory asks for."""
        while True:
            try:
                if self.state.parts == 1:
                    return self.step(*data)
                if self.parted_step is None:
                    self.parted_step = parted_step(self.model, self.hooks.at_row)
                return self.parted_step(*data, self.state.parts)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._use_smaller_parts(len(data[1]))

    def _use_smaller_parts(self, size: int) -> None:
        state = self.state
        if state.parts >= size:
            raise TrainingError(
                "out of memory, even with one example at a time; the last checkpoint is whole. "
                "Shorten the texts (text.max_length), or make the model smaller"
            )
        state.parts = min(2 * state.parts, size)
        self.progress.warn(
            f"out of memory in epoch {state.epoch + 1}, batch {state.batch + 1}: from here on a "
            f"batch is read in {state.parts} parts of at most {-(-size // state.parts)}; gradients "
            "are added up, so the updates stay those of the whole batch"
        )
        if checkpoints.are_lost(self.model):  # JAX hands a step its weights for good
            raise _WeightsLostError

    # --- Checkpoints ---

    def _checkpoint_is_due(self) -> bool:
        every = self.section.checkpoint_every
        if every is not None and self.steps_since_checkpoint >= every:
            return True
        return time.monotonic() - self.last_checkpoint > 60.0 * self.section.checkpoint_minutes

    def _checkpoint_is_cheap(self) -> bool:
        passed = time.monotonic() - self.last_checkpoint
        return self.checkpoint_seconds < _CHECKPOINT_SHARE * passed

    def _save(self) -> None:
        """Write the best weights, then the checkpoint that names them, then drop older ones."""
        started, state = time.monotonic(), self.state
        if self.best is not None and self.saved_best != state.best_epoch:
            checkpoint_files.save_best(self.checkpoint, state.best_epoch, self.best)
            self.saved_best = state.best_epoch
        if not checkpoints.save_checkpoint(self.checkpoint, self.model, dataclasses.asdict(state)):
            raise TrainingError(
                f"the weights are no longer finite numbers in epoch {state.epoch + 1}, batch "
                f"{state.batch + 1}; those of the last checkpoint are kept. Try a lower "
                "training.learning_rate, or training.clip_norm: 1.0"
            )
        checkpoint_files.drop_other_bests(self.checkpoint, state.best_epoch)
        self.last_checkpoint = time.monotonic()
        self.checkpoint_seconds = self.last_checkpoint - started
        self.steps_since_checkpoint, self.is_saved = 0, True

    def _restore(self) -> None:
        parts = self.state.parts
        saved = checkpoints.load_checkpoint(self.checkpoint, self.model)
        self.state = TrainingState(**saved)
        self.state.parts = max(parts, self.state.parts)
        best = self.state.best_epoch
        self.best = checkpoint_files.load_best(self.checkpoint, best) if best else None
        self.saved_best = best
        stopping = self.plan.stopping
        if stopping is None or self.state.stopping_waited < self.plan.patience:
            self.state.stopped = ""  # continued with more patience than it was stopped with
        self.steps_since_checkpoint, self.is_saved = 0, True
        where = f"epoch {self.state.epoch + 1}, batch {self.state.batch + 1}"
        self.progress.say(f"continuing from the checkpoint: {where}")

    def _write_history(self) -> None:
        path = self.folder / HISTORY_FILE
        temporary = path.with_name(path.name + ".new")
        lines = "".join(json.dumps(record) + "\n" for record in self.state.history)
        temporary.write_text(lines, encoding="utf-8")
        temporary.replace(path)


class _WeightsLostError(Exception):
    """A failed step has taken the weights with it."""


def _note(values: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


def _epoch_line(record: dict[str, float], epochs: int, best_epoch: int, unit: str) -> str:
    speed = f"{unit}_per_second"
    plain = {"epoch", "learning_rate", "seconds", "validation_seconds", speed}
    scores = _note({name: value for name, value in record.items() if name not in plain})
    rate = f"{record[speed]:,.0f} {unit}/s"
    best = "  best so far" if best_epoch == record["epoch"] else ""
    return f"epoch {record['epoch']:.0f}/{epochs}  {scores}  {rate}{best}"
