"""How far two forms of one model are apart."""

from __future__ import annotations

import math

import pytest

from textnets.predictions import (
    Alternative,
    Choice,
    ClassPrediction,
    Figures,
    ScoredText,
    TaggedText,
    Translation,
    WrittenText,
)


def written(*choices: tuple[str, float]) -> Figures:
    return WrittenText("a", "a b", [Choice(*one) for one in choices]).figures()


def test_the_largest_difference_counts() -> None:
    one, other = (
        ClassPrediction("x", ("a",), p, {"a": p, "b": 1 - p}).figures() for p in (0.7, 0.7005)
    )
    assert one.difference(other) == pytest.approx(0.0005, rel=1e-3)
    assert one.difference(one) == 0.0


def test_of_large_numbers_it_is_a_share() -> None:
    one, other = (ScoredText("x", ["x"], [s], [False]).figures() for s in (1000.0, 1000.5))
    assert one.difference(other) == pytest.approx(0.0005, rel=1e-3)


def test_other_labels_tokens_or_sizes_are_no_difference_of_numbers() -> None:
    one = ClassPrediction("x", ("a",), 0.7, {"a": 0.7, "b": 0.3}).figures()
    other = ClassPrediction("x", ("a",), 0.7, {"b": 0.7, "a": 0.3}).figures()
    assert one.difference(other) == math.inf
    two_words = TaggedText("x y", ["x", "y"], ["A", "B"], [0.5, 0.5]).figures()
    one_word = TaggedText("x", ["x"], ["A"], [0.5]).figures()
    assert two_words.difference(one_word) == math.inf
    unknown = ScoredText("x", ["x"], [1.0], [True]).figures()
    assert unknown.difference(ScoredText("x", ["x"], [1.0], [False]).figures()) == math.inf


def test_numbers_that_are_none() -> None:
    one, other = (ScoredText("x", ["x"], [s], [False]).figures() for s in (1.0, math.nan))
    assert one.difference(other) == math.inf


def test_another_choice_is_excused_where_both_were_as_good() -> None:
    tie, other, worse = (
        TaggedText("x", ["x"], [tag], [p]).figures()
        for tag, p in (("A", 0.5), ("B", 0.5), ("B", 0.4))
    )
    assert tie.difference(other) == 0.0
    assert tie.difference(worse) == pytest.approx(0.1)
    one, two = (
        Translation("x", [Alternative(text, score, score)]).figures()
        for text, score in (("a", -1.0), ("b", -3.0))
    )
    assert one.difference(two) == pytest.approx(2 / 3)


def test_after_a_tie_a_written_text_goes_on_in_another_way() -> None:
    one = written(("a", 0.9), ("b", 0.4), ("c", 0.8))
    assert one.difference(written(("a", 0.9), ("d", 0.4), ("e", 0.1), ("f", 0.2))) == 0.0
    assert one.difference(written(("a", 0.9), ("d", 0.3))) == pytest.approx(0.1)
    # One that stops where the other goes on is no tie.
    assert one.difference(written(("a", 0.9), ("b", 0.4))) == math.inf
