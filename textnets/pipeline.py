"""Train, evaluate, check, tokenize: the story, top to bottom.

Each function here is one verb of the command line and one door of the library. None of
them knows a kind of task.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from textnets.backend.devices import Device, prepare_device, require_tensorflow
from textnets.builders.custom import module_of
from textnets.data.counts import RowCount
from textnets.errors import DataError, InputError, did_you_mean
from textnets.experiment.compound import execute
from textnets.experiment.encoders import (
    encoder_vectors,
    encoders_record,
    find_encoder,
    packages_of,
    tell_of_encoders,
)
from textnets.experiment.models import build_model, vectors_of
from textnets.experiment.monitoring import check_measured, fit_plan
from textnets.experiment.prepare import coverage_line, prepare, read_data, refuse_changed
from textnets.experiment.record import RunRecord, begin_record, fingerprints_of
from textnets.experiment.results import (
    SplitEvaluation,
    judged,
    stored_baselines,
    stored_comparison,
    stored_evaluation,
)
from textnets.experiment.source_runs import (
    extend_vocabularies,
    open_source,
    sources_record,
    tell_of_changes,
)
from textnets.experiment.start import Continue, Finished, decide_start, is_in_steps
from textnets.experiment.stores import Store, check_store_place, open_store, write_store
from textnets.experiment.warm_start import begin_with_source
from textnets.predictions import Prediction
from textnets.progress import Progress
from textnets.recipe.shipped import recipe_path
from textnets.run.directory import Run, open_run
from textnets.run.target import RunTarget
from textnets.tasks import AnyTask, Predictor, read_run, read_task, task_of
from textnets.tasks.ensemble import load_preprocessor_of
from textnets.tasks.evaluation import Fact, Split
from textnets.tasks.examples import Examples
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoder import Coverage
from textnets.text.vocabulary import Vocabulary
from textnets.text.word_space import WordSpace
from textnets.training.fitting import TrainingState

Overrides = Sequence[str] | Mapping[str, Any]


def as_overrides(overrides: Overrides) -> list[str]:
    """``{"training.epochs": 1}`` as the command line writes it."""
    if isinstance(overrides, Mapping):
        return [f"{key}={json.dumps(value)}" for key, value in overrides.items()]
    return list(overrides)


# --- Train ---


@dataclass(frozen=True)
class TrainedRun:
    """A trained model, measured: what :func:`train` gives back.

    >>> import textnets
    >>> tiny = {"data.limit": 400, "training.epochs": 1, "evaluation.baselines": False}
    >>> run = textnets.train("banking77_cnn", tiny, output="runs/quick", resume=True)
    >>> prediction = run.predict(["my card still has not arrived"])[0]
    >>> len(prediction.probabilities), len(run.history), len(run.vocabulary) > 100
    (77, 1, True)
    >>> run.evaluate().examples
    400
    >>> run.model.name
    'cnn_classifier'

    Attributes:
        run: its directory.
        evaluation: of the test split, or of validation where that was not scored; ``None`` where
            there is neither.
        headline: the metric that the model is first judged by.
        state: of training, at its end.
        device: where it answers: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        allow_builders: the module of its builder, where that is none of textnets' own.
    """

    run: Run
    evaluation: SplitEvaluation | None
    headline: str
    state: TrainingState
    device: str = "auto"
    allow_builders: Sequence[str] = ()

    @property
    def folder(self) -> Path:
        """Of the run."""
        return self.run.folder

    @cached_property
    def predictor(self) -> Predictor:
        """The model as it was saved, with its vocabularies; loaded when it is first used."""
        return Predictor.load(self.folder, device=self.device, allow_builders=self.allow_builders)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """Predictions for some texts, in their order; see :meth:`Predictor.predict`."""
        return self.predictor.predict(texts)

    def evaluate(
        self, data: str | Path | None = None, *, progress: Progress | None = None
    ) -> SplitEvaluation:
        """Score on the run's test split, or on another file; see :func:`evaluate`."""
        return _evaluate(self.predictor, data, progress or Progress())

    @property
    def history(self) -> Any:
        """One record an epoch: a ``pandas.DataFrame`` where pandas is installed, else a list of
        dicts."""
        records = self.run.history()
        try:
            from pandas import DataFrame
        except ImportError:
            return records
        return DataFrame.from_records(records)

    @property
    def model(self) -> Any:
        """The ``keras.Model``, with its best weights, not compiled."""
        return self.predictor.model

    @property
    def vocabulary(self) -> Vocabulary:
        """The model's tokens; of a translator those it reads."""
        return next(iter(self.vocabularies.values()))

    @property
    def vocabularies(self) -> dict[str, Vocabulary]:
        """All of the model's vocabularies: ``tokens``, ``characters``, ``source``, ``target``."""
        return {
            name: found for name, (_, found) in self.predictor.preprocessor.vector_tables.items()
        }


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
) -> TrainedRun:
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

    The recipe and its data ship with textnets; 400 questions and one epoch only try it out:

    >>> import textnets
    >>> run = textnets.train(
    ...     "banking77_cnn",
    ...     {"data.limit": 400, "training.epochs": 1, "evaluation.baselines": False},
    ...     output="runs/quick",
    ... )
    >>> run.folder.name, run.headline, run.evaluation.split, run.evaluation.examples
    ('quick', 'accuracy', 'test', 400)
    """
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    place = Path(output) if output else Path("runs") / task.recipe.name
    target = RunTarget(place, overwrite=overwrite)
    target.check(resume=resume)
    start = decide_start(task.recipe, target, progress, resume=resume)
    custom = list(map(module_of, task.recipe.builders))
    if isinstance(start, Finished):
        return _as_trained(start.run, task, device, custom)
    stored = _open_store(Path(store), task) if store else None
    goes_on = isinstance(start, Continue)
    sources = None if goes_on else sources_record(task.recipe, target.output)
    encoders = None if goes_on else encoders_record(task)
    data = read_data(task, progress, stored)
    found = prepare_device(device)
    if stored is None:
        require_tensorflow("turning text into ids")
    record = begin_record(
        task.recipe,
        data.fingerprints,
        data.splits,
        found,
        command,
        data.counts,
        packages_of(task),
    )
    record = dataclasses.replace(record, sources=sources, encoders=encoders)
    if isinstance(start, Continue):
        record = start.begin(task.recipe, record, progress, allow_changes=allow_changes)
        if not is_in_steps(task.recipe):  # else a part may begin yet, and says so itself
            tell_of_changes(task.recipe, record.sources, progress)
            tell_of_encoders(task, record.encoders, progress)
    done = execute(task, target, data, record, resume=goes_on, progress=progress)
    return TrainedRun(done.run, done.evaluation, task.headline, done.state, device, custom)


def _open_store(folder: Path, task: AnyTask) -> Store:
    _refuse_steps(task)
    return open_store(folder, task.recipe)


def _refuse_steps(task: AnyTask) -> None:
    """Stored ids are of one model, and of splits that stay as they are."""
    if task.recipe.ensemble is not None:
        raise InputError("ids are stored for one model; an ensemble's members have each their own")
    if task.recipe.data.folds is not None:
        raise InputError("data.folds: stored ids are of one division; remove the key")
    if task.recipe.training.refit is not None:
        raise InputError("training.refit: stored ids are of one training; remove the key")


def _as_trained(run: Run, task: AnyTask, device: str, allow_builders: Sequence[str]) -> TrainedRun:
    """A finished run as training it would give it back."""
    history = run.history()
    state = TrainingState(epoch=len(history), history=history)
    return TrainedRun(run, stored_evaluation(run), task.headline, state, device, allow_builders)


# --- Evaluate ---


def evaluate(
    run: str | Path,
    data: str | Path | None = None,
    *,
    overrides: Sequence[str] = (),
    device: str = "auto",
    allow_builders: Sequence[str] = (),
    progress: Progress | None = None,
) -> SplitEvaluation:
    """Score a run on its own test split, or on another file.

    With the run that :func:`train`'s example wrote:

    >>> import textnets
    >>> scores = textnets.evaluate("runs/quick").scores
    >>> sorted(scores)
    ['accuracy', 'log_loss', 'macro_f1']
    >>> scores["accuracy"].low <= scores["accuracy"].value <= scores["accuracy"].high
    True

    Args:
        run: a run directory.
        data: a file written like the recipe's own; the run's test split by default.
        overrides: ``["evaluation.beam_size=1"]``: other keys of ``evaluation``, for these scores.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        allow_builders: modules that may be imported, for a run whose builder is of one.
        progress: where to show what happens.

    Raises:
        RunError: the run is incomplete, damaged or from a newer version.
        DataError: the data is missing or not what it should be.
        InputError: an override is none of the evaluation's keys, or not in its range.
    """
    predictor = Predictor.load(
        run, overrides=overrides, device=device, allow_builders=allow_builders
    )
    # What a run holds of the comparison with its baselines is of the scores that it holds.
    return _evaluate(predictor, data, progress or Progress(), is_as_trained=not overrides)


def _evaluate(
    predictor: Predictor,
    data: str | Path | None,
    progress: Progress,
    *,
    is_as_trained: bool = True,
) -> SplitEvaluation:
    task, preprocessor, evaluation = predictor.task, predictor.preprocessor, predictor.evaluation
    splits: Mapping[str, Examples] = {}
    if data is None:
        name, splits = _recorded_split(predictor, progress)
        examples = splits[name]
    else:
        name, count = str(data), RowCount(task.unit)
        examples = evaluation.scorable(task.read(Path(data), Progress(), count), count)
        for sentence in count.warnings():
            progress.warn(f"{data}: {sentence}")
        evaluation.check(examples, name)
        if not len(examples):
            raise DataError(f"{data}: holds no example to score")
    split, _ = preprocessor.encode(examples, progress, "encoding")
    outputs, split = predictor.outputs(split, progress), predictor.as_scored(split)
    for fact in evaluation.facts(name, split, progress):
        progress.say(f"{fact.name}: {fact.value}")
    scores = evaluation.score(outputs, split)
    if not splits:
        return SplitEvaluation(name, len(examples), scores)
    baselines = stored_baselines(predictor.run, name)
    if not baselines and task.recipe.evaluation.baselines:
        scored = Split(examples, split)
        baselines = evaluation.baselines(Split(splits["train"]), scored, progress)
    found = SplitEvaluation(name, len(examples), scores, baselines)
    known = stored_comparison(predictor.run, name) if is_as_trained else None
    return judged(task, found, known)


def _recorded_split(predictor: Predictor, progress: Progress) -> tuple[str, Mapping[str, Examples]]:
    """The name of the split that a run is scored on, and all its splits."""
    splits = recorded_splits(predictor, progress)
    for name in ("test", "validation"):
        if name in splits:
            return name, splits
    raise DataError(f"{predictor.run.folder}: the recipe has no test split; give --data FILE")


def recorded_splits(predictor: Predictor, progress: Progress) -> Mapping[str, Examples]:
    """The splits that a run was trained and scored on, read again.

    Raises:
        DataError: a file is no longer there, or has changed.
    """
    recorded = RunRecord.of_json(predictor.run.environment).data
    files = {name: Path(entry["path"]) for name, entry in recorded.items()}
    if not files or not all(path.exists() for path in files.values()):
        files = predictor.task.find_files(progress)
    before = fingerprints_of(files)
    for name, path in files.items():
        if name in recorded and before[name]["sha256"] != recorded[name]["sha256"]:
            raise DataError(
                f"{path}: the {name} data has changed since the run was trained; put it back, or "
                "score on it with --data FILE"
            )
    splits = predictor.task.read_splits(files, progress)
    refuse_changed(before, files)
    return splits


# --- Check ---


def check(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    allow_builders: Sequence[str] = (),
    progress: Progress | None = None,
) -> list[Fact]:
    """What training a recipe would do, without training it.

    Args:
        recipe: a YAML file, or the name of a recipe that ships with textnets.
        overrides: as in :func:`train`.
        allow_builders: modules that may be imported, for a recipe whose builder is of one; none
            of a stranger's recipe runs unless it is named here.
        progress: where to show what happens.

    >>> import textnets
    >>> found = textnets.check("banking77_cnn", {"data.limit": 400})
    >>> facts = {fact.name: fact.value for fact in found}
    >>> facts["train examples"], facts["validation examples"], facts["num_classes"]
    ('380', '20', '77')

    Raises:
        InputError: what :func:`train` would refuse.
    """
    progress = progress or Progress()
    path = recipe_path(recipe)
    task = read_task(path, as_overrides(overrides), allow_builders=allow_builders)
    data = read_data(task, progress)
    facts = [Fact(f"{name} file", str(path)) for name, path in data.files.items()]
    facts += [Fact(f"{name} examples", f"{len(found):,}") for name, found in data.splits.items()]
    for name, count in data.counts.items():
        facts.append(Fact(f"read of {name}", count.as_line()))
    facts += task.facts(data.splits)
    device = prepare_device("auto")
    runs = {run.member: run for run in reversed(task.recipe.member_runs)}
    if not runs:
        facts += _model_facts(task, data.splits, device, progress)
    for _, run in sorted(runs.items()):
        facts.append(Fact("member", run.name))
        facts += _model_facts(task_of(run.recipe), data.splits, device, progress)
    facts.append(Fact("device", f"{device.backend} on {device.name} ({device.reason})"))
    return facts


def _model_facts(
    task: AnyTask, splits: Mapping[str, Examples], device: Device, progress: Progress
) -> list[Fact]:
    """What one model would be, and how it would be trained."""
    from textnets.layers.kernels import recurrent_kernel

    facts, plan = [], fit_plan(task)
    source = open_source(task.recipe)
    prepared = prepare(task, splits, progress, source=source)
    for name, coverage in prepared.coverage.items():
        facts += [Fact(f"{name} tokens", coverage_line(coverage)), *prepared.facts[name]]
    preprocessor = prepared.preprocessor
    vectors = vectors_of(task, preprocessor, progress)
    encoder = find_encoder(task)
    frozen = encoder_vectors(preprocessor, encoder, progress)
    model = build_model(task, preprocessor, vectors, frozen)
    if source is not None:
        theirs = source.load_model()
        start = begin_with_source(model, task.recipe, preprocessor, source, theirs)
        facts.append(Fact("begins with", start.said))
    setup = task.training_setup(model, preprocessor, prepared.encoded["train"])
    check_measured(plan, setup)
    facts += [Fact(name, f"{n:,}") for name, n in preprocessor.sizes.items() if type(n) is int]
    for name, one in vectors.items():
        table = "vectors" if name == "tokens" else f"{name} vectors"
        facts += [Fact(f"{table} {key}", str(value)) for key, value in one.as_json().items()]
    if encoder is not None:
        facts.append(Fact("encoder path", str(encoder.path.resolve())))
        facts.append(Fact("encoder sha256", encoder.sha256))
    facts.append(Fact("parameters", f"{model.count_params():,}"))
    facts += [Fact(f"  {layer.name}", f"{layer.count_params():,}")
              for layer in model.layers if layer.count_params()]  # fmt: skip
    steps = len(setup.batches.of_epoch(0))
    at_most = steps * plan.with_steps(steps).epochs
    facts.append(Fact("steps an epoch", f"{steps:,}, {at_most:,} at most"))
    kept = f"the epoch with the best {plan.monitor.metric}" if plan.monitor else "the last epoch"
    facts.append(Fact("kept weights", f"of {kept}"))
    kernel = recurrent_kernel(model, device.backend)
    applies = "applies" if kernel.fused else "does not apply"
    facts.append(Fact("fused GPU kernel", f"{applies}: {kernel.reason}"))
    return facts


# --- Word vectors ---


def word_space(
    run: str | Path, table: str | None = None, *, allow_builders: Sequence[str] = ()
) -> WordSpace:
    """The token vectors of a trained model.

    Args:
        run: a run directory.
        table: which, where a model has several: ``tokens``, ``characters``, ``source`` or
            ``target``.
        allow_builders: modules that may be imported, for a run whose builder is of one.

    Raises:
        RunError: the run is incomplete, damaged or from a newer version.
        InputError: the model has no such vectors.
    """
    predictor = Predictor.load(run, device="cpu", allow_builders=allow_builders)
    layers = {layer.name: layer for layer in predictor.model.layers}
    tables = {
        name: WordSpace(vocabulary, _vectors(layers[layer]))
        for name, (layer, vocabulary) in predictor.preprocessor.vector_tables.items()
        if layer in layers
    }
    if not tables:
        raise InputError(f"{run}: the model has no token vectors")
    chosen = table or next(iter(tables))
    if chosen not in tables:
        raise InputError(f"{run}: no vectors of {chosen!r}; {did_you_mean(chosen, tables)}")
    return tables[chosen]


# --- Tokenize ---


def learn_preprocessor(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    allow_builders: Sequence[str] = (),
    progress: Progress | None = None,
) -> tuple[AnyTask, AnyPreprocessor]:
    """The task of a recipe and its vocabularies, to see what becomes of a text."""
    progress = progress or Progress()
    path = recipe_path(recipe)
    task = read_task(path, as_overrides(overrides), allow_builders=allow_builders)
    data = read_data(task, progress)
    prepare_device("cpu")
    learned = task.learn(data.splits["train"])
    source = open_source(task.recipe) if learned.extended_tables else None
    return task, extend_vocabularies(learned, source)


def load_preprocessor(
    run: str | Path, *, allow_builders: Sequence[str] = ()
) -> tuple[AnyTask, AnyPreprocessor]:
    """The task of a run and its vocabularies."""
    found = open_run(Path(run))
    task = read_run(found.folder, allow_builders=allow_builders)
    preprocessor = load_preprocessor_of(task, found.folder)
    prepare_device("cpu")
    return task, preprocessor


def store_ids(
    recipe: str | Path,
    folder: str | Path,
    overrides: Overrides = (),
    *,
    overwrite: bool = False,
    allow_builders: Sequence[str] = (),
    progress: Progress | None = None,
) -> dict[str, Coverage]:
    """Encode a recipe's splits into a folder, to train from without TensorFlow.

    Args:
        recipe: as in :func:`check`.
        folder: where to write them.
        overrides: as in :func:`train`.
        overwrite: replace stored ids that are there.
        allow_builders: as in :func:`check`.
        progress: where to show what happens.

    Raises:
        RunError: the folder exists, and ``overwrite`` is not set.
    """
    progress = progress or Progress()
    path = recipe_path(recipe)
    task = read_task(path, as_overrides(overrides), allow_builders=allow_builders)
    place = Path(folder)
    _refuse_steps(task)
    check_store_place(place, overwrite=overwrite)
    data = read_data(task, progress)
    prepare_device("cpu")
    prepared = prepare(task, data.splits, progress, source=open_source(task.recipe))
    write_store(
        place,
        task.recipe,
        prepared.preprocessor,
        prepared.encoded,
        data.fingerprints,
        overwrite=overwrite,
    )
    return dict(prepared.coverage)


def _vectors(layer: Any) -> Any:
    """The rows of a table of token vectors, ``<float32>[vocabulary, width]``."""
    return np.asarray(layer.vectors() if hasattr(layer, "vectors") else layer.embeddings)
