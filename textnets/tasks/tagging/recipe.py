"""The sections of a tagging recipe."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from textnets.data.sentences import column_mistake
from textnets.recipe import TaskSchema
from textnets.recipe.sections import (
    VOCABULARY_ABOUT,
    DataSection,
    EvaluationSection,
    PositiveInt,
    Section,
    TrainingSection,
    Vocabulary,
    as_tuple,
    mistake,
)

#: Columns of a file beside its words: numbers from 0, or names.
Columns = Annotated[
    tuple[Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)], ...],
    Field(min_length=1),
    BeforeValidator(as_tuple),
]


class TaggingData(DataSection):
    """Sentences with a tag a word."""

    format: Literal["auto", "conllu", "columns", "jsonl"] = Field(
        "auto",
        description="How the files are written: CoNLL-U, columns between blanks with an empty "
        "line between sentences, or jsonl with two lists; 'auto' goes by their names.",
    )
    tags: Literal["upos", "xpos", "feats"] = Field(
        "upos", description="Which column of CoNLL-U holds the tags."
    )
    word_column: Annotated[int, Field(ge=0)] = Field(
        0, description="With format: columns, where the words stand, counted from 0."
    )
    tag_column: Annotated[int, Field(ge=0)] = Field(
        1, description="With format: columns, where the tags stand, counted from 0."
    )
    token_key: str = Field("tokens", description="The key of the words in jsonl.")
    tag_key: str = Field("tags", description="The key of the tags in jsonl.")
    spans: bool = Field(
        False,
        description="The tags mark spans (B-NP, I-NP, O; IOB, IOB2 or IOBES): score those too.",
    )

    features: Columns | None = Field(
        None,
        description="Further columns of the files that the model reads beside each word, such as "
        "parts of speech: their numbers, from 0 (columns), their names (conllu), or keys (jsonl).",
    )

    auxiliary: Columns | None = Field(
        None,
        description="Further columns of the training files that a net learns to tell along with "
        "the tags, such as xpos and feats, named as in data.features. They count "
        "training.auxiliary_weight; what is trained tells the tags alone. Off unless given.",
    )

    not_written: ClassVar[frozenset[str]] = DataSection.not_written | {"features", "auxiliary"}

    @model_validator(mode="after")
    def _further_columns_are_further(self) -> Self:
        own: set[int | str] = {"form", self.tags, self.token_key, self.tag_key}
        if self.format in ("auto", "columns"):
            own |= {self.word_column, self.tag_column}
        for key, columns in (("features", self.features), ("auxiliary", self.auxiliary)):
            for column in columns or ():
                if column in own:
                    raise mistake(key, f"{column!r} is the column of the words, or the tags'")
                if (columns or ()).count(column) > 1:
                    raise mistake(key, f"names {column!r} twice")
            if self.format != "auto" and (wrong := column_mistake(columns or (), self.format)):
                raise mistake(key, wrong)
        for column in self.auxiliary or ():
            if column in (self.features or ()):
                raise mistake("auxiliary", f"{column!r} is read by the model: data.features")
        return self

    @model_validator(mode="after")
    def _words_are_not_tags(self) -> Self:
        if self.format == "columns" and self.word_column == self.tag_column:
            raise mistake("tag_column", "is the column of the words too")
        if self.token_key == self.tag_key:
            raise mistake("tag_key", "is the key of the words too")
        return self


class TaggingText(Section):
    """From words to token ids."""

    tokenizer: Literal["pretokenized"] = Field(
        "pretokenized", description="Words are taken as they are; a raw text is cut at blanks."
    )
    normalize: Literal["none", "nfc", "nfkc"] = Field(
        "nfc", description="Unicode normalization, before anything else."
    )
    lowercase: bool = Field(
        True, description="Lower-case the words of the vocabulary; their characters keep case."
    )
    max_tokens: Annotated[int, Field(gt=4)] | None = Field(
        None, description="Vocabulary size at most, the four special tokens included."
    )
    min_count: PositiveInt = Field(
        1, description="Words seen fewer times in the training split become [UNK]."
    )
    max_word_length: Annotated[int, Field(ge=4)] = Field(
        24,
        description="In characters, its two ends included, for models that read characters; a "
        "longer word loses its middle.",
    )
    vectors: str | None = Field(
        None,
        description="Pretrained word vectors (the text format of GloVe, word2vec or fastText, or "
        "word2vec's binary one; gzip too), or a name from 'textnets data' such as "
        "glove-6b-100d. model.embedding_width must be their width.",
    )
    vocabulary: Vocabulary = Field("learn", description=VOCABULARY_ABOUT)

    not_written: ClassVar[frozenset[str]] = frozenset({"vocabulary"})


class TaggingTraining(TrainingSection):
    """How the weights are found."""

    auxiliary_weight: Annotated[float, Field(gt=0)] = Field(
        0.3,
        description="What the loss of each column of data.auxiliary counts; the tags' counts 1.",
    )

    not_written: ClassVar[frozenset[str]] = TrainingSection.not_written | {"auxiliary_weight"}


class TaggingEvaluation(EvaluationSection):
    """How a tagger is measured, and how it chooses its tags."""

    constrained: bool = Field(
        False,
        description="Never predict tags that mark no spans, such as I-NP after O: those of IOBES "
        "where a tag begins with E- or S-, else of IOB2 (BIO). Needs data.spans: true.",
    )


TAGGING_SCHEMA = TaskSchema(
    data=TaggingData,
    text=TaggingText,
    training=TaggingTraining,
    sizes=frozenset(
        {
            "vocabulary_size",
            "num_tags",
            "num_characters",
            "num_features",
            "num_columns",
            "num_column_values",
            "embedding_vectors",
        }
    ),
    required_sizes=frozenset({"num_tags"}),
    evaluation=TaggingEvaluation,
)
