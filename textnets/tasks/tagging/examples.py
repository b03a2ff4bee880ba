"""Sentences with a tag a word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.data.sentences import Sentence
from textnets.tasks.examples import Examples
from textnets.text.word_columns import COLUMN_MARK, joined


@dataclass(frozen=True)
class TaggedSentences(Examples):
    """Sentences with their tags."""

    sentences: list[Sentence] = field(default_factory=list)

    @classmethod
    def of(cls, sentences: Iterable[Sentence]) -> TaggedSentences:
        """With words and tags that are one piece each: cut at blanks, a joined sentence gives the
        same words again."""
        pieces = (
            replace(
                sentence,
                **{
                    "words": tuple(map(in_one_piece, sentence.words)),
                    "tags": tuple(map(in_one_piece, sentence.tags)),
                    **_columns_in_one_piece(sentence),
                    "auxiliary": tuple(
                        tuple(map(in_one_piece, values)) for values in sentence.auxiliary
                    ),
                },
            )
            for sentence in sentences
        )
        return cls(list(pieces))

    def __len__(self) -> int:
        return len(self.sentences)

    @property
    def texts(self) -> list[str]:
        """As a tagger is given them: of words with further columns see
        :mod:`textnets.text.word_columns`."""
        return [
            joined(sentence.words, sentence.features)
            if sentence.features
            else " ".join(sentence.words)
            for sentence in self.sentences
        ]

    def select(self, rows: npt.NDArray[np.int64]) -> TaggedSentences:
        return TaggedSentences([self.sentences[row] for row in rows.tolist()])

    def joined(self, others: TaggedSentences) -> TaggedSentences:
        return TaggedSentences([*self.sentences, *others.sentences])

    def all_tags(self) -> Iterator[str]:
        """The tag of each word of each sentence."""
        return (tag for sentence in self.sentences for tag in sentence.tags)

    def all_auxiliary(self) -> Iterator[tuple[str, ...]]:
        """The values that are learned along, of each word of each sentence."""
        return (values for sentence in self.sentences for values in sentence.auxiliary)


def _columns_in_one_piece(sentence: Sentence) -> dict[str, Any]:
    """Where a sentence has further columns: these, and its words, without what divides them where
    the sentence is one text."""
    if not sentence.features:
        return {}
    return {
        "words": tuple(map(_without_mark, sentence.words)),
        "features": tuple(tuple(map(_without_mark, values)) for values in sentence.features),
    }


def _without_mark(word: str) -> str:
    return in_one_piece(word.replace(COLUMN_MARK, "|"))


def as_text(sentence: Sentence) -> str:
    """A sentence as a text that is tagged: its words, with the values of further columns."""
    return TaggedSentences.of([sentence]).texts[0]


def in_one_piece(word: str) -> str:
    """A word as a text that is cut at blanks can hold it: ``10 000`` becomes ``10_000``."""
    return "_".join(word.split()) or "_"
