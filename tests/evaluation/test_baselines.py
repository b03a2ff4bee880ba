"""Baselines on real questions, and on texts that hold nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from tests.conftest import INTENTS, read_questions
from textnets.errors import DataError
from textnets.evaluation import baselines
from textnets.evaluation.baselines import (
    BASELINES,
    TEXTBOOK_BASELINES,
    BaselineResult,
    run_baseline,
)
from textnets.evaluation.ngrams import Ngrams

ALL = (*BASELINES, *TEXTBOOK_BASELINES)
SURE = {"majority": 0.2, "nearest_neighbors": 0.75, "gradient_boosting": 0.75, "random_forest": 0.8}


def run(
    name: str, texts: Sequence[str], targets: np.ndarray, test_texts: Sequence[str], seed: int = 0
) -> BaselineResult:
    return run_baseline(name, Ngrams(texts, test_texts), targets, seed=seed)


def questions(split: str) -> tuple[list[str], np.ndarray]:
    rows = read_questions(split)
    return [text for text, _ in rows], np.array([INTENTS.index(label) for _, label in rows])


def test_majority_says_the_most_frequent_label() -> None:
    found = run("majority", ["a", "b", "c"], np.array([2, 0, 2]), ["x", "y"])
    assert found.predicted.tolist() == [2, 2]
    sets = run("majority", ["a", "b", "c"], np.array([[1, 0], [1, 1], [1, 1]], bool), ["x"])
    assert sets.predicted.tolist() == [[True, True]]


def test_what_they_share_is_made_once() -> None:
    texts, targets = questions("train")
    ngrams = Ngrams(texts, questions("test")[0])
    words = ngrams.words
    for name in ALL:
        run_baseline(name, ngrams, targets, seed=0)
        assert ngrams.words is words


def test_tfidf_is_that_of_scikit_learn() -> None:
    texts, _ = questions("train")
    test_texts, _ = questions("test")
    tfidf = Ngrams(texts, test_texts).tfidf
    assert tfidf is not None
    vectorizer = TfidfVectorizer(
        ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", sublinear_tf=True
    ).fit(texts)
    words = vectorizer.transform(test_texts)
    assert (tfidf.test[:, : words.shape[1]] != words).nnz == 0
    assert tfidf.test.shape[1] > words.shape[1]  # and characters


@pytest.mark.parametrize("name", ALL)
def test_each_learns_real_questions(name: str) -> None:
    texts, targets = questions("train")
    test_texts, test_targets = questions("test")
    found = run(name, texts, targets, test_texts)
    assert (found.predicted == test_targets).mean() > SURE.get(name, 0.9)
    assert found.predicted.dtype == targets.dtype
    again = run(name, texts, targets, test_texts)
    assert (found.predicted == again.predicted).all()


def test_they_say_what_they_read() -> None:
    texts, targets = questions("train")
    said = {name: run(name, texts, targets, ["word"]).description for name in ALL}
    assert "word 1-2-grams and character 2-5-grams" in said["tfidf_svm"]
    assert said["nb_svm"] == "naive Bayes' ratios of word 1-2-grams, linear SVM"
    assert "truncated SVD" in said["gradient_boosting"]
    assert len(set(said.values())) == len(ALL)


@pytest.mark.parametrize("name", ALL)
def test_two_labels_are_one_question(name: str) -> None:
    texts, targets = questions("train")
    test_texts, test_targets = questions("test")
    # Ids that are not 0 and 1, and one that no text has.
    pairs = np.where(targets < 2, 1, 3)
    found = run(name, texts, pairs, test_texts)
    assert set(found.predicted.tolist()) <= {1, 3}
    if name != "majority":
        assert (found.predicted == np.where(test_targets < 2, 1, 3)).mean() > 0.75


@pytest.mark.parametrize("name", [name for name in ALL if name != "majority"])
def test_each_learns_label_sets(name: str) -> None:
    texts, targets = questions("train")
    always, never = np.ones(len(targets), bool), np.zeros(len(targets), bool)
    indicators = np.stack([targets == 0, targets == 1, always, never], axis=1)
    test_texts, test_targets = questions("test")
    found = run(name, texts, indicators, test_texts)
    assert found.predicted.shape == (len(test_texts), 4)
    assert found.predicted.dtype == np.bool_
    assert found.predicted[:, 2].all()  # a label that every text has
    assert not found.predicted[:, 3].any()
    assert (found.predicted[:, 0] == (test_targets == 0)).mean() > 0.85


def test_naive_bayes_ratios_by_hand() -> None:
    """Wang & Manning 2012, equation 1, with both smoothing counts 1."""
    texts, inside = ["good good film", "good", "film"], np.array([True, True, False])
    words = Ngrams(texts, ["x"]).words
    assert words is not None
    present = baselines.binarized(words.train)
    # good, film, "good film", "good good"; in the class 1 + 2, 1 + 1, 1 + 1, 1 + 1 of 9;
    # outside of it 1, 1 + 1, 1, 1 of 5.
    found = sorted(np.exp(baselines._log_count_ratios(present, inside)))
    assert found == pytest.approx(sorted([3 / 9 * 5, 2 / 9 * 5 / 2, 2 / 9 * 5, 2 / 9 * 5]))


@pytest.mark.parametrize("name", ALL)
def test_of_many_texts_the_slow_ones_read_some(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_MOST_TEXTS", 100)
    texts, targets = questions("train")
    found = run(name, texts, targets, questions("test")[0])
    is_slow = name in ("nearest_neighbors", "random_forest", "gradient_boosting")
    assert ("of 100 of the 240 training texts" in found.description) == is_slow


@pytest.mark.parametrize("name", ALL)
def test_texts_without_a_term_do_not_crash(name: str) -> None:
    for targets in (np.array([0, 1]), np.array([[True, False], [False, False]])):
        found = run(name, ["", " "], targets, ["", "word"])
        assert len(found.predicted) == 2


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("texts", [["a"], ["a", "b"], ["a", "a", "b"], ["a", "", "b", "b c"]])
def test_few_texts_do_not_crash(name: str, texts: list[str]) -> None:
    some = np.arange(len(texts)) % 2
    for targets in (some, some * 0 + 3, np.stack([some > 0, some < 0], axis=1)):
        found = run(name, texts, targets, ["a", "", "nothing of it"])
        assert found.predicted.shape == (3, *targets.shape[1:])


@pytest.mark.parametrize("name", ALL)
def test_no_training_text_is_an_error(name: str) -> None:
    with pytest.raises(DataError):
        run(name, [], np.zeros(0, int), ["x"])
