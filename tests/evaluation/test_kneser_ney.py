"""Kneser-Ney: it is a probability, and the one of the paper."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict

import numpy as np
import pytest

from textnets.evaluation.kneser_ney import KneserNey

V = 9
SCORED = ~np.isin(np.arange(V), [0, 2])


def model_of(ids: np.ndarray, order: int) -> KneserNey:
    return KneserNey(ids, np.arange(len(ids)), vocabulary_size=V, order=order, is_scored=SCORED)


@pytest.fixture(scope="module")
def text() -> np.ndarray:
    random = np.random.default_rng(0)
    ids = [4]
    for _ in range(600):  # a text with habits, so that all counts occur
        ids.append(int(random.choice([ids[-1] % 5 + 3, 4, 5, 6, 7], p=[0.5, 0.2, 0.15, 0.1, 0.05])))
    # Pairs that come once to four times, as the discounts ask for.
    rare = [
        [3, 8],
        [8, 1],
        [1, 7],
        *[[1, 6]] * 2,
        *[[8, 3]] * 2,
        *[[8, 6]] * 2,
        *[[1, 5]] * 3,
        *[[8, 4]] * 4,
    ]
    return np.array([*ids, *itertools.chain(*rare)], np.int32)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_probabilities_sum_to_one(text: np.ndarray, order: int) -> None:
    model = model_of(text, order)
    for context in ([4, 5, 6, 4], [7, 7, 7, 7], [8, 1, 8, 3], [4, 4, 4, 8]):
        total = 0.0
        for token in np.flatnonzero(SCORED):
            ids = np.array([*context, token], np.int32)
            total += np.exp(-model.surprisals(ids, np.arange(len(ids)))[-1])
        assert total == pytest.approx(1.0, abs=1e-9)


def bigram_by_hand(ids: list[int], before: int, token: int) -> float:
    """Chen and Goodman (1998), section 3: written plainly from the formulas."""

    def discounts(counts: Counter) -> list[float]:
        n = Counter(min(count, 5) for count in counts.values())
        share = n[1] / (n[1] + 2 * n[2])
        return [0.0, *(max(k - (k + 1) * share * n[k + 1] / n[k], 0.0) for k in (1, 2, 3))]

    pairs = Counter(itertools.pairwise(ids))
    left = defaultdict(set)
    for one, other in pairs:
        left[other].add(one)
    singles = Counter({other: len(ones) for other, ones in left.items()})

    def share(counts: Counter, key: object, total: int, cut: list[float]) -> float:
        return max(counts[key] - cut[min(counts[key], 3)], 0) / total

    def rest(followers: list[int], cut: list[float]) -> float:
        return sum(cut[min(count, 3)] for count in followers) / sum(followers)

    cut = [0.0, 0.5, 0.5, 0.5]  # of absolute discounting: too few tokens for the formula
    lower = share(singles, token, singles.total(), cut)
    lower += rest(list(singles.values()), cut) / SCORED.sum()
    cut = discounts(pairs)
    followers = [count for (one, _), count in pairs.items() if one == before]
    return share(pairs, (before, token), sum(followers), cut) + rest(followers, cut) * lower


def test_bigrams_by_hand(text: np.ndarray) -> None:
    model, ids = model_of(text, 2), text.tolist()
    for before, token in ((4, 5), (5, 6), (6, 7), (7, 3), (3, 4), (3, 8)):
        pair = np.array([before, token], np.int32)
        found = np.exp(-model.surprisals(pair, np.arange(2))[1])
        assert found == pytest.approx(bigram_by_hand(ids, before, token), rel=1e-9)


def test_what_was_never_seen_is_never_impossible() -> None:
    # More bigrams stand four times than three: the paper's discount of three would be negative.
    digits = "946745445444465455574444444555444445674869445645"
    ids = np.array([int(digit) for digit in digits], np.int32)
    model = KneserNey(
        ids,
        np.arange(len(ids)),
        vocabulary_size=10,
        order=2,
        is_scored=~np.isin(np.arange(10), [0, 2]),
    )
    for before, token in itertools.product(range(3, 10), range(3, 10)):
        surprisals = model.surprisals(np.array([before, token], np.int32), np.arange(2))
        assert np.isfinite(surprisals).all(), (before, token)


def test_no_context_crosses_the_start_of_a_text() -> None:
    ids = np.array([2, 4, 5, 2, 6, 7] * 30, np.int32)
    places = np.tile([0, 1, 2], 60)
    model = KneserNey(ids, places, vocabulary_size=V, order=3, is_scored=SCORED)
    surprisals = model.surprisals(np.array([2, 4, 5, 2, 4], np.int32), np.array([0, 1, 2, 0, 1]))
    assert surprisals[0] == surprisals[3] == 0  # [BOS] is read and not scored
    assert surprisals[1] == surprisals[4]
    assert surprisals[2] < surprisals[1]


def test_longer_contexts_help_where_there_are_habits(text: np.ndarray) -> None:
    means = [
        model_of(text[:500], n).surprisals(text[500:600], np.arange(100)).mean() for n in (1, 2)
    ]
    assert means[1] < means[0] - 0.1
