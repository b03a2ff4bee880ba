"""The n-grams of texts, counted once for all baselines that read them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

#: With more training text than this, character n-grams cost minutes and gigabytes and add
#: little to what word n-grams know.
MOST_CHARACTERS_FOR_NGRAMS = 3_000_000

#: From this many training texts on, a term that occurs in one text only is left out.
MANY_TEXTS = 1_000

#: What a dense learner is given of the terms.
DIMENSIONS = 128

_WORDS = "word 1-2-grams"
# scikit-learn's own pattern drops one-letter words.
_WORD_OPTIONS = {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
_CHARACTERS = "character 2-5-grams"
_CHARACTER_OPTIONS = {"ngram_range": (2, 5), "analyzer": "char_wb"}


@dataclass(frozen=True)
class Features:
    """Numbers of the training texts and of those to predict.

    Attributes:
        name: what they are, in words.
        train: ``[examples, features]``, sparse unless it is said.
        test: likewise.
    """

    name: str
    train: Any
    test: Any


class Ngrams:
    """Features of two splits; each kind is made when it is first asked for, and kept.

    Terms are those of the training texts. Where these hold none, there are no features.

    Args:
        train_texts: may hold empty texts; one text at least.
        test_texts: likewise.
    """

    def __init__(self, train_texts: Sequence[str], test_texts: Sequence[str]) -> None:
        self.train_texts, self.test_texts = train_texts, test_texts

    @cached_property
    def words(self) -> Features | None:
        """How often each word and pair of words occurs: ``<int32>``."""
        return self._counts(_WORDS, _WORD_OPTIONS)

    @cached_property
    def tfidf(self) -> Features | None:
        """TF-IDF of words, and of characters inside words where the texts are not long:
        ``<float64>``."""
        from scipy.sparse import hstack

        counts = [self.words]
        if sum(map(len, self.train_texts)) < MOST_CHARACTERS_FOR_NGRAMS:
            counts.append(self._counts(_CHARACTERS, _CHARACTER_OPTIONS))  # read here alone
        parts = [_tfidf(found) for found in counts if found is not None]
        if not parts:
            return None
        return Features(
            f"TF-IDF of {' and '.join(part.name for part in parts)}",
            hstack([part.train for part in parts], format="csr"),
            hstack([part.test for part in parts], format="csr"),
        )

    @cached_property
    def dense(self) -> Features | None:
        """Latent semantic analysis: the TF-IDF in few dimensions, each row of length 1:
        ``<float64>``, dense."""
        from sklearn.decomposition import TruncatedSVD
        from sklearn.preprocessing import normalize

        if self.tfidf is None:
            return None
        train, test = self.tfidf.train, self.tfidf.test
        if min(train.shape) <= DIMENSIONS:
            few = self.tfidf.name
            return Features(few, normalize(train.toarray()), normalize(test.toarray()))
        reduction = TruncatedSVD(DIMENSIONS, random_state=0)
        return Features(
            f"{DIMENSIONS} dimensions (truncated SVD) of the {self.tfidf.name}",
            normalize(reduction.fit_transform(train)),
            normalize(reduction.transform(test)),
        )

    def _counts(self, name: str, options: dict[str, Any]) -> Features | None:
        from sklearn.feature_extraction.text import CountVectorizer

        rare = 2 if len(self.train_texts) >= MANY_TEXTS else 1
        vectorizer = CountVectorizer(min_df=rare, dtype=np.int32, **options)
        try:
            train = vectorizer.fit_transform(self.train_texts)
        except ValueError:  # the only one that texts can cause: no term (often enough)
            return None
        return Features(name, train, vectorizer.transform(self.test_texts))


def _tfidf(counts: Features) -> Features:
    from sklearn.feature_extraction.text import TfidfTransformer

    transformer = TfidfTransformer(sublinear_tf=True)
    train = transformer.fit_transform(counts.train)
    return Features(counts.name, train, transformer.transform(counts.test))


def binarized(counts: Any) -> Any:
    """Whether each term occurs: ``<float64>``, sparse, with the places of ``counts``."""
    from scipy.sparse import csr_matrix

    ones = np.ones(len(counts.data))
    return csr_matrix((ones, counts.indices, counts.indptr), shape=counts.shape)
