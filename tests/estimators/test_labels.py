"""Labels given in Python mean what their shape says, or are refused with their row."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np
import pandas
import pytest
from scipy import sparse

from textnets import InputError, TextClassifier
from textnets.estimators.labels import label_sets

TEXTS = ["lamp broke", "bright lamp", "it cracked", "fine lamp"] * 3


def new(**parameters: Any) -> TextClassifier:
    return TextClassifier("mlp_classifier", epochs=1, validation=None, random_state=1, **parameters)


@pytest.mark.parametrize(
    "missing", [None, float("nan"), np.nan, pandas.NA, pandas.NaT, np.datetime64("NaT"), "", " "]
)
@pytest.mark.parametrize("multi_label", [False, True])
def test_what_is_missing_is_no_label(missing: Any, multi_label: bool) -> None:
    labels: list[Any] = ["bad", "good", "bad", missing] * 3
    given = [[label] for label in labels] if multi_label else labels
    with pytest.raises(InputError, match=r"^y\[3\]: Input y contains "):
        new(multi_label=multi_label).fit(TEXTS, given)


def test_a_series_with_missing_values_is_refused() -> None:
    labels = pandas.Series(["bad", "good", pandas.NA, "good"] * 3, dtype="string")
    with pytest.raises(InputError, match=r"^y\[2\]: "):
        new().fit(TEXTS, labels)


MATRIX = [[1, 0, 0], [0, 1, 1], [0, 0, 0], [0, 1, 0]]
SETS = [(0,), (1, 2), (), (1,)]


@pytest.mark.parametrize(
    "given",
    [
        MATRIX,
        [tuple(map(bool, row)) for row in MATRIX],
        [[float(value) for value in row] for row in MATRIX],
        [np.array(row) for row in MATRIX],
        np.array(MATRIX),
        np.array(MATRIX, dtype=bool),
        sparse.csr_matrix(MATRIX),
        sparse.coo_array(np.array(MATRIX)),
        pandas.DataFrame(MATRIX),
    ],
)
def test_a_matrix_of_0_and_1_in_any_shape(given: Any) -> None:
    assert label_sets(given) == (SETS, 3)


def test_lists_of_labels_dicts_and_named_columns() -> None:
    assert label_sets([["a", "b"], [], {"c"}]) == ([("a", "b"), (), ("c",)], None)
    assert label_sets([[0, 1], [1], [0]]) == ([(0, 1), (1,), (0,)], None)
    dicts = [{"bad": 1, "good": 0}, {"bad": False, "good": True}, {}]
    assert label_sets(dicts) == ([("bad",), ("good",), ()], None)
    frame = pandas.DataFrame({"toxic": [1, 0], "insult": [1, 1]})
    assert label_sets(frame) == ([("toxic", "insult"), ("insult",)], ["toxic", "insult"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([[0, 1], [1, 0]], r"^y: rows such as \[0, 1\] may be"),
        ([[1, 0, 0], [0, 1]], r"^y\[0\]: a row of 0 and 1 in which one comes twice"),
        ([{"bad": 0.7}], r"^y\[0\]: expected 0 or 1 for each label of a dict, was: 'bad'"),
        ([["a"], "b"], r"^y\[1\]: expected a list of labels"),
        (np.array([[0, 2]]), "^y: expected a matrix of 0 and 1"),
        (pandas.DataFrame({"a": [1, None]}), "^y: expected a matrix of 0 and 1"),
        (sparse.csr_matrix([[0.5, 1]]), "^y: expected a matrix of 0 and 1"),
    ],
)
def test_what_could_mean_two_things_is_refused(given: Any, said: str) -> None:
    with pytest.raises(InputError, match=said):
        label_sets(given)


@pytest.mark.heavy
def test_a_frame_of_columns_comes_back_as_a_matrix_of_its_names(tmp_path: Any) -> None:
    import textnets

    frame = pandas.DataFrame({"toxic": [1, 0, 1, 0] * 3, "insult": [1, 1, 0, 0] * 3})
    classifier = new(multi_label=True).fit(TEXTS, frame)
    assert classifier.classes_.tolist() == ["toxic", "insult"]
    predicted = classifier.predict(TEXTS)
    assert predicted.shape == (12, 2)
    assert 0.0 <= classifier.score(TEXTS, frame) <= 1.0
    classifier.save(tmp_path / "run")
    again = textnets.load(tmp_path / "run")
    assert again.classes_.tolist() == ["toxic", "insult"]
    assert again.predict(TEXTS).tolist() == predicted.tolist()


@pytest.mark.heavy
def test_labels_that_look_alike_are_one() -> None:
    composed = "caf\u00e9"
    twins = [composed, unicodedata.normalize("NFD", composed), "tea", "tea"] * 3
    assert new().fit(TEXTS, twins).classes_.tolist() == [composed, "tea"]
