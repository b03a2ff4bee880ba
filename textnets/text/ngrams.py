"""Texts as sets of n-grams: of words, and of the characters inside of them.

A feature is a word n-gram, or a character n-gram of a word between two blanks (``" no "``,
``"not"``). Each counts once a text, as binary features do best (Wang and Manning 2012). Ids are
those of :class:`textnets.text.vocabulary.Vocabulary` for single words; longer word n-grams follow,
then character n-grams. Nothing is hashed: two features never share an id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError, RunError
from textnets.progress import Progress
from textnets.text.encoded import RaggedIds, join_parts, open_array
from textnets.text.encoder import Coverage, Token
from textnets.text.threads import in_order
from textnets.text.tokenizers import (
    CHUNK,
    WORDS_FILE,
    chunks,
    encode_strings,
    normalizer,
    unlearned_tokenizer,
)
from textnets.text.vocabulary import (
    SPECIAL_TOKENS,
    UNKNOWN_ID,
    VOCABULARY_FILE,
    Vocabulary,
    build_vocabulary,
    load_lines,
    save_lines,
)

if TYPE_CHECKING:
    from textnets.recipe.sections import NgramSection, TextSection

NGRAMS_FILE = "ngrams.npy"
_CHARACTERS_FILE = "character_ngrams.txt"

# What is chosen for 'auto', by the mean length of a training text.
_LONG = 100  # words: longer texts repeat themselves, and three words in a row are found again
_MOST_CHARACTERS = 5_000_000  # of the training split: beyond, n-grams of characters cost gigabytes

_FIRST_WORD = len(SPECIAL_TOKENS)

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ngrams:
    """Which n-grams are features.

    Attributes:
        words: single words, which are features by their own ids.
        longer: ``<int32>[ngrams, 2]``: the feature that a longer word n-gram begins with, one word
            shorter, and the id of its last word; sorted within each length.
        characters: n-grams of characters, each with its blanks.
        sees_invisible: how words are cut, see :class:`textnets.text.tokenizers.WordTokenizer`.
    """

    words: Vocabulary
    longer: npt.NDArray[np.int32]
    characters: Sequence[str]
    sees_invisible: bool = False

    def __len__(self) -> int:
        """How many ids there are, special ids included."""
        return len(self.words) + len(self.longer) + len(self.characters)

    @classmethod
    def load(cls, folder: Path) -> Ngrams:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: a file is missing or damaged.
        """
        words = Vocabulary.load(folder / VOCABULARY_FILE)
        path = folder / NGRAMS_FILE
        try:
            longer = np.array(open_array(path))
        except DataError as error:
            raise RunError(str(error)) from None
        if not are_ngrams(longer, len(words)):
            raise RunError(f"{path}: holds no n-grams of the words in {VOCABULARY_FILE}")
        sees_invisible = not (folder / WORDS_FILE).exists()
        return cls(words, longer, load_lines(folder / _CHARACTERS_FILE), sees_invisible)

    def save(self, folder: Path) -> None:
        """Write words, longer n-grams and n-grams of characters."""
        self.words.save(folder / VOCABULARY_FILE)
        np.save(folder / NGRAMS_FILE, self.longer, allow_pickle=False)
        save_lines(folder / _CHARACTERS_FILE, self.characters)

    def name(self, feature: int) -> str:
        """A feature as shown to a person."""
        if feature < len(self.words):
            return self.words.decode_id(feature)
        if feature < len(self.words) + len(self.longer):
            prefix, word = self.longer[feature - len(self.words)].tolist()
            return f"{self.name(prefix)} {self.words.decode_id(word)}"
        return f"#{self.characters[feature - len(self.words) - len(self.longer)]}"


