"""Where a training starts: at the beginning, from a checkpoint, or not at all."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.builders.custom import module_of
from textnets.errors import RunError
from textnets.experiment.record import RunRecord
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.run.checkpoint_files import has_training
from textnets.run.directory import Run, open_run
from textnets.run.integrity import check_prepared, read_started
from textnets.run.target import RunTarget
from textnets.tasks import read_run


@dataclass(frozen=True)
class Fresh:
    """At the beginning."""


@dataclass(frozen=True)
class Continue:
    """From a checkpoint: of an unfinished run, or of a finished one that is to be trained on.

    Attributes:
        target: the run's place.
        reopens: whether the run is finished.
    """

    target: RunTarget
    reopens: bool

    def begin(
        self, recipe: Recipe, now: RunRecord, progress: Progress, *, allow_changes: bool
    ) -> RunRecord:
        """Check that it would be the same run that goes on, and give its record.

        Nothing is written, but that a finished run is copied to where it is trained on.

        Args:
            recipe: that it is continued with.
            now: of this process.
            progress: where to warn of differences that are allowed.
            allow_changes: go on in spite of differences, and record them.

        Raises:
            RunError: the run would be continued with something else than it was started with, and
                so would not be the same one, every difference named; or a file is damaged.
        """
        if self.reopens and is_in_steps(recipe):
            raise RunError(
                f"{self.target.output}: is finished, and what was trained in several steps is not "
                "trained on; start again with --overwrite, or choose another --output DIR"
            )
        if self.reopens:
            _continued(recipe, now, self.target.output, allow_changes=allow_changes)
            self.target.reopen()
        check_prepared(self.target.partial)
        record = _continued(recipe, now, self.target.partial, allow_changes=allow_changes)
        for change in (record.continued or [{}])[-1].get("changes", []):
            progress.warn(f"going on all the same: {change}")
        return record


@dataclass(frozen=True)
class Finished:
    """Nowhere: all that is asked for was trained.

    Attributes:
        run: it.
    """

    run: Run


def decide_start(
    recipe: Recipe, target: RunTarget, progress: Progress, *, resume: bool
) -> Fresh | Continue | Finished:
    """Where a training starts; nothing is read but the runs that are there, nothing is written.

    Args:
        recipe: to train.
        target: the place, checked.
        progress: where to say what was decided.
        resume: whether to go on with what is there.

    Raises:
        RunError: a finished run that is there is damaged.
    """
    if not resume:
        return Fresh()
    reopens = target.is_finished
    if reopens:
        run = open_run(target.output)
        if not _asks_for_more(recipe, run):
            trained = max(recipe.training.epochs, len(run.history()))  # more, of training.min_steps
            more = (
                ""
                if is_in_steps(recipe)
                else f"--set training.epochs=N with more than {trained} trains on, "
            )
            progress.say(
                f"{run.folder}: is finished; nothing was done. {more}--overwrite starts again"
            )
            return Finished(run)
    begun = target.output if reopens else target.partial
    if has_training(begun):
        return Continue(target, reopens)
    progress.say(f"nothing to continue at {target.partial}; starting from the beginning")
    return Fresh()


def is_in_steps(recipe: Recipe) -> bool:
    """Whether a run is several trainings, so that it is not trained on once it is finished."""
    several = (recipe.ensemble, recipe.training.refit, recipe.data.folds)
    return any(part is not None for part in several)


def _asks_for_more(recipe: Recipe, run: Run) -> bool:
    """Whether a recipe would do something that a finished run has not done."""
    before = read_run(run.folder, allow_builders=list(map(module_of, recipe.builders))).recipe
    more_epochs = recipe.training.epochs > before.training.epochs
    return more_epochs or bool(differing_keys(before, recipe))


def _continued(recipe: Recipe, now: RunRecord, folder: Path, *, allow_changes: bool) -> RunRecord:
    """The record of a run that goes on: its beginning, and how it is continued."""
    started = RunRecord.of_json(read_started(folder))
    changes = _changes(started, recipe, now, folder)
    if changes and not allow_changes:
        raise RunError(
            f"{folder}: cannot continue this run, since it would not be the same one:\n  "
            + "\n  ".join(changes)
            + "\nput it back, go on all the same with --allow-changes, or start again with "
            "--overwrite"
        )
    step: dict[str, Any] = {"created": now.created, "command": now.command}
    if changes:
        step["changes"] = changes
        started = dataclasses.replace(started, **{name: getattr(now, name) for name in _OF_NOW})
    return dataclasses.replace(started, continued=[*(started.continued or []), step])


# What a run that goes on with differences has from the process that does it.
_OF_NOW = (
    "seed", "device", "repeated_rows", "training_kernels", "python", "platform", "versions", "data",
    "examples", "rows",
)  # fmt: skip


def _changes(started: RunRecord, recipe: Recipe, now: RunRecord, folder: Path) -> list[str]:
    """What is not as it was when a run began, in words."""
    differing = differing_keys(
        read_run(folder, allow_builders=list(map(module_of, recipe.builders))).recipe, recipe
    )
    for name, entry in now.data.items():
        if started.data.get(name, {}).get("sha256") != entry["sha256"]:
            differing.append(f"the {name} data has changed since")
    for name, number in now.versions.items():
        if started.versions.get(name) != number:
            differing.append(f"{name} was {started.versions.get(name)}, is {number}")
    on_tensorflow = started.device.backend == "tensorflow"
    is_reduced = recipe.training.precision != "float32"  # there on JAX too
    if (on_tensorflow or is_reduced) and started.repeated_rows != now.repeated_rows:
        differing.append(
            "it was begun by an optimizer that did not add up the gradients of repeated tokens (a "
            "fault of Keras, see docs/questions.md), and would go on with one that "
            "does"
        )
    for key in ("backend", "kind"):
        before, after = getattr(started.device, key), getattr(now.device, key)
        if before != after:
            differing.append(f"it ran on {before}, and would go on on {after}")
    return differing


def differing_keys(recipe_before: Recipe, recipe_now: Recipe) -> list[str]:
    """How two recipes differ in what they train, in words. More epochs only go on."""
    before, now = recipe_before.as_sections(), recipe_now.as_sections()
    allowed = [("training", "checkpoint_minutes"), ("training", "checkpoint_every")]
    training = recipe_now.training
    if training.schedule != "cosine" and not training.warmup_share:  # else other rates from step 1
        allowed.append(("training", "epochs"))
    return [
        f"{section}{key and f'.{key}'}: {_of(before, section, key)!r} before, "
        f"{_of(now, section, key)!r} now"
        for section in sorted({*before, *now})
        for key in sorted({*_keys(before, section), *_keys(now, section)})
        if _of(before, section, key) != _of(now, section, key) and (section, key) not in allowed
    ]


def _keys(sections: Mapping[str, Any], section: str) -> list[str]:
    found = sections.get(section)
    return list(found) if isinstance(found, dict) else [""]


def _of(sections: Mapping[str, Any], section: str, key: str) -> Any:
    found = sections.get(section)
    return found.get(key) if isinstance(found, dict) else found
