"""Train, evaluate, check, tokenize: the story, top to bottom.

Each function here is one verb of the command line and one door of the library. None of
them knows a kind of task.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from textnets.backend.devices import prepare_device, require_tensorflow
from textnets.builders.own import module_of
from textnets.data.sources import sha256_of
from textnets.errors import DataError, InputError, did_you_mean
from textnets.experiment.environment import (
    continue_environment,
    describe_environment,
    differing_keys,
    fingerprints_of,
)
from textnets.experiment.execution import coverage_line, execute
from textnets.experiment.models import assemble_model
from textnets.experiment.monitoring import fit_plan
from textnets.experiment.results import (
    SplitEvaluation,
    judged,
    stored_baselines,
    stored_comparison,
    stored_evaluation,
)
from textnets.experiment.stores import Store, check_store_place, open_store, write_store
from textnets.predictor import Predictor
from textnets.progress import Progress
from textnets.recipe.shipped import recipe_path
from textnets.run.directory import Run, open_run
from textnets.run.integrity import check_prepared
from textnets.run.target import RunTarget
from textnets.tasks import Task, read_run, read_task
from textnets.tasks.task import Fact, Prediction
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
        return {name: found for name, (_, found) in self.predictor.task.vector_tables.items()}


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
    if resume and target.is_finished:
        finished = _finished(task, place, device, progress)
        if finished is not None:
            return finished
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
    done = execute(
        task, target, splits, environment, stored=stored, resume=resume, progress=progress
    )
    own = [module_of(task.recipe.builder)]
    return TrainedRun(done.run, done.evaluation, task.headline, done.state, device, own)


def _finished(task: Task[Any], place: Path, device: str, progress: Progress) -> TrainedRun | None:
    """A finished run as training it would give it back; ``None`` where more was asked for."""
    run = open_run(place)
    before = read_run(place, allow_builders=[module_of(task.recipe.builder)]).recipe
    epochs = task.recipe.training.epochs
    if differing_keys(before, task.recipe) or epochs > before.training.epochs:
        return None
    progress.say(
        f"{place}: is finished; nothing was done. --set training.epochs=N with more than {epochs} "
        "trains on, --overwrite starts again"
    )
    history = run.history()
    state = TrainingState(epoch=len(history), history=history)
    own = [module_of(task.recipe.builder)]
    return TrainedRun(run, stored_evaluation(run), task.headline, state, device, own)


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
    return files, task.read_splits(files, progress)


# --- Evaluate ---


def evaluate(
    run: str | Path,
    data: str | Path | None = None,
    *,
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
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        allow_builders: modules that may be imported, for a run whose builder is of one.
        progress: where to show what happens.

    Raises:
        RunError: the run is incomplete, damaged or from a newer version.
        DataError: the data is missing or not what it should be.
    """
    predictor = Predictor.load(run, device=device, allow_builders=allow_builders)
    return _evaluate(predictor, data, progress or Progress())


def _evaluate(predictor: Predictor, data: str | Path | None, progress: Progress) -> SplitEvaluation:
    task = predictor.task
    splits: Mapping[str, Any] = {}
    if data is None:
        name, splits = _own_split(predictor, progress)
        examples = splits[name]
    else:
        name, examples = str(data), task.read_file(Path(data))
        if not len(examples):
            raise DataError(f"{data}: holds no example to score")
    split, _ = task.encode(examples, progress, "encoding")
    for fact in task.encoded_facts(name, split, progress):
        progress.say(f"{fact.name}: {fact.value}")
    outputs = predictor.outputs(split, progress)
    scores = task.score(outputs, split)
    if not splits:
        return SplitEvaluation(name, len(examples), scores)
    baselines = stored_baselines(predictor.run, name)
    if not baselines and task.recipe.evaluation.baselines:
        baselines = task.baselines(splits["train"], examples, progress)
    evaluation = SplitEvaluation(name, len(examples), scores, baselines)
    return judged(task, evaluation, stored_comparison(predictor.run, name))


def _own_split(predictor: Predictor, progress: Progress) -> tuple[str, Mapping[str, Any]]:
    """The name of the split that a run is scored on, and all its splits."""
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
            return name, splits
    raise DataError(f"{predictor.run.folder}: the recipe has no test split; give --data FILE")


# --- Check ---


def check(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    progress: Progress | None = None,
) -> list[Fact]:
    """What training a recipe would do, without training it.

    >>> import textnets
    >>> found = textnets.check("banking77_cnn", {"data.limit": 400})
    >>> facts = {fact.name: fact.value for fact in found}
    >>> facts["train examples"], facts["validation examples"], facts["num_classes"]
    ('380', '20', '77')

    Raises:
        InputError: what :func:`train` would refuse.
    """
    progress = progress or Progress()
    task = read_task(recipe_path(recipe), as_overrides(overrides))
    plan = fit_plan(task)
    files = task.find_files(progress)
    splits = task.read_splits(files, progress)
    facts = [Fact(f"{name} file", str(path)) for name, path in files.items()]
    facts += [Fact(f"{name} examples", f"{len(found):,}") for name, found in splits.items()]
    facts += task.check_splits(splits)
    device = prepare_device("auto")
    from textnets.layers.kernels import recurrent_kernel

    task.learn(splits["train"])
    encoded = {}
    for name, examples in splits.items():
        encoded[name], coverage = task.encode(examples, progress, f"encoding {name}")
        facts.append(Fact(f"{name} tokens", coverage_line(coverage)))
        facts += task.encoded_facts(name, encoded[name], progress)
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
    splits = task.read_splits(task.find_files(progress), progress)
    prepare_device("cpu")
    task.learn(splits["train"])
    return task


def load_task(run: str | Path, *, allow_builders: Sequence[str] = ()) -> Task[Any]:
    """The task of a run with its vocabularies."""
    found = open_run(Path(run))
    task = read_run(found.folder, allow_builders=allow_builders)
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
    write_store(Path(folder), task, encoded, fingerprints_of(files), overwrite=overwrite)
    return coverage