class NgramFinder:
    """The n-grams of texts, however those are cut into tokens.

    A text without any feature is one ``[UNK]``, so that no row is empty.

    Args:
        ngrams: what is looked for.
        tokenize: cuts texts into tokens.
    """

    def __init__(self, ngrams: Ngrams, tokenize: Tokenize) -> None:
        self.ngrams, self._tokens = ngrams, tokenize
        words = ngrams.words
        self._word_ids = {word.encode(): words.encode_token(word) for word in words.ordinary_tokens}
        self._levels = _levels(ngrams.longer, len(words))
        first = len(words) + len(ngrams.longer)
        self._character_ids = {text: first + i for i, text in enumerate(ngrams.characters)}
        sizes = {len(text) for text in ngrams.characters}
        self._sizes = range(min(sizes, default=1), max(sizes, default=0) + 1)
        self._spelled: dict[bytes, _Ints] = {}

    @property
    def vocabulary(self) -> Vocabulary:
        """The single words."""
        return self.ngrams.words

    def encode(self, texts: Sequence[str]) -> RaggedIds:
        """The features of some texts, each once, by rising id."""
        return self.encode_measured(texts)[0]

    def encode_measured(
        self,
        texts: Iterable[str],
        *,
        progress: Progress | None = None,
        label: str = "encoding",
        total: int | None = None,
    ) -> tuple[RaggedIds, Coverage]:
        """The features of many texts, chunk by chunk, and what the encoding did to them; tokens
        and unknown ones are words."""
        flat, lengths, words, unknown, truncated = [], [], [], 0, 0
        with (progress or Progress()).steps(label, total, "texts") as step:
            for tokens, ids, row_lengths, seen in in_order(self._encode, chunks(texts, CHUNK)):
                flat.append(ids)
                lengths.append(row_lengths)
                words.append(tokens.before)
                unknown += int((seen == UNKNOWN_ID).sum())
                truncated += int((tokens.before > tokens.lengths).sum())
                step.advance(len(tokens.lengths))
        counts = np.concatenate([np.zeros(0, np.int64), *words])
        coverage = Coverage(
            texts=len(counts),
            tokens=int(counts.sum()),
            unknown=unknown,
            truncated=truncated,
            empty=int((counts == 0).sum()),
            longest=int(counts.max(initial=0)),
        )
        return join_parts(flat, lengths), coverage

    def tokens(self, texts: Sequence[str]) -> list[list[Token]]:
        """The features of some texts, as the model sees them."""
        encoded = self.encode(texts)
        return [
            [Token(self.ngrams.name(feature), feature) for feature in encoded.row(index).tolist()]
            for index in range(len(texts))
        ]

    def _encode(self, chunk: Sequence[str]) -> tuple[CutTexts, npt.NDArray[np.int32], _Ints, _Ints]:
        """The tokens of some texts, and what :meth:`_features` says of them."""
        tokens = self._tokens(chunk)
        return tokens, *self._features(tokens)

    def _features(self, tokens: CutTexts) -> tuple[npt.NDArray[np.int32], _Ints, _Ints]:
        """Flat ids, how many each text has, and the word id of each token."""
        known = np.array([self._word_ids.get(word, UNKNOWN_ID) for word in tokens.words], np.int64)
        words, rows, size = known[tokens.places], tokens.rows, len(self.ngrams)
        ends, features = _single(words)
        found = [rows[ends] * size + features]
        for keys, first in self._levels:
            ends, candidates = _continued(rows, words, ends, features, len(self.ngrams.words))
            order = np.argsort(candidates)  # sorted, they are found several times faster
            ends, candidates = ends[order], candidates[order]
            places = np.minimum(np.searchsorted(keys, candidates), len(keys) - 1)
            is_known = keys[places] == candidates
            ends, features = ends[is_known], places[is_known] + first
            found.append(rows[ends] * size + features)
        if self._character_ids:
            spelled = [self._spell(word) for word in tokens.words]
            of_rows, of_characters = _spread(tokens.rows, tokens.places, spelled)
            found.append(of_rows * size + of_characters)
        pairs = _distinct(np.concatenate(found))
        lengths = np.bincount(pairs // size, minlength=len(tokens.lengths))
        empty = np.flatnonzero(lengths == 0)
        if len(empty):
            pairs = np.sort(np.concatenate([pairs, empty * size + UNKNOWN_ID]))
            lengths[empty] = 1
        return (pairs % size).astype(np.int32), lengths.astype(np.int64), words

    def _spell(self, word: bytes) -> _Ints:
        """The ids of a word's n-grams of characters; kept for words that are known."""
        found = self._spelled.get(word)
        if found is None:
            texts = character_ngrams(word.decode(errors="replace"), self._sizes)
            ids = {self._character_ids[text] for text in texts if text in self._character_ids}
            found = np.array(sorted(ids), np.int64)
            if word in self._word_ids:
                self._spelled[word] = found
        return found


class NgramEncoder(NgramFinder):
    """The n-grams of the tokens that a recipe's tokenizer cuts.

    Args:
        section: the recipe's ``text:``.
        ngrams: what is looked for.
        tokenize: cuts texts into tokens, where that was made already.
    """

    def __init__(
        self, section: TextSection, ngrams: Ngrams, tokenize: Tokenize | None = None
    ) -> None:
        super().__init__(ngrams, tokenize or _tokenizing(section, ngrams.sees_invisible))
        self.section = section

    @classmethod
    def learn(
        cls, section: TextSection, ngrams: NgramSection, texts: Sequence[str]
    ) -> NgramEncoder:
        """Learn the n-grams from the training split, and only from it.

        Raises:
            DataError: there is no n-gram that is seen often enough.
        """
        tokenize = _tokenizing(section)
        return cls(section, _learn(section, ngrams, texts, tokenize), tokenize)

    def save(self, folder: Path) -> None:
        """Write the n-grams; :meth:`Ngrams.load` reads them."""
        self.ngrams.save(folder)
        tokenizer = unlearned_tokenizer(self.section, sees_invisible=self.ngrams.sees_invisible)
        for name, content in tokenizer.files().items():
            (folder / name).write_bytes(content)


def character_ngrams(word: str, sizes: range) -> list[str]:
    """A word's n-grams of characters between blanks, and the whole where it is no longer.

    >>> character_ngrams("no", range(2, 6))
    [' n', 'no', 'o ', ' no', 'no ', ' no ']
    """
    padded = f" {word} "
    found = []
    for size in sizes:
        found += [padded[i : i + size] for i in range(max(1, len(padded) - size + 1))]
        if len(padded) <= size:
            break
    return found


# --- Tokens ---


@dataclass(frozen=True)
class CutTexts:
    """The tokens of some texts, one after the other.

    Attributes:
        words: the different ones.
        places: ``<int64>[tokens]``, which of them each is.
        lengths: ``<int64>[texts]``.
        before: ``<int64>[texts]``, the lengths before texts were truncated.
    """

    words: Sequence[bytes]
    places: _Ints
    lengths: _Ints
    before: _Ints

    @property
    def rows(self) -> _Ints:
        """``<int64>[tokens]``: the text that each stands in."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


Tokenize = Callable[[Sequence[str]], CutTexts]


def _tokenizing(section: TextSection, sees_invisible: bool = False) -> Tokenize:
    import tensorflow as tf

    tokenizer = unlearned_tokenizer(section, sees_invisible=sees_invisible)
    normalize = normalizer(section)

    def split(texts: Any) -> Any:
        rows = tokenizer.split(normalize(texts))
        before = rows.row_lengths()
        if section.max_length is not None:
            limit = section.max_length
            rows = rows[:, -limit:] if section.truncate == "start" else rows[:, :limit]
        words, places = tf.unique(rows.flat_values)
        return words, places, rows.row_lengths(), before

    # A partial: TensorFlow warns where one function is traced again and again, as this is.
    graph = tf.function(
        partial(split), autograph=False, input_signature=[tf.TensorSpec([None], tf.string)]
    )

    def tokens(texts: Sequence[str]) -> CutTexts:
        words, places, lengths, before = (found.numpy() for found in graph(encode_strings(texts)))
        return CutTexts(words.tolist(), places.astype(np.int64), lengths, before)

    return tokens


# --- Learning ---


@dataclass(frozen=True)
class _Plan:
    """Which n-grams are looked for: :class:`NgramSection` with a value for each ``auto``."""

    words: int
    characters: range
    min_texts: int
    max_features: int | None

    @classmethod
    def of(cls, ngrams: NgramSection, section: TextSection, mean: float, characters: int) -> _Plan:
        """Chosen by the mean number of words a text, and of characters altogether."""
        is_long = mean > _LONG
        sizes = ngrams.characters
        if sizes == "auto":
            is_cheap = characters <= _MOST_CHARACTERS and section.tokenizer != "characters"
            sizes = (2, 5) if is_cheap and not is_long else None
        return cls(
            words=(3 if is_long else 2) if ngrams.words == "auto" else ngrams.words,
            characters=range(sizes[0], sizes[1] + 1) if sizes else range(0),
            min_texts=(2 if is_long else 1) if ngrams.min_texts == "auto" else ngrams.min_texts,
            max_features=ngrams.max_features,
        )


@dataclass(frozen=True)
class _Corpus:
    """The words of the training split, one text after the other.

    Attributes:
        words: the different ones.
        places: ``<int64>[tokens]``, which of them each is.
        rows: ``<int64>[tokens]``, the text that each stands in.
    """

    words: Sequence[str]
    places: _Ints
    rows: _Ints

    @classmethod
    def of(cls, texts: Sequence[str], tokenize: Tokenize) -> _Corpus:
        """Cut into words, chunk by chunk."""
        index: dict[bytes, int] = {}
        places, lengths = [], []
        for tokens in in_order(tokenize, chunks(texts, CHUNK)):
            known = np.array(
                [index.setdefault(word, len(index)) for word in tokens.words], np.int64
            )
            places.append(known[tokens.places] if len(known) else tokens.places)
            lengths.append(tokens.lengths)
        rows = np.repeat(np.arange(len(texts)), np.concatenate(lengths))
        spelled = [word.decode(errors="replace") for word in index]
        return cls(spelled, np.concatenate(places), rows)


def _learn(
    section: TextSection, ngrams: NgramSection, texts: Sequence[str], tokenize: Tokenize
) -> Ngrams:
    corpus = _Corpus.of(texts, tokenize)
    if not corpus.words:
        raise DataError("the training split holds no token: every text is empty or blank")
    mean = len(corpus.places) / len(texts)
    plan = _Plan.of(ngrams, section, mean, sum(map(len, texts)))
    found, counts = _count(corpus, plan)
    limit = plan.max_features
    if limit is not None and len(counts) > limit:
        # The rarest go, and with them all that are as rare: what an n-gram begins with is as
        # frequent as itself, or more.
        least = int(np.sort(counts)[::-1][limit]) + 1
        found, counts = _count(corpus, replace(plan, min_texts=least))
    if not len(counts):
        raise DataError(
            "no n-gram of the training split is in so many texts: lower text.ngrams.min_texts, or "
            "raise text.ngrams.max_features"
        )
    return found


def _count(corpus: _Corpus, plan: _Plan) -> tuple[Ngrams, _Ints]:
    """The n-grams that are in enough texts, and in how many each of them is."""
    counts = _texts_of(corpus.places, corpus.rows, len(corpus.words))
    of_word = dict(zip(corpus.words, counts.tolist(), strict=True))
    vocabulary = build_vocabulary(of_word, max_tokens=None, min_count=plan.min_texts)
    ids = np.array([vocabulary.encode_token(word) for word in corpus.words], np.int64)
    longer, of_longer = _longer(corpus.rows, ids[corpus.places], len(vocabulary), plan)
    characters, of_characters = _characters(corpus, plan)
    kept = counts[counts >= plan.min_texts]
    return Ngrams(vocabulary, longer, characters), np.concatenate([kept, of_longer, of_characters])


def _texts_of(features: _Ints, rows: _Ints, size: int) -> _Ints:
    """``<int64>[size]``: in how many texts each feature is."""
    pairs = _distinct(rows * size + features)
    return np.bincount(pairs % size, minlength=size)


def _longer(
    rows: _Ints, words: _Ints, vocabulary: int, plan: _Plan
) -> tuple[npt.NDArray[np.int32], _Ints]:
    """Word n-grams of two words and more, and in how many texts each is."""
    ngrams, counts = [np.zeros((0, 2), np.int32)], [np.zeros(0, np.int64)]
    first = vocabulary
    ends, features = _single(words)
    for _ in range(plan.words - 1):
        ends, keys = _continued(rows, words, ends, features, vocabulary)
        known, places = _numbered(keys)
        texts = _texts_of(places, rows[ends], max(len(known), 1))
        is_kept = texts[: len(known)] >= plan.min_texts
        prefix, last = np.divmod(known[is_kept], vocabulary)
        ngrams.append(np.stack([prefix, last], axis=1).astype(np.int32))
        counts.append(texts[: len(known)][is_kept])
        numbered = np.cumsum(is_kept) - 1 + first
        first += int(is_kept.sum())
        stays = is_kept[places]
        ends, features = ends[stays], numbered[places[stays]]
    return np.concatenate(ngrams), np.concatenate(counts)


def _characters(corpus: _Corpus, plan: _Plan) -> tuple[list[str], _Ints]:
    """N-grams of characters, sorted, and in how many texts each is."""
    if not plan.characters:
        return [], np.zeros(0, np.int64)
    index: dict[str, int] = {}
    spelled = []
    for word in corpus.words:
        found = {index.setdefault(t, len(index)) for t in character_ngrams(word, plan.characters)}
        spelled.append(np.array(sorted(found), np.int64))
    counts = np.zeros(len(index), np.int64)
    size, start = len(index), 0
    while start < len(corpus.rows):  # in parts: all of them together would take gigabytes
        stop = int(np.searchsorted(corpus.rows, corpus.rows[start] + CHUNK))
        part = slice(start, stop)
        rows, features = _spread(corpus.rows[part], corpus.places[part], spelled)
        counts += np.bincount(_distinct(rows * size + features) % size, minlength=size)
        start = stop
    kept = sorted((text, counts[i]) for text, i in index.items() if counts[i] >= plan.min_texts)
    return [text for text, _ in kept], np.array([count for _, count in kept], np.int64)


def _spread(rows: _Ints, places: _Ints, features: Sequence[_Ints]) -> tuple[_Ints, _Ints]:
    """What each text has by its words.

    Args:
        rows: ``<int64>[tokens]``, the text of each.
        places: ``<int64>[tokens]``, which of the different words it is.
        features: of each of these words.

    Returns:
        Texts and features, ``<int64>[...]`` each, in pairs; a pair may come again.
    """
    counts = np.array([len(found) for found in features], np.int64)
    flat = np.concatenate([np.zeros(0, np.int64), *features])
    pairs = _distinct(rows * max(len(counts), 1) + places)  # each word once a text
    rows, places = np.divmod(pairs, max(len(counts), 1))
    times = counts[places]
    starts = (np.cumsum(counts) - counts)[places]
    inside = np.arange(times.sum()) - np.repeat(np.cumsum(times) - times, times)
    return np.repeat(rows, times), flat[np.repeat(starts, times) + inside]


# --- Sorting ---
# NumPy's own ``unique`` takes ten times as long for as many numbers as these (NumPy 2.4).


def _distinct(numbers: _Ints) -> _Ints:
    """The different ones, sorted."""
    ordered = np.sort(numbers)
    return ordered[_is_first(ordered)]


def _numbered(numbers: _Ints) -> tuple[_Ints, _Ints]:
    """The different ones, sorted, and for each of ``numbers`` which of them it is."""
    order = np.argsort(numbers)
    ordered = numbers[order]
    is_first = _is_first(ordered)
    places = np.empty(len(numbers), np.int64)
    places[order] = np.cumsum(is_first) - 1
    return ordered[is_first], places


def _is_first(ordered: _Ints) -> npt.NDArray[np.bool_]:
    return np.concatenate([np.ones(min(1, len(ordered)), bool), ordered[1:] != ordered[:-1]])


# --- Word n-grams ---


def _single(words: _Ints) -> tuple[_Ints, _Ints]:
    """The places of known words, and their features."""
    places = np.flatnonzero(words != UNKNOWN_ID)
    return places, words[places]


def _continued(
    rows: _Ints, words: _Ints, ends: _Ints, features: _Ints, vocabulary: int
) -> tuple[_Ints, _Ints]:
    """N-grams with one more word.

    Args:
        rows: ``<int64>[tokens]``, the text of each.
        words: ``<int64>[tokens]``, its id.
        ends: ``<int64>[ngrams]``, the place of the last word of each n-gram.
        features: ``<int64>[ngrams]``, the feature that it is.
        vocabulary: how many word ids there are.

    Returns:
        The places of their last words, and a number for each n-gram: the feature it begins with,
        times ``vocabulary``, plus its last word.
    """
    inside = ends + 1 < len(rows)
    ends, features = ends[inside] + 1, features[inside]
    fits = (rows[ends] == rows[ends - 1]) & (words[ends] != UNKNOWN_ID)
    ends, features = ends[fits], features[fits]
    return ends, features * vocabulary + words[ends]


def _levels(longer: npt.NDArray[np.int32], vocabulary: int) -> list[tuple[_Ints, int]]:
    """Of each length of more than one word: the numbers of its n-grams, see :func:`_continued`,
    sorted, and the feature that the first of them is."""
    levels, start, first = [], 0, vocabulary
    begins = longer[:, 0].astype(np.int64)
    shorter = vocabulary  # features of fewer words than this level's
    while start < len(longer):
        # Sorted by what they begin with: a level ends where that is of the level itself.
        stop = start + int(np.searchsorted(begins[start:], shorter))
        if stop == start:
            raise RunError("the n-grams of the run do not follow one another")
        keys = begins[start:stop] * vocabulary + longer[start:stop, 1]
        levels.append((keys, first))
        shorter = first + stop - start
        first, start = shorter, stop
    return levels


def num_levels(ngrams: Ngrams) -> int:
    """How many words more than one the longest n-gram has."""
    return len(_levels(ngrams.longer, len(ngrams.words)))


def are_ngrams(longer: Any, vocabulary: int) -> bool:
    """Whether an array that was read can be n-grams of so many words."""
    if longer.dtype != np.int32 or longer.ndim != 2 or longer.shape[1] != 2:
        return False
    if not len(longer):
        return True
    numbers = longer[:, 0].astype(np.int64) * vocabulary + longer[:, 1]
    is_before = longer[:, 0] < vocabulary + np.arange(len(longer))
    is_word = (longer[:, 1] >= _FIRST_WORD) & (longer[:, 1] < vocabulary)
    is_sorted = (np.diff(numbers) > 0).all()
    return bool(
        (longer[:, 0] >= _FIRST_WORD).all() and is_before.all() and is_word.all() and is_sorted
    )
