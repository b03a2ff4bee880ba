"""What a model has to beat: a trivial and a strong linear text classifier.

``BASELINES`` names them. Each learns from the training split and predicts the test split;
the kind of targets decides between one label (ids) and label sets (a table of bools).
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textnets.errors import DataError

#: Label ids ``<int32>[examples]``, or label sets ``<bool>[examples, classes]``.
Targets = NDArray[np.int32] | NDArray[np.bool_]

#: With more training text than this, character n-grams cost minutes and gigabytes and add
#: little to what word n-grams know.
MOST_CHARACTERS_FOR_NGRAMS = 3_000_000

#: From this many training texts on, a term that occurs in one text only is left out.
MANY_TEXTS = 1_000


@dataclass(frozen=True)
class BaselineResult:
    """What a baseline predicted.

    Attributes:
        name: its name in ``BASELINES``.
        description: what was used, in one line.
        predicted: ``<int32>[examples]`` or ``<bool>[examples, classes]``, as the targets.
        seconds: to learn and to predict.
    """

    name: str
    description: str
    predicted: Targets
    seconds: float


def majority(
    train_texts: Sequence[str],
    train_targets: Targets,
    test_texts: Sequence[str],
    *,
    seed: int,
) -> BaselineResult:
    """Predict the most frequent label, or label set, for every text.

    Ties go to the smallest id. ``seed`` is not needed.

    Raises:
        DataError: there is no training text.
    """
    started = time.perf_counter()
    _check_training(train_texts, train_targets)
    predicted = _most_frequent(train_targets, len(test_texts))
    what = "label" if train_targets.ndim == 1 else "label set"
    return BaselineResult(
        "majority", f"the most frequent {what}", predicted, time.perf_counter() - started
    )


def tfidf_svm(
    train_texts: Sequence[str],
    train_targets: Targets,
    test_texts: Sequence[str],
    *,
    seed: int,
) -> BaselineResult:
    """TF-IDF of n-grams and a linear support vector machine with C = 1.

    Bigrams and a linear classifier are hard to beat on text (Wang & Manning 2012,
    "Baselines and Bigrams"); character n-grams inside words help where texts are short
    and misspelt. Nothing is tuned.

    Args:
        train_texts: may hold empty texts.
        train_targets: ``<int32>[examples]`` or ``<bool>[examples, classes]``.
        test_texts: may hold empty texts.
        seed: of the solver.

    Raises:
        DataError: there is no training text.
    """
    started = time.perf_counter()
    _check_training(train_texts, train_targets)
    terms, train_features, test_features = _tfidf(train_texts, test_texts)
    if not terms:
        predicted = _most_frequent(train_targets, len(test_texts))
        description = "the most frequent target: the training texts hold no term"
    else:
        predicted, note = _svm(train_features, train_targets, test_features, seed)
        description = f"TF-IDF of {' and '.join(terms)}, linear SVM{note}"
    return BaselineResult("tfidf_svm", description, predicted, time.perf_counter() - started)


#: Every baseline of text classification.
BASELINES: dict[str, Callable[..., BaselineResult]] = {
    "majority": majority,
    "tfidf_svm": tfidf_svm,
}


def _most_frequent(train_targets: Targets, num_texts: int) -> Targets:
    """The most frequent target, repeated ``num_texts`` times."""
    values, counts = np.unique(train_targets, axis=0, return_counts=True)
    row = values[np.argmax(counts)]
    repeated: Targets = np.broadcast_to(row, (num_texts, *row.shape)).copy()
    return repeated


def _tfidf(train_texts: Sequence[str], test_texts: Sequence[str]) -> tuple[list[str], Any, Any]:
    """What the terms are, and ``<float64>[examples, terms]`` of both splits, sparse."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    rare = 2 if len(train_texts) >= MANY_TEXTS else 1
    # scikit-learn's own pattern drops one-letter words.
    options = {
        "word 1-2-grams": {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
        "character 2-5-grams": {"ngram_range": (2, 5), "analyzer": "char_wb"},
    }
    if sum(map(len, train_texts)) >= MOST_CHARACTERS_FOR_NGRAMS:
        del options["character 2-5-grams"]
    found = []
    for name, option in options.items():
        vectorizer = TfidfVectorizer(sublinear_tf=True, min_df=rare, dtype=np.float64, **option)
        try:
            train_part = vectorizer.fit_transform(train_texts)
        except ValueError:  # the only one that texts can cause: no term (often enough)
            continue
        found.append((name, train_part, vectorizer.transform(test_texts)))
    if not found:
        return [], None, None
    names, train_parts, test_parts = zip(*found, strict=True)
    return list(names), hstack(train_parts, format="csr"), hstack(test_parts, format="csr")


def _svm(
    train_features: Any, train_targets: Targets, test_features: Any, seed: int
) -> tuple[Targets, str]:
    """Predictions in the shape of the targets, and a note where the solver gave up."""
    if train_targets.ndim == 1:
        return _svm_of_labels(train_features, train_targets, test_features, seed)
    predicted = np.zeros((test_features.shape[0], train_targets.shape[1]), dtype=np.bool_)
    notes = [""]
    # One against the rest, written out: scikit-learn's warns of classes that are constant.
    for column, targets in enumerate(train_targets.T):
        predicted[:, column], note = _svm_of_labels(train_features, targets, test_features, seed)
        notes.append(note)
    return predicted, max(notes)


def _svm_of_labels(
    train_features: Any, targets: Targets, test_features: Any, seed: int
) -> tuple[Targets, str]:
    """Predictions ``[examples]`` of the targets' dtype, and a note as above."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    num_texts = test_features.shape[0]
    if num_texts == 0 or (targets == targets[0]).all():
        return _most_frequent(targets, num_texts), ""
    classifier = LinearSVC(C=1.0, dual="auto", random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the description instead
        classifier.fit(train_features, targets)
    gave_up = classifier.n_iter_ >= classifier.max_iter
    predicted: Targets = classifier.predict(test_features).astype(targets.dtype)
    return predicted, " (stopped before it converged)" if gave_up else ""


def _check_training(train_texts: Sequence[str], train_targets: Targets) -> None:
    if len(train_texts) == 0:
        raise DataError("a baseline needs training texts: the training split is empty")
    if len(train_texts) != len(train_targets):
        raise ValueError(
            f"{len(train_texts)} training texts need as many targets, was: {len(train_targets)}"
        )
