"""What a tagger has to beat: each word's most frequent tag, and a strong linear tagger.

``TAG_BASELINES`` names them. Each learns from the tagged sentences of the training split and
tags those of the test split.
"""

from __future__ import annotations

import re
import time
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = Sequence[str]
Tags = Sequence[str]

_EPOCHS = 6
#: A feature that fewer training words have is left out: it would only learn them by heart.
_FEWEST = 2


@dataclass(frozen=True)
class TagBaseline:
    """What a baseline predicted.

    Attributes:
        name: its name in ``TAG_BASELINES``.
        description: what was used, in one line.
        predicted: tags of each sentence.
        seconds: to learn and to predict.
    """

    name: str
    description: str
    predicted: list[list[str]]
    seconds: float


def most_frequent_tags(
    train_words: Sequence[Words],
    train_tags: Sequence[Tags],
    test_words: Sequence[Words],
    *,
    seed: int,
) -> TagBaseline:
    """Tag each word with the tag that it had most often, an unseen one with the most frequent
    tag of all. Ties go to the tag that sorts first. ``seed`` is not needed."""
    started = time.perf_counter()
    of_word: dict[str, Counter[str]] = defaultdict(Counter)
    overall: Counter[str] = Counter()
    for words, tags in zip(train_words, train_tags, strict=True):
        overall.update(tags)
        for word, tag in zip(words, tags, strict=True):
            of_word[word][tag] += 1
    best = {word: _most_frequent(counts) for word, counts in of_word.items()}
    other = _most_frequent(overall)
    predicted = [[best.get(word, other) for word in words] for words in test_words]
    return TagBaseline(
        "most_frequent_tag",
        "each word's most frequent tag, for an unseen word that of all words",
        predicted,
        time.perf_counter() - started,
    )


def averaged_perceptron(
    train_words: Sequence[Words],
    train_tags: Sequence[Tags],
    test_words: Sequence[Words],
    *,
    seed: int,
) -> TagBaseline:
    """A linear tagger on hand-made features, from left to right, trained by its own mistakes.

    Collins (2002), "Discriminative Training Methods for Hidden Markov Models", with greedy
    instead of Viterbi decoding: each word is tagged by the word, its affixes and shape, its
    neighbors and the two tags before it, as predicted. Its time does not depend on the number
    of tags as that of one linear classifier a tag does. Nothing is tuned.

    Args:
        train_words, train_tags: of the training sentences.
        test_words: of the sentences to tag.
        seed: of the order of training sentences.
    """
    started = time.perf_counter()
    labels = sorted({tag for tags in train_tags for tag in tags})
    ids = {tag: number for number, tag in enumerate(labels)}
    train_keys, test_keys = (_feature_keys(sentences) for sentences in (train_words, test_words))
    keys, counts = np.unique(train_keys, return_counts=True)
    known = keys[counts >= _FEWEST]
    tagger = _Perceptron(len(known) + 1, len(labels))
    rows = _sentence_rows(train_words, _columns(train_keys, known))
    true = [[ids[tag] for tag in tags] for tags in train_tags]
    random = np.random.default_rng(seed)
    for _ in range(_EPOCHS):
        for number in random.permutation(len(rows)).tolist():
            tagger.learn(rows[number], true[number])
    tagger.average()
    test_rows = _sentence_rows(test_words, _columns(test_keys, known))
    predicted = [[labels[tag] for tag in tagger.tag(row)] for row in test_rows]
    return TagBaseline(
        "averaged_perceptron",
        "words, affixes, shapes, neighbors and the two tags before, averaged perceptron",
        predicted,
        time.perf_counter() - started,
    )


#: Every baseline of tagging.
TAG_BASELINES: dict[str, Callable[..., TagBaseline]] = {
    "most_frequent_tag": most_frequent_tags,
    "averaged_perceptron": averaged_perceptron,
}


def _most_frequent(counts: Counter[str]) -> str:
    return min(counts, key=lambda tag: (-counts[tag], tag))


# --- The linear tagger ---


