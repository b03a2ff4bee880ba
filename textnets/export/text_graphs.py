"""Between texts and ids as TensorFlow graph operations, where the run itself has Python for it.

Whatever a graph rests on besides constants is in its ``resources``, which a saved module must hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from textnets.text.encoder import TextEncoder
from textnets.text.ngrams import NgramEncoder, num_levels
from textnets.text.tokenizers import JOINER, PIECE_BLANK, has_joins, normalizer, unlearned_tokenizer
from textnets.text.vocabulary import BOS_ID, EOS_ID, SPECIAL_TOKENS, UNKNOWN_ID, Vocabulary
from textnets.text.word_encoder import WordEncoder

#: What Python's ``str.split`` and ``str.strip`` take for blank.
BLANKS = (
    r"\t-\r\x{1C}-\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}"
    r"\x{3000}"
)
_CLOSING, _OPENING = r"[.,!?:;%)\]}…]+", r"[(\[{¿¡]"  # of textnets.text.tokenizers
_NO_PLACE = -1
_BETWEEN = (
    "\ufdd0"  # which no token has, see textnets.text.tokenizers; TensorFlow drops a zero byte
)


def is_blank(texts: Any) -> Any:
    """``<string>[...]`` to ``<bool>[...]``: whether ``str.strip`` leaves nothing."""
    import tensorflow as tf

    return tf.strings.regex_full_match(texts, f"[{BLANKS}]*")


def split_at_blanks(texts: Any) -> Any:
    """``<string>[batch]`` to ragged ``<string>[batch, (words)]``, as ``str.split`` does it."""
    import tensorflow as tf

    texts = tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")
    return tf.strings.split(tf.strings.regex_replace(texts, f"[{BLANKS}]+", " "))


def lookup_table(tokens: Sequence[str], first: int, default: int, dtype: Any) -> Any:
    """From a token to its place, counted from ``first``."""
    import tensorflow as tf

    keys = tf.constant([token.encode() for token in tokens], tf.string)
    values = tf.range(first, first + len(tokens), dtype=dtype)
    return tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(keys, values), default_value=default
    )


class WordGraph:
    """As :class:`textnets.text.word_encoder.WordEncoder`, without its features.

    What Unicode's newest characters are in small letters, or normalized, TensorFlow may know
    otherwise than Python.
    """

    def __init__(self, encoder: WordEncoder) -> None:
        import tensorflow as tf

        self._encoder = encoder
        first = len(SPECIAL_TOKENS)
        self._words = lookup_table(encoder.words.ordinary_tokens, first, UNKNOWN_ID, tf.int32)
        self._characters = lookup_table(
            encoder.characters.ordinary_tokens, first, UNKNOWN_ID, tf.int32
        )
        self.resources = [self._words, self._characters]

    def __call__(self, sentences: Any) -> dict[str, Any]:
        """Ragged ``<string>[batch, (words)]`` to ``token_ids``, ``<int32>[batch, longest]``, and
        ``character_ids``, ``<int32>[batch, longest, characters]``; a sentence without words is one
        ``[UNK]``."""
        import tensorflow as tf
        import tensorflow_text

        empty = tf.cast(sentences.row_lengths() == 0, tf.int64)
        nothing = tf.RaggedTensor.from_row_lengths(tf.fill([tf.reduce_sum(empty)], ""), empty)
        sentences = tf.concat([sentences, nothing], axis=1)
        words = tf.strings.unicode_transcode(sentences.flat_values, "UTF-8", "UTF-8")
        if self._encoder.normalize != "none":
            words = tensorflow_text.normalize_utf8(words, self._encoder.normalize.upper())
        # A zero byte would end the lower-casing; it is in no vocabulary.
        small = tf.strings.regex_replace(words, r"\x00", "\ufdd0")
        small = tf.strings.lower(small, encoding="utf-8") if self._encoder.lowercase else words
        token_ids = sentences.with_flat_values(self._words.lookup(small))
        spelled = tf.RaggedTensor.from_row_splits(self._spell(words), sentences.row_splits)
        return {"token_ids": token_ids.to_tensor(), "character_ids": spelled.to_tensor()}

    def _spell(self, words: Any) -> Any:
        """``<string>[words]`` to ``<int32>[words, characters]``."""
        import tensorflow as tf

        size = self._encoder.max_word_length
        room = size - 2
        characters = tf.strings.unicode_split(words, "UTF-8")
        places = tf.ragged.range(characters.row_lengths())
        behind = characters.row_lengths() - (room - room // 2)
        is_kept = (places < room // 2) | (places >= tf.expand_dims(behind, 1))
        characters = tf.ragged.boolean_mask(characters, is_kept)
        ids = characters.with_flat_values(self._characters.lookup(characters.flat_values))
        column = tf.ones([ids.nrows(), 1], tf.int32)
        return tf.concat([BOS_ID * column, ids, EOS_ID * column], axis=1).to_tensor(
            shape=[None, size]
        )


class NgramGraph:
    """As :class:`textnets.text.ngrams.NgramEncoder`."""

    def __init__(self, encoder: NgramEncoder) -> None:
        import tensorflow as tf

        ngrams, section = encoder.ngrams, encoder.section
        self._section, self._size = section, len(ngrams)
        self._num_words = len(ngrams.words)
        self._tokenizer = unlearned_tokenizer(section, sees_invisible=ngrams.sees_invisible)
        self._normalize = normalizer(section)
        words = ngrams.words.ordinary_tokens
        self._words = lookup_table(words, len(SPECIAL_TOKENS), UNKNOWN_ID, tf.int64)
        begins, last = ngrams.longer.astype(np.int64).reshape(-1, 2).T
        features = self._num_words + np.arange(len(begins), dtype=np.int64)
        self._longer = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(begins * self._num_words + last, features),
            default_value=_NO_PLACE,
        )
        self._levels = num_levels(ngrams)
        first = self._num_words + len(begins)
        self._characters = lookup_table(ngrams.characters, first, _NO_PLACE, tf.int64)
        self._sizes = sorted({len(text) for text in ngrams.characters})
        self.resources = [
            self._words, self._longer, self._characters, *self._tokenizer.resources(),
        ]  # fmt: skip

    def __call__(self, texts: Any) -> Any:
        """``<string>[batch]`` to ``<int32>[batch, features]``, padded with 0."""
        import tensorflow as tf

        tokens = self._tokenizer.split(self._normalize(texts))
        limit = self._section.max_length
        if limit is not None:
            tokens = tokens[:, -limit:] if self._section.truncate == "start" else tokens[:, :limit]
        rows = tokens.value_rowids()
        found = [*self._of_words(tokens.flat_values, rows)]
        found += self._of_characters(tokens.flat_values, rows)
        pairs = tf.sort(tf.unique(tf.concat(found, axis=0))[0])
        features = tf.RaggedTensor.from_value_rowids(
            pairs % self._size, pairs // self._size, nrows=tokens.nrows()
        )
        empty = tf.cast(features.row_lengths() == 0, tf.int64)
        unknown = tf.fill([tf.reduce_sum(empty)], tf.constant(UNKNOWN_ID, tf.int64))
        filler = tf.RaggedTensor.from_row_lengths(unknown, empty)
        return tf.cast(tf.concat([features, filler], axis=1), tf.int32).to_tensor()

    def _of_words(self, words: Any, rows: Any) -> list[Any]:
        """Pairs of a row and a feature, as one number each."""
        import tensorflow as tf

        ids = self._words.lookup(words)
        count = tf.size(ids, tf.int64)
        ends = tf.where(ids != UNKNOWN_ID)[:, 0]
        features = tf.gather(ids, ends)
        found = [tf.gather(rows, ends) * self._size + features]
        for _ in range(self._levels):
            is_inside = ends + 1 < count
            ends, features = ends[is_inside] + 1, features[is_inside]
            fits = (tf.gather(rows, ends) == tf.gather(rows, ends - 1)) & (
                tf.gather(ids, ends) != UNKNOWN_ID
            )
            ends, features = ends[fits], features[fits]
            features = self._longer.lookup(features * self._num_words + tf.gather(ids, ends))
            is_known = features != _NO_PLACE
            ends, features = ends[is_known], features[is_known]
            found.append(tf.gather(rows, ends) * self._size + features)
        return found

    def _of_characters(self, words: Any, rows: Any) -> list[Any]:
        import tensorflow as tf

        if not self._sizes:
            return []
        different, places = tf.unique(words)
        padded = tf.strings.join([" ", different, " "])
        lengths = tf.strings.length(padded, "UTF8_CHAR")
        found = []
        # A word that is shorter than a size gives the whole of it again, which counts once.
        for size in range(self._sizes[0], self._sizes[-1] + 1):
            starts = tf.ragged.range(tf.maximum(1, lengths - size + 1))
            texts = tf.gather(padded, starts.value_rowids())
            cut = tf.fill(tf.shape(texts), size)
            texts = tf.strings.substr(texts, starts.flat_values, cut, "UTF8_CHAR")
            features = starts.with_flat_values(self._characters.lookup(texts))
            features = tf.ragged.boolean_mask(features, features != _NO_PLACE)
            of_tokens = tf.gather(features, places)
            found.append(
                tf.gather(rows, of_tokens.value_rowids()) * self._size + of_tokens.flat_values
            )
        return found


class JoinGraph:
    """From ids to the text that they make, as :func:`textnets.text.tokenizers.join_tokens`."""

    def __init__(self, tokenizer: str, vocabulary: Vocabulary) -> None:
        import tensorflow as tf

        self._kind, self._with_joins = tokenizer, has_joins(vocabulary)
        self._names = tf.constant(
            [name.encode() for name in (*SPECIAL_TOKENS, *vocabulary.ordinary_tokens)]
        )

    def __call__(self, token_ids: Any) -> Any:
        """Ragged ``<int32>[batch, (tokens)]``, without padding and ``[EOS]``, to
        ``<string>[batch]``."""
        import tensorflow as tf

        tokens = tf.gather(self._names, token_ids)
        replace = tf.strings.regex_replace
        if self._kind == "wordpiece":
            tokens = tf.strings.split(replace(_joined(tokens, " "), " ##", ""))
        if self._with_joins:
            joined = replace(_joined(tokens, _BETWEEN), f"{JOINER}{_BETWEEN}", "")
            joined = replace(replace(joined, f"{_BETWEEN}{JOINER}", ""), _BETWEEN, " ")
            return replace(joined, JOINER, "")
        if self._kind == "sentencepiece":
            joined = replace(_joined(tokens, ""), PIECE_BLANK, " ")
            return replace(joined, f"^[{BLANKS}]+|[{BLANKS}]+$", "")
        if self._kind == "characters":
            return _joined(tokens, "")
        if self._kind in ("words", "wordpiece"):
            return self._as_written(tokens)
        return _joined(tokens, " ")

    @staticmethod
    def _as_written(tokens: Any) -> Any:
        """Blanks between tokens, but for those before closing and after opening punctuation."""
        import tensorflow as tf

        flat = tokens.flat_values
        is_opening = tf.strings.regex_full_match(flat, _OPENING)
        follows_opening = tf.concat([[False], is_opening], axis=0)[:-1]
        is_first = tf.ragged.range(tokens.row_lengths()).flat_values == 0
        is_closing = tf.strings.regex_full_match(flat, _CLOSING)
        blank = tf.where(is_first | follows_opening | is_closing, "", " ")
        return _joined(tokens.with_flat_values(tf.strings.join([blank, flat])), "")


def _joined(tokens: Any, separator: str) -> Any:
    import tensorflow as tf

    return tf.strings.reduce_join(tokens, axis=1, separator=separator)


def text_graph(encoder: TextEncoder | NgramEncoder) -> tuple[Any, list[Any]]:
    """``<string>[batch]`` to ``<int32>[batch, ids]`` padded with 0, and what that rests on."""
    if isinstance(encoder, NgramEncoder):
        graph = NgramGraph(encoder)
        return graph, graph.resources
    return lambda texts: encoder.encode_graph(texts).to_tensor(), encoder.resources
