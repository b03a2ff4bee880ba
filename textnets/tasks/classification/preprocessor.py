"""From texts and labels to ids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError, InputError, RunError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.model_section import builder_schema
from textnets.recipe.reading import find_builder
from textnets.recipe.sections import NgramSection
from textnets.run.files import checked, read_object
from textnets.tasks.classification.examples import LabeledTexts, LabelSet, as_label
from textnets.tasks.encoders import open_encoder
from textnets.tasks.preprocessor import AnyEncoder, EncodedText, Kept, Preprocessor
from textnets.text.encoded import EncodedSplit
from textnets.text.encoder import Coverage, TextEncoder, Token
from textnets.text.encoder_tokens import SETTINGS_FILE, EncoderSettings, EncoderTokens
from textnets.text.ngrams import NgramEncoder, Ngrams
from textnets.text.vocabulary import VOCABULARY_FILE, Vocabulary, load_lines, save_lines

_LABELS_FILE = "labels.txt"
_SHOWN_LABELS = 20  # in a message
_NO_EXPORT = (
    "text.encoder: no export holds a model whose texts are cut by an encoder's own tokenizer; "
    "'textnets predict' and 'textnets serve' answer with the run wherever textnets[encoder] is "
    "installed, and of an ensemble the other members can be exported: each is a run in its members/"
)
# Of a bag of n-grams, one for each n-gram and class: training has four tables of so many, 640 MB.
_MOST_WEIGHTS = 40_000_000


@dataclass(frozen=True)
class ClassificationPreprocessor(Preprocessor[LabeledTexts]):
    """A vocabulary, and the labels in their order.

    Attributes:
        text: from texts to ids.
        labels: of the classes, sorted.
        ngrams: where the model reads a set of these instead of tokens in their order.
        pretrained: of the encoder whose tokens the model reads, where it reads an encoder's.
    """

    output_rule = "the probability of each class; of two classes only that of the second"

    text: EncodedText[TextEncoder | NgramEncoder | EncoderTokens]
    labels: Sequence[str]
    ngrams: Ngrams | None = None
    pretrained: EncoderSettings | None = None

    @classmethod
    def learn(cls, recipe: Recipe, train: LabeledTexts) -> ClassificationPreprocessor:
        """Of the training split."""
        labels = sorted(train.distinct_labels)
        if reads_encoder(recipe):
            section = recipe.text
            found = open_encoder(
                section.encoder, beside=recipe.folder, max_length=section.max_length
            )
            tokens = found.tokens
            text = EncodedText(tokens.vocabulary, lambda: tokens)
            return cls(recipe, text, labels, pretrained=tokens.settings)
        if not reads_ngrams(recipe):
            encoder = TextEncoder.learn(recipe.text, lambda: train.texts)
            return cls(recipe, EncodedText.learned(encoder), labels)
        section = recipe.text.ngrams or NgramSection()  # type: ignore[call-arg]
        is_binary = len(labels) == 2 and not recipe.data.multi_label
        most = _MOST_WEIGHTS // (1 if is_binary else max(1, len(labels)))
        limit = min(section.max_features or most, most)
        section = section.model_copy(update={"max_features": limit})
        learned = NgramEncoder.learn(recipe.text, section, train.texts)
        return cls(recipe, EncodedText(learned.vocabulary, lambda: learned), labels, learned.ngrams)

    @classmethod
    def load(cls, recipe: Recipe, folder: Path) -> ClassificationPreprocessor:
        """Of a run directory."""
        labels = load_lines(folder / _LABELS_FILE)
        if len(labels) < 2:
            raise RunError(f"{folder / _LABELS_FILE}: holds fewer than two labels")
        if reads_encoder(recipe):
            path = folder / SETTINGS_FILE
            settings: EncoderSettings = checked(EncoderSettings, read_object(path), path)
            known, longest = Vocabulary.load(folder / VOCABULARY_FILE), recipe.text.max_length
            of_encoder = EncodedText(
                known, lambda: EncoderTokens.load(folder, settings, known, longest)
            )
            return cls(recipe, of_encoder, labels, pretrained=settings)
        if not reads_ngrams(recipe):
            return cls(recipe, EncodedText.load(TextEncoder, recipe.text, folder), labels)
        ngrams = Ngrams.load(folder)
        text = EncodedText(ngrams.words, lambda: NgramEncoder(recipe.text, ngrams))
        return cls(recipe, text, labels, ngrams)

    def save(self, folder: Path) -> None:
        self.text.encoder.save(folder)
        save_lines(folder / _LABELS_FILE, self.labels)

    @property
    def input_name(self) -> str:
        """Of the model's input."""
        return input_name(self.recipe)

    @property
    def multi_label(self) -> bool:
        """Whether a text has any number of labels."""
        return bool(self.recipe.data.multi_label)

    @property
    def separator(self) -> str | None:
        """What stands between the labels of one cell; ``None`` where there is only one."""
        return self.recipe.data.label_separator if self.multi_label else None

    def encode(
        self, examples: LabeledTexts, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        ids, coverage = self.text.encoder.encode_measured(
            examples.texts, progress=progress, label=label, total=len(examples)
        )
        targets = self.targets_of(examples.labels)
        return EncodedSplit({self.input_name: ids}, targets, examples.weights), coverage

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        ids = self.text.encoder.encode(texts)
        return EncodedSplit({self.input_name: ids}, np.zeros(0, np.int32))

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        return self.text.encoder.tokens(texts)

    def targets_of(
        self, labels: Sequence[LabelSet]
    ) -> npt.NDArray[np.int32] | npt.NDArray[np.float32]:
        """``<int32>[examples]``, or ``<float32>[examples, classes]`` in multi-label."""
        ids = {as_label(label): index for index, label in enumerate(self.labels)}
        ids |= {label: index for index, label in enumerate(self.labels)}
        if unknown := sorted({label for row_labels in labels for label in row_labels} - set(ids)):
            named = ", ".join(repr(label) for label in unknown)
            raise DataError(
                f"the data has labels that the model does not know: {named}; "
                f"known: {shorten(self.labels)}"
            )
        if not self.multi_label:
            return np.array([ids[label] for (label,) in labels], dtype=np.int32)
        targets = np.zeros((len(labels), len(self.labels)), dtype=np.float32)
        for row, row_labels in enumerate(labels):
            targets[row, [ids[label] for label in row_labels]] = 1.0
        return targets

    @property
    def sizes(self) -> dict[str, Any]:
        read = (
            {"vocabulary_size": len(self.text.vocabulary)}
            if self.ngrams is None
            else {
                "num_features": len(self.ngrams),
                "num_word_ngrams": len(self.ngrams.words) + len(self.ngrams.longer),
            }
        )
        if self.pretrained is not None:
            read = {**read, "unit_length": self.pretrained.unit_length}
        return {
            **read,
            "num_classes": len(self.labels),
            "multi_label": self.multi_label,
        }

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        return {"tokens": ("embedding", self.text.vocabulary)}

    def described(self, kept: Kept) -> dict[str, Any]:
        return {"text": kept.encoder(self.own_encoder), "input": self.input_name}

    @property
    def own_encoder(self) -> AnyEncoder:
        """What turns texts into ids, for an export, which holds no library of others.

        Raises:
            InputError: an encoder's own tokenizer does it.
        """
        encoder = self.text.encoder
        if isinstance(encoder, EncoderTokens):
            raise InputError(_NO_EXPORT)
        return encoder

    def check_exportable(self) -> None:
        if self.pretrained is not None:
            raise InputError(_NO_EXPORT)

    @property
    def encoder_settings(self) -> EncoderSettings | None:
        return self.pretrained

    @property
    def manner(self) -> dict[str, Any]:
        return {"labels": list(self.labels), "separator": self.separator}

    def extended(self, known: Mapping[str, Vocabulary]) -> Self:
        encoder = self.text.encoder
        if not isinstance(encoder, TextEncoder):
            raise TypeError("what others chose, or a set of n-grams, has no ids of another run")
        return replace(self, text=EncodedText.learned(encoder.extended(known["tokens"])))

    @property
    def output_width(self) -> int:
        return 1 if len(self.labels) == 2 and not self.multi_label else len(self.labels)


def reads_ngrams(recipe: Recipe) -> bool:
    """Whether a recipe's builder reads a set of n-grams, not tokens in their order."""
    takes = builder_schema(recipe.builder, find_builder(recipe.builder)).from_data
    return "num_features" in takes


def reads_encoder(recipe: Recipe) -> bool:
    """Whether a recipe's builder reads the tokens of a pretrained encoder."""
    takes = builder_schema(recipe.builder, find_builder(recipe.builder)).from_data
    return "encoder_vectors" in takes


def input_name(recipe: Recipe) -> str:
    """Of the input of the recipe's model."""
    return "ngram_ids" if reads_ngrams(recipe) else "token_ids"


def shorten(names: Sequence[str]) -> str:
    """Names in a message; of many only the first."""
    shown = ", ".join(repr(name) for name in names[:_SHOWN_LABELS])
    rest = len(names) - _SHOWN_LABELS
    return shown + (f" and {rest} more" if rest > 0 else "")
