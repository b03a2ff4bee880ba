"""What a recipe claims, and what one run can say of it. The sentences are in test_comparison.py;
that a claim which is not met changes no exit code, in cli/test_scores.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textnets.evaluation.claims import ClaimResult

VALUES = st.floats(-1e3, 1e3)


def claim(value: float, seeds: int = 1, **bound: float) -> ClaimResult:
    given_: dict[str, Any] = {"at_least": None, "at_most": None, **bound}
    return ClaimResult("accuracy", given_["at_least"], given_["at_most"], seeds, value)


def test_a_bound_is_met_where_it_is_reached() -> None:
    assert claim(0.9, at_least=0.9).met
    assert claim(0.9, at_most=0.9).met
    assert not claim(0.8999999, at_least=0.9).met
    assert not claim(0.9000001, at_most=0.9).met


@pytest.mark.parametrize("value", [float("nan"), -1.0])
def test_what_is_not_reached_is_not_met(value: float) -> None:
    found = claim(value, at_least=0.9)
    assert (found.met, found.as_dict()["holds"]) == (False, False)
    assert "is not met" in found.sentence


def test_one_run_cannot_tell_of_a_mean() -> None:
    for value in (0.95, 0.85):
        told = claim(value, seeds=3, at_least=0.9).as_dict()
        assert told["holds"] is None
        assert told["met"] is (value > 0.9)
        assert "one run tells nothing sure" in told["sentence"]
        assert ("within it" if value > 0.9 else "below it") in told["sentence"]
    assert "above it" in claim(9.0, seeds=3, at_most=1.0).sentence


@given(value=VALUES, bound=VALUES, least=st.booleans(), seeds=st.integers(1, 5))
def test_it_is_stored_and_read_back(value: float, bound: float, least: bool, seeds: int) -> None:
    found = claim(value, seeds, **{"at_least" if least else "at_most": bound})
    stored = json.loads(json.dumps(found.as_dict()))
    assert ClaimResult.of_dict(stored) == found
    assert ClaimResult.of_dict(stored).sentence == stored["sentence"]


@given(value=VALUES, distance=st.floats(1e-9, 1e-2), least=st.booleans())
def test_the_number_in_the_sentence_is_on_its_side_of_the_bound(
    value: float, distance: float, least: bool
) -> None:
    bound = {"at_least": value + distance} if least else {"at_most": value - distance}
    found = claim(value, **bound)
    shown = found.sentence.partition("accuracy ")[2].partition(" on the test split")[0]
    assert claim(float(shown), **bound).met == found.met
