"""Where training stands, and the record of it that a checkpoint keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textnets.errors import RunError
from textnets.run.files import checked
from textnets.training.policies import BestEpoch, EarlyStopping, FitPlan, Plateau


@dataclass
class EpochSoFar:
    """What the batches of the running epoch add up to.

    Attributes:
        batches: that are done.
        sums: of each training metric, times what each batch held.
        seen: examples (or tokens).
        seconds: of training.
    """

    batches: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    seen: int = 0
    seconds: float = 0.0

    def add(self, logs: Mapping[str, float], count: int) -> None:
        """Add a batch with ``count`` examples (or tokens); the loss comes first."""
        for name, value in sorted(logs.items(), key=lambda item: item[0] != "loss"):
            self.sums[name] = self.sums.get(name, 0.0) + value * count
        self.seen += count
        self.batches += 1

    def means(self) -> dict[str, float]:
        """Each training metric over all examples (or tokens) so far."""
        return {name: total / self.seen for name, total in self.sums.items()}


@dataclass
class TrainingState:
    """All that changes while training and is saved with each checkpoint.

    Attributes:
        epoch: 0-based, the one being trained.
        step: optimizer steps over all epochs.
        so_far: of that epoch.
        best, plateau, stopping: what the policies remember.
        parts: in how many parts a batch is read, because memory ran out; 1 where it did not.
        history: one record an epoch.
        averaged: how many weights the mean of ``training.average`` counts; ``None`` where nothing
            is averaged.
        averaged_by: what decides which those are, see :attr:`AverageSection.rule`.
    """

    epoch: int = 0
    step: int = 0
    so_far: EpochSoFar = field(default_factory=EpochSoFar)
    best: BestEpoch = field(default_factory=BestEpoch)
    plateau: Plateau = field(default_factory=Plateau)
    stopping: EarlyStopping = field(default_factory=EarlyStopping)
    parts: int = 1
    history: list[dict[str, float]] = field(default_factory=list)
    averaged: int | None = None
    averaged_by: str = ""

    @classmethod
    def at_the_start(cls, plan: FitPlan) -> TrainingState:
        """Before the first step."""
        average = plan.section.average
        return cls(
            best=BestEpoch(plan.monitor),
            plateau=Plateau(plan.section.plateau_patience),
            stopping=EarlyStopping(plan.stopping, plan.patience),
            averaged=None if average is None else 0,
            averaged_by="" if average is None else average.rule,
        )

    @property
    def best_epoch(self) -> int:
        """1-based; 0 before the first epoch's end."""
        return self.best.epoch

    @property
    def stopped(self) -> str:
        """Why training ended before its last epoch; empty otherwise."""
        return self.stopping.stopped

    @property
    def place(self) -> str:
        """The batch that is next, for people: ``epoch 1, batch 1``."""
        return f"epoch {self.epoch + 1}, batch {self.so_far.batches + 1}"


def to_record(state: TrainingState) -> dict[str, object]:
    """What is saved of a state: these keys, in this order, since version 0.1.0; and two more where
    weights are averaged, and one where a loss decides between epochs that are alike."""
    so_far, best, stopping, plateau = state.so_far, state.best, state.stopping, state.plateau
    return {
        "epoch": state.epoch, "batch": so_far.batches, "step": state.step,
        "sums": so_far.sums, "seen": so_far.seen, "seconds": so_far.seconds,
        "best_epoch": best.epoch, "best_value": best.value,
        "stopping_best": stopping.best, "stopping_waited": stopping.waited,
        "plateau_waited": plateau.waited, "plateau_drops": plateau.drops,
        "parts": state.parts, "history": state.history, "stopped": stopping.stopped,
        **({} if best.first_of_alike else {"best_loss": best.loss}),
        **({} if state.averaged is None
           else {"averaged": state.averaged, "averaged_by": state.averaged_by}),
    }  # fmt: skip


@dataclass(frozen=True)
class _Record:
    """The types of what :func:`to_record` gives."""

    epoch: int
    batch: int
    step: int
    sums: dict[str, float]
    seen: int
    seconds: float
    best_epoch: int
    best_value: float | None
    stopping_best: float | None
    stopping_waited: int
    plateau_waited: int
    plateau_drops: int
    parts: int
    history: list[dict[str, int | float]]
    stopped: str
    averaged: int = 0
    averaged_by: str = ""
    best_loss: float | None = None


_NOT_ALWAYS = {"averaged", "averaged_by", "best_loss"}


def goes_on_averaging(record: Mapping[str, Any], state: TrainingState) -> bool:
    """Whether the mean of a record's checkpoint is of the weights that a state's plan wants; else
    averaging begins anew."""
    return bool(record.get("averaged_by", state.averaged_by) == state.averaged_by)


def from_record(record: Mapping[str, Any], plan: FitPlan, path: Path) -> TrainingState:
    """The state that :func:`to_record` was given, to be continued by a plan.

    A plan that averages weights may go on from a record that did not, or did otherwise, and the
    other way round.

    Raises:
        RunError: the record, of the checkpoint at ``path``, has other keys, or values of other
            types.
    """
    state = TrainingState.at_the_start(plan)
    if differing := sorted((record.keys() ^ to_record(state).keys()) - _NOT_ALWAYS):
        raise RunError(
            f"{path}: the checkpoint is of another version of textnets, whose training state "
            f"differs in {', '.join(differing)}; continue with the version that environment.json "
            "names, or start again with --overwrite"
        )
    checked(_Record, record, path)
    state.epoch, state.step, state.parts = record["epoch"], record["step"], record["parts"]
    state.so_far = EpochSoFar(record["batch"], record["sums"], record["seen"], record["seconds"])
    state.best = BestEpoch(
        plan.monitor,
        record["best_epoch"],
        record["best_value"],
        record.get("best_loss"),
        first_of_alike="best_loss" not in record,
    )
    state.plateau.waited, state.plateau.drops = record["plateau_waited"], record["plateau_drops"]
    state.stopping.go_on(record["stopping_best"], record["stopping_waited"], record["stopped"])
    state.history = record["history"]
    if state.averaged is not None and goes_on_averaging(record, state):
        state.averaged = record.get("averaged", 0)
    return state
