"""What every task does; the pipeline, the predictor and the command line see only this.

A task is the only place that knows what kind of problem it is. To add one: a file with a
subclass here, and a line in :data:`textnets.tasks.TASKS`.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar

import numpy as np
import numpy.typing as npt

from textnets.backend.inference import input_names, predict_all
from textnets.backend.steps import forward
from textnets.data.sources import find_dataset, find_file
from textnets.decoding.sampling import Sampling
from textnets.errors import InputError, did_you_mean
from textnets.evaluation.confidence import Estimate
from textnets.evaluation.report import Table
from textnets.progress import Progress
from textnets.recipe import Recipe, TaskSchema
from textnets.text.batches import ExampleBatches, TrainingBatches
from textnets.text.corpus import EncodedSplit
from textnets.text.encoder import Coverage, Token
from textnets.text.vocabulary import Vocabulary

SPLITS = ("train", "validation", "test")

#: A key's path in the recipe, and what is wrong with it.
Mistake = tuple[tuple[str, ...], str]

#: What a task's inference gives for a split, such as ``<float32>[examples, width]`` or
#: ``RaggedOutputs``. Each task knows which.
Outputs = Any
Scores = dict[str, Estimate]
#: Rows that stay, and rows that are held out.
Drawn = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


class Inference(Protocol):
    """From an encoded split to outputs, with one model."""

    def __call__(self, split: EncodedSplit, progress: Progress, *, quick: bool = False) -> Outputs:
        """What scores, predictions and tables are made of; ``quick`` asks only for what
        :meth:`Task.measure` needs, after each epoch."""


@dataclass(frozen=True)
class Trainer:
    """What is trained: a builder's model, or one around it that shares its weights.

    Attributes:
        model: a ``keras.Model``, not yet compiled.
        begin_epoch: called before each epoch's first batch.
        at_row: told which row of a batch comes next, where memory asks for batches in parts; for
            models that keep something for each row.
        weighted_metrics: Keras metrics to show while training in which sample weights count;
            those of :meth:`Task.losses` do not look at them.
    """

    model: Any
    begin_epoch: Callable[[], None] | None = None
    at_row: Callable[[int], None] | None = None
    weighted_metrics: Sequence[Any] = ()


class Examples(ABC):
    """Examples of one split, as read: raw text and what is known about it."""

    @abstractmethod
    def __len__(self) -> int: ...

    @property
    @abstractmethod
    def texts(self) -> Sequence[str]:
        """The raw input texts."""

    @abstractmethod
    def select(self, rows: npt.NDArray[np.int64]) -> Self:
        """The chosen examples."""


ExamplesT = TypeVar("ExamplesT", bound=Examples)


class Prediction(ABC):
    """What a model says of one text."""

    text: str

    @abstractmethod
    def as_fields(self) -> dict[str, Any]:
        """Flat fields, for csv and predictions files."""

    def as_json(self) -> dict[str, Any]:
        """All there is to say, for jsonl."""
        return self.as_fields()

    @abstractmethod
    def as_line(self) -> str:
        """One line for a person."""


#: Texts to their probabilities.
Scorer = Callable[[Sequence[str]], Sequence[Prediction]]


class Writer(Protocol):
    """Texts that a language model writes behind prompts."""

    def __call__(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        *,
        length: int,
        seeds: Sequence[Sequence[int]],
        num_alternatives: int = 0,
    ) -> Sequence[Prediction]:
        """One text a prompt, of ``length`` new tokens at most. What is written depends on the
        prompt and its seed alone; ``num_alternatives`` of the most likely tokens are told at
        each place."""


@dataclass(frozen=True)
class BaselineScore:
    """What a cheap rival reached on the same split."""

    name: str
    description: str
    scores: Scores
    seconds: float


@dataclass(frozen=True)
class Fact:
    """One line of what ``textnets check`` says of the data."""

    name: str
    value: str


class Task(ABC, Generic[ExamplesT]):
    """One kind of problem, for one recipe.

    After :meth:`learn` or :meth:`load` it holds the vocabularies.
    """

    name: ClassVar[str]
    schema: ClassVar[TaskSchema]
    #: Names of the inputs in the encoded splits; a model takes all of them or some.
    input_names: ClassVar[tuple[str, ...]] = ("token_ids",)
    #: Files that ``read_inputs`` reads; any other holds one text a line.
    input_suffixes: ClassVar[tuple[str, ...]] = (".csv", ".tsv", ".jsonl", ".ndjson", ".parquet")

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        #: What was found on the way and belongs into a run's record.
        self.facts: dict[str, Any] = {}

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
        """Metrics that :meth:`score` gives, which a claim may be about."""
        return tuple(name for name in self.metrics if name != "loss")

    @property
    @abstractmethod
    def training_metrics(self) -> tuple[str, ...]:
        """Metrics on the training split besides the loss."""

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
        found: list[Mistake] = []
        named: dict[tuple[str, ...], str | None] = {("training", "monitor"): training.monitor}
        if training.early_stopping is not None:
            named["training", "early_stopping", "metric"] = training.early_stopping.metric
        for path, name in named.items():
            if name is not None and name not in self.monitored_metrics:
                hint = did_you_mean(name, self.monitored_metrics)
                found.append((path, f"unknown metric, was: {name!r}; {hint}"))
        if claim is not None and claim.metric not in self.score_names:
            hint = did_you_mean(claim.metric, self.score_names)
            found.append((("claim", "metric"), f"unknown metric, was: {claim.metric!r}; {hint}"))
        if claim is not None and self.recipe.data.test is None:
            found.append((("claim",), "is about the test split, and data.test is not given"))
        return found

    # --- Text to examples ---

    def find_files(self, progress: Progress, *, download: bool = True) -> dict[str, Path]:
        """The file or folder of each split that has one of its own.

        Raises:
            DataError: one is not found.
        """
        data, beside = self.recipe.data, self.recipe.folder
        root = None
        if data.dataset is not None:
            root = find_dataset(data.dataset, beside=beside, progress=progress, download=download)
        files = {}
        for split in SPLITS:
            name = getattr(data, split)
            if isinstance(name, str):
                inside = root / name if root is not None else Path(name)
                in_set = root is not None and inside.exists()
                files[split] = inside if in_set else find_file(name, beside=beside)
        return files

    def read_splits(self, files: Mapping[str, Path], progress: Progress) -> dict[str, ExamplesT]:
        """The examples of each split that the recipe has.

        Raises:
            DataError: naming file and line, or what the splits lack.
        """
        return self.divided(self.read_files(files, progress), files, progress)

    def divided(
        self, splits: dict[str, ExamplesT], sources: Mapping[str, Any], progress: Progress
    ) -> dict[str, ExamplesT]:
        """:meth:`divide`, and the splits in the order in which people think of them."""
        self.divide(splits, sources, progress)
        return {name: splits[name] for name in SPLITS if name in splits}

    @abstractmethod
    def read_files(self, files: Mapping[str, Path], progress: Progress) -> dict[str, ExamplesT]:
        """The examples of each split that has a file of its own.

        Raises:
            DataError: naming file and line.
        """

    @abstractmethod
    def divide(
        self, splits: dict[str, ExamplesT], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        """Make the splits that are shares of another, and check what training rests on.

        Args:
            splits: those that were read; changed in place.
            sources: what to call each of them in a message, such as its file.
            progress: where to warn.

        Raises:
            DataError: what the splits lack.
        """

    def hold_out(
        self, splits: dict[str, ExamplesT], draw: Callable[[ExamplesT, float, str], Drawn]
    ) -> None:
        """Make the splits that the recipe names as shares of the training split.

        Args:
            splits: those that were read; changed in place.
            draw: from examples, a share and what it is for to the rows that stay and those that
                are held out.
        """
        for split in ("test", "validation"):
            share = getattr(self.recipe.data, split)
            if isinstance(share, float):
                rest, held_out = draw(splits["train"], share, split)
                splits[split] = splits["train"].select(held_out)
                splits["train"] = splits["train"].select(rest)

    @abstractmethod
    def read_file(self, path: Path) -> ExamplesT:
        """Examples of another file, written like the recipe's own, to evaluate a run on."""

    @abstractmethod
    def check_splits(self, splits: Mapping[str, ExamplesT]) -> list[Fact]:
        """What a person should know about the data before training on it."""

    @abstractmethod
    def read_inputs(self, path: Path) -> Iterable[str]:
        """Texts to predict, without what is to be predicted."""

    # --- Vocabularies and ids ---

    @abstractmethod
    def learn(self, train: ExamplesT) -> None:
        """Learn the vocabularies from the training split, and only from it."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the vocabularies into a run directory."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read the vocabularies of a run directory."""

    @abstractmethod
    def encode(
        self, examples: ExamplesT, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        """Ids and targets of a split, and what encoding did to it."""

    def encoded_facts(self, name: str, split: EncodedSplit, progress: Progress) -> list[Fact]:
        """What a person should know of an encoded split before training on it or scoring it.

        Args:
            name: of the split.
            split: encoded by :meth:`encode`.
            progress: where to warn.
        """
        return []

    @abstractmethod
    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        """Ids of texts to predict; the targets are empty."""

    @abstractmethod
    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of texts as the model sees them."""

    @property
    @abstractmethod
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        """What a model of this task may have vectors of: by name, the embedding layer and the
        vocabulary of its rows. The first that a model has is the one that people mean."""

    # --- Model ---

    @abstractmethod
    def sizes(self, progress: Progress) -> dict[str, Any]:
        """The builder parameters that are found in the data."""

    #: What the last axis of a model's output is, for the message where it is not.
    output_rule: ClassVar[str] = ""

    @property
    def output_width(self) -> int | None:
        """The size of the last axis of a model's output; ``None`` where the task has no rule."""
        return None

    def trainer(self, model: Any) -> Trainer:
        """What to train in order to train a builder's model."""
        return Trainer(model)

    @abstractmethod
    def losses(self) -> tuple[Any, list[Any]]:
        """The Keras loss and the metrics to show while training, for :meth:`trainer`'s model."""

    def training_batches(self, trained: Any, train: EncodedSplit) -> TrainingBatches:
        """What training reads of its split: what the trained model takes, with its weights."""
        # A model around the builder's may have inputs that no split holds, such as the targets.
        split = train.only(name for name in input_names(trained) if name in train.inputs)
        section = self.recipe.training
        return ExampleBatches(
            dataclasses.replace(split, weights=self.train_weights(split)),
            batch_size=section.batch_size,
            bucket_width=section.bucket_width,
            seed=self.recipe.seed,
        )

    def train_weights(self, train: EncodedSplit) -> npt.NDArray[np.float32] | None:
        """``<float32>[examples]`` sample weights for training; ``None`` where all are one."""
        return train.weights

    # --- Predictions and scores ---

    def inference(self, model: Any) -> Inference:
        """How a builder's model answers: by default, its outputs for each example."""
        compiled, names = forward(model), input_names(model)

        def infer(split: EncodedSplit, progress: Progress, *, quick: bool = False) -> Outputs:
            return predict_all(
                compiled,
                split.only(names).inputs,
                bucket_width=self.recipe.training.bucket_width,
                progress=progress,
            )

        return infer

    @abstractmethod
    def measure(self, outputs: Outputs, split: EncodedSplit) -> dict[str, float]:
        """The validation metrics of a model's outputs."""

    @abstractmethod
    def score(self, outputs: Outputs, split: EncodedSplit) -> Scores:
        """The metrics with their confidence intervals."""

    @abstractmethod
    def decode(self, texts: Sequence[str], outputs: Outputs) -> Sequence[Prediction]:
        """Typed predictions."""

    def scorer(self, model: Any) -> Scorer:
        """How a language model scores single texts.

        Raises:
            InputError: the task has no such models.
        """
        raise InputError(f"{self._what_it_is}; only a language model gives texts a probability")

    def writer(self, model: Any) -> Writer:
        """How a language model writes on.

        Raises:
            InputError: the task has no such models.
        """
        raise InputError(f"{self._what_it_is}; only a language model writes texts of its own")

    @property
    def _what_it_is(self) -> str:
        return f"this run's task is {self.name}"

    @abstractmethod
    def truths(self, examples: ExamplesT) -> list[dict[str, Any]]:
        """What is known about each example, as fields of a predictions file."""

    @abstractmethod
    def baselines(
        self, train: ExamplesT, test: ExamplesT, progress: Progress
    ) -> list[BaselineScore]:
        """Cheap rivals, trained on the same split and scored on the same test."""

    @abstractmethod
    def tables(self, texts: Sequence[str], outputs: Outputs, split: EncodedSplit) -> list[Table]:
        """What the report shows of where the model is right and wrong."""
