"""Scores of taggers: by hand, and equal to seqeval's."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from textnets.errors import DataError
from textnets.evaluation.tagging import (
    Span,
    are_span_tags,
    score_tags,
    span_table,
    spans_of,
)

SPAN_TAGS = ["O", *(f"{place}-{kind}" for place in "BIES" for kind in ("NP", "VP", "X-Y"))]
NONE_UNKNOWN = np.zeros(2, np.bool_)


def random_sentences(seed: int, count: int = 200) -> list[list[str]]:
    random = np.random.default_rng(seed)
    return [random.choice(SPAN_TAGS, size=random.integers(1, 12)).tolist() for _ in range(count)]


def turned(sentences: list[list[str]]) -> list[list[str]]:
    """The same tags with one in four changed."""
    random = np.random.default_rng(9)
    return [
        [str(random.choice(SPAN_TAGS)) if random.random() < 0.25 else tag for tag in tags]
        for tags in sentences
    ]


def test_spans_by_hand() -> None:
    assert spans_of(["B-A", "I-A", "I-B", "O", "I-A", "B-A"]) == [
        Span("A", 0, 2),
        Span("B", 2, 3),
        Span("A", 4, 5),
        Span("A", 5, 6),
    ]
    assert spans_of(["S-A", "I-A", "E-A", "E-A"]) == [
        Span("A", 0, 1),
        Span("A", 1, 3),
        Span("A", 3, 4),
    ]
    assert spans_of(["O", "O"]) == spans_of([]) == []


def test_spans_are_those_of_seqeval() -> None:
    from seqeval.metrics.sequence_labeling import get_entities

    for tags in random_sentences(1):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = [(kind, start, end + 1) for kind, start, end in get_entities(tags)]
        assert [(span.type, span.start, span.end) for span in spans_of(tags)] == expected


def test_span_scores_are_those_of_seqeval() -> None:
    from seqeval.metrics import f1_score, precision_score, recall_score

    true = random_sentences(2)
    predicted = turned(true)
    unknown = [np.zeros(len(tags), np.bool_) for tags in true]
    found = score_tags(true, predicted, unknown, spans=True, resamples=20, seed=3)
    assert found["span_precision"].value == pytest.approx(precision_score(true, predicted))
    assert found["span_recall"].value == pytest.approx(recall_score(true, predicted))
    assert found["span_f1"].value == pytest.approx(f1_score(true, predicted))
    low, high = found["span_f1"].low, found["span_f1"].high
    assert low is not None
    assert high is not None
    assert low < found["span_f1"].value < high
    for row in span_table(true, predicted):
        of_type = [[[t if t[2:] == row.type else "O" for t in s] for s in x]
                   for x in (true, predicted)]  # fmt: skip
        assert row.f1 == pytest.approx(f1_score(*of_type))


def test_token_scores_by_hand() -> None:
    true = [["A", "B", "A"], ["B"]]
    predicted = [["A", "A", "A"], ["B"]]
    unknown = [np.array([False, True, True]), np.array([False])]
    found = score_tags(true, predicted, unknown, spans=False, resamples=0, seed=1)
    assert {name: estimate.value for name, estimate in found.items()} == {
        "accuracy": 3 / 4,
        "sentence_accuracy": 1 / 2,
        "unknown_accuracy": 1 / 2,
    }


def test_without_unknown_words_there_is_no_such_score() -> None:
    found = score_tags([["A", "B"]], [["A", "B"]], [NONE_UNKNOWN], spans=False, seed=1)
    assert set(found) == {"accuracy", "sentence_accuracy"}


def test_a_tag_that_no_model_knows_is_an_error_of_a_span_too() -> None:
    """CoNLL-2000's test split holds I-LST, which its training split lacks."""
    found = score_tags(
        [["B-LST", "I-LST"]], [["B-LST", "O"]], [NONE_UNKNOWN], spans=True, resamples=0, seed=1
    )
    assert found["span_f1"].value == 0.0


def test_no_sentence_is_an_error() -> None:
    with pytest.raises(DataError, match="no example"):
        score_tags([], [], [], spans=False, seed=1)


def test_what_span_tags_look_like() -> None:
    assert are_span_tags(["O", "B-NP", "I-NP"])
    assert not are_span_tags(["B-NP", "NOUN"])
    assert not are_span_tags(["-LRB-"])
