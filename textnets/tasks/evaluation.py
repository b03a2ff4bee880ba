"""How good a model's outputs are: scores, tables, baselines."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic

from textnets.data.counts import RowCount
from textnets.evaluation.confidence import Estimate
from textnets.evaluation.report import Table
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.tasks.examples import ExamplesT
from textnets.tasks.inference import OutputsT
from textnets.text.encoded import EncodedSplit

Scores = dict[str, Estimate]


@dataclass(frozen=True)
class BaselineScore:
    """What a cheap baseline reached on the same split."""

    name: str
    description: str
    scores: Scores
    seconds: float


@dataclass(frozen=True)
class Fact:
    """One line of what ``textnets check`` says of the data."""

    name: str
    value: str


@dataclass(frozen=True)
class Split(Generic[ExamplesT]):
    """A split as read, and as encoded where that was done.

    Attributes:
        examples: of the split.
        encoded: the same examples; ``None`` where nobody encoded them.
    """

    examples: ExamplesT
    encoded: EncodedSplit | None = None


_SHOWN_COUNTS = 20


def counted(counts: Mapping[str, int]) -> str:
    """Names with how often each is there, the most frequent first; of many only the first."""
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{name!r} {number:,}" for name, number in order[:_SHOWN_COUNTS])
    rest = len(order) - _SHOWN_COUNTS
    return (shown or "none") + (f" and {rest:,} more" if rest > 0 else "")


class Evaluation(ABC, Generic[ExamplesT, OutputsT]):
    """Scores of one recipe's models.

    Args:
        recipe: whose ``evaluation:`` section says how sure the scores must be.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @abstractmethod
    def check(self, examples: ExamplesT, where: str) -> None:
        """Refuse examples that cannot be scored.

        Args:
            examples: of a file that is none of the recipe's.
            where: what to call it in a message.

        Raises:
            DataError: what they lack, or have too much.
        """

    def scorable(self, examples: ExamplesT, count: RowCount) -> ExamplesT:
        """Without the examples of a file that a recipe leaves out, each of which is counted."""
        return examples

    def facts(self, name: str, split: EncodedSplit, progress: Progress) -> list[Fact]:
        """What a person should know of an encoded split before training on it or scoring it.

        Args:
            name: of the split.
            split: encoded by the task's preprocessor.
            progress: where to warn.
        """
        return []

    @abstractmethod
    def measure(self, outputs: OutputsT, split: EncodedSplit) -> dict[str, float]:
        """The validation metrics of a model's outputs."""

    def score(self, outputs: OutputsT, split: EncodedSplit) -> Scores:
        """The metrics with their confidence intervals."""
        return self.estimates(outputs, split, resamples=self.recipe.evaluation.resamples)

    @abstractmethod
    def estimates(self, outputs: OutputsT, split: EncodedSplit, *, resamples: int) -> Scores:
        """The metrics; ``resamples`` of the bootstrap for their intervals, 0 for none."""

    def values(self, outputs: OutputsT, split: EncodedSplit) -> dict[str, float]:
        """The metrics without intervals."""
        estimates = self.estimates(outputs, split, resamples=0)
        return {name: estimate.value for name, estimate in estimates.items()}

    @abstractmethod
    def baselines(
        self, train: Split[ExamplesT], scored: Split[ExamplesT], progress: Progress
    ) -> list[BaselineScore]:
        """Cheap baselines, trained on the same split and scored on the same other one."""

    @abstractmethod
    def tables(self, texts: Sequence[str], outputs: OutputsT, split: EncodedSplit) -> list[Table]:
        """What the report shows of where the model is right and wrong; ``texts`` is empty where
        only ids are at hand."""


#: Of whatever task.
AnyEvaluation = Evaluation[Any, Any]
