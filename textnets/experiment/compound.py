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
from textnets.tasks import AnyTask, Predictor, task_of
from textnets.tasks.ensemble import (
    choose_weights,
    default_weights,
    load_ensemble,
    load_preprocessor_of,
)
from textnets.tasks.evaluation import AnyEvaluation
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
class _Ensemble:
    """An ensemble that is trained; its fields are what :func:`execute` was given."""

    task: AnyTask
    ensemble: Ensemble
    folder: Path
    target: RunTarget
    data: Data
    record: RunRecord
    progress: Progress
    first: Predictor = dataclasses.field(init=False)
    split: EncodedSplit = dataclasses.field(init=False)

    def execute(self, resume: bool) -> Execution:
        started = time.monotonic()
        runs = self.task.recipe.member_runs
        for number, run in enumerate(runs, start=1):
            self.progress.say(f"member {number} of {len(runs)}: {run.name}")
            self._train(run, resume)
        shown = self._validation_outputs(runs)
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

    def _validation_outputs(self, runs: list[MemberRun]) -> list[Any]:
        """What each run says of the validation split: as the model that did not train on it."""
        found: list[Any] = []
        for run in runs if "validation" in self.data.splits else ():
            place = self.folder / MEMBERS_FOLDER / run.name
            chosen = place / SELECTION_FOLDER
            modules = list(map(module_of, self.task.recipe.builders))
            inside = open_run(chosen if chosen.is_dir() else place)
            predictor = Predictor(inside, task_of(run.recipe), modules)
            split, _ = predictor.preprocessor.encode(
                self.data.splits["validation"], self.progress, f"encoding validation for {run.name}"
            )
            if not found:
                self.first, self.split = predictor, split
            found.append(predictor.outputs(split, self.progress))
        return found

    def _weights(self, runs: list[MemberRun], shown: list[Any]) -> list[float]:
        """One a run, in their order: a member's, in equal shares."""
        count, given = len(self.ensemble.members), self.ensemble.weights
        if not isinstance(given, str):
            of_members = [weight / sum(given) for weight in given]
        elif given == "equal":
            of_members = [1.0 / count] * count
        elif not shown:
            of_members = default_weights(count)
        else:
            of_members = self._chosen(runs, shown)
        return [of_members[run.member] * run.share for run in runs]

    def _chosen(self, runs: list[MemberRun], shown: list[Any]) -> list[float]:
        """By the loss of the validation split: accuracy moves by whole examples, and halves of
        validation splits showed no better scores of the other half for it."""
        mix, evaluation = self.first.inference.mixed, self.first.evaluation
        outputs = []
        for member in range(1 + runs[-1].member):
            own = [number for number, run in enumerate(runs) if run.member == member]
            outputs.append(mix([shown[i] for i in own], [runs[i].share for i in own]))
        return choose_weights(
            outputs, mix, lambda mixed: -evaluation.measure(mixed, self.split)["loss"]
        )

    def _finish(self, shown: list[Any], weights: list[float], record: RunRecord) -> Execution:
        """Score the ensemble, and write what it holds besides its members."""
        task, splits = self.task, self.data.splits
        modules = list(map(module_of, task.recipe.builders))
        preprocessor, inference, models = load_ensemble(task, self.folder, modules)
        evaluation = task.evaluation(preprocessor.first)
        # Trained on more, a tagger may know more tags than the members that were shown.
        is_same = bool(shown) and preprocessor.output_width == self.first.preprocessor.output_width
        names = ["validation"] * is_same + ["test"] * bool(task.recipe.evaluation.test)
        encoded = {
            name: preprocessor.encode(splits[name], self.progress, f"encoding {name}")[0]
            for name in names
            if name in splits
        }
        shown_as = {name: preprocessor.as_scored(split) for name, split in encoded.items()}
        prepared = Prepared(preprocessor, splits, shown_as, {}, {})
        of_members = {"validation": shown} if is_same else {}

        def outputs_of(name: str) -> Any:
            if name not in of_members:
                of_members[name] = inference.of_members(encoded[name], self.progress)
            return inference.mixed(of_members[name], weights)

        scored, tables = score_splits(
            task, inference, evaluation, self.folder, prepared, outputs_of, self.progress
        )
        record = dataclasses.replace(
            record,
            parameters=sum(int(model.count_params()) for model in models),
            recurrent_kernel="",
            monitor="",
        )
        state = TrainingState()
        if scored is not None:
            rows = self._member_rows(evaluation, shown_as, of_members, weights)
            write_report(task, self.folder, scored, [*rows, *tables], state, record)
        return Execution(self.target.finish(record.as_json()), scored, state, preprocessor)

    def _member_rows(
        self,
        evaluation: AnyEvaluation,
        encoded: Mapping[str, EncodedSplit],
        of_members: Mapping[str, list[Any]],
        weights: list[float],
    ) -> list[Table]:
        """The members beside one another, as a table of the report."""
        headline = self.task.headline
        names = [name for name in of_members if name in encoded and of_members[name]]
        rows: list[tuple[str | float, ...]] = [
            (
                run.name,
                weights[index],
                *(
                    evaluation.values(of_members[name][index], encoded[name])[headline]
                    for name in names
                ),
            )
            for index, run in enumerate(self.task.recipe.member_runs)
        ]
        columns = ("member", "weight", *(f"{headline} of {name}" for name in names))
        return [Table(title="Members", note="", columns=columns, rows=rows)]
