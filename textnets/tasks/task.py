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

from textnets.data.counts import RowCount, RowCounts
from textnets.data.dialect import Dialect
from textnets.data.running_text import stream_lines
from textnets.data.sources import find_dataset, find_files
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
    #: What a row of its files is called.
    unit: ClassVar[str] = "rows"
    #: Files that :meth:`read_inputs` reads whatever the recipe says.
    input_suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")
    #: What a run of this task can do.
    predictor: ClassVar[type[Predictor]] = Predictor
    #: What a model of it does, after "a model that", and what nobody should expect of it: for the
    #: card of one that is given away.
    does: ClassVar[str]
    limits: ClassVar[str]

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @property
    def input_names(self) -> tuple[str, ...]:
        """Of the inputs in the encoded splits; a model takes all of them or some."""
        return ("token_ids",)

    @property
    def encoder_names(self) -> Sequence[str]:
        """The folders of pretrained encoders that the recipe's models read, as written; of all
        members of an ensemble."""
        return ()

    @property
    def learned_names(self) -> tuple[str, ...]:
        """Of what an encoded training split holds besides to learn from it; no model takes it."""
        return ()

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
        mistakes += self._vocabulary_mistakes()
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
        return mistakes + self._average_mistakes()

    def _average_mistakes(self) -> list[Mistake]:
        training, path = self.recipe.training, ("training", "average", "patience")
        if training.average is None or training.average.patience is None:
            return []
        if training.refit is not None:
            message = (
                "needs validation, which the last training of refit: all learns from; name the "
                "epoch by training.average.first"
            )
            return [(path, message)]
        if training.monitor is None and self.recipe.data.validation is None:
            return [(path, "needs data.validation, which tells when; or training.monitor")]
        return []

    def _vocabulary_mistakes(self) -> list[Mistake]:
        found: list[Mistake] = []
        members = self.recipe.ensemble.members if self.recipe.ensemble is not None else None
        parts: Sequence[Any] = members or [self.recipe]
        for number, part in enumerate(parts):
            path = ("ensemble", "members", number, "text") if members else ("text",)
            for where, section in self.vocabulary_sections(part.text):
                if section.vocabulary != "extend":
                    continue
                message = None
                if part.model.get("initialize_from") is None:
                    message = "extend: needs the run that is extended: model.initialize_from"
                elif section.tokenizer == "sentencepiece":
                    message = "extend: sentencepiece's tokens are its model's, and none is added"
                if message is not None:
                    found.append(((*path, *where, "vocabulary"), message))
        return list(dict.fromkeys(found))

    def vocabulary_sections(self, text: Any) -> list[tuple[tuple[str, ...], Any]]:
        """The sections that say where a vocabulary comes from, each with its place in ``text``."""
        return [((), text)]

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
        files: dict[str, Path] = {}
        for split in SPLITS:
            of_side: dict[str, list[Path]] = {}
            for given in data.files_of(split):
                for side, name in self.sides_of(given):
                    of_side.setdefault(side, []).extend(_found(name, root, beside))
            for side, paths in of_side.items():
                for number, path in enumerate(paths, start=1):
                    files[_file_key(split, number, side)] = path
        return files

    def sides_of(self, given: str) -> list[tuple[str, str]]:
        """The files that a name stands for, each with what it holds of an example; ``""`` where
        it holds all."""
        return [("", given)]

    @property
    def dialect(self) -> Dialect:
        """How the recipe's files are written."""
        return Dialect(encoding=self.recipe.data.encoding, comment=self.recipe.data.comment)

    def read_splits(
        self, files: Mapping[str, Path], progress: Progress, counts: RowCounts | None = None
    ) -> dict[str, ExamplesT]:
        """The examples of each split that the recipe has.

        Args:
            files: as :meth:`find_files` gives them.
            progress: where to show it, and to warn of rows that are left out.
            counts: where to put the count of each split's rows.

        Raises:
            DataError: naming file and line, or what the splits lack.
        """
        counts = {} if counts is None else counts
        splits = {}
        for split in SPLITS:
            count = RowCount(self.unit)
            examples = self.read_split(split, files, progress, count)
            if examples is not None:
                splits[split], counts[split] = examples, count
        found = self.with_shares(splits, files, progress, counts)
        for split, count in counts.items():
            for note in dict.fromkeys(count.notes):
                progress.say(f"{split}: {note}")
            for sentence in count.warnings():
                progress.warn(f"{split}: {sentence}")
        return found

    def with_shares(
        self,
        splits: Mapping[str, ExamplesT],
        sources: Mapping[str, Any],
        progress: Progress,
        counts: RowCounts | None = None,
    ) -> dict[str, ExamplesT]:
        """The splits that were read and those that are shares of another, checked.

        Args:
            splits: those that were read.
            sources: what to call each of them in a message, such as its file.
            progress: where to warn.
            counts: of the rows of those that were read.

        Raises:
            DataError: what the splits lack.
        """
        found = self.without_unknown(self.hold_out(splits), counts or {})
        self.check(found, sources, progress)
        return {name: found[name] for name in SPLITS if name in found}

    def without_unknown(
        self, splits: Mapping[str, ExamplesT], counts: RowCounts
    ) -> dict[str, ExamplesT]:
        """Without the examples that a recipe leaves out for what the training split lacks."""
        return dict(splits)

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
        self, split: str, files: Mapping[str, Path], progress: Progress, count: RowCount
    ) -> ExamplesT | None:
        """The examples of a split; ``None`` where it has no file.

        Raises:
            DataError: naming file and line.
        """
        found: ExamplesT | None = None
        number = 1
        while parts := _part_files(split, number, files):
            examples = self.read_parts(split, parts, progress, count)
            found = examples if found is None else found.joined(examples)
            number += 1
        return found

    def read_parts(
        self, split: str, parts: Mapping[str, Path], progress: Progress, count: RowCount
    ) -> ExamplesT:
        """The examples of a file of a split, or of the files that hold a side each; see
        :meth:`sides_of`."""
        return self.read(parts[""], progress, count)

    @abstractmethod
    def read(self, path: Path, progress: Progress, count: RowCount) -> ExamplesT:
        """The examples of a file, written like the recipe's.

        Args:
            path: the file.
            progress: where to show it.
            count: where each row is counted.

        Raises:
            DataError: naming file and line.
        """

    def reads_as_data(self, path: Path) -> bool:
        """Whether a file of texts to predict is read as training reads its files; if not it holds
        one text a line."""
        suffixed = path.name.lower().removesuffix(".gz").endswith(self.input_suffixes)
        return path.is_dir() or suffixed or self.recipe.data.format != "auto"

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
    def read_inputs(self, path: Path, count: RowCount | None = None) -> Iterable[str]:
        """Texts to predict, without what is to be predicted: one for each row, blank or not.

        Args:
            path: the file.
            count: takes the rows that cannot be read, where it is asked to.
        """

    def input_texts(self, path: Path, count: RowCount | None = None) -> Iterable[str]:
        """As :meth:`read_inputs`, or the lines of a file that holds one text a line."""
        if self.reads_as_data(path):
            return self.read_inputs(path, count)
        return stream_lines(path, self.dialect, count)

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


