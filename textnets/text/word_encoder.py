"""Sentences that are cut into words already, as ids: of the words, their characters, and more."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textnets.text.encoded import RaggedIds, join_rows
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID, UNKNOWN_ID, Vocabulary
from textnets.text.word_columns import Values, WordColumns
from textnets.text.word_features import WordFeatures


@dataclass(frozen=True)
class WordEncoder:
    """From words to ids.

    Attributes:
        words: lower-cased where ``lowercase`` says so.
        characters: of the words, with their case.
        features: of the words and their neighbors; ``None`` where nobody asks for them.
        normalize: ``none``, ``nfc`` or ``nfkc``.
        lowercase: whether words are looked up so.
        max_word_length: characters of a word, [BOS] and [EOS] included.
        columns: further columns beside the words; ``None`` where there are none.
    """

    words: Vocabulary
    characters: Vocabulary
    features: WordFeatures | None
    normalize: str
    lowercase: bool
    max_word_length: int
    columns: WordColumns | None = None

    def encode_texts(self, texts: Sequence[str]) -> dict[str, RaggedIds]:
        """As :meth:`encode`, of sentences that are a text each.

        Raises:
            InputError: a word lacks the further columns.
        """
        if self.columns is None:
            return self.encode([text.split() for text in texts])
        cut = [self.columns.cut(text) for text in texts]
        return self.encode([words for words, _ in cut], [values for _, values in cut])

    def encode(
        self,
        sentences: Sequence[Sequence[str]],
        columns: Sequence[Sequence[Values]] | None = None,
    ) -> dict[str, RaggedIds]:
        """Ids of words, of their characters, and of their features and further columns where there
        are those; a sentence without words is one ``[UNK]``.

        Args:
            sentences: words.
            columns: the values of each of them.
        """
        places: dict[str, int] = {"": 0}
        token_ids, spellings = [UNKNOWN_ID], [self._spell("")]
        rows = []
        for sentence in sentences:
            for word in sentence:
                if word not in places:
                    places[word] = len(places)
                    normalized = normalized_word(word, self.normalize)
                    token_ids.append(self.words.encode_token(self.as_token(normalized)))
                    spellings.append(self._spell(normalized))
            rows.append([places[word] for word in sentence] or [0])
        found = join_rows(rows)
        table = np.array(spellings, dtype=np.int32)
        inputs = {
            "token_ids": RaggedIds(np.array(token_ids, np.int32)[found.ids], found.offsets),
            "character_ids": RaggedIds(table[found.ids], found.offsets),
        }
        if self.features is not None:
            inputs["feature_ids"] = self.features.encode(
                [
                    [normalized_word(word, self.normalize) for word in sentence] or [""]
                    for sentence in sentences
                ],
                columns,
            )
        if self.columns is not None and columns is not None:
            inputs["column_ids"] = self.columns.encode(columns)
        return inputs

    def as_token(self, word: str) -> str:
        """A normalized word as it is looked up."""
        return word.lower() if self.lowercase else word

    def _spell(self, word: str) -> list[int]:
        """Ids of a word's characters between [BOS] and [EOS], padded to ``max_word_length``."""
        size = self.max_word_length
        room = size - 2
        if len(word) > room:
            word = word[: room // 2] + word[len(word) - (room - room // 2) :]
        ids = [BOS_ID, *map(self.characters.encode_token, word), EOS_ID]
        return ids + [PADDING_ID] * (size - len(ids))


def normalized_word(word: str, form: str) -> str:
    """A word in a normal form: ``none``, ``nfc`` or ``nfkc``."""
    if form == "none":
        return word
    return unicodedata.normalize("NFC" if form == "nfc" else "NFKC", word)
