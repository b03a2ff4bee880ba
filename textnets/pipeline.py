"""Train, evaluate, check, tokenize: the story, top to bottom.

Each function here is one verb of the command line and one door of the library. None of
them knows a kind of task.
"""

from __future__ import annotations

import dataclasses
import json
import platform
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textnets.builders import BUILDERS
from textnets.data.sources import sha256_of
from textnets.errors import DataError, Problem, RecipeError, RunError, did_you_mean
from textnets.evaluation.confidence import Estimate
from textnets.evaluation.report import Report, Table, render_report
from textnets.predictor import Predictor
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.shipped import recipe_path
from textnets.run import (
    ENVIRONMENT_FILE,
    EVALUATION_FILE,
    MODEL_FILE,
    PREDICTIONS_FOLDER,
    RECIPE_FILE,
    REPORT_FILE,
    Run,
    RunTarget,
    read_started,
    write_json,
    write_lines,
    write_recipe,
)
from textnets.stores import Store, check_store_place, open_store, write_store
from textnets.tasks import Task, read_task
from textnets.tasks.task import BaselineScore, Fact, Outputs
from textnets.text.corpus import EncodedSplit
from textnets.text.encoder import Coverage
from textnets.training.devices import Device, precision, prepare_device
from textnets.training.fitting import FitPlan, Measure, Monitor, TrainingState, fit
from textnets.training.inference import predict_all
from textnets.training.interrupts import InterruptedTrainingError
from textnets.training.optimizers import build_optimizer
from textnets.training.steps import forward

Overrides = Sequence[str] | Mapping[str, Any]
OutputsOf = Callable[[EncodedSplit], Outputs]

_PACKAGES = (
    "textnets", "keras", "tensorflow", "tensorflow-text", "jax", "numpy", "scikit-learn",
)  # fmt: skip


