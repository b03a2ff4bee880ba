"""Confidence intervals by the bootstrap, for any statistic that takes example weights.

Method: percentile bootstrap (Efron & Tibshirani, *An Introduction to the Bootstrap*, 1993,
chapter 13). Drawing n of n examples with replacement is the same as giving each example its
multinomial count as a weight, so nothing is copied: a metric only has to accept weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from textnets.errors import DataError

#: A metric as a function of the examples' weights ``<float64>[examples]``, which sum to
#: the number of examples.
Statistic = Callable[[NDArray[np.float64]], float]


@dataclass(frozen=True)
class Resamples:
    """A statistic on every resample, to compare systems on the same ones.

    Attributes:
        units: how many examples were drawn from.
        seed: of the drawing; with equal units, seed and number of resamples the draws are equal.
        values: ``<float64>[resamples]``.
    """

    units: int
    seed: int
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure and its confidence interval.

    Attributes:
        value: the statistic on the examples as they are.
        low: lower end of the interval; ``None`` where none was asked for.
        high: upper end.
        resampled: what the interval was made of; not kept in files.
    """

    value: float
    low: float | None = None
    high: float | None = None
    resampled: Resamples | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, float | None]:
        """Plain numbers for ``evaluation.json``."""
        return {"value": self.value, "low": self.low, "high": self.high}

    def render(self, decimals: int = 3) -> str:
        """The figure for people.

        >>> Estimate(0.912, 0.901, 0.921).render()
        '0.912 [0.901, 0.921]'
        """
        value = f"{self.value:.{decimals}f}"
        if self.low is None or self.high is None:
            return value
        return f"{value} [{self.low:.{decimals}f}, {self.high:.{decimals}f}]"

    def __str__(self) -> str:
        return self.render()


def bootstrap_many(
    statistics: Mapping[str, Statistic],
    num_examples: int,
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> dict[str, Estimate]:
    """Percentile bootstrap intervals of several statistics over the same resamples.

    The interval tells how the figure moves with the choice of test examples, not with the
    seed of training. Where all examples agree (100 % correct) it has no width.

    Args:
        statistics: name to a function of the weights ``<float64>[examples]``.
        num_examples: how many examples there are.
        confidence: share of intervals that hold the true value, in (0, 1).
        resamples: how often to draw; 0 gives no interval.
        seed: the result is a pure function of it.

    Raises:
        DataError: there is no example.
        ValueError: ``confidence`` or ``resamples`` is out of range.
    """
    _check_settings(num_examples, confidence, resamples)
    values = {name: statistic(np.ones(num_examples)) for name, statistic in statistics.items()}
    if resamples == 0:
        return {name: Estimate(value) for name, value in values.items()}
    drawn = _resample(statistics, num_examples, resamples, seed)
    tail = (1.0 - confidence) / 2.0
    bounds = np.quantile(drawn, [tail, 1.0 - tail], axis=1)
    return {
        name: Estimate(value, float(low), float(high), Resamples(num_examples, seed, row))
        for (name, value), row, low, high in zip(values.items(), drawn, *bounds, strict=True)
    }


def paired_difference(one: Estimate, other: Estimate, *, confidence: float = 0.95) -> Estimate:
    """One system's figure less another's, on the same examples.

    The interval is of the differences within each resample, so that what makes an example hard
    for both takes no part in it: it is narrower than the two systems' own intervals suggest.

    Args:
        one, other: of one statistic, with the same examples, seed and number of resamples.
        confidence: of the interval, in (0, 1).

    Returns:
        Without an interval where one of the two has none, or figures are infinite.

    Raises:
        ValueError: the two were resampled in different ways.
    """
    value = one.value - other.value
    if one.resampled is None or other.resampled is None:
        return Estimate(value)
    ours, theirs = one.resampled, other.resampled
    if (ours.units, ours.seed, len(ours.values)) != (theirs.units, theirs.seed, len(theirs.values)):
        raise ValueError("a paired difference needs the same resamples of the same examples")
    if not (np.isfinite(ours.values).all() and np.isfinite(theirs.values).all()):
        return Estimate(value)
    drawn = ours.values - theirs.values
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Estimate(value, float(low), float(high), Resamples(ours.units, ours.seed, drawn))


def _resample(
    statistics: Mapping[str, Statistic], num_examples: int, resamples: int, seed: int
) -> NDArray[np.float64]:
    """Every statistic on every resample: ``<float64>[statistics, resamples]``."""
    generator = np.random.default_rng(seed)
    drawn = np.empty((len(statistics), resamples))
    for column in range(resamples):
        # Counting drawn positions is several times faster than generator.multinomial.
        positions = generator.integers(0, num_examples, size=num_examples)
        weights = np.bincount(positions, minlength=num_examples).astype(np.float64)
        for row, statistic in enumerate(statistics.values()):
            drawn[row, column] = statistic(weights)
    return drawn


def _check_settings(num_examples: int, confidence: float, resamples: int) -> None:
    if num_examples < 1:
        raise DataError("there is no example to score: the split is empty")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be between 0 and 1, was: {confidence}")
    if resamples < 0:
        raise ValueError(f"resamples must be 0 or more, was: {resamples}")
