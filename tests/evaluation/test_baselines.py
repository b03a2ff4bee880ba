"""Baselines on real questions, and on texts that hold nothing."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import INTENTS, read_questions
from textnets.errors import DataError
from textnets.evaluation.baselines import BASELINES, majority, tfidf_svm


def questions(split: str) -> tuple[list[str], np.ndarray]:
    rows = read_questions(split)
    return [text for text, _ in rows], np.array([INTENTS.index(label) for _, label in rows])


def test_majority_says_the_most_frequent_label() -> None:
    found = majority(["a", "b", "c"], np.array([2, 0, 2]), ["x", "y"], seed=0)
    assert found.predicted.tolist() == [2, 2]
    sets = majority(["a", "b", "c"], np.array([[1, 0], [1, 1], [1, 1]], bool), ["x"], seed=0)
    assert sets.predicted.tolist() == [[True, True]]


def test_the_svm_learns_real_questions() -> None:
    texts, targets = questions("train")
    test_texts, test_targets = questions("test")
    found = tfidf_svm(texts, targets, test_texts, seed=0)
    assert (found.predicted == test_targets).mean() > 0.9
    assert "word" in found.description
    assert "character" in found.description
    again = tfidf_svm(texts, targets, test_texts, seed=0)
    assert (found.predicted == again.predicted).all()


def test_the_svm_learns_label_sets() -> None:
    texts, targets = questions("train")
    indicators = np.stack([targets == 0, targets == 1, np.ones(len(targets), bool)], axis=1)
    test_texts, test_targets = questions("test")
    found = tfidf_svm(texts, indicators, test_texts, seed=0)
    assert found.predicted.shape == (len(test_texts), 3)
    assert found.predicted[:, 2].all()  # a label that every text has
    assert (found.predicted[:, 0] == (test_targets == 0)).mean() > 0.9


@pytest.mark.parametrize("name", list(BASELINES))
def test_texts_without_a_term_do_not_crash(name: str) -> None:
    found = BASELINES[name](["", " "], np.array([0, 1]), ["", "word"], seed=0)
    assert len(found.predicted) == 2


@pytest.mark.parametrize("name", list(BASELINES))
def test_no_training_text_is_an_error(name: str) -> None:
    with pytest.raises(DataError):
        BASELINES[name]([], np.zeros(0, int), ["x"], seed=0)
