"""What a recipe asks to be watched while it trains, resolved by its task's metrics."""

from __future__ import annotations

from typing import Any

from textnets.tasks import Task
from textnets.training.fitting import FitPlan, Monitor


def fit_plan(task: Task[Any]) -> FitPlan:
    """The metrics that choose the weights, the rate and the end of training.

    Without a validation split nothing chooses: the last weights are kept, unless the recipe
    names a metric of the training split.
    """
    section = task.recipe.training
    known = task.monitored_metrics
    has_validation = task.recipe.data.validation is not None
    default = f"validation_{task.chosen_by}" if has_validation else None
    metric = section.monitor or default
    stopping = section.early_stopping
    stop_metric = (stopping.metric or metric or "loss") if stopping else None
    return FitPlan(
        section=section,
        seed=task.recipe.seed,
        monitor=Monitor(metric, known[metric]) if metric else None,
        stopping=Monitor(stop_metric, known[stop_metric], stopping.min_delta)
        if stopping and stop_metric
        else None,
        patience=stopping.patience if stopping else 1,
    )
