"""What every task does; the pipeline, the predictor and the command line see only this.

A task is the only place that knows what kind of problem it is: a :class:`Task` reads examples
and makes the three parts that work on them, each of which holds what it needs and never changes:

    Preprocessor   texts to ids, learned from the training split
    Inference      a model's outputs and predictions
    Evaluation     scores, tables, baselines

To add one: a package with subclasses of these, and a line in :data:`textnets.tasks.TASKS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic

import numpy as np
import numpy.typing as npt

from textnets.data.sources import find_dataset, find_file
from textnets.data.splits import stratified_folds, stratified_share
from textnets.errors import did_you_mean
from textnets.progress import Progress
from textnets.recipe import Recipe, TaskSchema
from textnets.tasks.evaluation import Evaluation, Fact
from textnets.tasks.examples import SPLITS, ExamplesT, HeldOut
from textnets.tasks.inference import Inference, OutputsT
from textnets.tasks.predictor import Predictor
from textnets.tasks.preprocessor import PreprocessorT
from textnets.text.encoded import EncodedSplit
from textnets.training.setup import TrainingSetup

#: A key's path in the recipe, and what is wrong with it.
Mistake = tuple[tuple[str | int, ...], str]


class Task(ABC, Generic[ExamplesT, PreprocessorT, OutputsT]):
    """One kind of problem, for one recipe. It has no state besides the recipe.

    Args:
        recipe: checked by :attr:`schema`.
    """

    name: ClassVar[str]
    schema: ClassVar[TaskSchema]
    #: Whether several models that answer together write one text, so that they have the same
    #: tokens, and answer by :meth:`joint_inference`.
    writes_together: ClassVar[bool] = False
    #: Whether its examples can be dealt into folds: each stands for itself.
    has_folds: ClassVar[bool] = False
    #: Files that :meth:`read_inputs` reads; any other holds one text a line.
    input_suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
    #: What a run of this task can do.
    predictor: ClassVar[type[Predictor]] = Predictor

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of the inputs in the encoded splits; a model takes all of them or some."""
        return ("token_ids",)

    # --- Metrics ---

    @property
    @abstractmethod
    def headline(self) -> str:
        """The metric that a model of this task is first judged by."""

    @property
    def chosen_by(self) -> str:
        """The validation metric whose best epoch is kept where the recipe names none."""
        return self.headline

    @property
    @abstractmethod
    def metrics(self) -> Mapping[str, bool]:
        """Validation metrics by name, and whether lower is better."""

    @property
    def score_names(self) -> tuple[str, ...]:
        """Metrics that are scored, which a claim may be about."""
        return tuple(name for name in self.metrics if name != "loss")

    @property
    def training_metrics(self) -> tuple[str, ...]:
        """Metrics that a model of this task may have on the training split, besides the loss."""
        return ()

    @property
    def monitored_metrics(self) -> dict[str, bool]:
        """Metrics that a recipe may name to watch training by, and whether lower is better."""
        known = {"loss": True, **dict.fromkeys(self.training_metrics, False)}
        if self.recipe.data.validation is not None:
            known |= {f"validation_{name}": lower for name, lower in self.metrics.items()}
        return known

    def mistakes(self) -> list[Mistake]:
        """What is wrong with the recipe where sections meet: found before any work."""
        training, claim = self.recipe.training, self.recipe.claim
        mistakes: list[Mistake] = []
        named: dict[tuple[str | int, ...], str | None] = {("training", "monitor"): training.monitor}
        if training.early_stopping is not None:
            named["training", "early_stopping", "metric"] = training.early_stopping.metric
        for path, name in named.items():
            if name is not None and name not in self.monitored_metrics:
                hint = did_you_mean(name, self.monitored_metrics)
                mistakes.append((path, f"unknown metric, was: {name!r}; {hint}"))
        if claim is not None and claim.metric not in self.score_names:
            hint = did_you_mean(claim.metric, self.score_names)
            mistakes.append((("claim", "metric"), f"unknown metric, was: {claim.metric!r}; {hint}"))
        if claim is not None and self.recipe.data.test is None and self.recipe.data.folds is None:
            mistakes.append((("claim",), "is about the test split, and data.test is not given"))
        mistakes += self._fold_mistakes()
        if self.recipe.ensemble is not None and self.writes_together:
            for number, member in enumerate(self.recipe.ensemble.members):
                if member.text != self.recipe.text:
                    message = "models that write together have the same tokens; give one 'text:'"
                    mistakes.append((("ensemble", "members", number, "text"), message))
        if training.refit is not None and self.recipe.data.validation is None:
            message = "needs data.validation, which tells the best epoch; remove one of them"
            mistakes.append((("training", "refit"), message))
        if training.refit is not None and training.schedule == "plateau":
            message = (
                "needs a schedule known beforehand, as 'cosine': a plateau is found on "
                "validation, which the last training learns from"
            )
            mistakes.append((("training", "refit"), message))
        return mistakes

    def _fold_mistakes(self) -> list[Mistake]:
        data = self.recipe.data
        if data.folds is None:
            return []
        found: list[Mistake] = []
        path = ("data", "folds")
        if not self.has_folds:
            found.append((path, f"{self.name} is not cross-validated; give data.test"))
        if data.test is not None:
            found.append((path, "each fold is a test split; remove data.test"))
        if isinstance(data.validation, str):
            found.append((path, "each fold has its own validation split; give a share"))
        if not self.recipe.evaluation.test:
            found.append((path, "scores test splits, which evaluation.test: false leaves unseen"))
        return found

    # --- Files to examples ---

    def find_files(self, progress: Progress, *, download: bool = True) -> dict[str, Path]:
        """The file or folder of each split that has one.

        Raises:
            DataError: one is not there.
        """
        data, beside = self.recipe.data, self.recipe.folder
        root = None
        if data.dataset is not None:
            root = find_dataset(data.dataset, beside=beside, progress=progress, download=download)
        files = {}
        for split in SPLITS:
            given = getattr(data, split)
            for key, name in self.file_names(split, given) if isinstance(given, str) else ():
                inside = root / name if root is not None else Path(name)
                in_set = root is not None and inside.exists()
                files[key] = inside if in_set else find_file(name, beside=beside)
        return files

    def file_names(self, split: str, given: str) -> list[tuple[str, str]]:
        """The files of a split, each with what to call it, from what the recipe names."""
        return [(split, given)]

    def read_splits(self, files: Mapping[str, Path], progress: Progress) -> dict[str, ExamplesT]:
        """The examples of each split that the recipe has.

        Raises:
            DataError: naming file and line, or what the splits lack.
        """
        read = {split: self.read_split(split, files, progress) for split in SPLITS}
        splits = {split: examples for split, examples in read.items() if examples is not None}
        return self.with_shares(splits, files, progress)

    def with_shares(
        self, splits: Mapping[str, ExamplesT], sources: Mapping[str, Any], progress: Progress
    ) -> dict[str, ExamplesT]:
        """The splits that were read and those that are shares of another, checked.

        Args:
            splits: those that were read.
            sources: what to call each of them in a message, such as its file.
            progress: where to warn.

        Raises:
            DataError: what the splits lack.
        """
        found = self.hold_out(splits)
        self.check(found, sources, progress)
        return {name: found[name] for name in SPLITS if name in found}

    def hold_out(self, splits: Mapping[str, ExamplesT]) -> dict[str, ExamplesT]:
        """With the splits that the recipe names as shares of the training split."""
        parts = dict(splits)
        if self.recipe.data.folds is not None:  # each fold has its own
            return parts
        for split in ("test", "validation"):
            share = getattr(self.recipe.data, split)
            if isinstance(share, float):
                rest, held_out = self.draw(parts["train"], share, split)
                parts[split] = parts["train"].select(held_out)
                parts["train"] = parts["train"].select(rest)
        return parts

    def deal_folds(self, examples: ExamplesT) -> list[npt.NDArray[np.int64]]:
        """The examples that each fold is tested on: ``<int64>[examples]`` each.

        Raises:
            DataError: there are not so many examples.
        """
        folds = self.recipe.data.folds or 1
        return stratified_folds(self.strata(examples), folds, seed=self.recipe.data_seed)

    def draw(self, examples: ExamplesT, share: float, purpose: str) -> HeldOut:
        """A seeded share of the examples, with the same part of each stratum."""
        strata, seed = self.strata(examples), self.recipe.data_seed
        return stratified_share(strata, share, seed=seed, purpose=purpose)

    def strata(self, examples: ExamplesT) -> Sequence[str]:
        """What each example is like, where a share should have as much of each kind."""
        return [""] * len(examples)

    def read_split(
        self, split: str, files: Mapping[str, Path], progress: Progress
    ) -> ExamplesT | None:
        """The examples of a split; ``None`` where it has no file.

        Raises:
            DataError: naming file and line.
        """
        return self.read(files[split], progress) if split in files else None

    @abstractmethod
    def read(self, path: Path, progress: Progress) -> ExamplesT:
        """The examples of a file, written like the recipe's.

        Raises:
            DataError: naming file and line.
        """

    @abstractmethod
    def check(
        self, splits: Mapping[str, ExamplesT], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        """Refuse splits that nothing can be trained or scored on; see :meth:`with_shares`."""

    @abstractmethod
    def facts(self, splits: Mapping[str, ExamplesT]) -> list[Fact]:
        """What a person should know about the data before training on it."""

    @abstractmethod
    def truths(self, examples: ExamplesT) -> list[dict[str, Any]]:
        """What is known about each example, as fields of a predictions file."""

    @abstractmethod
    def read_inputs(self, path: Path) -> Iterable[str]:
        """Texts to predict, without what is to be predicted."""

    # --- The parts ---

    @abstractmethod
    def learn(self, train: ExamplesT) -> PreprocessorT:
        """Learn the vocabularies from the training split, and only from it."""

    @abstractmethod
    def load(self, folder: Path) -> PreprocessorT:
        """Read the vocabularies of a run directory.

        Raises:
            RunError: a file is missing or damaged.
        """

    @abstractmethod
    def training_setup(
        self, model: Any, preprocessor: PreprocessorT, train: EncodedSplit
    ) -> TrainingSetup:
        """How to train a builder's model; the model decides, not the recipe's ``model:``."""

    @abstractmethod
    def inference(self, preprocessor: PreprocessorT, model: Any) -> Inference[OutputsT]:
        """How a builder's model answers."""

    def joint_inference(
        self, preprocessor: PreprocessorT, models: Sequence[Any], weights: Sequence[float]
    ) -> Inference[OutputsT]:
        """How several models answer together, where :attr:`writes_together`.

        Args:
            preprocessor: of each model.
            models: one or more.
            weights: of each; they sum to 1.
        """
        raise NotImplementedError(f"{self.name} mixes what its models answered")

    @abstractmethod
    def evaluation(self, preprocessor: PreprocessorT) -> Evaluation[ExamplesT, OutputsT]:
        """How its answers are scored."""
