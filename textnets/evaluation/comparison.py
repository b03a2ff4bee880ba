"""The model beside the best of its baselines, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from textnets.evaluation.confidence import Estimate, paired_difference

_FEWEST_UNITS = 10  # a bootstrap over fewer says nothing
_DECIMALS, _MOST_DECIMALS = 3, 8


@dataclass(frozen=True)
class Comparison:
    """How a model does beside the best baseline, on the same examples.

    Attributes:
        metric: by which.
        baseline: the best one's name.
        difference: the model's figure less the baseline's, with the interval of that difference.
        sentence: the same in words, and what follows from it.
    """

    metric: str
    baseline: str
    difference: Estimate
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``evaluation.json``."""
        return {
            "metric": self.metric,
            "baseline": self.baseline,
            **self.difference.as_dict(),
            "sentence": self.sentence,
        }

    @classmethod
    def of_dict(cls, stored: Mapping[str, Any]) -> Self:
        """What :meth:`as_dict` gave."""
        difference = Estimate(stored["value"], stored["low"], stored["high"])
        return cls(stored["metric"], stored["baseline"], difference, stored["sentence"])


def compare_with_best(
    metric: str,
    scores: Mapping[str, Estimate],
    baselines: Mapping[str, Mapping[str, Estimate]],
    *,
    lower_is_better: bool,
    split: str,
    confidence: float,
) -> Comparison | None:
    """The model beside the best baseline; ``None`` where there is none.

    Args:
        metric: to compare by.
        scores: the model's.
        baselines: those of each baseline, from the same examples and the same resamples.
        lower_is_better: of the metric.
        split: the examples' name, for the sentence.
        confidence: of the interval, in (0, 1).
    """
    known = {name: found[metric] for name, found in baselines.items() if metric in found}
    if not known:
        return None
    sign = -1.0 if lower_is_better else 1.0
    best = max(known, key=lambda name: sign * known[name].value)
    ours = scores[metric]
    difference = paired_difference(ours, known[best], confidence=confidence)
    said = f"{metric} {ours.value:.{_DECIMALS}f} is {_apart(difference)} {best}"
    if difference.low is None or difference.high is None:
        return Comparison(metric, best, difference, said)
    nothing_shown = f"no difference that this {split} split can show"
    if ours.resampled is not None and ours.resampled.units < _FEWEST_UNITS:
        too_small = f"this {split} split is too small to tell it from chance"
        said += f": {too_small if difference.value else nothing_shown}"
        return Comparison(metric, best, difference, said)
    low, high = (_shown(bound, difference) for bound in (difference.low, difference.high))
    said += f" ({100 * confidence:g} % interval of the paired difference [{low}, {high}])"
    worst_case = min(sign * difference.low, sign * difference.high)
    best_case = max(sign * difference.low, sign * difference.high)
    verdict = (
        "the model is better"
        if worst_case > 0.0
        else "the baseline is better"
        if best_case < 0.0
        else nothing_shown
    )
    return Comparison(metric, best, difference, f"{said}: {verdict}")


def _apart(difference: Estimate) -> str:
    if difference.value == 0.0:
        return "as high as that of"
    direction = "higher" if difference.value > 0.0 else "lower"
    return f"{_shown(abs(difference.value), difference)} {direction} than that of"


def _shown(number: float, difference: Estimate) -> str:
    """With as many decimals as it takes to tell each of the three figures from 0."""
    figures = [abs(f) for f in (difference.value, difference.low, difference.high) if f]
    decimals = _DECIMALS
    while decimals < _MOST_DECIMALS and any(round(figure, decimals) == 0.0 for figure in figures):
        decimals += 1
    return f"{number:.{decimals}f}"
