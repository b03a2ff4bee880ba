"""Metrics equal scikit-learn's, weights and all."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from textnets.evaluation.classification import (
    confident_mistakes,
    confusions,
    label_set_table,
    label_table,
    score_label_sets,
    score_labels,
)

LABELS = ("a", "b", "c", "d")


@st.composite
def id_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 30))
    ids = arrays(np.int32, size, elements=st.integers(0, 3))
    return draw(ids), draw(ids)


@st.composite
def set_pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    cells = arrays(np.bool_, (draw(st.integers(1, 20)), 4))
    return draw(cells), draw(cells)


@settings(deadline=None)
@given(id_pairs())
def test_single_labels(pair: tuple[np.ndarray, np.ndarray]) -> None:
    true, predicted = pair
    found = score_labels(true, predicted, None, num_classes=4, resamples=0, seed=0)
    assert found["accuracy"].value == pytest.approx(metrics.accuracy_score(true, predicted))
    expected = metrics.f1_score(true, predicted, average="macro", zero_division=0)
    assert found["macro_f1"].value == pytest.approx(expected)


@settings(deadline=None)
@given(id_pairs(), st.integers(0, 1000))
def test_log_loss(pair: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    true, predicted = pair
    probabilities = np.random.default_rng(seed).dirichlet(np.ones(4), len(true))
    found = score_labels(true, predicted, probabilities, num_classes=4, resamples=0, seed=0)
    expected = metrics.log_loss(true, probabilities, labels=range(4))
    assert found["log_loss"].value == pytest.approx(expected, abs=1e-6)


def test_a_sure_mistake_has_a_finite_loss() -> None:
    true, predicted = np.array([0], np.int32), np.array([1], np.int32)
    found = score_labels(
        true, predicted, np.array([[0.0, 1.0]]), num_classes=2, resamples=0, seed=0
    )
    assert found["log_loss"].value == pytest.approx(-np.log(1e-7))


@settings(deadline=None)
@given(set_pairs())
def test_label_sets(pair: tuple[np.ndarray, np.ndarray]) -> None:
    true, predicted = pair
    found = score_label_sets(true, predicted, resamples=0, seed=0)
    assert found["exact_match"].value == pytest.approx(metrics.accuracy_score(true, predicted))
    expected = metrics.f1_score(true, predicted, average="micro", zero_division=0)
    assert found["micro_f1"].value == pytest.approx(expected)


@settings(deadline=None)
@given(id_pairs())
def test_the_table_by_label(pair: tuple[np.ndarray, np.ndarray]) -> None:
    true, predicted = pair
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected: Any = metrics.precision_recall_fscore_support(
            true, predicted, labels=range(4), zero_division=0
        )
    found = label_table(true, predicted, LABELS)
    known = [score.f1 for score in found if score.f1 is not None]
    assert known == sorted(known)
    for score in found:
        index = LABELS.index(score.label)
        assert (score.precision or 0.0) == pytest.approx(expected[0][index])
        assert (score.recall or 0.0) == pytest.approx(expected[1][index])
        assert (score.f1 or 0.0) == pytest.approx(expected[2][index])
        assert score.support == expected[3][index]


def test_the_table_of_label_sets() -> None:
    true = np.array([[1, 0], [1, 1]], bool)
    predicted = np.array([[1, 0], [0, 1]], bool)
    found = {score.label: score for score in label_set_table(true, predicted, ("x", "y"))}
    assert (found["x"].precision, found["x"].recall) == (1.0, 0.5)
    assert found["y"].f1 == 1.0


def test_confusions_come_most_frequent_first() -> None:
    true = np.array([0, 0, 0, 1, 2, 2], np.int32)
    predicted = np.array([1, 1, 0, 1, 0, 2], np.int32)
    found = [(c.true, c.predicted, c.count) for c in confusions(true, predicted, LABELS)]
    assert found == [("a", "b", 2), ("c", "a", 1)]


def test_the_surest_mistakes_come_first() -> None:
    true = np.array([0, 0, 1], np.int32)
    predicted = np.array([1, 1, 1], np.int32)
    probabilities = np.array([[0.4, 0.6], [0.1, 0.9], [0.0, 1.0]])
    assert confident_mistakes(true, predicted, probabilities).tolist() == [1, 0]


def test_ids_beyond_the_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="4"):
        score_labels(np.array([4], np.int32), np.array([0], np.int32), None, num_classes=4, seed=0)
