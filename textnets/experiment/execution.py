"""From examples to a finished run: learn, encode, train, score, write."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.backend.devices import Device
from textnets.builders.own import module_of
from textnets.evaluation.report import Table
from textnets.experiment.models import compile_model
from textnets.experiment.monitoring import fit_plan
from textnets.experiment.results import (
    SplitEvaluation,
    judged,
    write_evaluation,
    write_predictions,
    write_report,
)
from textnets.experiment.stores import Store
from textnets.progress import Progress
from textnets.run.directory import Run
from textnets.run.files import write_recipe
from textnets.run.integrity import prepared_files, write_environment
from textnets.run.layout import MODEL_FILE, RECIPE_FILE
from textnets.run.model_file import load_model, save_model
from textnets.run.target import RunTarget
from textnets.tasks import Task
from textnets.tasks.task import Inference
from textnets.text.corpus import EncodedSplit
from textnets.text.encoder import Coverage
from textnets.training.fitting import Measure, TrainingState, fit

_REHEARSED, _REHEARSED_TOKENS = 8, 64  # examples, and tokens of each


@dataclass(frozen=True)
class Execution:
    """What training ended with.

    Attributes:
        run: its directory, whole.
        evaluation: of the test split, or of validation; ``None`` where neither was scored.
        state: of training, at its end.
    """

    run: Run
    evaluation: SplitEvaluation | None
    state: TrainingState


def execute(
    task: Task[Any],
    target: RunTarget,
    splits: Mapping[str, Any],
    environment: dict[str, Any],
    *,
    stored: Store | None = None,
    resume: bool = False,
    progress: Progress,
) -> Execution:
    """Train into a place that is free, and write everything that a run holds.

    Args:
        task: with a checked recipe.
        target: where the run will lie.
        splits: the examples, by split; with ``stored`` they may be missing.
        environment: how the run begins, see :mod:`textnets.experiment.environment`.
        stored: ids that were encoded before.
        resume: go on from the checkpoint that is there.
        progress: where to show what happens.
    """
    with target.writing(resume=resume) as folder:
        write_recipe(folder / RECIPE_FILE, task.recipe)
        write_environment(folder, environment)
        if stored is None:
            encoded = _encode_splits(task, folder, splits, progress, resume)
        else:
            encoded = stored.load(task, folder)
        environment["prepared"] = prepared_files(folder)
        write_environment(folder, environment)
        return _train_into(folder, target, task, splits, encoded, environment, resume, progress)


def _train_into(
    folder: Path,
    target: RunTarget,
    task: Task[Any],
    splits: Mapping[str, Any],
    encoded: Mapping[str, EncodedSplit],
    environment: dict[str, Any],
    resume: bool,
    progress: Progress,
) -> Execution:
    plan = fit_plan(task)
    compiled = compile_model(task, Device(**environment["device"]), progress)
    trained = compiled.trainer.model
    infer = task.inference(compiled.model)
    state = fit(
        trained,
        task.training_batches(trained, encoded["train"]),
        plan,
        folder=folder,
        measure=_validation_measure(task, infer, encoded),
        begin_epoch=compiled.trainer.begin_epoch,
        at_row=compiled.trainer.at_row,
        rehearse=_rehearsal(task, compiled.model, infer, folder, encoded),
        resume=resume,
        progress=progress,
    )
    save_model(compiled.model, folder / MODEL_FILE)
    evaluation, tables = _score_splits(task, infer, folder, splits, encoded, progress)
    environment |= {
        **compiled.facts,
        "best_epoch": state.best_epoch,
        "monitor": plan.monitor.metric if plan.monitor else "",
        "stopped": state.stopped,
        "batch_parts": state.parts,
        "training_seconds": round(sum(row["seconds"] for row in state.history), 1),
    }
    if evaluation is not None:
        write_report(task, folder, evaluation, tables, state, environment)
    return Execution(target.finish(environment), evaluation, state)


def _encode_splits(
    task: Task[Any], folder: Path, splits: Mapping[str, Any], progress: Progress, resume: bool
) -> dict[str, EncodedSplit]:
    if resume:
        task.load(folder)
    else:
        progress.say("learning the vocabulary ...")
        task.learn(splits["train"])
        task.save(folder)
    encoded = {}
    for name, examples in splits.items():
        encoded[name], coverage = task.encode(examples, progress, f"encoding {name}")
        progress.say(f"{name}: {coverage_line(coverage)}")
        for fact in task.encoded_facts(name, encoded[name], progress):
            progress.say(f"{fact.name}: {fact.value}")
    return encoded


def _validation_measure(
    task: Task[Any], infer: Inference, encoded: Mapping[str, EncodedSplit]
) -> Measure | None:
    if "validation" not in encoded:
        return None
    split = encoded["validation"]

    def measure() -> dict[str, float]:
        return task.measure(infer(split, Progress(), quick=True), split)

    return measure


def _rehearsal(
    task: Task[Any],
    model: Any,
    infer: Inference,
    folder: Path,
    encoded: Mapping[str, EncodedSplit],
) -> Callable[[], None]:
    """Save, measure and score with a few examples: what fails there fails before training."""
    few = encoded.get("validation", encoded["train"]).beginning(_REHEARSED, _REHEARSED_TOKENS)

    def rehearse() -> None:
        save_model(model, folder / MODEL_FILE)
        if module := module_of(task.recipe.builder):
            load_model(folder / MODEL_FILE, [module])  # its layers may not be registered
        if "validation" in encoded:
            task.measure(infer(few, Progress(), quick=True), few)
        task.score(infer(few, Progress()), few)

    return rehearse


def _score_splits(
    task: Task[Any],
    infer: Inference,
    folder: Path,
    splits: Mapping[str, Any],
    encoded: Mapping[str, EncodedSplit],
    progress: Progress,
) -> tuple[SplitEvaluation | None, list[Table]]:
    """Score the best weights; the test split is touched here, once, or not at all."""
    evaluated, tables = {}, list[Table]()
    names = ("validation", "test") if task.recipe.evaluation.test else ("validation",)
    for name in names:
        if name in encoded:
            found = infer(encoded[name], progress)
            scores = task.score(found, encoded[name])
            evaluated[name] = SplitEvaluation(name, len(encoded[name]), scores)
            texts = list(splits[name].texts) if name in splits else []
            tables = task.tables(texts, found, encoded[name])
            write_predictions(task, folder, name, splits.get(name), found)
    last = "test" if "test" in evaluated else "validation"
    if last in evaluated and task.recipe.evaluation.baselines and last in splits:
        rivals = task.baselines(splits["train"], splits[last], progress)
        evaluated[last] = dataclasses.replace(evaluated[last], baselines=rivals)
    if last in evaluated:
        evaluated[last] = judged(task, evaluated[last])
    write_evaluation(task, folder, evaluated)
    return evaluated.get(last), tables


def coverage_line(coverage: Coverage) -> str:
    """What encoding did to a split, in words."""
    mean = coverage.tokens / max(coverage.texts, 1)
    return (
        f"{coverage.texts:,} texts, {coverage.tokens:,} tokens ({mean:.1f} a text, longest "
        f"{coverage.longest:,}), {coverage.unknown_share:.2%} unknown, "
        f"{coverage.truncated_share:.1%} of the texts truncated"
        + (f", {coverage.empty} empty" if coverage.empty else "")
    )
