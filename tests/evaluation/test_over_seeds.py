"""Figures over seeds, with the numbers of a table of Student's t; the verdict on a claim."""

from __future__ import annotations

from typing import Any

import pytest

from textnets.evaluation.claims import ClaimResult, Verdict
from textnets.evaluation.over_seeds import over_seeds


def test_mean_deviation_and_interval_by_hand() -> None:
    found = over_seeds([0.90, 0.91, 0.95])
    assert found.mean == pytest.approx(0.92)
    # ((0.02² + 0.01² + 0.03²) / 2) ** 0.5
    assert found.deviation == pytest.approx(0.0264575, abs=1e-7)
    half = 4.302653 * 0.0264575 / 3**0.5  # t of 2 degrees of freedom, 95 %
    assert (found.low, found.high) == pytest.approx((0.92 - half, 0.92 + half), abs=1e-6)
    wider = over_seeds([0.90, 0.91, 0.95], confidence=0.99)
    assert wider.high - wider.mean == pytest.approx(9.924843 * 0.0264575 / 3**0.5, abs=1e-6)


def test_one_seed_has_no_interval() -> None:
    found = over_seeds([0.9])
    assert (found.mean, found.deviation, found.low, found.high) == (0.9, None, None, None)
    assert found.render() == "0.900"


def test_seeds_that_agree_have_an_interval_without_width() -> None:
    found = over_seeds([0.9] * 4)
    assert (found.mean, found.deviation, found.low, found.high) == (0.9, 0.0, 0.9, 0.9)


def verdict(value: float, seeds: int, claimed: int = 3, **bound: float) -> Verdict:
    given: dict[str, Any] = {"at_least": None, "at_most": None, **bound}
    return Verdict(
        ClaimResult("accuracy", given["at_least"], given["at_most"], claimed, value), seeds
    )


def test_a_verdict_in_words() -> None:
    holds = verdict(0.9144, 3, at_least=0.91)
    assert holds.holds
    assert holds.sentence == (
        "HOLDS: accuracy 0.914 on the test split, the mean of 3 seeds; claimed at least 0.91"
    )
    fails = verdict(1.2, 1, at_most=1.1)
    assert not fails.holds
    assert fails.sentence == (
        "FAILS: accuracy 1.200 on the test split, of one seed; claimed at most 1.1 of 3 seeds"
    )
    assert fails.as_dict()["sentence"] == fails.sentence
    # As many decimals as it takes to see why.
    assert "accuracy 0.90996 on" in verdict(0.90996, 3, at_least=0.91).sentence
    assert not verdict(float("nan"), 3, at_least=0.0).holds
