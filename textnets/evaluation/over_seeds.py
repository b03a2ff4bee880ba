"""Figures of one recipe with several seeds: their mean, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textnets.evaluation.confidence import Estimate


@dataclass(frozen=True)
class OverSeeds:
    """One figure of each seed.

    Attributes:
        values: in the order of the seeds.
        mean: of them.
        deviation: the sample's standard deviation; ``None`` of one seed.
        low, high: the interval of the mean; ``None`` of one seed.
    """

    values: tuple[float, ...]
    mean: float
    deviation: float | None
    low: float | None
    high: float | None

    def render(self, decimals: int = 3) -> str:
        """The mean with its interval, for people."""
        return Estimate(self.mean, self.low, self.high).render(decimals)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``reproduce.json``."""
        return {
            "values": list(self.values),
            "mean": self.mean,
            "deviation": self.deviation,
            "low": self.low,
            "high": self.high,
        }


def over_seeds(values: Sequence[float], *, confidence: float = 0.95) -> OverSeeds:
    """The mean of a figure over seeds, with an interval by Student's t.

    The interval tells how the mean moves with the seeds, on these test examples; that of one run
    tells how a figure moves with the examples. It takes figures of seeds to be normally
    distributed: with few seeds it is wide, and rightly so.

    Args:
        values: one of each seed, one or more.
        confidence: of the interval, in (0, 1).
    """
    mean = math.fsum(values) / len(values)
    if len(values) == 1:
        return OverSeeds(tuple(values), mean, None, None, None)
    freedom = len(values) - 1
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / freedom)
    from scipy.stats import t

    half = float(t.ppf((1.0 + confidence) / 2.0, freedom)) * deviation / math.sqrt(len(values))
    return OverSeeds(tuple(values), mean, deviation, mean - half, mean + half)
