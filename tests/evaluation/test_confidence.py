"""Bootstrap intervals: deterministic, shared draws, and the coverage they promise."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.single_statistic import bootstrap
from textnets.errors import DataError
from textnets.evaluation.confidence import Estimate, bootstrap_many


def mean_of(values: np.ndarray) -> object:
    return lambda weights: float((values * weights).sum() / weights.sum())


def test_the_value_is_the_statistic_itself() -> None:
    values = np.array([1.0, 2.0, 3.0, 10.0])
    assert bootstrap(mean_of(values), 4, resamples=0, seed=1) == Estimate(4.0, None, None)
    found = bootstrap(mean_of(values), 4, seed=1)
    assert found.value == 4.0
    assert found.low is not None
    assert found.high is not None
    assert found.low < 4.0 < found.high


def test_it_is_a_function_of_the_seed() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap(mean_of(values), 50, seed=3) == bootstrap(mean_of(values), 50, seed=3)
    assert bootstrap(mean_of(values), 50, seed=3) != bootstrap(mean_of(values), 50, seed=4)


def test_statistics_share_their_resamples() -> None:
    values = np.random.default_rng(0).normal(size=50)
    both = bootstrap_many({"one": mean_of(values), "other": mean_of(-values)}, 50, seed=3)
    assert both["one"].low == pytest.approx(-both["other"].high)


def test_95_percent_of_the_intervals_hold_the_true_value() -> None:
    random = np.random.default_rng(5)
    held = 0
    for trial in range(300):
        drawn = (random.random(200) < 0.7).astype(float)
        found = bootstrap(mean_of(drawn), 200, resamples=300, seed=trial)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 0.7 <= found.high
    assert 0.91 < held / 300 < 0.98


def test_a_higher_confidence_is_wider() -> None:
    values = np.random.default_rng(0).normal(size=100)
    narrow = bootstrap(mean_of(values), 100, confidence=0.8, seed=1)
    wide = bootstrap(mean_of(values), 100, confidence=0.99, seed=1)
    assert wide.low < narrow.low < narrow.high < wide.high  # type: ignore[operator]


def test_no_example_is_an_error() -> None:
    with pytest.raises(DataError, match="no example"):
        bootstrap(mean_of(np.zeros(0)), 0, seed=1)


def test_it_is_rendered_with_its_interval() -> None:
    assert Estimate(0.9123, 0.901, 0.921).render() == "0.912 [0.901, 0.921]"
    assert str(Estimate(0.5)) == "0.500"
