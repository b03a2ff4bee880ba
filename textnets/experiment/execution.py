"""From examples to a finished run: prepare, train, score, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from textnets.builders.custom import module_of
from textnets.evaluation.report import Table
from textnets.experiment.encoders import find_encoder
from textnets.experiment.models import CompiledModel, compile_model, vectors_record
from textnets.experiment.monitoring import check_measured, fit_plan
from textnets.experiment.prepare import Data, Prepared, prepare
from textnets.experiment.record import FUSED, RunRecord
from textnets.experiment.results import (
    SplitEvaluation,
    judged,
    write_evaluation,
    write_predictions,
    write_report,
)
from textnets.experiment.source_runs import SourceRun, open_source
from textnets.progress import Progress
from textnets.run.directory import Run
from textnets.run.files import recipe_text
from textnets.run.integrity import begin_with, prepared_files, write_environment
from textnets.run.layout import MODEL_FILE
from textnets.run.model_file import load_model, save_model
from textnets.run.places import sync_tree
from textnets.run.target import RunTarget
from textnets.tasks import AnyTask
from textnets.tasks.evaluation import AnyEvaluation
from textnets.tasks.inference import AnyInference
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoder_folder import EncoderFolder
from textnets.training.fitting import FitPlan, Measure, TrainingState, fit

_REHEARSED, _REHEARSED_TOKENS = 8, 64  # examples, and tokens of each


@dataclass(frozen=True)
class Execution:
    """What training ended with.

    Attributes:
        run: its directory, whole.
        evaluation: of the test split, or of validation; ``None`` where neither was scored.
        state: of training, at its end.
        preprocessor: what was learned from the training split.
    """

    run: Run
    evaluation: SplitEvaluation | None
    state: TrainingState
    preprocessor: AnyPreprocessor


def begin_folder(folder: Path, task: AnyTask, record: RunRecord) -> None:
    """Write what a run is begun with, or goes on with."""
    begin_with(folder, recipe_text(task.recipe), record.as_json())


def execute_in(
    folder: Path,
    target: RunTarget,
    task: AnyTask,
    data: Data,
    record: RunRecord,
    progress: Progress,
    *,
    resume: bool,
    known: Mapping[str, SplitEvaluation] = MappingProxyType({}),
    last_epoch: int | None = None,
) -> Execution:
    """Train one model in a folder that was begun, and write everything that a run holds.

    Args:
        folder: of the unfinished run.
        target: where the run will lie.
        task: with a checked recipe.
        data: the examples, or stored ids.
        record: how the run begins.
        progress: where to show what happens.
        resume: go on from the checkpoint that is there.
        known: splits that were scored already.
        last_epoch: after which training ends, though the recipe's schedule goes on.
    """
    if record.prepared is not None and not resume:  # of a training that never began
        record = dataclasses.replace(record, prepared=None)
        write_environment(folder, record.as_json())
    # A run that goes on has all that it took of another in its checkpoint.
    source = None if resume else open_source(task.recipe, record.sources)
    encoder = None if resume else find_encoder(task, record.encoders)
    prepared = _prepare(task, folder, data, progress, resume, source)
    record = dataclasses.replace(record, prepared=prepared_files(folder))
    sync_tree(folder)
    write_environment(folder, record.as_json())
    plan = fit_plan(task, last_epoch)
    return _train_into(
        folder, target, task, plan, prepared, record, resume, progress, known, source, encoder
    )


def _prepare(
    task: AnyTask,
    folder: Path,
    data: Data,
    progress: Progress,
    resume: bool,
    source: SourceRun | None,
) -> Prepared:
    if data.stored is not None:
        encoded = data.stored.load(task.input_names, task.learned_names)
        learned = task.load(data.stored.folder)
        data.stored.check_ids(encoded, learned.sizes | learned.learned_sizes)
        data.stored.give_vocabularies(folder)
        return Prepared(learned, data.splits, encoded, {}, {})
    before = task.load(folder) if resume else None
    prepared = prepare(task, data.splits, progress, learned=before, source=source)
    if not resume:
        prepared.preprocessor.save(folder)
    for fact in prepared.told():
        progress.say(f"{fact.name}: {fact.value}")
    return prepared


def _train_into(
    folder: Path,
    target: RunTarget,
    task: AnyTask,
    plan: FitPlan,
    prepared: Prepared,
    record: RunRecord,
    resume: bool,
    progress: Progress,
    known: Mapping[str, SplitEvaluation],
    source: SourceRun | None,
    encoder: EncoderFolder | None,
) -> Execution:
    train = prepared.encoded["train"]
    compiled = compile_model(
        task,
        prepared.preprocessor,
        train,
        record.device,
        progress,
        fused=record.training_kernels == FUSED,
        source=source,
        encoder=encoder,
    )
    if compiled.start is not None:
        record = dataclasses.replace(record, initialized=compiled.start)
        write_environment(folder, record.as_json())
    check_measured(plan, compiled.setup)
    plan = plan.with_steps(len(compiled.setup.batches.of_epoch(0)))
    inference = task.inference(prepared.preprocessor, compiled.model)
    evaluation = task.evaluation(prepared.preprocessor)
    state = fit(
        compiled.setup.model,
        compiled.setup.batches,
        plan,
        folder=folder,
        measure=_validation_measure(evaluation, inference, prepared),
        begin_epoch=compiled.setup.begin_epoch,
        at_row=compiled.setup.at_row,
        rehearse=_rehearsal(task, compiled, inference, evaluation, prepared, folder),
        resume=resume,
        progress=progress,
    )
    save_model(compiled.model, folder / MODEL_FILE)

    def outputs_of(name: str) -> Any:
        return inference.outputs(prepared.encoded[name], progress)

    scored, tables = score_splits(
        task, inference, evaluation, folder, prepared, outputs_of, progress, known
    )
    record = dataclasses.replace(
        record,
        recurrent_kernel=compiled.recurrent_kernel,
        parameters=compiled.parameters,
        vectors=vectors_record(compiled.vectors),
        best_epoch=state.best_epoch,
        monitor=plan.monitor.metric if plan.monitor else "",
        stopped=state.stopped,
        batch_parts=state.parts,
        training_seconds=round(sum(row["seconds"] for row in state.history), 1),
    )
    if scored is not None:
        write_report(task, folder, scored, tables, state, record)
    return Execution(target.finish(record.as_json()), scored, state, prepared.preprocessor)


def _validation_measure(
    evaluation: AnyEvaluation, inference: AnyInference, prepared: Prepared
) -> Measure | None:
    if "validation" not in prepared.encoded:
        return None
    split = prepared.encoded["validation"]

    def measure() -> dict[str, float]:
        return evaluation.measure(inference.outputs(split, Progress(), quick=True), split)

    return measure


def _rehearsal(
    task: AnyTask,
    compiled: CompiledModel,
    inference: AnyInference,
    evaluation: AnyEvaluation,
    prepared: Prepared,
    folder: Path,
) -> Callable[[], None]:
    """Save, measure and score with a few examples: what fails there fails before training."""
    split = prepared.encoded.get("validation", prepared.encoded["train"])
    few = split.beginning(_REHEARSED, _REHEARSED_TOKENS)

    def rehearse() -> None:
        save_model(compiled.model, folder / MODEL_FILE)
        if module := module_of(task.recipe.builder):
            load_model(folder / MODEL_FILE, [module])  # its layers may not be registered
        if "validation" in prepared.encoded:
            evaluation.measure(inference.outputs(few, Progress(), quick=True), few)
        evaluation.score(inference.outputs(few, Progress()), few)

    return rehearse


def score_splits(
    task: AnyTask,
    inference: AnyInference,
    evaluation: AnyEvaluation,
    folder: Path,
    prepared: Prepared,
    outputs_of: Callable[[str], Any],
    progress: Progress,
    known: Mapping[str, SplitEvaluation] = MappingProxyType({}),
) -> tuple[SplitEvaluation | None, list[Table]]:
    """Score the best weights; the test split is touched here, once, or not at all.

    Args:
        task: of the recipe.
        inference: of the model.
        evaluation: of its outputs.
        folder: where scores and predictions are written.
        prepared: the splits.
        outputs_of: the model's outputs for a split, by its name.
        progress: where to show it.
        known: splits that were scored already.
    """
    scored, tables = dict(known), list[Table]()
    names = ("validation", "test") if task.recipe.evaluation.test else ("validation",)
    for name in names:
        if name in prepared.encoded:
            split, examples = prepared.encoded[name], prepared.splits.get(name)
            outputs = outputs_of(name)
            scored[name] = SplitEvaluation(name, len(split), evaluation.score(outputs, split))
            texts = list(examples.texts) if examples is not None else []
            tables = evaluation.tables(texts, outputs, split)
            write_predictions(task, inference, folder, name, examples, outputs)
    last = "test" if "test" in scored else "validation"
    if last in scored and task.recipe.evaluation.baselines and last in prepared.splits:
        baselines = evaluation.baselines(prepared.split("train"), prepared.split(last), progress)
        scored[last] = dataclasses.replace(scored[last], baselines=baselines)
    if last in scored:
        scored[last] = judged(task, scored[last])
    write_evaluation(task, folder, scored)
    return scored.get(last), tables
