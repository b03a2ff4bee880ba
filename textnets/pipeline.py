"""Train, evaluate, check, tokenize: the story, top to bottom.

Each function here is one verb of the command line and one door of the library. None of
them knows a kind of task.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textnets.data.sources import sha256_of
from textnets.errors import DataError, InputError, did_you_mean
from textnets.evaluation.report import Table
from textnets.models import assemble_model, compile_model, save_model
from textnets.plans import fit_plan
from textnets.predictor import Predictor
from textnets.progress import Progress
from textnets.provenance import (
    continue_environment,
    describe_environment,
    differing_keys,
    fingerprints_of,
)
from textnets.recipe.shipped import recipe_path
from textnets.results import (
    SplitEvaluation,
    stored_baselines,
    stored_evaluation,
    write_evaluation,
    write_predictions,
    write_report,
)
from textnets.run import (
    MODEL_FILE,
    RECIPE_FILE,
    Run,
    RunTarget,
    check_prepared,
    open_run,
    prepared_files,
    write_environment,
    write_recipe,
)
from textnets.stores import Store, check_store_place, open_store, write_store
from textnets.tasks import Task, read_task
from textnets.tasks.task import SPLITS, Fact, Inference
from textnets.text.corpus import EncodedSplit
from textnets.text.encoder import Coverage
from textnets.text.word_space import WordSpace
from textnets.training.devices import Device, prepare_device, require_tensorflow
from textnets.training.fitting import Measure, TrainingState, fit

Overrides = Sequence[str] | Mapping[str, Any]

_REHEARSED, _REHEARSED_TOKENS = 8, 64  # examples, and tokens of each


@dataclass(frozen=True)
class TrainResult:
    """What :func:`train` gives back."""

    run: Run
    evaluation: SplitEvaluation | None
    headline: str
    state: TrainingState


def as_overrides(overrides: Overrides) -> list[str]:
    """``{"training.epochs": 1}`` as the command line writes it."""
    if isinstance(overrides, Mapping):
        return [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    return list(overrides)


# --- Train ---


def train(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    output: str | Path | None = None,
    resume: bool = False,
    allow_changes: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    store: str | Path | None = None,
    command: str = "",
    progress: Progress | None = None,
) -> TrainResult:
    """Train a recipe into a run directory.

    Args:
        recipe: a YAML file, or the name of a recipe that ships with textnets.
        overrides: ``{"training.epochs": 1}`` or ``["training.epochs=1"]``.
        output: the run directory; ``runs/NAME`` by default.
        resume: continue an unfinished run, or a finished one with more epochs.
        allow_changes: continue although the recipe, the data or a version differs; the run
            records what.
        overwrite: replace a finished or unfinished run.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        store: a folder of ids written by :func:`store_ids`: nothing is tokenized, and
            TensorFlow is not needed.
        command: what the user typed, for the run's record.
        progress: where to show what happens; silent by default.

    Raises:
        InputError: the recipe, its data or the place of the run is at fault. Nothing was
            written.
        TrainingError: training cannot go on.
        StoppedError: Ctrl-C, SIGTERM or a full disk; what was trained can be continued.
    """
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    place = Path(output) if output else Path("runs") / task.recipe.name
    target = RunTarget(place, overwrite=overwrite)
    target.check(resume=resume)
    if resume and target.is_finished and (done := _finished(task, place, progress)) is not None:
        return done
    stored = open_store(Path(store), task) if store else None
    files, splits = _read_data(task, progress, stored)
    found = prepare_device(device)
    if stored is None:
        require_tensorflow("turning text into ids")
    fingerprints = stored.fingerprints if stored else fingerprints_of(files)
    environment = describe_environment(task.recipe, fingerprints, splits, found, command)
    if resume and target.is_finished:
        continue_environment(task.recipe, environment, place, allow_changes=allow_changes)
        target.reopen()
    if resume and not target.can_continue:
        progress.say(f"nothing to continue at {target.partial}; starting from the beginning")
        resume = False
    if resume:
        check_prepared(target.partial)
        environment = continue_environment(
            task.recipe, environment, target.partial, allow_changes=allow_changes
        )
        for change in environment["continued"][-1].get("changes", []):
            progress.warn(f"going on all the same: {change}")
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


def _finished(task: Task[Any], place: Path, progress: Progress) -> TrainResult | None:
    """A finished run as training it would give it back; ``None`` where more was asked for."""
    run = open_run(place)
    before = read_task(run.recipe_path).recipe
    epochs = task.recipe.training.epochs
    if differing_keys(before, task.recipe) or epochs > before.training.epochs:
        return None
    progress.say(
        f"{place}: is finished; nothing was done. --set training.epochs=N with more than {epochs} "
        "trains on, --overwrite starts again"
    )
    history = run.history()
    state = TrainingState(epoch=len(history), history=history)
    return TrainResult(run, stored_evaluation(run), task.headline, state)


def _train_into(
    folder: Path,
    target: RunTarget,
    task: Task[Any],
    splits: Mapping[str, Any],
    encoded: Mapping[str, EncodedSplit],
    environment: dict[str, Any],
    resume: bool,
    progress: Progress,
) -> TrainResult:
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
    return TrainResult(target.finish(environment), evaluation, task.headline, state)


def _read_data(
    task: Task[Any], progress: Progress, stored: Store | None
) -> tuple[dict[str, Path], dict[str, Any]]:
    """Files and examples; with stored ids the raw texts may be elsewhere."""
    try:
        files = task.find_files(progress, download=stored is None)
    except DataError:
        if stored is None:
            raise
        progress.warn(
            "the raw texts are not here: predictions are listed without them, and there are no "
            "baselines"
        )
        return {}, {}
    if stored is not None:
        stored.check_files(files)
    return files, _read_splits(task, files, progress)


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
        progress.say(f"{name}: {_coverage_line(coverage)}")
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
        if "validation" in encoded:
            task.measure(infer(few, Progress(), quick=True), few)
        task.score(infer(few, Progress()), few)

    return rehearse


# --- Evaluate ---


def evaluate(
    run: str | Path,
    data: str | Path | None = None,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> SplitEvaluation:
    """Score a run on its own test split, or on another file.

    Args:
        run: a run directory.
        data: a file written like the recipe's own; the run's test split by default.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        progress: where to show what happens.

    Raises:
        RunError: the run is incomplete, damaged or from a newer version.
        DataError: the data is missing or not what it should be.
    """
    progress = progress or Progress()
    predictor = Predictor.load(run, device=device)
    task = predictor.task
    if data is None:
        name, examples = _own_split(predictor, progress)
        baselines = stored_baselines(predictor.run, name)
    else:
        name, examples, baselines = str(data), task.read_file(Path(data)), []
    split, _ = task.encode(examples, progress, "encoding")
    outputs = predictor.outputs(split, progress)
    return SplitEvaluation(name, len(examples), task.score(outputs, split), baselines)


def _own_split(predictor: Predictor, progress: Progress) -> tuple[str, Any]:
    recorded = predictor.run.environment["data"]
    files = {name: Path(entry["path"]) for name, entry in recorded.items()}
    if not files or not all(path.exists() for path in files.values()):
        files = predictor.task.find_files(progress)
    for name, path in files.items():
        if name in recorded and sha256_of(path) != recorded[name]["sha256"]:
            raise DataError(
                f"{path}: the {name} data has changed since the run was trained; put it back, or "
                "score on it with --data FILE"
            )
    splits = _read_splits(predictor.task, files, progress)
    for name in ("test", "validation"):
        if name in splits:
            return name, splits[name]
    raise DataError(f"{predictor.run.folder}: the recipe has no test split; give --data FILE")


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
    write_evaluation(task, folder, evaluated)
    return evaluated.get(last), tables


# --- Check ---


def check(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    progress: Progress | None = None,
) -> list[Fact]:
    """What training a recipe would do, without training it.

    Raises:
        InputError: what :func:`train` would refuse.
    """
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    plan = fit_plan(task)
    files = task.find_files(progress)
    splits = _read_splits(task, files, progress)
    facts = [Fact(f"{name} file", str(path)) for name, path in files.items()]
    facts += [Fact(f"{name} examples", f"{len(found):,}") for name, found in splits.items()]
    facts += task.check_splits(splits)
    device = prepare_device("auto")
    from textnets.layers.kernels import recurrent_kernel

    task.learn(splits["train"])
    encoded = {}
    for name, examples in splits.items():
        encoded[name], coverage = task.encode(examples, progress, f"encoding {name}")
        facts.append(Fact(f"{name} tokens", _coverage_line(coverage)))
    sizes = task.sizes(progress)
    model = assemble_model(task, sizes)
    facts += [Fact(name, f"{n:,}") for name, n in sizes.items() if type(n) is int]
    for name, found in task.facts.items():
        facts += [Fact(f"{name} {key}", str(value)) for key, value in found.items()]
    facts.append(Fact("parameters", f"{model.count_params():,}"))
    facts += [Fact(f"  {layer.name}", f"{layer.count_params():,}")
              for layer in model.layers if layer.count_params()]  # fmt: skip
    batches = task.training_batches(task.trainer(model).model, encoded["train"])
    steps = len(batches.of_epoch(0))
    facts.append(Fact("steps an epoch", f"{steps:,}, {steps * plan.section.epochs:,} at most"))
    kept = f"the epoch with the best {plan.monitor.metric}" if plan.monitor else "the last epoch"
    facts.append(Fact("kept weights", f"of {kept}"))
    kernel = recurrent_kernel(model, device.backend)
    applies = "applies" if kernel.fused else "does not apply"
    facts.append(Fact("fused GPU kernel", f"{applies}: {kernel.reason}"))
    facts.append(Fact("device", f"{device.backend} on {device.name} ({device.reason})"))
    return facts


# --- Word vectors ---


def word_space(run: str | Path, table: str | None = None) -> WordSpace:
    """The token vectors of a trained model.

    Args:
        run: a run directory.
        table: which, where a model has several: ``tokens``, ``characters``, ``source`` or
            ``target``.

    Raises:
        RunError: the run is incomplete, damaged or from a newer version.
        InputError: the model has no such vectors.
    """
    predictor = Predictor.load(run, device="cpu")
    layers = {layer.name: layer for layer in predictor.model.layers}
    tables = {
        name: WordSpace(vocabulary, np.asarray(layers[layer].embeddings))
        for name, (layer, vocabulary) in predictor.task.vector_tables.items()
        if layer in layers
    }
    if not tables:
        raise InputError(f"{run}: the model has no token vectors")
    chosen = table or next(iter(tables))
    if chosen not in tables:
        raise InputError(f"{run}: no vectors of {chosen!r}; {did_you_mean(chosen, tables)}")
    return tables[chosen]


# --- Tokenize ---


def learn_task(
    recipe: str | Path, overrides: Overrides = (), *, progress: Progress | None = None
) -> Task[Any]:
    """The task of a recipe with its vocabularies learned, to see what becomes of a text."""
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    splits = _read_splits(task, task.find_files(progress), progress)
    prepare_device("cpu")
    task.learn(splits["train"])
    return task


def load_task(run: str | Path) -> Task[Any]:
    """The task of a run with its vocabularies."""
    found = open_run(Path(run))
    task = read_task(found.recipe_path)
    task.load(found.folder)
    prepare_device("cpu")
    return task


def store_ids(
    recipe: str | Path,
    folder: str | Path,
    overrides: Overrides = (),
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Coverage]:
    """Encode a recipe's splits into a folder, to train from without TensorFlow.

    Raises:
        RunError: the folder exists, and ``overwrite`` is not set.
    """
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    check_store_place(Path(folder), overwrite=overwrite)
    files = task.find_files(progress)
    splits = _read_splits(task, files, progress)
    prepare_device("cpu")
    task.learn(splits["train"])
    encoded, coverage = {}, {}
    for name, examples in splits.items():
        encoded[name], coverage[name] = task.encode(examples, progress, f"encoding {name}")
    write_store(Path(folder), task, encoded, fingerprints_of(files), overwrite=overwrite)
    return coverage


# --- Shared ---


def _read_splits(task: Task[Any], files: Mapping[str, Path], progress: Progress) -> dict[str, Any]:
    """The splits in the order in which people think of them, shares too."""
    splits = task.read_splits(files, progress)
    return {name: splits[name] for name in SPLITS if name in splits}


def _coverage_line(coverage: Coverage) -> str:
    mean = coverage.tokens / max(coverage.texts, 1)
    return (
        f"{coverage.texts:,} texts, {coverage.tokens:,} tokens ({mean:.1f} a text, longest "
        f"{coverage.longest:,}), {coverage.unknown_share:.2%} unknown, "
        f"{coverage.truncated_share:.1%} of the texts truncated"
        + (f", {coverage.empty} empty" if coverage.empty else "")
    )
