"""From texts to ids, as the run's own encoders do it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from textnets.lite.contents import Contents
from textnets.lite.tokenizers import (
    LiteCharacters,
    LitePattern,
    LiteSentencepieces,
    LiteTokenizer,
    LiteWhitespace,
    LiteWordpieces,
    LiteWords,
)
from textnets.lite.unicode import Unicode, as_utf8
from textnets.text.encoded import RaggedIds, join_rows
from textnets.text.tokenizers import join_tokens
from textnets.text.vocabulary import BOS_ID, EOS_ID, SPECIAL_TOKENS, UNKNOWN_ID, Vocabulary


class LiteToken(NamedTuple):
    """One token of an encoded text."""

    text: str
    id: int


@dataclass(frozen=True)
class TextSettings:
    """The keys of a recipe's ``text:`` that say how a text becomes ids."""

    tokenizer: str
    normalize: str
    lowercase: bool
    max_length: int | None
    truncate: str
    add_bos: bool
    add_eos: bool
    pattern: str | None
    with_joins: bool
    sees_invisible: bool
    fills_empty: bool

    @property
    def limit(self) -> int | None:
        """Tokens of the text itself; BOS and EOS count into ``max_length``."""
        if self.max_length is None:
            return None
        return max(1, self.max_length - self.add_bos - self.add_eos)


class TextCutter:
    """Cuts texts into tokens: normalized, split, and truncated.

    Args:
        settings: of the text.
        unicode: as TensorFlow knows it.
        tokenizer: cuts a normalized text.
    """

    def __init__(self, settings: TextSettings, unicode: Unicode, tokenizer: LiteTokenizer) -> None:
        self.settings, self._unicode, self._tokenizer = settings, unicode, tokenizer

    def normalized(self, text: str) -> str:
        """As it comes before a split."""
        text = as_utf8(text)
        if self.settings.normalize != "none":
            text = self._unicode.normalized(self.settings.normalize.upper(), text)
        return self._unicode.to_lower(text) if self.settings.lowercase else text

    def whole(self, text: str) -> list[str]:
        """All tokens."""
        return self._tokenizer.split(self.normalized(text))

    def kept(self, tokens: list[str], limit: int | None) -> list[str]:
        """Those that are left of too many."""
        if limit is None:
            return tokens
        return tokens[-limit:] if self.settings.truncate == "start" else tokens[:limit]


class LiteEncoder:
    """A tokenizer with its vocabulary; as :class:`textnets.text.encoder.TextEncoder`."""

    def __init__(self, cutter: TextCutter, vocabulary: Vocabulary) -> None:
        self._cutter, self.vocabulary = cutter, vocabulary
        self._settings = cutter.settings

    @classmethod
    def read(cls, found: Mapping[str, Any], contents: Contents, unicode: Unicode) -> LiteEncoder:
        """Of what a file says of it."""
        vocabulary = Vocabulary(contents.texts(found["vocabulary"]))
        cutter = read_cutter(found, contents, unicode, vocabulary)
        return cls(cutter, vocabulary)

    def encode(self, texts: Sequence[str]) -> RaggedIds:
        """Ids of some texts."""
        return join_rows([self._framed(self._kept(text)) for text in texts])

    def tokens(self, texts: Sequence[str]) -> list[list[LiteToken]]:
        """The tokens of some texts as the model sees them, BOS and EOS included."""
        found = []
        for text in texts:
            tokens = self._kept(text)
            names = list(tokens) or [""] * self._settings.fills_empty
            if self._settings.add_bos:
                names.insert(0, SPECIAL_TOKENS[BOS_ID])
            if self._settings.add_eos:
                names.append(SPECIAL_TOKENS[EOS_ID])
            found.append(list(map(LiteToken, names, self._framed(tokens))))
        return found

    def join(self, tokens: Sequence[str], *, with_joins: bool = False) -> str:
        """Tokens back to a text."""
        return join_tokens(self._settings.tokenizer, tokens, with_joins=with_joins)

    def _kept(self, text: str) -> list[str]:
        return self._cutter.kept(self._cutter.whole(text), self._settings.limit)

    def _framed(self, tokens: Sequence[str]) -> list[int]:
        """Their ids, with [UNK] in an empty row, and BOS and EOS where they are asked for."""
        ids = list(map(self.vocabulary.encode_token, tokens))
        if not ids and self._settings.fills_empty:
            ids = [UNKNOWN_ID]
        if self._settings.add_bos:
            ids.insert(0, BOS_ID)
        if self._settings.add_eos:
            ids.append(EOS_ID)
        return ids


def read_cutter(
    found: Mapping[str, Any], contents: Contents, unicode: Unicode, vocabulary: Vocabulary
) -> TextCutter:
    """The tokenizer that a file names."""
    settings = TextSettings(**found["text"])
    kind, joins = settings.tokenizer, settings.with_joins
    tokenizer: LiteTokenizer
    if kind == "whitespace":
        tokenizer = LiteWhitespace(unicode)
    elif kind == "characters":
        tokenizer = LiteCharacters()
    elif kind == "regex":
        tokenizer = LitePattern(str(settings.pattern), unicode, with_joins=joins)
    elif kind == "sentencepiece":
        tokenizer = LiteSentencepieces(contents.raw(found["sentencepiece"]), unicode)
    else:
        words = LiteWords(unicode, with_joins=joins, sees_invisible=settings.sees_invisible)
        is_pieces = kind == "wordpiece"
        tokenizer = LiteWordpieces(words, vocabulary.ordinary_tokens) if is_pieces else words
    return TextCutter(settings, unicode, tokenizer)
