"""From raw text to ids, in one graph: normalize, tokenize, look up, truncate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from textnets.progress import Progress
from textnets.text.encoded import RaggedIds, join_parts
from textnets.text.segmentation import CUT_AT_WORDS, doubt
from textnets.text.tokenizers import (
    CHUNK,
    Tokenizer,
    chunks,
    encode_strings,
    has_joins,
    join_tokens,
    learn_tokenizer,
    load_tokenizer,
    normalizer,
)
from textnets.text.vocabulary import (
    BOS_ID,
    EOS_ID,
    SPECIAL_TOKENS,
    UNKNOWN_ID,
    VOCABULARY_FILE,
    Vocabulary,
    extended_vocabulary,
)

if TYPE_CHECKING:
    from textnets.recipe.sections import TextSection

# What is looked at to see whether texts are cut into words: so many texts of a chunk, altogether,
# and characters of each.
_SAMPLED, _SAMPLE, _SAMPLED_CHARACTERS = 32, 512, 1_000


@dataclass(frozen=True)
class Coverage:
    """What encoding did to a set of texts.

    Attributes:
        texts: how many.
        tokens: before truncation, without BOS and EOS.
        unknown: tokens that are not in the vocabulary.
        truncated: texts that were cut.
        empty: texts without any token, which became one ``[UNK]``.
        longest: tokens of the longest text.
    """

    texts: int
    tokens: int
    unknown: int
    truncated: int
    empty: int
    longest: int

    def __add__(self, other: Coverage) -> Coverage:
        """Of both sets of texts."""
        return Coverage(
            texts=self.texts + other.texts,
            tokens=self.tokens + other.tokens,
            unknown=self.unknown + other.unknown,
            truncated=self.truncated + other.truncated,
            empty=self.empty + other.empty,
            longest=max(self.longest, other.longest),
        )

    @property
    def unknown_share(self) -> float:
        """Of all tokens."""
        return self.unknown / max(self.tokens, 1)

    @property
    def truncated_share(self) -> float:
        """Of all texts."""
        return self.truncated / max(self.texts, 1)


@dataclass(frozen=True)
class Token:
    """One token of an encoded text, as shown to a person."""

    text: str
    id: int

    @property
    def unknown(self) -> bool:
        """Whether the vocabulary lacks it."""
        return self.id == UNKNOWN_ID


class TextEncoder:
    """A tokenizer with its vocabulary and the recipe's ``text:`` section.

    Texts never become an empty row: a text without tokens becomes one ``[UNK]``, because a
    row of padding only has no mean and no last state.
    """

    #: Whether a text without tokens becomes one ``[UNK]``.
    fills_empty: ClassVar[bool] = True

    def __init__(self, section: TextSection, tokenizer: Tokenizer, vocabulary: Vocabulary) -> None:
        import tensorflow as tf

        self.section = section
        self.tokenizer = tokenizer
        self.vocabulary = vocabulary
        self._has_warned = False
        self._normalize = normalizer(section)
        keys = tf.constant([token.encode() for token in vocabulary.ordinary_tokens], tf.string)
        values = tf.range(len(SPECIAL_TOKENS), len(vocabulary), dtype=tf.int32)
        self._table = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, values), default_value=UNKNOWN_ID
        )
        signature = [tf.TensorSpec([None], tf.string)]
        # Partials: TensorFlow warns where one method is traced again and again, which it is, once
        # for each encoder of a process. AutoGraph would look through them for seconds, for nothing.
        self._encode_batch = tf.function(
            partial(self._measured_ids), input_signature=signature, autograph=False
        )
        self._tokens_batch = tf.function(
            partial(self._kept_tokens), input_signature=signature, autograph=False
        )

    @classmethod
    def learn(
        cls,
        section: TextSection,
        read_texts: Callable[[], Iterable[str]],
        *,
        with_joins: bool = False,
    ) -> Self:
        """Learn the vocabulary from the training split, and only from it.

        Args:
            section: the recipe's ``text:``.
            read_texts: gives the training split's texts; called once.
            with_joins: whether a text must be able to come back from its tokens.
        """
        return cls(section, *learn_tokenizer(section, read_texts, with_joins=with_joins))

    def extended(self, known: Vocabulary) -> Self:
        """With the ids of a vocabulary that there was before, and the tokens that it lacks."""
        vocabulary = extended_vocabulary(known, self.vocabulary)
        return type(self)(self.section, self.tokenizer.with_vocabulary(vocabulary), vocabulary)

    @classmethod
    def load(cls, section: TextSection, folder: Path, prefix: str = "") -> Self:
        """Make an encoder again from the files that :meth:`save` wrote."""
        vocabulary = Vocabulary.load(folder / f"{prefix}{VOCABULARY_FILE}")
        return cls(section, load_tokenizer(section, vocabulary, folder, prefix), vocabulary)

    def save(self, folder: Path, prefix: str = "") -> None:
        """Write ``vocabulary.txt``, and a tokenizer's own file where it has one; the names
        begin with ``prefix``."""
        self.vocabulary.save(folder / f"{prefix}{VOCABULARY_FILE}")
        for name, content in self.tokenizer.files().items():
            (folder / f"{prefix}{name}").write_bytes(content)

    def encode_graph(self, texts: Any) -> Any:
        """``<string>[batch]`` to ragged ``<int32>[batch, (tokens)]``: for an exported model.

        A ``tf.Module`` that calls this must hold :attr:`resources` as an attribute.
        """
        return self._frame(self._truncate(self._lookup(texts)))

    @property
    def resources(self) -> list[Any]:
        """TensorFlow objects that :meth:`encode_graph` rests on."""
        return [self._table, *self.tokenizer.resources()]

    def encode(self, texts: Sequence[str]) -> RaggedIds:
        """Ids of some texts."""
        return self.encode_measured(texts)[0]

    def encode_measured(
        self,
        texts: Iterable[str],
        *,
        progress: Progress | None = None,
        label: str = "encoding",
        total: int | None = None,
    ) -> tuple[RaggedIds, Coverage]:
        """Ids of many texts, chunk by chunk, and what the encoding did to them."""
        flat, lengths, counts = [], [], []
        sample: list[str] = []
        with (progress or Progress()).steps(label, total, "texts") as step:
            for chunk in chunks(texts, CHUNK):
                ids, row_lengths, tokens, unknown = self._encode_batch(encode_strings(chunk))
                flat.append(ids.numpy())
                lengths.append(row_lengths.numpy())
                counts.append((tokens.numpy(), int(unknown.numpy())))
                if len(sample) < _SAMPLE:
                    sample += chunk[:: max(1, len(chunk) // _SAMPLED)]
                step.advance(len(chunk))
        coverage = self._coverage(counts)
        if progress is not None:
            self._warn(progress, label, coverage, sample)
        return join_parts(flat, lengths), coverage

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The tokens of some texts as the model sees them, BOS and EOS included."""
        encoded = self.encode(texts)
        named = self._tokens_batch(encode_strings(texts)).to_list()
        return [self._name(words, encoded.row(index).tolist()) for index, words in enumerate(named)]

    def restored(self, texts: Sequence[str]) -> list[str]:
        """Texts as they come back from their tokens, if the vocabulary had every token."""
        with_joins = has_joins(self.vocabulary)
        found = []
        for chunk in chunks(texts, CHUNK):
            rows = self._truncate(
                self.tokenizer.split_known(self._normalize(encode_strings(chunk)))
            ).to_list()
            for row in rows:
                tokens = [token.decode(errors="replace") for token in row]
                found.append(join_tokens(self.section.tokenizer, tokens, with_joins=with_joins))
        return found

    def _warn(
        self, progress: Progress, label: str, coverage: Coverage, sample: Sequence[str]
    ) -> None:
        """Tell of texts that are mostly one token, once, or mostly ``[UNK]``."""
        looked_at = [text[:_SAMPLED_CHARACTERS] for text in sample]
        is_asked = self.section.tokenizer in CUT_AT_WORDS and not self._has_warned
        warning = doubt(
            label.removeprefix("encoding").strip() or "the text",
            self.section.tokenizer,
            tokens=coverage.tokens,
            unknown=coverage.unknown,
            sample=self._tokens_batch(encode_strings(looked_at)).to_list() if is_asked else [],
        )
        if warning:
            self._has_warned = True
            progress.warn(warning)

    # --- Graph ---

    def _lookup(self, texts: Any) -> Any:
        tokens = self.tokenizer.split(self._normalize(texts))
        return tokens.with_flat_values(self._table.lookup(tokens.flat_values))

    def _truncate(self, rows: Any) -> Any:
        limit = self._limit
        if limit is None:
            return rows
        return rows[:, -limit:] if self.section.truncate == "start" else rows[:, :limit]

    @property
    def _limit(self) -> int | None:
        """Tokens of the text itself; BOS and EOS count into ``max_length``."""
        if self.section.max_length is None:
            return None
        return max(1, self.section.max_length - self.section.add_bos - self.section.add_eos)

    def _frame(self, rows: Any) -> Any:
        """Put [UNK] into empty rows, and BOS and EOS around where the recipe asks."""
        import tensorflow as tf

        empty = tf.cast(rows.row_lengths() == 0, tf.int64)
        filler = tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(empty)], tf.constant(UNKNOWN_ID, tf.int32)), empty
        )
        column = tf.ones([rows.nrows(), 1], tf.int32)
        parts = [rows, filler] if self.fills_empty else [rows]
        if self.section.add_bos:
            parts.insert(0, BOS_ID * column)
        if self.section.add_eos:
            parts.append(EOS_ID * column)
        return tf.concat(parts, axis=1)

    def _measured_ids(self, texts: Any) -> Any:
        import tensorflow as tf

        found = self._lookup(texts)
        unknown = tf.reduce_sum(tf.cast(found.flat_values == UNKNOWN_ID, tf.int64))
        rows = self._frame(self._truncate(found))
        return rows.flat_values, rows.row_lengths(), found.row_lengths(), unknown

    def _kept_tokens(self, texts: Any) -> Any:
        return self._truncate(self.tokenizer.split(self._normalize(texts)))

    # --- Shown to people ---

    def _name(self, words: list[bytes], ids: list[int]) -> list[Token]:
        texts = [word.decode(errors="replace") for word in words]
        texts = texts or [""] * self.fills_empty
        if self.section.add_bos:
            texts.insert(0, SPECIAL_TOKENS[BOS_ID])
        if self.section.add_eos:
            texts.append(SPECIAL_TOKENS[EOS_ID])
        return [Token(text, token_id) for text, token_id in zip(texts, ids, strict=True)]

    def _coverage(self, counts: list[tuple[Any, int]]) -> Coverage:
        lengths = np.concatenate([np.zeros(0, np.int64), *(tokens for tokens, _ in counts)])
        limit = self._limit
        return Coverage(
            texts=len(lengths),
            tokens=int(lengths.sum()),
            unknown=sum(unknown for _, unknown in counts),
            truncated=0 if limit is None else int((lengths > limit).sum()),
            empty=int((lengths == 0).sum()),
            longest=int(lengths.max(initial=0)),
        )


class RunningTextEncoder(TextEncoder):
    """For texts that are read one after the other: one without tokens adds none."""

    fills_empty = False
