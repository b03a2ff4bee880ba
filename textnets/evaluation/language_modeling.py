"""Scores of language models, from the surprisal of each token in nats."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.evaluation.confidence import Estimate, Statistic, bootstrap_many
from textnets.evaluation.kneser_ney import KneserNey
from textnets.predictions import perplexity

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

_LEAST_BLOCK = 50  # tokens
_MOST_BLOCKS = 1000
_BANDS = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, None))


def score_surprisals(
    surprisals: Floats,
    offsets: Integers,
    *,
    characters: bool,
    unknown: npt.NDArray[np.bool_] | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> dict[str, Estimate]:
    """Means over tokens, with bootstrap intervals over units.

    Args:
        surprisals: ``<float>[tokens]``, in nats.
        offsets: ``<int64>[units + 1]``: sentences, or :func:`blocks_of` a stream.
        characters: whether tokens are characters.
        unknown: ``<bool>[tokens]``: which are ``[UNK]``, that is easy to guess.
        confidence: of the intervals, in (0, 1).
        resamples: of the bootstrap; 0 for no intervals.
        seed: of the bootstrap.

    Returns:
        ``cross_entropy`` in nats, the same in bits (``bits``, of characters
        ``bits_per_character``), and ``perplexity``; with ``unknown`` the ``unknown_share`` of the
        tokens, without which a perplexity says little.

    Raises:
        DataError: there is no unit.
    """
    nats, counts = _sums(surprisals, offsets), np.diff(offsets).astype(np.float64)

    def of_mean(change: Callable[[float], float]) -> Statistic:
        return lambda weights: change(float(weights @ nats) / max(float(weights @ counts), 1.0))

    statistics: dict[str, Statistic] = {
        "cross_entropy": of_mean(lambda mean: mean),
        "bits_per_character" if characters else "bits": of_mean(lambda mean: mean / math.log(2)),
        "perplexity": of_mean(perplexity),
    }
    if unknown is not None:
        of_unknown = _sums(unknown, offsets)
        statistics["unknown_share"] = lambda weights: (
            float(weights @ of_unknown) / max(float(weights @ counts), 1.0)
        )
    return bootstrap_many(
        statistics, len(nats), confidence=confidence, resamples=resamples, seed=seed
    )


def _sums(values: npt.NDArray[Any], offsets: Integers) -> npt.NDArray[np.float64]:
    """Of each unit: ``<float64>[units]``."""
    return np.diff(np.concatenate([np.zeros(1), np.cumsum(values, dtype=np.float64)])[offsets])


def blocks_of(num_tokens: int) -> Integers:
    """``<int64>[blocks + 1]``: a stream in blocks of equal length, which are more nearly
    independent of each other than its tokens are."""
    blocks = max(1, min(_MOST_BLOCKS, num_tokens // _LEAST_BLOCK))
    return np.linspace(0, num_tokens, blocks + 1).astype(np.int64)


# --- Tables ---


@dataclass(frozen=True)
class TokenScore:
    """What one token costs.

    Attributes:
        token_id: which.
        count: how often it came.
        mean: surprisal, in nats.
        share: of the surprisal of all tokens.
    """

    token_id: int
    count: int
    mean: float
    share: float


def costly_tokens(
    surprisals: Floats, target_ids: npt.NDArray[np.int32], most: int = 20
) -> list[TokenScore]:
    """The tokens that cost most altogether, ties by id."""
    counts = np.bincount(target_ids)
    nats = np.bincount(target_ids, weights=surprisals.astype(np.float64))
    total = max(float(nats.sum()), 1e-300)
    order = np.argsort(-nats, kind="stable")[:most]
    return [
        TokenScore(i, int(counts[i]), float(nats[i] / counts[i]), float(nats[i] / total))
        for i in order.tolist()
        if counts[i]
    ]


def by_position(surprisals: Floats, offsets: Integers) -> list[tuple[str, int, float]]:
    """Positions in a row (from 1), how many tokens stand there, and their mean surprisal."""
    lengths = np.diff(offsets)
    places = np.arange(len(surprisals)) - np.repeat(offsets[:-1], lengths) + 1
    rows = []
    for low, high in _BANDS:
        chosen = (places >= low) & (places <= (high or len(surprisals)))
        if chosen.any():
            name = f"{low}" if low == high else f"{low}–{high}" if high else f"{low} and more"
            rows.append((name, int(chosen.sum()), float(surprisals[chosen].mean())))
    return rows


# --- Baselines ---


@dataclass(frozen=True)
class CountedText:
    """A text as counting models read it: :class:`textnets.evaluation.kneser_ney.KneserNey`.

    Attributes:
        token_ids: ``<int32>[tokens]``.
        places: ``<int64>[tokens]``: how many tokens of its own text stand before each.
    """

    token_ids: npt.NDArray[np.int32]
    places: Integers


@dataclass(frozen=True)
class CountingBaseline:
    """What an n-gram model gives.

    Attributes:
        name: ``unigram`` or ``kneser_ney_N``.
        description: in one line.
        surprisals: ``<float64>[tokens]``, 0 for those that are not scored.
        seconds: to learn and to predict.
    """

    name: str
    description: str
    surprisals: npt.NDArray[np.float64]
    seconds: float


def counting_baselines(
    train: CountedText,
    test: CountedText,
    *,
    orders: Sequence[int],
    vocabulary_size: int,
    is_scored: npt.NDArray[np.bool_],
) -> list[CountingBaseline]:
    """Interpolated modified Kneser-Ney models of some orders; that of order 1 is the unigram."""
    found = []
    for order in orders:
        started = time.perf_counter()
        model = KneserNey(
            train.token_ids,
            train.places,
            vocabulary_size=vocabulary_size,
            order=order,
            is_scored=is_scored,
        )
        surprisals = model.surprisals(test.token_ids, test.places)
        name = "unigram" if order == 1 else f"kneser_ney_{order}"
        description = (
            "each token's share of the training split, discounted"
            if order == 1
            else f"counted {order}-grams, interpolated modified Kneser-Ney smoothing"
        )
        seconds = time.perf_counter() - started
        found.append(CountingBaseline(name, description, surprisals, seconds))
    return found
