"""A continuous cache, beside the sum that defines it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from textnets.decoding import cache
from textnets.decoding.cache import cache_shares, with_cache

RANDOM = np.random.default_rng(5)
TOKENS, SIZE = 41, 9
FEATURES = RANDOM.normal(size=(TOKENS, 3)).astype(np.float32)
TARGETS = RANDOM.integers(4, 8, TOKENS).astype(np.int32)


def by_hand(theta: float) -> list[float]:
    found = [0.0]
    for here in range(1, TOKENS):
        before = range(max(0, here - SIZE), here)
        likeness = {i: float(np.exp(theta * FEATURES[here] @ FEATURES[i])) for i in before}
        right = sum(value for i, value in likeness.items() if TARGETS[i] == TARGETS[here])
        found.append(right / sum(likeness.values()))
    return found


@pytest.mark.parametrize("block", [4, 256])
@pytest.mark.parametrize("theta", [0.0, 0.6])
def test_shares(theta: float, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "_BLOCK", block)
    found = cache_shares(FEATURES, TARGETS, size=SIZE, theta=theta)
    np.testing.assert_allclose(found, by_hand(theta), atol=1e-6)


def test_vectors_that_are_large_overflow_nothing() -> None:
    found = cache_shares(100 * FEATURES, TARGETS, size=SIZE, theta=1.0)
    assert np.isfinite(found).all()
    assert found.min() >= 0.0
    assert found.max() <= 1.0


def test_the_mixture_is_one_of_probabilities() -> None:
    surprisals = RANDOM.random(TOKENS).astype(np.float32) * 5
    shares = cache_shares(FEATURES, TARGETS, size=SIZE, theta=0.6)
    found = with_cache(surprisals, shares, 0.2)
    wanted = -np.log(0.8 * np.exp(-surprisals[1:]) + 0.2 * shares[1:])
    np.testing.assert_allclose(found[1:], wanted, rtol=1e-5)
    assert found[0] == pytest.approx(float(surprisals[0]))  # nothing is before it


@given(
    surprisals=arrays(np.float32, 5, elements=st.floats(0, 2000, width=32)),
    shares=arrays(np.float32, 5, elements=st.floats(0, 1, width=32)),
)
def test_a_cache_that_counts_nothing_changes_nothing(
    surprisals: np.ndarray, shares: np.ndarray
) -> None:
    np.testing.assert_array_equal(with_cache(surprisals, shares, 0.0), surprisals)


def test_what_neither_of_them_expected_is_as_costly_as_it_is() -> None:
    """Of less than the smallest number there is the softmax's surprise is left, and its weight."""
    found = with_cache(np.full(2, 800.0, np.float32), np.zeros(2, np.float32), 0.5)
    np.testing.assert_allclose(found, [800.0, 800.0 + np.log(2.0)], rtol=1e-6)


def test_all_tokens_together_have_a_probability_of_one() -> None:
    """Whatever came at a place, what is given to all that might have come adds up to 1."""
    total = np.zeros(TOKENS)
    for token in range(4, 8):
        # Only what is asked for at the place is another; what came before stays.
        for here in range(1, TOKENS):
            asked = TARGETS.copy()
            asked[here] = token
            total[here] += cache_shares(FEATURES, asked, size=SIZE, theta=0.6)[here]
    np.testing.assert_allclose(total[1:], 1.0, atol=1e-5)
