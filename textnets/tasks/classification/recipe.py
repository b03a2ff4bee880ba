"""The sections of a classification recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from textnets.recipe import TaskSchema
from textnets.recipe.sections import (
    DataSection,
    EvaluationSection,
    NgramSection,
    Share,
    TextSection,
    TrainingSection,
    mistake,
)


class ClassificationData(DataSection):
    """Labeled texts."""

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


class ClassificationText(TextSection):
    """From text to ids of tokens, or of n-grams where the builder reads these."""

    ngrams: NgramSection | None = Field(
        None,
        description="The n-grams of a builder that reads a set of them, such as "
        "ngram_bag_classifier; chosen by the data where it is left out.",
    )

    not_written: ClassVar[frozenset[str]] = frozenset({"ngrams"})

    @model_validator(mode="after")
    def _ngrams_are_of_tokens(self) -> ClassificationText:
        if self.ngrams is not None and self.tokenizer in ("wordpiece", "sentencepiece"):
            raise mistake("ngrams", f"has no effect with tokenizer: {self.tokenizer}")
        return self


class ClassificationTraining(TrainingSection):
    """How the weights are found."""

    class_weights: Literal["balanced"] | dict[str, Annotated[float, Field(gt=0)]] | None = Field(
        None,
        description="Weight of each label in the loss; 'balanced' is inverse to its count. "
        "Labels left out weigh 1.",
    )


class ClassificationEvaluation(EvaluationSection):
    """How the trained model is measured."""

    baselines: bool | Literal["all"] = Field(  # type: ignore[assignment]
        True,
        description="Train the task's baselines on the same split and score them too; 'all' adds "
        "those of textbooks, which take minutes.",
    )


CLASSIFICATION_SCHEMA = TaskSchema(
    data=ClassificationData,
    text=ClassificationText,
    training=ClassificationTraining,
    evaluation=ClassificationEvaluation,
    sizes=frozenset(
        {"vocabulary_size", "num_features", "num_classes", "multi_label", "embedding_vectors"}
    ),
    required_sizes=frozenset({"num_classes"}),
    reads=frozenset({"vocabulary_size", "num_features"}),
)
