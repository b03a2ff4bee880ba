"""From words and tags to ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from textnets.builders.custom import is_custom
from textnets.errors import DataError, RunError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.model_section import builder_schema
from textnets.recipe.reading import find_builder
from textnets.tasks.preprocessor import Kept, Preprocessor
from textnets.tasks.tagging.examples import TaggedSentences
from textnets.tasks.tagging.recipe import TaggingText
from textnets.text.encoded import EncodedSplit, RaggedIds, join_rows
from textnets.text.encoder import Coverage, Token
from textnets.text.token_mapping import Writing
from textnets.text.vocabulary import (
    UNKNOWN_ID,
    VOCABULARY_FILE,
    Vocabulary,
    build_vocabulary,
    extended_vocabulary,
    load_lines,
    save_lines,
)
from textnets.text.word_columns import (
    AUXILIARY_FILE,
    COLUMN_MARK,
    WordColumns,
    joined,
    plain_text,
)
from textnets.text.word_encoder import WordEncoder, normalized_word
from textnets.text.word_features import TEMPLATES, WordFeatures, column_templates

_CHARACTERS_FILE = "characters.txt"
_LABELS_FILE = "labels.txt"
_FEATURES_FILE = "features.txt"

#: What an encoded training split calls the ids of the values that are learned along.
AUXILIARY_IDS = "auxiliary_ids"


@dataclass(frozen=True)
class TaggingPreprocessor(Preprocessor[TaggedSentences]):
    """Vocabularies of words and of their characters, and the tags in their order.

    Attributes:
        words: lower-cased where the recipe says so.
        characters: of the words, with their case.
        labels: the tags, sorted.
        features: of the words and their neighbors, for a builder that asks how many there are.
        columns: the further columns of ``data.features``.
        auxiliary: those of ``data.auxiliary``, which are learned along.
    """

    output_rule = "the probability of each tag"

    words: Vocabulary
    characters: Vocabulary
    labels: Sequence[str]
    features: WordFeatures | None = None
    columns: WordColumns | None = None
    auxiliary: WordColumns | None = None

    @classmethod
    def learn(cls, recipe: Recipe, train: TaggedSentences) -> TaggingPreprocessor:
        """Of the training split."""
        section: TaggingText = recipe.text
        sentences = [
            [normalized_word(word, section.normalize) for word in sentence.words]
            for sentence in train.sentences
        ]
        spellings = [word for sentence in sentences for word in sentence]
        words = build_vocabulary(
            Counter(word.lower() if section.lowercase else word for word in spellings),
            max_tokens=section.max_tokens,
            min_count=section.min_count,
        )
        if not words.ordinary_tokens:
            raise DataError(
                f"no word of the training split is seen {section.min_count} times or more; "
                "lower text.min_count"
            )
        characters = build_vocabulary(
            Counter(character for word in spellings for character in word),
            max_tokens=None,
            min_count=1,
        )
        columns = None
        values = [sentence.features for sentence in train.sentences]
        if names := column_names(recipe):
            columns = WordColumns.learn(names, (row for rows in values for row in rows))
        features = None
        if reads_features(recipe):
            templates = (*TEMPLATES, *column_templates(len(names)))
            features = WordFeatures.learn(sentences, templates, values if names else None)
        auxiliary = None
        if along := auxiliary_names(recipe):
            auxiliary = WordColumns.learn(along, train.all_auxiliary())
        labels = sorted(set(train.all_tags()))
        return cls(recipe, words, characters, labels, features, columns, auxiliary)

    @classmethod
    def load(cls, recipe: Recipe, folder: Path) -> TaggingPreprocessor:
        """Of a run directory."""
        words = Vocabulary.load(folder / VOCABULARY_FILE)
        characters = Vocabulary.load(folder / _CHARACTERS_FILE)
        labels = load_lines(folder / _LABELS_FILE)
        if len(labels) < 2:
            raise RunError(f"{folder / _LABELS_FILE}: holds fewer than two tags")
        reads = reads_features(recipe)
        features = WordFeatures.load(folder / _FEATURES_FILE) if reads else None
        names = column_names(recipe)
        columns = WordColumns.load(folder, names) if names else None
        along = auxiliary_names(recipe)
        auxiliary = WordColumns.load(folder, along, AUXILIARY_FILE) if along else None
        return cls(recipe, words, characters, labels, features, columns, auxiliary)

    def save(self, folder: Path) -> None:
        self.words.save(folder / VOCABULARY_FILE)
        self.characters.save(folder / _CHARACTERS_FILE)
        save_lines(folder / _LABELS_FILE, self.labels)
        if self.features is not None:
            self.features.save(folder / _FEATURES_FILE)
        if self.columns is not None:
            self.columns.save(folder)
        if self.auxiliary is not None:
            self.auxiliary.save(folder, AUXILIARY_FILE)

    @property
    def section(self) -> TaggingText:
        """The recipe's ``text:``."""
        text: TaggingText = self.recipe.text
        return text

    def encode(
        self, examples: TaggedSentences, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        """The ids of tags that only this split has follow those of the labels: a model never says
        them, so each is an error, but the spans that they mark are counted."""
        values = [sentence.features for sentence in examples.sentences]
        inputs = self.encoder.encode(
            [sentence.words for sentence in examples.sentences],
            values if self.columns is not None else None,
        )
        along = [sentence.auxiliary for sentence in examples.sentences]
        if self.auxiliary is not None and all(along):  # what is only scored may lack them
            inputs[AUXILIARY_IDS] = self.auxiliary.encode(along)
        unseen = tuple(sorted(set(examples.all_tags()) - set(self.labels)))
        ids = {tag: index for index, tag in enumerate([*self.labels, *unseen])}
        targets = join_rows([ids[tag] for tag in sentence.tags] for sentence in examples.sentences)
        lengths = targets.lengths
        coverage = Coverage(
            texts=len(examples),
            tokens=int(lengths.sum()),
            unknown=int((inputs["token_ids"].ids == UNKNOWN_ID).sum()),
            truncated=0,
            empty=0,
            longest=int(lengths.max()),
        )
        return EncodedSplit(inputs, targets, unseen_labels=unseen), coverage

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        return EncodedSplit(self.encoder.encode_texts(texts), np.zeros(0, np.int32))

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        encoder, form = self.encoder, self.section.normalize
        named = [
            [encoder.as_token(normalized_word(word, form)) for word in self.plain(text).split()]
            for text in texts
        ]
        return [[Token(token, self.words.encode_token(token)) for token in row] for row in named]

    def encode_words(self, sentences: Sequence[Sequence[str]]) -> dict[str, RaggedIds]:
        """Ids of words, of their characters, and of their features where the model asks for those;
        see :meth:`textnets.text.word_encoder.WordEncoder.encode`."""
        return self.encoder.encode(sentences)

    def text_of(self, words: Sequence[str]) -> str:
        if self.columns is None:
            return super().text_of(words)
        values = [(of_column or ("_",))[0] for of_column in self.columns.values]
        return joined([word.replace(COLUMN_MARK, "|") for word in words], [values] * len(words))

    def plain(self, text: str) -> str:
        """A text without the further columns of its words."""
        return text if self.columns is None else plain_text(text)

    @property
    def encoder(self) -> WordEncoder:
        """From words to ids."""
        section = self.section
        return WordEncoder(
            self.words,
            self.characters,
            self.features,
            section.normalize,
            section.lowercase,
            section.max_word_length,
            self.columns,
        )

    @property
    def sizes(self) -> dict[str, Any]:
        found = {
            "vocabulary_size": len(self.words),
            "num_tags": len(self.labels),
            "num_characters": len(self.characters),
        }
        if self.features is not None:
            found["num_features"] = len(self.features)
        if self.columns is not None:
            found["num_columns"] = len(self.columns.names)
            found["num_column_values"] = len(self.columns)
        return found

    @property
    def learned_sizes(self) -> dict[str, Any]:
        return {} if self.auxiliary is None else {"num_auxiliary_values": len(self.auxiliary)}

    def check_model(self, model: Any, folder: Path) -> None:
        super().check_model(model, folder)
        rows = {layer.name: layer.weights[0].shape[0] for layer in model.layers if layer.weights}
        count = 0 if self.columns is None else len(self.columns)
        if rows.get("column_embedding", count) != count and not is_custom(self.recipe.builder):
            raise RunError(
                f"{folder}: the columns and the model do not fit: it has a row for something else; "
                "copy the run again, or train it again"
            )

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        return {
            "tokens": ("embedding", self.words),
            "characters": ("character_embedding", self.characters),
        }

    def described(self, kept: Kept) -> dict[str, Any]:
        found: dict[str, Any] = {
            "words": kept.texts(self.words.ordinary_tokens),
            "characters": kept.texts(self.characters.ordinary_tokens),
            "normalize": self.section.normalize,
            "lowercase": self.section.lowercase,
            "max_word_length": self.section.max_word_length,
        }
        if self.features is not None:
            found["features"] = {
                "templates": [template.name for template in self.features.templates],
                "values": {
                    slot: kept.texts(list(values)) for slot, values in self.features.values.items()
                },
                "known": [kept.array(keys) for keys in self.features.known],
            }
        if self.columns is not None:
            found["columns"] = {
                "names": list(self.columns.names),
                "values": [kept.texts(list(values)) for values in self.columns.values],
            }
        return found

    @property
    def manner(self) -> dict[str, Any]:
        return {
            "labels": list(self.labels),
            "constrained": self.recipe.evaluation.constrained,
        }

    def writing_of(self, table: str) -> Writing:
        section = self.section
        if table == "characters":  # with their case
            return Writing("characters", section.normalize, lowercase=False)
        return Writing(section.tokenizer, section.normalize, section.lowercase)

    def extended(self, known: Mapping[str, Vocabulary]) -> Self:
        return replace(
            self,
            words=extended_vocabulary(known["tokens"], self.words),
            characters=extended_vocabulary(known["characters"], self.characters)
            if "characters" in known
            else self.characters,
        )

    @property
    def output_width(self) -> int:
        return len(self.labels)


def column_names(recipe: Recipe) -> list[str]:
    """The further columns that a recipe names."""
    return [str(name) for name in recipe.data.features or ()]


def auxiliary_names(recipe: Recipe) -> list[str]:
    """The columns that a recipe's model learns along with the tags."""
    return [str(name) for name in recipe.data.auxiliary or ()]


def reads_columns(recipe: Recipe) -> bool:
    """Whether a recipe's model reads ``column_ids``: its builder asks how many there are."""
    takes = builder_schema(recipe.builder, find_builder(recipe.builder)).from_data
    return recipe.data.features is not None and "num_columns" in takes


def reads_features(recipe: Recipe) -> bool:
    """Whether a recipe's model reads ``feature_ids``: its builder asks how many there are."""
    return "num_features" in builder_schema(recipe.builder, find_builder(recipe.builder)).from_data
