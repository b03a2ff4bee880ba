"""From lines to ids, each with the one that comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from textnets.errors import DataError
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.sections import TextSection
from textnets.tasks.language_modeling.examples import TextLines
from textnets.tasks.preprocessor import EncodedText, Kept, Preprocessor
from textnets.text.encoded import EncodedSplit, IntArray, RaggedIds
from textnets.text.encoder import Coverage, RunningTextEncoder, Token
from textnets.text.vocabulary import BOS_ID, EOS_ID, SPECIAL_TOKENS, UNKNOWN_ID, Vocabulary


@dataclass(frozen=True)
class LanguageModelingPreprocessor(Preprocessor[TextLines]):
    """A vocabulary, and where texts begin and end.

    Attributes:
        text: from lines to ids.
    """

    text: EncodedText[RunningTextEncoder]

    @classmethod
    def learn(cls, recipe: Recipe, train: TextLines) -> LanguageModelingPreprocessor:
        """Of the training split."""
        encoder = RunningTextEncoder.learn(_without_eos(recipe), lambda: train.lines)
        return cls(recipe, EncodedText.learned(encoder))

    @classmethod
    def load(cls, recipe: Recipe, folder: Path) -> LanguageModelingPreprocessor:
        """Of a run directory."""
        return cls(recipe, EncodedText.load(RunningTextEncoder, _without_eos(recipe), folder))

    def save(self, folder: Path) -> None:
        self.encoder.save(folder)

    @property
    def encoder(self) -> RunningTextEncoder:
        """From lines to ids; [EOS] and what starts a text are put here."""
        return self.text.encoder

    @property
    def vocabulary(self) -> Vocabulary:
        """The tokens."""
        return self.text.vocabulary

    @property
    def is_stream(self) -> bool:
        """Whether a split is one running text, and not sentences."""
        return bool(self.recipe.data.stream)

    @property
    def has_characters(self) -> bool:
        """Whether the tokens are characters."""
        return bool(self.recipe.text.tokenizer == "characters")

    @property
    def ends_rows(self) -> bool:
        """Whether every row ends in [EOS]."""
        return self.recipe.text.add_eos or not self.is_stream

    @property
    def start_id(self) -> int:
        """What stands before a text's first token: the end of the line before it."""
        if not self.is_stream:
            return BOS_ID
        if self.recipe.text.add_eos:
            return EOS_ID
        line_break = self.vocabulary.encode_token("\n")
        return BOS_ID if line_break == UNKNOWN_ID else line_break

    def encode(
        self, examples: TextLines, progress: Progress, label: str
    ) -> tuple[EncodedSplit, Coverage]:
        found, coverage = self.encoder.encode_measured(
            examples.lines, progress=progress, label=label, total=len(examples)
        )
        targets = with_ends(found) if self.ends_rows else found
        if len(targets.ids) == 0:
            raise DataError(f"{label}: there is no token in the text")
        return EncodedSplit({"token_ids": self._shifted(targets)}, targets), coverage

    def encode_inputs(self, texts: Sequence[str]) -> EncodedSplit:
        """Prompts: each text after what starts one."""
        prompts = with_id(self.encoder.encode(texts), self.start_id, in_front=True)
        return EncodedSplit({"token_ids": prompts}, np.zeros(0, np.int32))

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        end = [Token(SPECIAL_TOKENS[EOS_ID], EOS_ID)] if self.ends_rows else []
        return [row + end for row in self.encoder.tokens(texts)]

    def _shifted(self, targets: RaggedIds) -> RaggedIds:
        """What is read at each place: the target of the place before."""
        ids = np.concatenate([[self.start_id], targets.ids[:-1]]).astype(np.int32)
        if not self.is_stream:
            ids[targets.offsets[:-1]] = BOS_ID
        return RaggedIds(ids, targets.offsets)

    @property
    def sizes(self) -> dict[str, Any]:
        return {"vocabulary_size": len(self.vocabulary)}

    def described(self, kept: Kept) -> dict[str, Any]:
        return {"text": kept.encoder(self.encoder)}

    @property
    def manner(self) -> dict[str, Any]:
        return {
            "is_stream": self.is_stream,
            "ends_rows": self.ends_rows,
            "start_id": self.start_id,
            "tokenizer": self.recipe.text.tokenizer,
        }

    @property
    def vector_tables(self) -> Mapping[str, tuple[str, Vocabulary]]:
        return {"tokens": ("embedding", self.vocabulary)}

    def extended(self, known: Mapping[str, Vocabulary]) -> Self:
        return replace(self, text=self.text.extended(known["tokens"]))


def _without_eos(recipe: Recipe) -> TextSection:
    """The text section without the [EOS] that is put here."""
    section: TextSection = recipe.text.model_copy(update={"add_eos": False})
    return section


def with_ends(rows: RaggedIds) -> RaggedIds:
    """Every row with [EOS] after it."""
    return with_id(rows, EOS_ID, in_front=False)


def with_id(rows: RaggedIds, token_id: int, *, in_front: bool) -> RaggedIds:
    """One more id before, or after, every row."""
    places = rows.offsets[:-1] if in_front else rows.offsets[1:]
    ids: IntArray = np.insert(rows.ids, places, token_id).astype(np.int32)
    return RaggedIds(ids, rows.offsets + np.arange(len(rows.offsets)))


def without_last(rows: RaggedIds) -> RaggedIds:
    """Every row, each of which has at least one id, without its last."""
    ids: IntArray = np.delete(rows.ids, rows.offsets[1:] - 1).astype(np.int32)
    return RaggedIds(ids, rows.offsets - np.arange(len(rows.offsets)))
