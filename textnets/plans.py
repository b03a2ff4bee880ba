"""What a recipe asks to be watched, resolved before any work: metrics and the claim."""

from __future__ import annotations

from typing import Any

from textnets.errors import Problem, RecipeError, did_you_mean
from textnets.tasks import Task
from textnets.training.fitting import FitPlan, Monitor


def fit_plan(task: Task[Any]) -> FitPlan:
    """Resolve the monitored metrics of a recipe.

    Raises:
        RecipeError: a metric is not one of the task's.
    """
    section, data = task.recipe.training, task.recipe.data
    known = {f"validation_{name}": lower for name, lower in task.metrics.items()}
    if data.validation is None:
        known = {}
    known |= {"loss": True, **dict.fromkeys(task.training_metrics, False)}
    default = f"validation_{task.headline}" if data.validation is not None else "loss"
    metric = section.monitor or default
    stopping = section.early_stopping
    problems = [
        Problem(path, f"unknown metric, was: {name!r}; {did_you_mean(name, known)}")
        for path, name in (
            ("training.monitor", metric),
            ("training.early_stopping.metric", stopping.metric if stopping else None),
        )
        if name is not None and name not in known
    ]
    if problems:
        raise RecipeError(str(task.recipe.path), problems)
    stop_metric = stopping.metric or metric if stopping else metric
    return FitPlan(
        section=section,
        seed=task.recipe.seed,
        monitor=Monitor(metric, known[metric]),
        stopping=Monitor(stop_metric, known[stop_metric], stopping.min_delta) if stopping else None,
        patience=stopping.patience if stopping else 1,
    )


def check_claim(task: Task[Any]) -> None:
    """Refuse, before any work, a claim that could never be looked at."""
    claim = task.recipe.claim
    if claim is None:
        return
    problems = []
    if claim.metric not in task.score_names:
        hint = did_you_mean(claim.metric, task.score_names)
        problems.append(Problem("claim.metric", f"unknown metric, was: {claim.metric!r}; {hint}"))
    if task.recipe.data.test is None:
        problems.append(Problem("claim", "is about the test split, and data.test is not given"))
    if problems:
        raise RecipeError(str(task.recipe.path), problems)