class _Perceptron:
    """Weights of features and of the two tags before, and their average over all steps."""

    def __init__(self, num_features: int, num_tags: int) -> None:
        self.edge = num_tags  # stands for the tags before a sentence
        self.one_before = num_features
        self.two_before = self.one_before + num_tags + 1
        size = (self.two_before + (num_tags + 1) ** 2, num_tags)
        self.weights = np.zeros(size, np.float32)
        # What averages need, without touching every weight in every step: each change times
        # the step that it came in.
        self.dated = np.zeros(size, np.float32)
        self.steps = 1

    def learn(self, columns: NDArray[np.int64], tags: Sequence[int]) -> None:
        """Tag a sentence, and move the weights wherever that went wrong.

        Args:
            columns: ``<int64>[length, features + 2]``; the last two are filled in.
            tags: its true tags.
        """
        before = second = self.edge
        for row, true in zip(columns, tags, strict=True):
            tag = self._tag(row, before, second)
            if tag != true:
                for which, change in ((true, 1.0), (tag, -1.0)):
                    self.weights[row, which] += change
                    self.dated[row, which] += change * self.steps
                self.weights[0] = 0.0  # of the features that are not known
                self.dated[0] = 0.0
            self.steps += 1
            before, second = tag, before

    def tag(self, columns: NDArray[np.int64]) -> list[int]:
        """The tags of a sentence."""
        found: list[int] = []
        before = second = self.edge
        for row in columns:
            found.append(self._tag(row, before, second))
            before, second = found[-1], before
        return found

    def _tag(self, row: NDArray[np.int64], before: int, second: int) -> int:
        row[-2] = self.one_before + before
        row[-1] = self.two_before + before * (self.edge + 1) + second
        return int(self.weights.take(row, axis=0).sum(axis=0).argmax())

    def average(self) -> None:
        """Put the mean over all steps in the place of the last weights."""
        self.weights -= self.dated / self.steps


def _feature_keys(sentences: Sequence[Words]) -> NDArray[np.uint64]:
    """Hashes of each word's features: ``<uint64>[words, features]``."""
    numbers: dict[str, int] = {"": 0}  # beyond the sentence
    flat: list[int] = []
    places: list[int] = []
    for words in sentences:
        flat += [0, 0]
        places += range(len(flat), len(flat) + len(words))
        flat += [numbers.setdefault(word, len(numbers)) for word in words]
    words_at = np.array([*flat, 0, 0], np.int64)
    table = np.array([_describe(word) for word in numbers], np.uint64)
    at = np.array(places, np.int64)
    here = table[words_at[at]]
    features = [here]
    for offset in (-2, -1, 1, 2):
        # Of its neighbors the lower-cased word, nearer ones with their ends and shapes.
        seen = table[words_at[at + offset]][:, : 1 if abs(offset) == 2 else 3]
        features.append(_mixed(seen, offset + 3))
        if abs(offset) == 1:
            features.append(_mixed(seen[:, :1] + here[:, :1] * np.uint64(31), offset + 8))
    return np.concatenate(features, axis=1)


def _describe(word: str) -> list[int]:
    """Hashes of what a word looks like; the first three are of use in its neighbors too."""
    lower = word.lower()
    shape = re.sub(r"[^\W\d_]", "x", re.sub(r"[A-ZÀ-Þ]", "X", re.sub(r"\d", "9", word)))
    parts = [lower, lower[-3:], re.sub(r"(.)\1+", r"\1", shape), word, shape]
    parts += [lower[:size] for size in (1, 2, 3)] + [lower[-size:] for size in (1, 2, 4)]
    return [zlib.crc32(f"{slot} {part}".encode()) for slot, part in enumerate(parts)]


def _mixed(hashes: NDArray[np.uint64], place: int) -> NDArray[np.uint64]:
    """The same hashes, told apart by where they were seen."""
    factor, high = np.uint64(0x9E3779B97F4A7C15), np.uint64(place << 56)
    return (hashes * factor >> np.uint64(8)) ^ high


def _columns(keys: NDArray[np.uint64], known: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The weights' rows of features, 0 of an unknown one, with room for two tags."""
    columns = np.zeros((len(keys), keys.shape[1] + 2), np.int64)
    if len(known):
        near = np.minimum(np.searchsorted(known, keys), len(known) - 1)
        columns[:, :-2] = np.where(known[near] == keys, near + 1, 0)
    return columns


def _sentence_rows(
    sentences: Sequence[Words], columns: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    ends = np.cumsum([len(words) for words in sentences], dtype=np.int64)
    return np.split(columns, ends)[:-1]
