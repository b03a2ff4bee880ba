"""The sections of a translation recipe."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, ValidationError, model_validator

from textnets.evaluation.translation import BleuTokenizer
from textnets.recipe import TaskSchema
from textnets.recipe.document import shown
from textnets.recipe.sections import (
    DataSection,
    Delimiter,
    EvaluationSection,
    PositiveInt,
    Rate,
    TextKeys,
    TextSection,
    TrainingSection,
    mistake,
)


class TranslationData(DataSection):
    """Texts with their translations."""

    format: Literal["auto", "lines", "tsv", "csv", "jsonl"] = Field(
        "auto",
        description="How the files are written: two line-parallel files, tab-separated columns, "
        "csv, or jsonl; 'auto' goes by their names.",
    )
    delimiter: Delimiter | None = Field(
        None, description='Between the cells of a csv or tsv file, such as ";".'
    )
    header: bool = Field(
        False, description="Whether the first line of a csv or tsv file names the columns."
    )
    source: str = Field(
        "source",
        description="The side to translate from: what {side} stands for in the names of "
        "line-parallel files, or the key in jsonl.",
    )
    target: str = Field("target", description="The side to translate into, likewise.")
    source_column: Annotated[int, Field(ge=0)] = Field(
        0, description="With tab-separated files and csv, where the source stands, counted from 0."
    )
    target_column: Annotated[int, Field(ge=0)] = Field(
        1, description="With tab-separated files and csv, where the target stands, counted from 0."
    )

    not_written: ClassVar[frozenset[str]] = DataSection.not_written | {"delimiter", "header"}

    @model_validator(mode="after")
    def _sides_differ(self) -> Self:
        if self.source == self.target:
            raise mistake("target", "is the name of the source too")
        if self.source_column == self.target_column:
            raise mistake("target_column", "is the column of the source too")
        return self


class SideText(TextKeys):
    """What one side's texts have otherwise than the other's."""

    def as_written(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_unset=True)


class TranslationText(TextSection):
    """From texts to token ids, on both sides alike but for what a side says itself."""

    # Case is part of a translation: a model that writes lower case makes a mistake in every name.
    lowercase: bool = Field(False, description="Lower-case every letter, Unicode-aware.")
    shared_vocabulary: bool = Field(
        False, description="One vocabulary for both sides, learned on both."
    )
    source: SideText | None = Field(
        None, description="Keys of this section that the source has otherwise."
    )
    target: SideText | None = Field(
        None, description="Keys of this section that the target has otherwise."
    )

    def of_side(self, side: Literal["source", "target"]) -> TextSection:
        """The whole section of one side: its own keys before those of both."""
        own: SideText | None = getattr(self, side)
        of_side = {} if own is None else own.model_dump(exclude_unset=True)
        both = {key: getattr(self, key) for key in TextKeys.model_fields}
        if "tokenizer" in of_side:
            both["pattern"] = None  # it belongs to the other tokenizer
        return TextSection.model_validate(both | of_side)

    def as_written(self) -> dict[str, Any]:
        sides = {side: getattr(self, side) for side in ("source", "target")}
        written = {side: own.as_written() for side, own in sides.items() if own is not None}
        return super().as_written() | written

    @model_validator(mode="after")
    def _no_frame(self) -> TranslationText:
        for part, where in ((self, ""), (self.source, "source."), (self.target, "target.")):
            for key in ("add_bos", "add_eos"):
                if part is not None and getattr(part, key):
                    raise mistake(f"{where}{key}", "has no effect in translation: remove it")
        return self

    @model_validator(mode="after")
    def _sides_are_whole(self) -> TranslationText:
        for side in ("source", "target"):
            try:
                self.of_side(side)
            except ValidationError as error:
                (found,) = error.errors()
                raise mistake(f"{side}.{found['ctx']['key']}", found["msg"]) from None
        return self

    @model_validator(mode="after")
    def _shared_sides_are_alike(self) -> TranslationText:
        source, target = (self.of_side("source"), self.of_side("target"))
        for key in TextKeys.model_fields:
            ours, theirs = getattr(source, key), getattr(target, key)
            if self.shared_vocabulary and key not in _OF_A_ROW and ours != theirs:
                raise mistake(
                    "shared_vocabulary",
                    f"one vocabulary needs the same {key} on both sides; {shown(ours)} of the "
                    f"source is not {shown(theirs)} of the target",
                )
        return self


_OF_A_ROW = ("max_length", "truncate")  # what a vocabulary does not depend on


class TranslationTraining(TrainingSection):
    """How the weights are found."""

    scheduled_sampling: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="Share of the target's tokens that are read as the model would have written "
        "them, in the last epoch; it rises from 0 (Bengio et al. 2015; Mihaylova and Martins "
        "2019). A step takes about 1.4 times the time. Off unless given.",
    )

    label_smoothing: Rate = Field(
        0.0, description="Share of the target probability that all tokens get in equal parts."
    )

    not_written: ClassVar[frozenset[str]] = TrainingSection.not_written | {"scheduled_sampling"}


class TranslationEvaluation(EvaluationSection):
    """How the trained model is measured, and how it translates."""

    beam_size: PositiveInt = Field(
        5, description="Hypotheses that the search keeps; 1 is greedy search."
    )
    length_penalty: Annotated[float, Field(ge=0)] = Field(
        1.0, description="0 prefers short translations; 1 ranks by about the mean of a token."
    )
    n_best: PositiveInt = Field(1, description="Translations to give of each text.")
    length_ratio: Annotated[float, Field(gt=0)] = Field(
        2.0, description="A translation has at most this times the source's tokens, and 10 more."
    )
    # A search compares as many tokens at each place, so that a large number would never end.
    no_repeat_ngram: Annotated[int, Field(ge=1, le=50)] | None = Field(
        None, description="No translation holds so many tokens in a row twice. Off unless given."
    )
    coverage_penalty: Annotated[float, Field(ge=0)] = Field(
        0.0,
        description="How much a translation loses for words of the source that it did not look at "
        "(Wu et al. 2016); with a beam of 2 or more, and attention. About 0.2; 0 for nothing.",
    )
    copy_unknown: bool = Field(
        False,
        description="Write the word of the source that was looked at most where the best token is "
        "[UNK]; without it [UNK] is never written. Needs attention.",
    )
    attention: bool = Field(
        False, description="Give the weights by which each token looks at the source, in jsonl."
    )
    bleu_tokenize: BleuTokenizer | None = Field(
        None,
        description="How sacrebleu cuts texts into the words that BLEU counts; by default by the "
        "references' script: zh for Chinese, ja-mecab for Japanese where it is installed "
        "(textnets[ja]), char for scripts without blanks, else 13a.",
    )

    not_written: ClassVar[frozenset[str]] = frozenset(
        {"no_repeat_ngram", "coverage_penalty", "copy_unknown"}
    )

    @model_validator(mode="after")
    def _coverage_ranks_a_beam(self) -> TranslationEvaluation:
        if self.coverage_penalty and self.beam_size == 1:
            raise mistake("coverage_penalty", "has an effect with beam_size of 2 or more only")
        return self

    @model_validator(mode="after")
    def _beam_holds_the_best(self) -> TranslationEvaluation:
        if self.n_best > self.beam_size:
            raise mistake("n_best", f"is more than the search keeps: beam_size is {self.beam_size}")
        return self


TRANSLATION_SCHEMA = TaskSchema(
    data=TranslationData,
    text=TranslationText,
    training=TranslationTraining,
    evaluation=TranslationEvaluation,
    sizes=frozenset({"source_vocabulary_size", "target_vocabulary_size"}),
    required_sizes=frozenset({"source_vocabulary_size", "target_vocabulary_size"}),
)
