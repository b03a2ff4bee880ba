"""What a recipe asks to be watched while it trains, resolved by its task's metrics."""

from __future__ import annotations

from textnets.errors import InputError
from textnets.tasks import AnyTask
from textnets.training.fitting import FitPlan, Monitor
from textnets.training.setup import TrainingSetup


def fit_plan(task: AnyTask, last_epoch: int | None = None) -> FitPlan:
    """The metrics that choose the weights, the rate and the end of training.

    Without a validation split nothing chooses: the last weights are kept, unless the recipe
    names a metric of the training split.

    Args:
        task: with a checked recipe.
        last_epoch: see :class:`FitPlan`.
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
        last_epoch=last_epoch,
    )


def check_measured(plan: FitPlan, setup: TrainingSetup) -> None:
    """Refuse to watch what the model's training does not measure, before it begins.

    Raises:
        InputError: naming the metric, and those that are measured.
    """
    measured = ["loss", *setup.metric_names]
    for key, monitor in (("monitor", plan.monitor), ("early_stopping.metric", plan.stopping)):
        if monitor is None or monitor.metric.startswith("validation_"):
            continue
        if monitor.metric not in measured:
            raise InputError(
                f"training.{key}: this model does not measure {monitor.metric!r} while it trains; "
                f"expected one of {', '.join(measured)}, or a metric of the validation split"
            )