def _found(name: str, root: Path | None, beside: Path) -> list[Path]:
    """The files of a name: those of a data set before others."""
    if root is not None and (root / name).exists():
        return [root / name]
    return find_files(name, beside=beside)


def _file_key(split: str, number: int, side: str) -> str:
    """What a file of a split is called: ``train``, ``train.2``, ``train.source``."""
    return ".".join([split, *([str(number)] if number > 1 else []), *([side] if side else [])])


def _part_files(split: str, number: int, files: Mapping[str, Path]) -> dict[str, Path]:
    """The file of a split with this number, by its side."""
    start = _file_key(split, number, "")
    sides = {key.removeprefix(start): path for key, path in files.items() if key.startswith(start)}
    return {
        side.removeprefix("."): path
        for side, path in sides.items()
        if side == "" or (side.startswith(".") and not side[1:2].isdigit())
    }


def own_format(path: Path, chosen: str, own: str | None, names: Sequence[str]) -> str:
    """The format of a file: the recipe's, or its own where its name is none like the recipe's.

    Args:
        path: of the file.
        chosen: the recipe's ``data.format``.
        own: what the file's name tells; ``None`` where it tells nothing.
        names: of the recipe's files.
    """
    if chosen == "auto" or own is None or _suffix_of(path.name) in set(map(_suffix_of, names)):
        return chosen
    return own


def _suffix_of(name: str) -> str:
    return Path(name.lower().removesuffix(".gz")).suffix
