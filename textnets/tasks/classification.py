"""Classification: one label a text, or several (multi-label)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from textnets.backend.devices import require_tensorflow
from textnets.data.readers import Row, read_rows
from textnets.data.splits import count_repeated, count_shared, stratified_share
from textnets.errors import DataError, RunError
from textnets.evaluation.baselines import BASELINES
from textnets.evaluation.classification import (
    confident_mistakes,
    confusions,
    label_set_table,
    label_table,
    score_label_sets,
    score_labels,
)
from textnets.evaluation.report import Table
from textnets.progress import Progress
from textnets.recipe import Recipe, TaskSchema
from textnets.recipe.sections import DataSection, Share, TextSection, TrainingSection
from textnets.tasks.task import (
    BaselineScore,
    Drawn,
    Examples,
    Fact,
    Mistake,
    Prediction,
    Scores,
    Task,
)
from textnets.tasks.word_vectors import pretrained_vectors
from textnets.text.corpus import EncodedSplit
from textnets.text.encoder import Coverage, TextEncoder, Token
from textnets.text.vocabulary import Vocabulary, load_lines, save_lines

_LABELS_FILE = "labels.txt"
_SHOWN_LABELS = 20  # in a message
MULTI_LABEL_THRESHOLD = 0.5

Outputs = npt.NDArray[np.float32]  # <float32>[examples, classes]
LabelSet = tuple[str, ...]  # one label, or any number of them in multi-label


class ClassificationData(DataSection):
    """Labelled texts."""

    validation: Share | str | None = Field(
        0.1, description="A seeded, stratified share of the training split, or a file."
    )
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "folder"] = Field(
        "auto", description="How the files are written; 'auto' goes by their names."
    )
    text: str = Field("text", description="The column of the text.")
    label: str = Field("label", description="The column of the label.")
    multi_label: bool = Field(
        False, description="Each text has any number of labels: a JSON list, or split by "
        "label_separator."
    )  # fmt: skip
    label_separator: Annotated[str, Field(min_length=1)] = Field(
        "|", description="Between the labels of one cell, with multi_label: true."
    )

    only_with: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        "label_separator": ("multi_label", (True,)),
    }


class ClassificationTraining(TrainingSection):
    """How the weights are found."""

    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="Weight of each label in the loss; 'balanced' is inverse to its count. "
        "Labels left out weigh 1.",
    )


@dataclass(frozen=True)
class LabelledTexts(Examples):
    """Texts with their labels; ``labels`` is empty where they are not known.

    ``weights``, ``<float32>[examples]``, is how much each counts in the training loss: once each
    where there are none.
    """

    _texts: list[str] = field(default_factory=list)
    labels: list[LabelSet] = field(default_factory=list)
    weights: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def texts(self) -> list[str]:
        return self._texts

    def select(self, rows: npt.NDArray[np.int64]) -> LabelledTexts:
        chosen = rows.tolist()
        return LabelledTexts(
            [self._texts[i] for i in chosen],
            [self.labels[i] for i in chosen],
            None if self.weights is None else self.weights[rows],
        )


@dataclass(frozen=True)
class ClassPrediction(Prediction):
    """The label, or labels, of one text.

    Attributes:
        text: as given.
        labels: one label, or in multi-label those above a half.
        probability: of the label; in multi-label of the least sure of the labels.
        probabilities: of every class.
        separator: between several labels in one cell; ``None`` where there is only one.
    """

    text: str
    labels: LabelSet
    probability: float
    probabilities: Mapping[str, float]
    separator: str | None = None

    def as_fields(self) -> dict[str, Any]:
        return {"label": _joined(self.labels, self.separator), **self._figures()}

    def as_json(self) -> dict[str, Any]:
        rounded = {name: round(value, 6) for name, value in self.probabilities.items()}
        named = {"label": self.labels[0]} if self.separator is None else {"labels": self.labels}
        return {"text": self.text, **named, **self._figures(), "probabilities": rounded}

    def as_line(self) -> str:
        label = _joined(self.labels, self.separator) or "(none)"
        return f"{label}\t{self.probability:.3f}\t{' '.join(self.text.split())}"

    def _figures(self) -> dict[str, float]:
        return {"probability": round(self.probability, 6)}


def _joined(labels: LabelSet, separator: str | None) -> str:
    return (separator or "").join(labels)


class ClassificationTask(Task[LabelledTexts]):
    """Texts to labels."""

    name = "classification"
    schema = TaskSchema(
        data=ClassificationData,
        text=TextSection,
        training=ClassificationTraining,
        sizes=frozenset({"vocabulary_size", "num_classes", "multi_label", "embedding_vectors"}),
        required_sizes=frozenset({"vocabulary_size", "num_classes"}),
    )

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: ClassificationData = recipe.data
        self.labels: list[str] = []
        self.vocabulary: Vocabulary | None = None
        self._encoder: TextEncoder | None = None
        self._folder: Path | None = None

    # --- Metrics ---

    @property
    def headline(self) -> str:
        return "micro_f1" if self.data.multi_label else "accuracy"

    @property
    def metrics(self) -> Mapping[str, bool]:
        single, multi = ("accuracy", "macro_f1"), ("micro_f1", "macro_f1", "exact_match")
        return {"loss": True, **dict.fromkeys(multi if self.data.multi_label else single, False)}

    @property
    def score_names(self) -> tuple[str, ...]:
        return (*super().score_names, *(() if self.data.multi_label else ("log_loss",)))

    @property
    def training_metrics(self) -> tuple[str, ...]:
        return () if self.data.multi_label else ("accuracy",)

    def mistakes(self) -> list[Mistake]:
        found = super().mistakes()
        if self.recipe.training.class_weights is not None and self.data.multi_label:
            message = "does not go with data.multi_label: true; remove one of them"
            found.append((("training", "class_weights"), message))
        return found

    # --- Text to examples ---

    def read_files(self, files: Mapping[str, Path], progress: Progress) -> dict[str, LabelledTexts]:
        return {split: self._read(path, progress) for split, path in files.items()}

    def divide(
        self, splits: dict[str, LabelledTexts], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        self.hold_out(splits, self._draw)
        self._check_labels(splits, sources)

    def read_file(self, path: Path) -> LabelledTexts:
        examples = self._read(path, Progress())
        if self.labels:
            self._check_known(examples, set(self.labels), f"{path}:")
        return examples

    def read_inputs(self, path: Path) -> Iterable[str]:
        for row in read_rows(path, columns=[self.data.text], file_format=self.data.format):
            yield _one_text(row, self.data.text)

    def check_splits(self, splits: Mapping[str, LabelledTexts]) -> list[Fact]:
        train = splits["train"]
        facts = [Fact("repeated texts in train", f"{count_repeated(train.texts):,}")]
        for name, examples in splits.items():
            counts = Counter(label for labels in examples.labels for label in labels)
            (most, times), *_ = counts.most_common(1) or [("none", 0)]
            share = times / max(len(examples), 1)
            facts.append(
                Fact(f"labels of {name}", f"{len(counts)}, most frequent '{most}' ({share:.1%})")
            )
        for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
            if name in splits and other in splits:
                shared = count_shared(splits[other].texts, splits[name].texts)
                facts.append(
                    Fact(f"{name} texts also in {other}", f"{shared:,} of {len(splits[name]):,}")
                )
        return facts

    def _read(self, path: Path, progress: Progress) -> LabelledTexts:
        texts, labels = [], []
        rows = read_rows(
            path, columns=[self.data.text, self.data.label], file_format=self.data.format
        )
        with progress.steps(f"reading {path.name}", None, "rows") as step:
            for row in rows:
                texts.append(_one_text(row, self.data.text))
                labels.append(self._row_labels(row))
                step.advance()
        return self._limit(LabelledTexts(texts, labels))

    def _limit(self, examples: LabelledTexts) -> LabelledTexts:
        """A seeded, stratified sample where the recipe asks for fewer: a file may be sorted by
        label, so its first rows are no sample."""
        limit = self.data.limit
        if limit is None or limit >= len(examples):
            return examples
        _, chosen = self._draw(examples, limit / len(examples), "limit")
        return examples.select(chosen)

    def _draw(self, examples: LabelledTexts, share: float, purpose: str) -> Drawn:
        keys = _strata(examples.labels)
        return stratified_share(keys, share, seed=self.recipe.seed, purpose=purpose)

    def _row_labels(self, row: Row) -> LabelSet:
        value = row.values[self.data.label]
        if self.data.multi_label:
            parts = value.split(self.data.label_separator) if isinstance(value, str) else value
            return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))
        if not isinstance(value, str):
            raise DataError(
                f"{row.where}: column '{self.data.label}' holds a list of labels; "
                "set data.multi_label: true"
            )
        if not value.strip():
            raise DataError(
                f"{row.where}: column '{self.data.label}' is empty; give the row a label or "
                "remove it"
            )
        return (value.strip(),)

    def _check_labels(
        self, splits: Mapping[str, LabelledTexts], sources: Mapping[str, Any]
    ) -> None:
        known = {label for labels in splits["train"].labels for label in labels}
        if len(known) < 2:
            what = f"only the label {next(iter(known))!r}" if known else "no label"
            raise DataError(
                f"{sources['train']}: holds {what} in column '{self.data.label}'; "
                "a classifier needs two or more"
            )
        for split in ("validation", "test"):
            if split in splits:
                source = sources.get(split, sources["train"])
                self._check_known(splits[split], known, f"{source}: the {split} split")
        self._check_class_weights(known)

    def _check_known(self, examples: LabelledTexts, known: set[str], where: str) -> None:
        found = {label for labels in examples.labels for label in labels}
        if unknown := sorted(found - known):
            named = ", ".join(repr(label) for label in unknown)
            raise DataError(
                f"{where} has labels that the training split lacks: {named}; "
                f"known: {_shorten(sorted(known))}"
            )

    def _check_class_weights(self, known: set[str]) -> None:
        weights = self.recipe.training.class_weights
        if isinstance(weights, dict) and (unknown := sorted(set(weights) - known)):
            named = ", ".join(repr(label) for label in unknown)
            raise DataError(
                f"training.class_weights names labels that the data lacks: {named}; "
                f"known: {_shorten(sorted(known))}"
            )

    # --- Vocabularies and ids ---

    def learn(self, train: LabelledTexts) -> None:
        require_tensorflow("turning text into ids")
        self.labels = sorted({label for labels in train.labels for label in labels})
        self._encoder = TextEncoder.learn(self.recipe.text, lambda: train.texts)
        self.vocabulary = self._encoder.vocabulary

    def save(self, folder: Path) -> None:
        self.encoder.save(folder)
        save_lines(folder / _LABELS_FILE, self.labels)

    def load(self, folder: Path) -> None:
        self._folder = folder
        self.vocabulary = Vocabulary.load(folder / "vocabulary.txt")
        self.labels = load_lines(folder / _LABELS_FILE)
        if len(self.labels) < 2:
            raise RunError(f"{folder / _LABELS_FILE}: holds fewer than two labels")

    @property
    def encoder(self) -> TextEncoder:
        """Made on first use: it needs TensorFlow, which training on stored ids does not."""
        if self._encoder is None:
            if self._folder is None:
                raise RuntimeError("learn() or load() first")
            require_tensorflow("turning text into ids")
            self._encoder = TextEncoder.load(self.recipe.text, self._folder)
        return self._encoder

    def encode(
        self, examples: LabelledTexts, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        token_ids, coverage = self.encoder.encode_measured(
            examples.texts, progress=progress, label=label, total=len(examples)
        )
        targets = self._targets(examples.labels)
        return EncodedSplit({"token_ids": token_ids}, targets, examples.weights), coverage

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        return EncodedSplit({"token_ids": self.encoder.encode(texts)}, np.zeros(0, np.int32))

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        return self.encoder.tokens(texts)

    def _targets(
        self, labels: Sequence[LabelSet]
    ) -> npt.NDArray[np.int32] | npt.NDArray[np.float32]:
        """``<int32>[examples]``, or ``<float32>[examples, classes]`` in multi-label."""
        ids = {label: index for index, label in enumerate(self.labels)}
        if unknown := sorted({label for row_labels in labels for label in row_labels} - set(ids)):
            named = ", ".join(repr(label) for label in unknown)
            raise DataError(
                f"the data has labels that the model does not know: {named}; "
                f"known: {_shorten(self.labels)}"
            )
        if not self.data.multi_label:
            return np.array([ids[label] for (label,) in labels], dtype=np.int32)
        targets = np.zeros((len(labels), len(self.labels)), dtype=np.float32)
        for row, row_labels in enumerate(labels):
            targets[row, [ids[label] for label in row_labels]] = 1.0
        return targets

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        if self.vocabulary is None:
            raise RuntimeError("learn() or load() first")
        return {"tokens": ("embedding", self.vocabulary)}

    # --- Model ---

    def sizes(self, progress: Progress) -> dict[str, Any]:
        if self.vocabulary is None:
            raise RuntimeError("learn() or load() first")
        return {
            "vocabulary_size": len(self.vocabulary),
            "num_classes": len(self.labels),
            "multi_label": self.data.multi_label,
            **pretrained_vectors(self.recipe, self.vocabulary, self.facts, progress),
        }

    output_rule = "the probability of each class; of two classes only that of the second"

    @property
    def output_width(self) -> int:
        return 1 if len(self.labels) == 2 and not self.data.multi_label else len(self.labels)

    def losses(self) -> tuple[Any, list[Any]]:
        import keras

        if self.data.multi_label:
            return keras.losses.BinaryCrossentropy(), []
        if len(self.labels) == 2:
            accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
            return keras.losses.BinaryCrossentropy(), [accuracy]
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return keras.losses.SparseCategoricalCrossentropy(), [accuracy]

    def train_weights(self, train: EncodedSplit) -> npt.NDArray[np.float32] | None:
        weights = self.recipe.training.class_weights
        if weights is None:
            return train.weights
        targets = np.asarray(train.targets)
        counts = np.bincount(targets, minlength=len(self.labels))
        if weights == "balanced":
            of_class = len(targets) / (len(self.labels) * np.maximum(counts, 1))
        else:
            of_class = np.array([weights.get(label, 1.0) for label in self.labels])
        chosen: npt.NDArray[np.float32] = of_class[targets].astype(np.float32)
        return chosen if train.weights is None else chosen * train.weights

    # --- Predictions and scores ---

    def measure(self, outputs: Outputs, split: EncodedSplit) -> dict[str, float]:
        scores = self._score(outputs, split, resamples=0)
        values = {name: estimate.value for name, estimate in scores.items()}
        loss = values.pop("log_loss") if "log_loss" in values else _cross_entropy(outputs, split)
        return {"loss": loss, **values}

    def score(self, outputs: Outputs, split: EncodedSplit) -> Scores:
        return self._score(outputs, split, resamples=self.recipe.evaluation.resamples)

    def decode(self, texts: Sequence[str], outputs: Outputs) -> list[ClassPrediction]:
        probabilities = self.probabilities(outputs)
        predictions = []
        for text, row in zip(texts, probabilities.tolist(), strict=True):
            chosen = self._choose(row)
            predictions.append(
                ClassPrediction(
                    text=text,
                    labels=tuple(self.labels[index] for index in chosen),
                    probability=min((row[index] for index in chosen), default=1.0 - max(row)),
                    probabilities=dict(zip(self.labels, row, strict=True)),
                    separator=self._separator,
                )
            )
        return predictions

    def truths(self, examples: LabelledTexts) -> list[dict[str, Any]]:
        return [{"true_label": _joined(labels, self._separator)} for labels in examples.labels]

    @property
    def _separator(self) -> str | None:
        return self.data.label_separator if self.data.multi_label else None

    def baselines(
        self, train: LabelledTexts, test: LabelledTexts, progress: Progress
    ) -> list[BaselineScore]:
        train_targets, targets = self._targets(train.labels), self._targets(test.labels)
        found = []
        for name, run in BASELINES.items():
            progress.say(f"baseline {name} ...")
            result = run(
                train.texts,
                self._baseline_targets(train_targets),
                test.texts,
                seed=self.recipe.seed,
            )
            scores = self._score_predicted(
                np.asarray(result.predicted), targets, None, self.recipe.evaluation.resamples
            )
            found.append(BaselineScore(name, result.description, scores, result.seconds))
        return found

    def tables(self, texts: Sequence[str], outputs: Outputs, split: EncodedSplit) -> list[Table]:
        targets = np.asarray(split.targets)
        if self.data.multi_label:
            scores = label_set_table(targets > 0.5, outputs > MULTI_LABEL_THRESHOLD, self.labels)
            return [_label_scores_table(scores)]
        probabilities = self.probabilities(outputs)
        predicted = probabilities.argmax(axis=1).astype(np.int32)
        confused = confusions(targets, predicted, self.labels)
        mistakes = confident_mistakes(targets, predicted, probabilities)
        return [
            _label_scores_table(label_table(targets, predicted, self.labels)),
            Table(
                title="Most frequent confusions",
                note="",
                columns=("true label", "predicted", "texts"),
                rows=[(c.true, c.predicted, c.count) for c in confused],
            ),
            Table(
                title="Most confident mistakes",
                note="Often a wrong label in the data.",
                columns=("text", "true label", "predicted", "probability"),
                rows=[
                    (
                        texts[row] if texts else f"example {row + 1}",
                        self.labels[targets[row]],
                        self.labels[predicted[row]],
                        float(probabilities[row, predicted[row]]),
                    )
                    for row in mistakes
                ],
            ),
        ]

    def probabilities(self, outputs: Outputs) -> Outputs:
        """``<float32>[examples, classes]``; a binary head gives only that of class 1."""
        if outputs.shape[1] == 1 and len(self.labels) == 2:
            return np.concatenate([1.0 - outputs, outputs], axis=1)
        return outputs

    def _choose(self, row: list[float]) -> list[int]:
        if self.data.multi_label:
            return [index for index, value in enumerate(row) if value > MULTI_LABEL_THRESHOLD]
        return [max(range(len(row)), key=row.__getitem__)]

    def _score(self, outputs: Outputs, split: EncodedSplit, *, resamples: int) -> Scores:
        probabilities = self.probabilities(outputs)
        predicted = (
            (outputs > MULTI_LABEL_THRESHOLD).astype(np.float32)
            if self.data.multi_label
            else probabilities.argmax(axis=1).astype(np.int32)
        )
        return self._score_predicted(predicted, np.asarray(split.targets), probabilities, resamples)

    def _score_predicted(
        self,
        predicted: npt.NDArray[Any],
        targets: npt.NDArray[Any],
        probabilities: Outputs | None,
        resamples: int,
    ) -> Scores:
        confidence, seed = self.recipe.evaluation.confidence, self.recipe.seed
        if self.data.multi_label:
            return score_label_sets(
                targets > 0.5,
                predicted > 0.5,
                confidence=confidence,
                resamples=resamples,
                seed=seed,
            )
        return score_labels(
            targets,
            predicted.astype(np.int32),
            probabilities,
            num_classes=len(self.labels),
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )

    def _baseline_targets(self, targets: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return targets > 0.5 if self.data.multi_label else targets


def _strata(labels: Sequence[LabelSet]) -> list[str]:
    """What to stratify by: the label, or the rarest of several (``""`` for none)."""
    counts = Counter(label for row in labels for label in row)
    return [min(row, key=lambda label: (counts[label], label), default="") for row in labels]


def _one_text(row: Row, column: str) -> str:
    value = row.values[column]
    if not isinstance(value, str):
        raise DataError(f"{row.where}: column '{column}' holds a list, expected a text")
    return value


def _cross_entropy(outputs: Outputs, split: EncodedSplit) -> float:
    """Mean binary cross-entropy over examples and classes, in nats, as Keras has it."""
    probabilities = np.clip(outputs.astype(np.float64), 1e-7, 1 - 1e-7)
    targets = np.asarray(split.targets)
    terms = targets * np.log(probabilities) + (1 - targets) * np.log1p(-probabilities)
    return float(-terms.mean())


def _label_scores_table(scores: Sequence[Any]) -> Table:
    return Table(
        title="By label",
        note="Worst first.",
        columns=("label", "precision", "recall", "F1", "texts"),
        rows=[
            (s.label, s.precision, s.recall, s.f1, s.support)
            for s in scores  # the worst F1 comes first
        ],
    )


def _shorten(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_SHOWN_LABELS])
    rest = len(names) - _SHOWN_LABELS
    return shown + (f" and {rest} more" if rest > 0 else "")
