"""Scores from surprisals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from textnets.errors import DataError
from textnets.evaluation.language_modeling import (
    blocks_of,
    by_position,
    costly_tokens,
    perplexity,
    score_surprisals,
)


def test_scores_are_means_over_tokens_not_over_sentences() -> None:
    surprisals = np.array([1.0, 1.0, 1.0, 5.0], np.float32)
    offsets = np.array([0, 3, 3, 4])
    found = score_surprisals(surprisals, offsets, characters=False, resamples=200, seed=1)
    assert set(found) == {"cross_entropy", "bits", "perplexity"}
    assert found["cross_entropy"].value == pytest.approx(2.0)
    assert found["bits"].value == pytest.approx(2.0 / math.log(2))
    assert found["perplexity"].value == pytest.approx(math.exp(2.0))
    low, high = found["perplexity"].low, found["perplexity"].high
    assert low is not None
    assert high is not None
    assert low < math.exp(2.0) < high


def test_unknown_tokens_are_counted_over_tokens_too() -> None:
    unknown = np.array([True, False, False, True])
    found = score_surprisals(
        np.ones(4), np.array([0, 3, 4]), characters=False, unknown=unknown, resamples=200, seed=1
    )["unknown_share"]
    assert found.value == 0.5
    assert (found.low, found.high) == (pytest.approx(1 / 3), 1.0)


def test_characters_have_bits_per_character() -> None:
    found = score_surprisals(np.ones(9), blocks_of(9), characters=True, resamples=0, seed=1)
    assert found["bits_per_character"].value == pytest.approx(1 / math.log(2))
    assert found["bits_per_character"].low is None


def test_nothing_to_score_is_told() -> None:
    with pytest.raises(DataError, match="no example"):
        score_surprisals(np.ones(0), np.zeros(1, np.int64), characters=True, seed=1)


def test_hopeless_models_have_an_infinite_perplexity() -> None:
    assert perplexity(1e9) == math.inf


def test_blocks_cover_the_stream() -> None:
    for size in (1, 49, 50, 1234, 10**6):
        blocks = blocks_of(size)
        assert (blocks[0], blocks[-1]) == (0, size)
        assert (np.diff(blocks) > 0).all()
        assert len(blocks) <= 1001


def test_the_costliest_tokens_come_first() -> None:
    ids = np.array([5, 5, 6, 7], np.int32)
    rows = costly_tokens(np.array([1.0, 2.0, 2.5, 0.5]), ids)
    assert [(row.token_id, row.count, row.mean) for row in rows] == [(5, 2, 1.5), (6, 1, 2.5),
                                                                     (7, 1, 0.5)]  # fmt: skip
    assert sum(row.share for row in rows) == pytest.approx(1.0)


def test_positions_are_counted_in_each_row() -> None:
    rows = by_position(np.array([1.0, 2.0, 3.0, 5.0]), np.array([0, 3, 3, 4]))
    assert rows == [("1", 2, 3.0), ("2", 1, 2.0), ("3–5", 1, 3.0)]