@dataclass(frozen=True)
class SplitEvaluation:
    """How a model did on one split.

    Attributes:
        split: its name.
        examples: how many.
        scores: the model's metrics.
        baselines: those of the cheap rivals, trained on the same training split.
    """

    split: str
    examples: int
    scores: Mapping[str, Estimate]
    baselines: Sequence[BaselineScore] = ()


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
    overwrite: bool = False,
    device: str = "auto",
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a recipe into a run directory.

    Args:
        recipe: a YAML file, or the name of a recipe that ships with textnets.
        overrides: ``{"training.epochs": 1}`` or ``["training.epochs=1"]``.
        output: the run directory; ``runs/NAME`` by default.
        resume: continue an unfinished run.
        overwrite: replace a finished or unfinished run.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        store: a folder of ids written by :func:`store_ids`: nothing is tokenized, and
            TensorFlow is not needed.
        progress: where to show what happens; silent by default.

    Raises:
        InputError: the recipe, its data or the place of the run is at fault. Nothing was
            written.
        TrainingError: training cannot go on.
    """
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    plan = fit_plan(task)
    _check_claim(task)
    target = RunTarget(Path(output) if output else Path("runs") / task.recipe.name)
    target.check(resume=resume, overwrite=overwrite)
    stored = open_store(Path(store), task) if store else None
    files, splits = _read_data(task, progress, stored)
    found = prepare_device(device)
    resume = resume and (target.partial / RECIPE_FILE).is_file()
    folder = target.begin(resume=resume)
    try:
        started = _start_run(task, folder, files, splits, stored, found, resume)
        if stored is None:
            encoded = _encode_splits(task, folder, splits, progress, resume)
        else:
            encoded = stored.load(task, folder)
        model, kernel = _build_model(task, found, progress)
        outputs_of = _outputs_of(task, model, progress)
        state = fit(
            model,
            dataclasses.replace(encoded["train"], weights=task.train_weights(encoded["train"])),
            plan,
            folder=folder,
            measure=_validation_measure(task, outputs_of, encoded),
            resume=resume,
            progress=progress,
        )
        _save_model(model, folder / MODEL_FILE)
        evaluation, tables = _evaluate(task, outputs_of, folder, splits, encoded, progress)
        environment = {
            **started,
            "recurrent_kernel": kernel,
            "parameters": int(model.count_params()),
            "best_epoch": state.best_epoch,
            "monitor": plan.monitor.metric,
            "stopped": state.stopped,
            "training_seconds": round(sum(row["seconds"] for row in state.history), 1),
        }
        _write_report(task, folder, evaluation, tables, state, plan, environment)
        return TrainResult(target.finish(environment), evaluation, task.headline, state)
    except KeyboardInterrupt:  # after the last epoch; while fitting, fit() sees to it
        if target.can_continue:
            raise InterruptedTrainingError(signal.SIGINT) from None
        target.abandon()
        raise
    except BaseException:
        target.abandon()
        raise
    finally:
        target.release()


def fit_plan(task: Task[Any]) -> FitPlan:
    """Resolve the monitored metrics of a recipe.

    Raises:
        RecipeError: a metric is not one of the task's.
    """
    section, data = task.recipe.training, task.recipe.data
    known = {f"validation_{name}": lower for name, lower in task.metrics.items()}
    if data.validation is None:
        known = {}
    known |= {"loss": True, **dict.fromkeys(task.training_metrics, False)}
    default = f"validation_{task.headline}" if data.validation is not None else "loss"
    metric = section.monitor or default
    stopping = section.early_stopping
    problems = [
        Problem(path, f"unknown metric, was: {name!r}; {did_you_mean(name, known)}")
        for path, name in (
            ("training.monitor", metric),
            ("training.early_stopping.metric", stopping.metric if stopping else None),
        )
        if name is not None and name not in known
    ]
    if problems:
        raise RecipeError(str(task.recipe.path), problems)
    stop_metric = stopping.metric or metric if stopping else metric
    return FitPlan(
        section=section,
        seed=task.recipe.seed,
        monitor=Monitor(metric, known[metric]),
        stopping=Monitor(stop_metric, known[stop_metric], stopping.min_delta) if stopping else None,
        patience=stopping.patience if stopping else 1,
    )


def _check_claim(task: Task[Any]) -> None:
    """Refuse, before any work, a claim that could never be looked at."""
    claim = task.recipe.claim
    if claim is None:
        return
    problems = []
    if claim.metric not in task.score_names:
        hint = did_you_mean(claim.metric, task.score_names)
        problems.append(Problem("claim.metric", f"unknown metric, was: {claim.metric!r}; {hint}"))
    if task.recipe.data.test is None:
        problems.append(Problem("claim", "is about the test split, and data.test is not given"))
    if problems:
        raise RecipeError(str(task.recipe.path), problems)


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
    return files, task.read_splits(files, progress)


def _start_run(
    task: Task[Any],
    folder: Path,
    files: Mapping[str, Path],
    splits: Mapping[str, Any],
    stored: Store | None,
    device: Device,
    resume: bool,
) -> dict[str, Any]:
    """Write what the run is before anything else, or compare it with what is there."""
    environment = {
        "textnets": _package_version("textnets"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "recipe": str(task.recipe.path),
        "seed": task.recipe.seed,
        "device": dataclasses.asdict(device),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": _package_versions(),
        "data": stored.fingerprints if stored else _fingerprints(files),
        "examples": {name: len(examples) for name, examples in splits.items()},
    }
    if resume:
        _compare_with_started(task.recipe, environment, folder)
    else:
        write_recipe(folder / RECIPE_FILE, task.recipe)
        write_json(folder / ENVIRONMENT_FILE, environment)
    return environment


def _compare_with_started(recipe: Recipe, environment: Mapping[str, Any], folder: Path) -> None:
    """Refuse to continue a run with something else than it was started with."""
    before = read_task(folder / RECIPE_FILE).recipe.as_sections()
    now = recipe.as_sections()
    differing = [
        f"{section}.{key}: {_of(before, section, key)!r} before, {_of(now, section, key)!r} now"
        for section in sorted({*before, *now})
        for key in sorted({*_keys(before, section), *_keys(now, section)})
        if _of(before, section, key) != _of(now, section, key)
        and (section, key) != ("training", "epochs")
    ]
    started = read_started(folder)
    data, versions = started.get("data", {}), started.get("versions", {})
    for name, entry in environment["data"].items():
        if data.get(name, {}).get("sha256") != entry["sha256"]:
            differing.append(f"the {name} data has changed since")
    for name, number in environment["versions"].items():
        if versions.get(name) != number:
            differing.append(f"{name} was {versions.get(name)}, is {number}")
    if differing:
        raise RunError(
            f"{folder}: cannot continue this run, since it would not be the same one:\n  "
            + "\n  ".join(differing)
            + "\nput it back, or start again with --overwrite"
        )


def _keys(sections: Mapping[str, Any], section: str) -> list[str]:
    found = sections.get(section)
    return list(found) if isinstance(found, dict) else [""]


def _of(sections: Mapping[str, Any], section: str, key: str) -> Any:
    found = sections.get(section)
    return found.get(key) if isinstance(found, dict) else found


def _encode_splits(
    task: Task[Any], folder: Path, splits: Mapping[str, Any], progress: Progress, resume: bool
) -> dict[str, EncodedSplit]:
    if resume and (folder / "vocabulary.txt").is_file():
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


def _build_model(task: Task[Any], device: Device, progress: Progress) -> tuple[Any, dict[str, Any]]:
    """A compiled model, and which recurrent kernel it will use."""
    import keras

    from textnets.layers.kernels import recurrent_kernel

    keras.utils.set_random_seed(task.recipe.seed)
    model = _assemble(task, progress)
    loss, metrics = task.losses()
    section = task.recipe.training
    jit = section.xla if device.backend == "tensorflow" else "auto"
    model.compile(build_optimizer(section), loss, metrics=metrics, jit_compile=jit)
    path = recurrent_kernel(model, device.backend)
    used = path.fused and device.kind == "gpu"
    reason = path.reason if not path.fused or used else f"{path.reason}, but there is no GPU"
    kernel = {"fused": used, "reason": reason}
    progress.say(
        f"model: {task.recipe.builder}, {model.count_params():,} parameters; "
        f"{device.backend} on {device.name} ({device.reason}), {section.precision}; "
        f"recurrent kernel: {'fused' if used else 'generic'} ({reason})"
    )
    return model, kernel


def _assemble(task: Task[Any], progress: Progress) -> Any:
    builder = BUILDERS[task.recipe.builder]
    with precision(task.recipe.training.precision):
        return builder(**task.recipe.builder_parameters, **task.sizes(progress))


def _validation_measure(
    task: Task[Any], outputs_of: OutputsOf, encoded: Mapping[str, EncodedSplit]
) -> Measure | None:
    if "validation" not in encoded:
        return None
    split = encoded["validation"]

    def measure() -> dict[str, float]:
        return task.measure(outputs_of(split), split)

    return measure


def _outputs_of(task: Task[Any], model: Any, progress: Progress) -> OutputsOf:
    compiled, width = forward(model), task.recipe.training.bucket_width
    return lambda split: predict_all(compiled, split.inputs, bucket_width=width, progress=progress)


def _save_model(model: Any, path: Path) -> None:
    """Save the model without its optimizer: what predicts, and nothing else."""
    import keras

    keras.Model(model.input, model.output, name=model.name).save(path)


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
        baselines = _stored_baselines(predictor.run, name)
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
    splits = predictor.task.read_splits(files, progress)
    for name in ("test", "validation"):
        if name in splits:
            return name, splits[name]
    raise DataError(f"{predictor.run.folder}: the recipe has no test split; give --data FILE")


def _stored_baselines(run: Run, split: str) -> list[BaselineScore]:
    stored = run.evaluation().get("splits", {}).get(split, {}).get("baselines", {})
    return [
        BaselineScore(
            name,
            entry["description"],
            {metric: Estimate(**value) for metric, value in entry["scores"].items()},
            entry["seconds"],
        )
        for name, entry in stored.items()
    ]


def _evaluate(
    task: Task[Any],
    outputs_of: OutputsOf,
    folder: Path,
    splits: Mapping[str, Any],
    encoded: Mapping[str, EncodedSplit],
    progress: Progress,
) -> tuple[SplitEvaluation | None, list[Table]]:
    """Score the best weights; the test split is touched here, once."""
    evaluated, tables = {}, list[Table]()
    for name in ("validation", "test"):
        if name in encoded:
            outputs = outputs_of(encoded[name])
            scores = task.score(outputs, encoded[name])
            texts = list(splits[name].texts) if name in splits else []
            tables = task.tables(texts, outputs, encoded[name])
            evaluated[name] = SplitEvaluation(name, len(encoded[name]), scores)
            _write_predictions(task, folder, name, splits, outputs)
    last = "test" if "test" in evaluated else "validation"
    if last in evaluated and task.recipe.evaluation.baselines and last in splits:
        rivals = task.baselines(splits["train"], splits[last], progress)
        evaluated[last] = dataclasses.replace(evaluated[last], baselines=rivals)
    write_json(
        folder / EVALUATION_FILE,
        {
            "headline": task.headline,
            "confidence": task.recipe.evaluation.confidence,
            "splits": {name: _as_json(found) for name, found in evaluated.items()},
            "claim": _claim_result(task, evaluated.get("test")),
        },
    )
    return evaluated.get(last), tables


def _claim_result(task: Task[Any], test: SplitEvaluation | None) -> dict[str, Any] | None:
    claim = task.recipe.claim
    if claim is None or test is None:
        return None
    if claim.metric not in test.scores:
        hint = did_you_mean(claim.metric, test.scores)
        return {**claim.model_dump(), "holds": None, "reason": f"unknown metric; {hint}"}
    value = test.scores[claim.metric].value
    at_least = claim.at_least is None or value >= claim.at_least
    at_most = claim.at_most is None or value <= claim.at_most
    return {**claim.model_dump(), "value": value, "holds": at_least and at_most}


def _as_json(evaluation: SplitEvaluation) -> dict[str, Any]:
    return {
        "examples": evaluation.examples,
        "scores": {name: found.as_dict() for name, found in evaluation.scores.items()},
        "baselines": {
            rival.name: {
                "description": rival.description,
                "scores": {name: found.as_dict() for name, found in rival.scores.items()},
                "seconds": round(rival.seconds, 1),
            }
            for rival in evaluation.baselines
        },
    }


def _write_predictions(
    task: Task[Any], folder: Path, name: str, splits: Mapping[str, Any], outputs: Outputs
) -> None:
    examples = splits.get(name)
    texts = list(examples.texts) if examples is not None else [""] * len(outputs)
    truths = task.truths(examples) if examples is not None else [{} for _ in texts]
    records = [
        {"text": text, **truth, **prediction.as_fields()}
        for text, truth, prediction in zip(texts, truths, task.decode(texts, outputs), strict=True)
    ]
    write_lines(folder / PREDICTIONS_FOLDER / f"{name}.jsonl", records)


def _write_report(
    task: Task[Any],
    folder: Path,
    evaluation: SplitEvaluation | None,
    tables: Sequence[Table],
    state: TrainingState,
    plan: FitPlan,
    environment: Mapping[str, Any],
) -> None:
    if evaluation is None:
        return
    rivals = {rival.name: rival.scores for rival in evaluation.baselines}
    scores = {
        system: {metric: found.as_dict() for metric, found in found_scores.items()}
        for system, found_scores in {task.recipe.builder: evaluation.scores, **rivals}.items()
    }
    report = Report(
        title=task.recipe.name,
        task=f"{task.name}, {evaluation.examples:,} examples of the {evaluation.split} split",
        headline_metric=task.headline,
        scores=scores,
        history=state.history,
        best_epoch=state.best_epoch or None,
        monitor=plan.monitor.metric,
        tables=tables,
        recipe_text=(folder / RECIPE_FILE).read_text(encoding="utf-8"),
        facts=_report_facts(environment, evaluation),
    )
    (folder / REPORT_FILE).write_text(render_report(report), encoding="utf-8")


def _report_facts(
    environment: Mapping[str, Any], evaluation: SplitEvaluation
) -> list[tuple[str, str]]:
    device, kernel = environment["device"], environment["recurrent_kernel"]
    facts = [
        ("command", environment["command"]),
        ("device", f"{device['backend']} on {device['name']} ({device['reason']})"),
        ("recurrent kernel", f"{'fused' if kernel['fused'] else 'generic'}: {kernel['reason']}"),
        ("parameters", f"{environment['parameters']:,}"),
        ("training", f"{environment['training_seconds']:,.0f} s"),
        ("python", environment["python"]),
    ]
    facts += [(f"version of {name}", number) for name, number in environment["versions"].items()]
    facts += [
        (f"{name} data", f"{Path(entry['path']).name}, sha256 {entry['sha256'][:16]}…")
        for name, entry in environment["data"].items()
    ]
    facts += [
        (f"baseline {rival.name}", f"{rival.description}, {rival.seconds:.1f} s")
        for rival in evaluation.baselines
    ]
    return facts


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
    _check_claim(task)
    files = task.find_files(progress)
    splits = task.read_splits(files, progress)
    facts = [Fact(f"{name} file", str(path)) for name, path in files.items()]
    facts += [Fact(f"{name} examples", f"{len(found):,}") for name, found in splits.items()]
    facts += task.check_splits(splits)
    device = prepare_device("auto")
    from textnets.layers.kernels import recurrent_kernel

    task.learn(splits["train"])
    for name, examples in splits.items():
        _, coverage = task.encode(examples, progress, f"encoding {name}")
        facts.append(Fact(f"{name} tokens", _coverage_line(coverage)))
    model = _assemble(task, progress)
    sizes = task.sizes(Progress())
    facts += [Fact(name, f"{n:,}") for name, n in sizes.items() if type(n) is int]
    facts.append(Fact("parameters", f"{model.count_params():,}"))
    facts += [Fact(f"  {layer.name}", f"{layer.count_params():,}")
              for layer in model.layers if layer.count_params()]  # fmt: skip
    steps = -(-len(splits["train"]) // plan.section.batch_size)
    facts.append(Fact("steps an epoch", f"{steps:,}, {steps * plan.section.epochs:,} at most"))
    facts.append(Fact("kept weights", f"of the epoch with the best {plan.monitor.metric}"))
    kernel = recurrent_kernel(model, device.backend)
    applies = "applies" if kernel.fused else "does not apply"
    facts.append(Fact("fused GPU kernel", f"{applies}: {kernel.reason}"))
    facts.append(Fact("device", f"{device.backend} on {device.name} ({device.reason})"))
    return facts


# --- Tokenize ---


def learn_task(
    recipe: str | Path, overrides: Overrides = (), *, progress: Progress | None = None
) -> Task[Any]:
    """The task of a recipe with its vocabularies learned, to see what becomes of a text."""
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    splits = task.read_splits(task.find_files(progress), progress)
    prepare_device("cpu")
    task.learn(splits["train"])
    return task


def load_task(run: str | Path) -> Task[Any]:
    """The task of a run with its vocabularies."""
    from textnets.run import open_run

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
    splits = task.read_splits(files, progress)
    prepare_device("cpu")
    task.learn(splits["train"])
    encoded, coverage = {}, {}
    for name, examples in splits.items():
        encoded[name], coverage[name] = task.encode(examples, progress, f"encoding {name}")
    write_store(Path(folder), task, encoded, _fingerprints(files), overwrite=overwrite)
    return coverage


# --- Shared ---


def _coverage_line(coverage: Coverage) -> str:
    mean = coverage.tokens / max(coverage.texts, 1)
    return (
        f"{coverage.texts:,} texts, {coverage.tokens:,} tokens ({mean:.1f} a text, longest "
        f"{coverage.longest:,}), {coverage.unknown_share:.2%} unknown, "
        f"{coverage.truncated_share:.1%} of the texts truncated"
        + (f", {coverage.empty} empty" if coverage.empty else "")
    )


def _fingerprints(files: Mapping[str, Path]) -> dict[str, dict[str, str]]:
    return {
        name: {"path": str(path.resolve()), "sha256": sha256_of(path)}
        for name, path in files.items()
    }


def _package_versions() -> dict[str, str]:
    return {name: found for name in _PACKAGES if (found := _package_version(name))}


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
