"""The sections of a language modeling recipe."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field, model_validator

from textnets.recipe import TaskSchema
from textnets.recipe.sections import (
    CacheSection,
    DataSection,
    EvaluationSection,
    PositiveInt,
    TextSection,
    TrainingSection,
    mistake,
)

DEFAULT_WINDOW = 35  # Zaremba et al. 2014, and everybody since


class LanguageModelingData(DataSection):
    """Running text, plain or gzip-compressed, or the texts of a table."""

    text: str | None = Field(
        None,
        description="Column of the texts, where the files are tables (csv, tsv, jsonl, parquet) or "
        "folders of class folders; each text counts as a line. Off for plain text.",
    )

    stream: bool = Field(
        True,
        description="The files are one running text each, read in the order of their lines; "
        "false: every line is a sentence of its own, and blank lines are passed over.",
    )

    not_written: ClassVar[frozenset[str]] = DataSection.not_written | {"text"}


class LanguageModelingText(TextSection):
    """From text to token ids."""

    lowercase: bool = Field(False, description="Lower-case every letter, Unicode-aware.")
    max_tokens: int | None = Field(
        None, gt=4, description="Vocabulary size at most, the four special tokens included."
    )
    max_length: PositiveInt | None = Field(
        None, description="In tokens; longer sentences are truncated. For data.stream: false."
    )
    add_eos: bool = Field(
        False,
        description="Put [EOS] after every line of a running text, in place of its line break. "
        "Sentences always have one.",
    )

    @model_validator(mode="after")
    def _bos_comes_by_itself(self) -> LanguageModelingText:
        if self.add_bos:
            raise mistake("add_bos", "[BOS] is put before every sentence anyway; remove the key")
        return self


class LanguageModelingTraining(TrainingSection):
    """How the weights are found."""

    batch_size: PositiveInt = Field(
        32, description="Sentences a step; of a running text the streams that are read at once."
    )
    window: PositiveInt | None = Field(
        None,
        description=f"Tokens of each stream a step, through which gradients run ({DEFAULT_WINDOW} "
        "unless given); the state is carried on. For data.stream: true.",
    )
    sampled_softmax: PositiveInt | None = Field(
        None,
        description="Train with a softmax over this many sampled tokens and the right one "
        "(Jean et al. 2015); scores always use the whole vocabulary. For large vocabularies.",
    )


class LanguageModelingEvaluation(EvaluationSection):
    """How the trained model is measured."""

    cache: CacheSection | None = Field(
        None,
        description="Also score the model with a cache of the last words of the text beside it "
        "(Grave et al. 2017), as cache_perplexity and so on. For data.stream: true. Off unless "
        "given.",
    )

    not_written: ClassVar[frozenset[str]] = frozenset({"cache"})


LANGUAGE_MODELING_SCHEMA = TaskSchema(
    data=LanguageModelingData,
    text=LanguageModelingText,
    training=LanguageModelingTraining,
    evaluation=LanguageModelingEvaluation,
    sizes=frozenset({"vocabulary_size", "embedding_vectors"}),
    required_sizes=frozenset({"vocabulary_size"}),
)
