"""The sections of a classification recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, model_validator

from textnets.recipe import TaskSchema
from textnets.recipe.sections import (
    DataSection,
    Delimiter,
    EvaluationSection,
    Files,
    Names,
    NgramSection,
    Share,
    TextSection,
    TrainingSection,
    as_tuple,
    mistake,
)


def _as_column(value: Any) -> Any:
    """A column's number, which a file without a header has for a name, as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _as_columns(value: Any) -> Any:
    return tuple(map(_as_column, value)) if isinstance(value, list) else _as_column(value)


#: A column, or several.
ColumnNames = Annotated[Names, BeforeValidator(_as_columns)]


def names_of(columns: str | tuple[str, ...]) -> tuple[str, ...]:
    """The columns that a key names."""
    return (columns,) if isinstance(columns, str) else columns


class ClassificationData(DataSection):
    """Labeled texts."""

    validation: Share | Files | None = Field(
        0.1, description="A seeded, stratified share of the training split, or a file."
    )
    format: Literal["auto", "csv", "tsv", "jsonl", "parquet", "fasttext", "folder"] = Field(
        "auto", description="How the files are written; 'auto' goes by their names."
    )
    delimiter: Delimiter | None = Field(
        None, description='Between the cells of a csv or tsv file, such as ";".'
    )
    header: bool | Annotated[tuple[str, ...], Field(min_length=1), BeforeValidator(as_tuple)] = (
        Field(
            True,
            description="Whether the first line of a csv or tsv file names the columns; a list "
            "of names where it does not; with false they are called 0, 1, ...",
        )
    )
    text: ColumnNames = Field(
        "text", description="The column of the text; of several, the texts are joined."
    )
    label: ColumnNames = Field(
        "label",
        description="The column of the label; several columns of 0 and 1 are a label each. In a "
        "table of two columns the one that is not named is the other.",
    )
    multi_label: bool = Field(
        False,
        description="Each text has any number of labels: a JSON list, or split by "
        "label_separator. True by itself where label names several columns.",
    )
    label_separator: Annotated[str, Field(min_length=1)] = Field(
        "|", description="Between the labels of one cell, with multi_label: true."
    )
    unknown_labels: Literal["error", "drop"] = Field(
        "error",
        description="What becomes of rows of the validation and test splits whose label the "
        "training split lacks.",
    )

    only_with: ClassVar[Mapping[str, tuple[str, tuple[Any, ...]]]] = {
        "label_separator": ("multi_label", (True,)),
    }

    not_written: ClassVar[frozenset[str]] = DataSection.not_written | {
        "delimiter",
        "header",
        "unknown_labels",
    }

    @model_validator(mode="before")
    @classmethod
    def _several_columns_are_several_labels(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("label"), list | tuple):
            return {"multi_label": True, **values}
        return values

    @model_validator(mode="after")
    def _text_and_label_differ(self) -> ClassificationData:
        if shared := sorted({*names_of(self.text)} & {*names_of(self.label)}):
            raise mistake("label", f"{shared[0]!r} is the column of the text too")
        for key in ("text", "label"):
            names = names_of(getattr(self, key))
            if len(set(names)) < len(names):
                raise mistake(key, "names a column twice")
        if isinstance(self.header, tuple):
            for key in ("text", "label"):
                for name in names_of(getattr(self, key)):
                    if name not in self.header:
                        known = ", ".join(self.header)
                        raise mistake(key, f"data.header has no column {name!r}; known: {known}")
        return self


class ClassificationText(TextSection):
    """From text to ids of tokens, or of n-grams where the builder reads these."""

    ngrams: NgramSection | None = Field(
        None,
        description="The n-grams of a builder that reads a set of them, such as "
        "ngram_bag_classifier; chosen by the data where it is left out.",
    )

    encoder: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="A folder with a pretrained encoder of one vector a token, as model2vec saves "
        "it; for builder: encoder_classifier, which reads its tokens and keeps its vectors as they "
        "are. Of the other keys of text only max_length counts then.",
    )

    not_written: ClassVar[frozenset[str]] = TextSection.not_written | {"ngrams", "encoder"}

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
        {
            "vocabulary_size",
            "num_features",
            "num_word_ngrams",
            "encoder_vectors",
            "unit_length",
            "num_classes",
            "multi_label",
            "embedding_vectors",
        }
    ),
    required_sizes=frozenset({"num_classes"}),
    reads=frozenset({"vocabulary_size", "num_features", "encoder_vectors"}),
)
