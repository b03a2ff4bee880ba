"""From examples to a finished run, in as many trainings as the recipe asks for.

A run of several trainings holds a run of each: an ensemble under ``members/``, a model that is
trained once more on all examples the one before under ``selection/``, a cross-validation under
``folds/``. Each is whole or absent, so
that a run goes on with the first that is not whole.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textnets.builders.custom import module_of
from textnets.evaluation.report import Table
from textnets.experiment.execution import Execution, begin_folder, execute_in, score_splits
from textnets.experiment.folds import fold_table, over_folds
from textnets.experiment.prepare import Data, Prepared
from textnets.experiment.record import RunRecord
from textnets.experiment.results import stored_evaluation, write_evaluation, write_report
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.sections import Ensemble, MemberRun
from textnets.run.checkpoint_files import has_checkpoint, has_training
from textnets.run.directory import Run, open_run
from textnets.run.files import write_json
from textnets.run.integrity import check_prepared, read_started
from textnets.run.layout import (
    CHECKPOINT_FOLDER,
    FOLDS_FOLDER,
    LOCK_FILE,
    MEMBERS_FOLDER,
    MIXTURE_FILE,
    SELECTION_FOLDER,
)
from textnets.run.target import RunTarget
from textnets.tasks import AnyTask, task_of
from textnets.tasks.ensemble import (
    Members,
    as_scored,
    choose_weights,
    default_weights,
    first_of,
    load_preprocessor_of,
)
from textnets.text.encoded import EncodedSplit
from textnets.training.fitting import TrainingState


def execute(
    task: AnyTask,
    target: RunTarget,
    data: Data,
    record: RunRecord,
    *,
    resume: bool = False,
    progress: Progress,
) -> Execution:
    """Train into a place that is free, and write everything that a run holds.

    Args:
        task: with a checked recipe.
        target: where the run will lie.
        data: the examples, or stored ids.
        record: how the run begins.
        resume: go on with the training that is there.
        progress: where to show what happens.
    """
    with target.writing(resume=resume) as folder:
        begin_folder(folder, task, record)
        if task.recipe.data.folds is not None:
            return _cross_validate(task, folder, target, data, record, progress, resume)
        if (ensemble := task.recipe.ensemble) is not None:
            parts = (task, ensemble, folder, target, data, record, progress)
            return _Ensemble(*parts).execute(resume)
        if task.recipe.training.refit is not None:
            return _refit(task, folder, target, data, record, progress, resume)
        return execute_in(folder, target, task, data, record, progress, resume=resume)


def _inner_run(
    recipe: Recipe, place: Path, data: Data, record: RunRecord, progress: Progress, resume: bool
) -> Run:
    """A run inside of another: as it is where it is whole, else trained, or trained on."""
    task, target = task_of(recipe), RunTarget(place)
    if resume and target.is_finished:
        _drop_checkpoint(place)
        return open_run(place)
    goes_on = resume and has_training(target.partial)
    if goes_on:
        check_prepared(target.partial)
        record = RunRecord.of_json(read_started(target.partial))
    else:
        record = dataclasses.replace(record, seed=recipe.seed)
    run = execute(task, target, data, record, resume=goes_on, progress=progress).run
    _drop_checkpoint(place)
    return run


def _drop_checkpoint(place: Path) -> None:
    """Of a run inside of another, which is never trained on."""
    shutil.rmtree(place / CHECKPOINT_FOLDER, ignore_errors=True)
    (place / LOCK_FILE).unlink(missing_ok=True)


# --- Once more, on all examples ---


def _refit(
    task: AnyTask,
    folder: Path,
    target: RunTarget,
    data: Data,
    record: RunRecord,
    progress: Progress,
    resume: bool,
) -> Execution:
    recipe = task.recipe
    chosen = _inner_run(
        _selecting(recipe), folder / SELECTION_FOLDER, data, record, progress, resume
    )
    epochs = RunRecord.of_json(chosen.environment).best_epoch or recipe.training.epochs
    progress.say(f"training once more, on the validation examples too, for {epochs} epochs")
    splits = {name: examples for name, examples in data.splits.items() if name != "validation"}
    splits["train"] = data.splits["train"].joined(data.splits["validation"])
    known = stored_evaluation(chosen)
    return execute_in(
        folder,
        target,
        task_of(_once_more(recipe)),
        dataclasses.replace(data, splits=splits),
        record,
        progress,
        resume=resume and has_checkpoint(folder / CHECKPOINT_FOLDER),
        known={"validation": known} if known is not None else {},
        last_epoch=epochs,
    )


def _selecting(recipe: Recipe) -> Recipe:
    """The training that tells the best epoch."""
    training = recipe.training.model_copy(update={"refit": None})
    evaluation = recipe.evaluation.model_copy(update={"baselines": False, "test": False})
    data = recipe.data.model_copy(update={"seed": recipe.data_seed})
    changed = {"training": training, "evaluation": evaluation, "data": data, "claim": None}
    return recipe.model_copy(update=changed)


def _once_more(recipe: Recipe) -> Recipe:
    """The training on all examples, which nothing watches.

    Its schedule is as long as the first one's: the weights of an early epoch were found at the
    rates of that epoch, and a schedule cut short would train them less.
    """
    training = recipe.training.model_copy(
        update={"refit": None, "monitor": None, "early_stopping": None}
    )
    data = recipe.data.model_copy(update={"validation": None})
    return recipe.model_copy(update={"training": training, "data": data})


# --- Cross-validation ---


def _cross_validate(
    task: AnyTask,
    folder: Path,
    target: RunTarget,
    data: Data,
    record: RunRecord,
    progress: Progress,
    resume: bool,
) -> Execution:
    started, examples = time.monotonic(), data.splits["train"]
    recipe = _of_a_fold(task.recipe)
    runs = []
    folds = task.deal_folds(examples)
    for number, rows in enumerate(folds, start=1):
        progress.say(f"fold {number} of {len(folds)}")
        rest = np.setdiff1d(np.arange(len(examples)), rows)
        splits = task_of(recipe).hold_out({"train": examples.select(rest)})
        splits["test"] = examples.select(rows)
        place = folder / FOLDS_FOLDER / str(number)
        of_fold = dataclasses.replace(data, splits=splits)
        runs.append(_inner_run(recipe, place, of_fold, record, progress, resume))
    scored = over_folds(task, runs, sum(map(len, folds)))
    write_evaluation(task, folder, {"test": scored})
    state = TrainingState()
    record = dataclasses.replace(
        record, training_seconds=round(time.monotonic() - started, 1), monitor=""
    )
    write_report(task, folder, scored, [fold_table(task, runs)], state, record)
    preprocessor = load_preprocessor_of(task_of(recipe), runs[0].folder)
    return Execution(target.finish(record.as_json()), scored, state, preprocessor)


def _of_a_fold(recipe: Recipe) -> Recipe:
    """The training of one fold, whose splits are given to it."""
    data = recipe.data.model_copy(update={"folds": None, "seed": recipe.data_seed})
    return recipe.model_copy(update={"data": data, "claim": None})


# --- Ensembles ---


@dataclasses.dataclass
class _Shown:
    """What the models that did not train on the validation split say of it.

    Attributes:
        members: they.
        split: the validation split, as their preprocessor encodes it.
        outputs: of each of them, where outputs can be mixed.
    """

    members: Members
    split: EncodedSplit
    outputs: list[Any]


@dataclasses.dataclass
class _Ensemble:
    """An ensemble that is trained; its fields are what :func:`execute` was given."""

    task: AnyTask
    ensemble: Ensemble
    folder: Path
    target: RunTarget
    data: Data
    record: RunRecord
    progress: Progress

    def execute(self, resume: bool) -> Execution:
        started = time.monotonic()
        runs = self.task.recipe.member_runs
        for number, run in enumerate(runs, start=1):
            self.progress.say(f"member {number} of {len(runs)}: {run.name}")
            self._train(run, resume)
        shown = self._validation_outputs() if "validation" in self.data.splits else None
        weights = self._weights(runs, shown)
        named = {run.name: weight for run, weight in zip(runs, weights, strict=True)}
        write_json(self.folder / MIXTURE_FILE, {"weights": named})
        said = ", ".join(f"{name} {weight:.3g}" for name, weight in named.items())
        self.progress.say(f"weights: {said}")
        seconds = round(time.monotonic() - started, 1)
        return self._finish(
            shown, weights, dataclasses.replace(self.record, training_seconds=seconds)
        )

    def _train(self, run: MemberRun, resume: bool) -> None:
        seen = {name: found for name, found in self.data.splits.items() if name != "test"}
        place = self.folder / MEMBERS_FOLDER / run.name
        data = dataclasses.replace(self.data, splits=seen)
        _inner_run(run.recipe, place, data, self.record, self.progress, resume)

    def _load(self, *, selection: bool = False) -> Members:
        modules = list(map(module_of, self.task.recipe.builders))
        return Members.load(self.task, self.folder, modules, selection=selection)

    def _validation_outputs(self) -> _Shown:
        members = self._load(selection=True)
        split = self._encoded(members, "validation")
        can_mix = members.inferences[0].can_mix
        return _Shown(members, split, members.outputs(split, self.progress) if can_mix else [])

    def _encoded(self, members: Members, name: str) -> EncodedSplit:
        examples, label = self.data.splits[name], f"encoding {name}"
        return members.preprocessor.encode(examples, self.progress, label)[0]

    def _weights(self, runs: list[MemberRun], shown: _Shown | None) -> list[float]:
        """One a run, in their order: a member's, in equal shares."""
        count, given = len(self.ensemble.members), self.ensemble.weights
        if not isinstance(given, str):
            of_members = [weight / sum(given) for weight in given]
        elif given == "equal" or (shown and not shown.outputs):
            of_members = [1.0 / count] * count
        elif shown is None:
            of_members = default_weights(count)
        else:
            of_members = self._chosen(runs, shown)
        return [of_members[run.member] * run.share for run in runs]

    def _chosen(self, runs: list[MemberRun], shown: _Shown) -> list[float]:
        """By the loss of the validation split: accuracy moves by whole examples, and halves of
        validation splits showed no better scores of the other half for it."""
        preprocessor, mix = shown.members.preprocessor, shown.members.inferences[0].mixed
        evaluation = self.task.evaluation(first_of(preprocessor))
        split, outputs = as_scored(preprocessor, shown.split), []
        for member in range(1 + runs[-1].member):
            own = [number for number, run in enumerate(runs) if run.member == member]
            outputs.append(mix([shown.outputs[i] for i in own], [runs[i].share for i in own]))
        return choose_weights(outputs, mix, lambda mixed: -evaluation.measure(mixed, split)["loss"])

    def _finish(self, shown: _Shown | None, weights: list[float], record: RunRecord) -> Execution:
        """Score the ensemble, and write what it holds besides its members."""
        task, splits = self.task, self.data.splits
        was_refit = any(run.recipe.training.refit for run in task.recipe.member_runs)
        members = shown.members if shown and not was_refit else self._load()
        known = {"test": members} if "test" in splits and task.recipe.evaluation.test else {}
        # Trained on more, a tagger may know more tags than the members that were shown, and a
        # token of a model that writes has another id.
        is_same = shown is not None and _width_of(shown.members) == _width_of(members)
        if shown and is_same and not (task.writes_together and was_refit):
            known = {"validation": shown.members, **known}
        encoded = {
            name: shown.split if shown and name == "validation" else self._encoded(of_split, name)
            for name, of_split in known.items()
        }
        of_members = {"validation": shown.outputs} if shown and shown.outputs else {}

        def outputs_of(name: str) -> Any:
            asked = known[name]
            if not asked.inferences[0].can_mix:
                return asked.inference(weights).outputs(encoded[name], self.progress)
            if name not in of_members:
                of_members[name] = asked.outputs(encoded[name], self.progress)
            return asked.inferences[0].mixed(of_members[name], weights)

        preprocessor = members.preprocessor
        shown_as = {name: as_scored(preprocessor, split) for name, split in encoded.items()}
        prepared = Prepared(preprocessor, splits, shown_as, {}, {})
        inference = members.inference(weights)
        evaluation = task.evaluation(first_of(preprocessor))
        scored, tables = score_splits(
            task, inference, evaluation, self.folder, prepared, outputs_of, self.progress
        )
        record = dataclasses.replace(
            record,
            parameters=sum(int(model.count_params()) for model in members.models),
            recurrent_kernel="",
            monitor="",
        )
        state = TrainingState()
        if scored is not None:
            values = {
                name: [evaluation.values(found, shown_as[name])[task.headline] for found in outputs]
                for name, outputs in of_members.items()
                if name in known
            }
            rows = _member_table(task, weights, values or self._stored_values())
            write_report(task, self.folder, scored, [rows, *tables], state, record)
        return Execution(self.target.finish(record.as_json()), scored, state, preprocessor)

    def _stored_values(self) -> dict[str, list[float]]:
        """What each member scored when it was trained, where outputs cannot be mixed."""
        runs = [
            open_run(self.folder / MEMBERS_FOLDER / run.name)
            for run in self.task.recipe.member_runs
        ]
        found = [known for known in map(stored_evaluation, runs) if known is not None]
        if len(found) < len(runs) or any(known.split != "validation" for known in found):
            return {}
        return {"validation": [known.scores[self.task.headline].value for known in found]}


def _width_of(members: Members) -> int | None:
    return first_of(members.preprocessor).output_width  # type: ignore[no-any-return]


def _member_table(task: AnyTask, weights: list[float], values: Mapping[str, list[float]]) -> Table:
    """The members beside one another, for the report.

    Args:
        task: of the ensemble.
        weights: of each model.
        values: of splits by their names, the headline score of each model.
    """
    headline = task.headline
    rows: list[tuple[str | float, ...]] = [
        (run.name, weights[index], *(of_split[index] for of_split in values.values()))
        for index, run in enumerate(task.recipe.member_runs)
    ]
    columns = ("member", "weight", *(f"{headline} of {name}" for name in values))
    return Table(title="Members", note="", columns=columns, rows=rows)
