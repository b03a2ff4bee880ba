"""Scores of a cross-validation: the means over its folds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from textnets.evaluation.confidence import Estimate, bootstrap_many
from textnets.evaluation.report import Table
from textnets.experiment.results import SplitEvaluation, judged, stored_evaluation
from textnets.run.directory import Run
from textnets.tasks import AnyTask
from textnets.tasks.evaluation import BaselineScore


def over_folds(task: AnyTask, runs: Sequence[Run], examples: int) -> SplitEvaluation:
    """The mean of each figure over the folds, with an interval of the bootstrap over folds.

    Args:
        task: of the whole.
        runs: of the folds.
        examples: that were tested, altogether.
    """
    found = [evaluation for run in runs if (evaluation := stored_evaluation(run)) is not None]
    baselines = []
    for number, baseline in enumerate(found[0].baselines):
        of_folds = [evaluation.baselines[number].scores for evaluation in found]
        seconds = sum(evaluation.baselines[number].seconds for evaluation in found)
        means = _means(task, of_folds)
        baselines.append(BaselineScore(baseline.name, baseline.description, means, seconds))
    scores = _means(task, [evaluation.scores for evaluation in found])
    return judged(task, SplitEvaluation("test", examples, scores, baselines))


def fold_table(task: AnyTask, runs: Sequence[Run]) -> Table:
    """The folds beside one another, for the report."""
    rows = []
    for number, run in enumerate(runs, start=1):
        evaluation = stored_evaluation(run)
        if evaluation is not None:
            score = evaluation.scores[task.headline].value
            rows.append((str(number), evaluation.examples, score))
    return Table("Folds", "", ("fold", "examples", task.headline), rows)


def _means(task: AnyTask, scores: Sequence[Mapping[str, Estimate]]) -> dict[str, Estimate]:
    evaluation = task.recipe.evaluation
    return bootstrap_many(
        {
            name: partial(_weighted, np.array([one[name].value for one in scores]))
            for name in scores[0]
        },
        len(scores),
        confidence=evaluation.confidence,
        resamples=evaluation.resamples,
        seed=task.recipe.seed,
    )


def _weighted(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    return float((values * weights).sum() / weights.sum())
