"""Which token of one vocabulary is which of another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textnets.text.vocabulary import SPECIAL_TOKENS, Vocabulary
from textnets.text.word_encoder import normalized_word

# Tokenizers whose tokens are the same things: words, or pieces of them, or characters.
_KINDS = {
    "whitespace": "words",
    "words": "words",
    "regex": "words",
    "pretokenized": "words",
    "characters": "characters",
    "wordpiece": "wordpiece",
    "sentencepiece": "sentencepiece",
}


@dataclass(frozen=True)
class Writing:
    """How the tokens of a vocabulary are written.

    Attributes:
        tokenizer: that cuts them.
        normalize: ``none``, ``nfc`` or ``nfkc``.
        lowercase: whether they are lower-cased.
    """

    tokenizer: str
    normalize: str
    lowercase: bool

    def written(self, token: str) -> str:
        """A token, as this vocabulary would have it."""
        found = normalized_word(token, self.normalize)
        return found.lower() if self.lowercase else found

    def is_like(self, other: Writing) -> bool:
        """Whether both cut a text into the same kind of tokens."""
        return _KINDS[self.tokenizer] == _KINDS[other.tokenizer]


def map_tokens(
    here: Vocabulary, here_as: Writing, there: Vocabulary, there_as: Writing
) -> npt.NDArray[np.int64]:
    """The id that each token has in another vocabulary.

    A token is the one that is spelled alike; else the one that the other vocabulary's texts would
    have for it (``Paris`` is ``paris`` where everything is lower-cased there); else the most
    frequent one that would be this token here (``paris`` is ``Paris`` where only the texts here
    are lower-cased).

    Args:
        here: the vocabulary.
        here_as: how its tokens are written.
        there: the other one.
        there_as: how that one's are.

    Returns:
        ``<int64>[len(here)]``, -1 for what the other one lacks. Special tokens are the same in all.
    """
    first = len(SPECIAL_TOKENS)
    ids = {token: number for number, token in enumerate(there.ordinary_tokens, first)}
    folded: dict[str, int] = {}
    for token, number in ids.items():  # by falling counts: the first is the most frequent
        folded.setdefault(here_as.written(token), number)
    found = np.full(len(here), -1, dtype=np.int64)
    found[:first] = np.arange(first)
    for place, token in enumerate(here.ordinary_tokens, first):
        otherwise = ids.get(there_as.written(token), folded.get(token, -1))
        found[place] = ids.get(token, otherwise)
    return found
