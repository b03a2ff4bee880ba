"""Classification: one label a text, or several (multi-label)."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.backend.devices import require_tensorflow
from textnets.data.counts import RowCount, RowCounts
from textnets.data.dialect import Dialect
from textnets.data.readers import Row, format_of_suffix, read_rows
from textnets.data.splits import count_repeated, count_shared, sample_of_each
from textnets.errors import DataError
from textnets.predictions import joined_labels
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.tasks.classification.evaluation import ClassificationEvaluation, check_known
from textnets.tasks.classification.examples import LabeledTexts, LabelSet, Origins
from textnets.tasks.classification.inference import ClassificationInference, Outputs
from textnets.tasks.classification.predictor import ClassificationPredictor
from textnets.tasks.classification.preprocessor import (
    ClassificationPreprocessor,
    input_name,
    reads_encoder,
    reads_ngrams,
    shorten,
)
from textnets.tasks.classification.recipe import (
    CLASSIFICATION_SCHEMA,
    ClassificationData,
    names_of,
)
from textnets.tasks.classification.rows import LabelReader, text_of
from textnets.tasks.evaluation import Fact, counted
from textnets.tasks.examples import SPLITS
from textnets.tasks.task import Mistake, Task, own_format
from textnets.text.encoded import EncodedSplit
from textnets.training.setup import TrainingSetup, example_batches

# Keys of text: that are about tokens in their order, and vocabularies of them.
_OF_SEQUENCES = ("max_tokens", "min_count", "add_bos", "add_eos", "vectors", "vocabulary")


class ClassificationTask(Task[LabeledTexts, ClassificationPreprocessor, Outputs]):
    """Texts to labels."""

    name = "classification"
    does = "names the class, or the labels, of a text"
    limits = (
        "It knows the labels above and no others: a text that is about something else gets one of "
        "them all the same, and a high probability is no promise."
    )
    predictor = ClassificationPredictor
    has_folds = True
    schema = CLASSIFICATION_SCHEMA

    def __init__(self, recipe: Recipe) -> None:
        super().__init__(recipe)
        self.data: ClassificationData = recipe.data

    @property
    def input_names(self) -> tuple[str, ...]:
        return (input_name(self.recipe),)

    @property
    def encoder_names(self) -> Sequence[str]:
        return tuple(
            dict.fromkeys(
                recipe.text.encoder
                for _, recipe in self._models()
                if recipe.text.encoder is not None
            )
        )

    def _models(self) -> list[tuple[tuple[str | int, ...], Recipe]]:
        """The recipe of each model, with its place in the whole one: one, or those of members."""
        if self.recipe.ensemble is None:
            return [((), self.recipe)]
        return [
            (
                ("ensemble", "members", number),
                self.recipe.model_copy(update={"text": one.text, "model": one.model}),
            )
            for number, one in enumerate(self.recipe.ensemble.members)
        ]

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
        return found + self._encoder_mistakes() + self._text_mistakes()

    def _encoder_mistakes(self) -> list[Mistake]:
        """An encoder without the builder that reads it, a builder without its encoder, and keys
        that have no effect beside one."""
        found: list[Mistake] = []
        for place, recipe in self._models():
            text, builder = recipe.text, recipe.builder
            if not reads_encoder(recipe):
                if text.encoder is not None:
                    said = (
                        f"has no effect with {builder}, which learns vectors of its own; set "
                        "model.builder: encoder_classifier, or remove it"
                    )
                    found.append(((*place, "text", "encoder"), said))
                continue
            if text.encoder is None:
                said = (
                    f"this key is missing; {builder} needs the folder of a pretrained encoder, as "
                    "model2vec saves it"
                )
                found.append(((*place, "text", "encoder"), said))
            if recipe.initialize_from is not None:
                said = f"has no effect with {builder}, whose vectors are those of text.encoder"
                found.append(((*place, "model", "initialize_from"), said))
            if place:  # keys of text that it has no use for may be those of all members
                continue
            fields = type(text).model_fields
            for key in fields:
                if key in ("encoder", "max_length", "ngrams"):
                    continue
                if getattr(text, key) != fields[key].default:
                    said = f"has no effect with {builder}: the encoder's own tokenizer cuts texts"
                    found.append((("text", key), said))
        return found

    def _text_mistakes(self) -> list[Mistake]:
        """Keys of ``text:`` that a builder has no use for."""
        text, builder = self.recipe.text, self.recipe.builder
        if not reads_ngrams(self.recipe):
            said = f"has no effect with {builder}, which reads tokens in their order; remove it"
            return [(("text", "ngrams"), said)] if text.ngrams is not None else []
        fields = type(text).model_fields
        without = [key for key in _OF_SEQUENCES if getattr(text, key) != fields[key].default]
        said = f"has no effect with {builder}, which reads a set of n-grams: see text.ngrams"
        return [(("text", key), said) for key in without]

    # --- Files to examples ---

    def strata(self, examples: LabeledTexts) -> list[str]:
        """The label, or the rarest of several (``""`` for none)."""
        counts = Counter(label for row in examples.labels for label in row)
        return [
            min(row, key=lambda label: (counts[label], label), default="")
            for row in examples.labels
        ]

    @property
    def dialect(self) -> Dialect:
        return replace(super().dialect, delimiter=self.data.delimiter, header=self.data.header)

    def _rows(self, path: Path, columns: Sequence[str], count: RowCount) -> Iterable[Row]:
        """The rows of a file, in the recipe's format, or in its own where that differs."""
        names = [name for split in SPLITS for name in self.data.files_of(split)]
        own = None if path.is_dir() else format_of_suffix(path)
        file_format = own_format(path, self.data.format, own, names)
        is_other = file_format != self.data.format or (own == "tsv" and ".csv" in "".join(names))
        dialect = self.dialect.of_other_format() if is_other else self.dialect
        return read_rows(
            path,
            columns=columns,
            file_format=file_format,
            dialect=dialect,
            count=count,
            unnamed=self._unnamed,
        )

    @property
    def _unnamed(self) -> str | None:
        """The column that a recipe does not name, where it names the other."""
        if self.data.text != "text" and self.data.label == "label":
            return "label"
        return "text" if self.data.label != "label" and self.data.text == "text" else None

    def read(self, path: Path, progress: Progress, count: RowCount) -> LabeledTexts:
        reader = LabelReader(self.data)
        columns = [*names_of(self.data.text), *names_of(self.data.label)]
        texts, labels = list[str](), list[LabelSet]()
        paths, files, lines = dict[str, int](), array("i"), array("i")
        with progress.steps(f"reading {path.name}", None, "rows") as step:
            for row in self._rows(path, columns, count):
                texts.append(text_of(row, names_of(self.data.text)))
                labels.append(reader.labels_of(row))
                files.append(paths.setdefault(row.path, len(paths)))
                lines.append(row.line)
                step.advance()
        for warning in reader.warnings(path):
            progress.warn(warning)
        count.read += len(texts)
        origins = Origins(tuple(paths), np.array(files, np.int32), np.array(lines, np.int32))
        return self._limit(LabeledTexts(texts, labels, None, origins), count)

    def _limit(self, examples: LabeledTexts, count: RowCount) -> LabeledTexts:
        """A seeded, stratified sample where the recipe asks for fewer: a file may be sorted by
        label, so its first rows are no sample. One of each label stays."""
        limit = self.data.limit
        if limit is None or limit >= len(examples):
            return examples
        chosen = sample_of_each(
            self.strata(examples), examples.labels, limit, seed=self.recipe.data_seed
        )
        left = np.setdiff1d(np.arange(len(examples)), chosen)
        if len(left):
            count.read -= len(left)
            count.leave_out("data.limit", examples.where(int(left[0])), len(left), is_told=False)
        return examples.select(chosen)

    def without_unknown(
        self, splits: Mapping[str, LabeledTexts], counts: RowCounts
    ) -> dict[str, LabeledTexts]:
        if self.data.unknown_labels != "drop":
            return dict(splits)
        known = splits["train"].distinct_labels
        return {
            name: examples.within(known, counts.get(name) or counts.get("train") or RowCount())
            for name, examples in splits.items()
        }

    def read_inputs(self, path: Path, count: RowCount | None = None) -> Iterable[str]:
        columns, count = names_of(self.data.text), count or RowCount()
        for row in self._rows(path, columns, count):
            try:
                text = text_of(row, columns)
            except DataError as error:
                count.refuse(error)
                continue
            yield text

    def facts(self, splits: Mapping[str, LabeledTexts]) -> list[Fact]:
        train = splits["train"]
        facts = [Fact("repeated texts in train", f"{count_repeated(train.texts):,}")]
        for name, examples in splits.items():
            counts = Counter(label for labels in examples.labels for label in labels)
            (most, times), *_ = counts.most_common(1) or [("none", 0)]
            share, most = times / max(len(examples), 1), " ".join(most.split())
            facts.append(
                Fact(f"labels of {name}", f"{len(counts)}, most frequent '{most}' ({share:.1%})")
            )
            facts.append(Fact(f"counts of {name}", counted(counts)))
        for name, other in (("validation", "train"), ("test", "train"), ("test", "validation")):
            if name in splits and other in splits:
                shared = count_shared(splits[other].texts, splits[name].texts)
                facts.append(
                    Fact(f"{name} texts also in {other}", f"{shared:,} of {len(splits[name]):,}")
                )
        return facts

    def truths(self, examples: LabeledTexts) -> list[dict[str, Any]]:
        separator = self.data.label_separator if self.data.multi_label else None
        return [{"true_label": joined_labels(labels, separator)} for labels in examples.labels]

    # --- What training rests on ---

    def check(
        self, splits: Mapping[str, LabeledTexts], sources: Mapping[str, Any], progress: Progress
    ) -> None:
        known = splits["train"].distinct_labels
        if len(known) < 2:
            what = f"only the label {next(iter(known))!r}" if known else "no label"
            raise DataError(
                f"{sources['train']}: holds {what} in column '{self.data.label}'; "
                "a classifier needs two or more"
            )
        for split in ("validation", "test"):
            if split in splits:
                source = sources.get(split, sources["train"])
                check_known(splits[split], known, f"{source}: the {split} split")
                if not len(splits[split]):
                    raise DataError(f"{source}: the {split} split holds no example any more")
        self._check_class_weights(known)

    def _check_class_weights(self, known: set[str]) -> None:
        weights = self.recipe.training.class_weights
        if isinstance(weights, dict) and (unknown := sorted(set(weights) - known)):
            named = ", ".join(repr(label) for label in unknown)
            raise DataError(
                f"training.class_weights names labels that the data lacks: {named}; "
                f"known: {shorten(sorted(known))}"
            )

    # --- The parts ---

    def learn(self, train: LabeledTexts) -> ClassificationPreprocessor:
        require_tensorflow("turning text into ids")
        return ClassificationPreprocessor.learn(self.recipe, train)

    def load(self, folder: Path) -> ClassificationPreprocessor:
        return ClassificationPreprocessor.load(self.recipe, folder)

    def training_setup(
        self, model: Any, preprocessor: ClassificationPreprocessor, train: EncodedSplit
    ) -> TrainingSetup:
        import keras

        self._adapt(model, preprocessor, train)
        loss, metrics = self._loss_of(model)
        last = one_versus_rest(model)
        trained = model if last is None else keras.Model(model.inputs, last.input)
        weights = self._weights_of(train, preprocessor.labels)
        batches = example_batches(
            trained, replace(train, weights=weights), self.recipe.training, self.recipe.seed
        )
        return TrainingSetup(trained, loss, batches, metrics)

    @staticmethod
    def _adapt(model: Any, preprocessor: ClassificationPreprocessor, train: EncodedSplit) -> None:
        """Let the layers of a bag of n-grams see the training split."""
        from textnets.layers import NgramBag

        bags = [layer for layer in model.layers if isinstance(layer, NgramBag)]
        if not bags:
            return
        (ngrams,), classes = train.inputs.values(), len(preprocessor.labels)
        targets = np.asarray(train.targets)
        if targets.ndim == 1:
            targets = np.eye(classes, dtype=np.float32)[targets]
        rows = np.repeat(np.arange(len(ngrams)), ngrams.lengths)
        for layer in bags:
            layer.adapt(np.asarray(ngrams.ids), rows, targets[:, -layer.num_outputs :])

    def _loss_of(self, model: Any) -> tuple[Any, list[Any]]:
        """The loss and the metrics; a model that answers with one number says class 1."""
        import keras

        from textnets.training.losses import OneVersusRestCrossEntropy

        if self.data.multi_label:
            return keras.losses.BinaryCrossentropy(), []
        if one_versus_rest(model) is not None:
            accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
            return OneVersusRestCrossEntropy(), [accuracy]
        if model.output_shape[-1] == 1:
            accuracy = keras.metrics.BinaryAccuracy(name="accuracy")
            return keras.losses.BinaryCrossentropy(), [accuracy]
        accuracy = keras.metrics.SparseCategoricalAccuracy(name="accuracy")
        return keras.losses.SparseCategoricalCrossentropy(), [accuracy]

    def _weights_of(
        self, train: EncodedSplit, labels: Sequence[str]
    ) -> npt.NDArray[np.float32] | None:
        """``<float32>[examples]`` sample weights for training; ``None`` where all are one."""
        weights = self.recipe.training.class_weights
        if weights is None:
            return train.weights
        targets = np.asarray(train.targets)
        counts = np.bincount(targets, minlength=len(labels))
        if weights == "balanced":
            of_class = len(targets) / (len(labels) * np.maximum(counts, 1))
        else:
            of_class = np.array([weights.get(label, 1.0) for label in labels])
        chosen: npt.NDArray[np.float32] = of_class[targets].astype(np.float32)
        return chosen if train.weights is None else chosen * train.weights

    def inference(
        self, preprocessor: ClassificationPreprocessor, model: Any
    ) -> ClassificationInference:
        return ClassificationInference(preprocessor, model)

    def evaluation(self, preprocessor: ClassificationPreprocessor) -> ClassificationEvaluation:
        return ClassificationEvaluation(preprocessor)


def one_versus_rest(model: Any) -> Any:
    """The layer that a model ends in where its classes were each told from all others, else
    ``None``."""
    from textnets.layers import OneVersusRest

    last = model.layers[-1]
    return last if isinstance(last, OneVersusRest) and model.output is last.output else None
