"""Whether runs keep what their recipe claims, in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

_DECIMALS, _MOST_DECIMALS = 3, 8


@dataclass(frozen=True)
class ClaimResult:
    """A recipe's claim of the test split, and what one run reached.

    Attributes:
        metric: what the claim is about.
        at_least, at_most: one of them is given.
        seeds: as the mean over how many runs.
        value: what this run reached.
    """

    metric: str
    at_least: float | None
    at_most: float | None
    seeds: int
    value: float

    @property
    def met(self) -> bool:
        """Whether this run's figure is within the bound."""
        if self.at_least is not None:
            return self.value >= self.at_least
        return self.at_most is None or self.value <= self.at_most

    @property
    def bound(self) -> str:
        """What is claimed, in words."""
        limit = self.at_least if self.at_least is not None else self.at_most
        return f"at {'least' if self.at_least is not None else 'most'} {limit:g}"

    @property
    def sentence(self) -> str:
        """What one run can say of the claim."""
        bound = self.bound
        if self.seeds == 1:
            verdict = "met" if self.met else "not met"
            return (
                f"the recipe's claim is {verdict}: {self.metric} {self.shown} on the test split, "
                f"claimed {bound}"
            )
        side = "within it" if self.met else "below it" if self.at_least is not None else "above it"
        return (
            f"the recipe's claim is about the mean of {self.seeds} seeds, {self.metric} {bound} on "
            f"the test split; this one, {self.shown}, is {side}, and one run tells nothing sure"
        )

    @property
    def shown(self) -> str:
        """The value with as many decimals as it takes to see on which side of the bound it is."""
        for decimals in range(_DECIMALS, _MOST_DECIMALS):
            shown = f"{self.value:.{decimals}f}"
            rounded = ClaimResult(
                self.metric, self.at_least, self.at_most, self.seeds, float(shown)
            )
            if rounded.met == self.met:
                return shown
        return repr(self.value)

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``evaluation.json``. ``holds`` is ``None`` where one run cannot tell."""
        return {
            "metric": self.metric,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "seeds": self.seeds,
            "value": self.value,
            "met": self.met,
            "holds": self.met if self.seeds == 1 else None,
            "sentence": self.sentence,
        }

    @classmethod
    def of_dict(cls, stored: Mapping[str, Any]) -> Self:
        """What :meth:`as_dict` gave."""
        names = ("metric", "at_least", "at_most", "seeds", "value")
        return cls(**{name: stored[name] for name in names})


@dataclass(frozen=True)
class Verdict:
    """A recipe's claim, and what it was found to be worth over seeds.

    Attributes:
        result: the claim, with the mean over the seeds as its value.
        seeds: how many were trained.
    """

    result: ClaimResult
    seeds: int

    @property
    def holds(self) -> bool:
        """Whether the mean is within the bound."""
        return self.result.met

    @property
    def sentence(self) -> str:
        """The verdict in words, and in capitals."""
        claim = self.result
        as_what = "of one seed" if self.seeds == 1 else f"the mean of {self.seeds} seeds"
        claimed = f"claimed {claim.bound}"
        if claim.seeds != self.seeds:
            claimed += f" of {claim.seeds} seed{'s' if claim.seeds > 1 else ''}"
        return (
            f"{'HOLDS' if self.holds else 'FAILS'}: {claim.metric} {claim.shown} on the test "
            f"split, {as_what}; {claimed}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data for ``reproduce.json``."""
        claim = self.result
        return {
            "metric": claim.metric,
            "at_least": claim.at_least,
            "at_most": claim.at_most,
            "seeds": claim.seeds,
            "mean": claim.value,
            "holds": self.holds,
            "sentence": self.sentence,
        }
