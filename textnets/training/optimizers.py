"""Optimizers by name, and learning rates as a pure function of the step."""

from __future__ import annotations

import math
from typing import Any

from textnets.recipe.sections import TrainingSection


def build_optimizer(section: TrainingSection) -> Any:
    """The ``keras.Optimizer`` that a recipe names, with its gradient clipping.

    ``clip_norm`` bounds the norm of the whole gradient, as in Pascanu et al. 2013, not of
    each weight's.
    """
    import keras

    # A fixed name: Keras's own counts the optimizers of the process, and checkpoints match
    # variables by path.
    shared = {
        "global_clipnorm": section.clip_norm,
        "clipvalue": section.clip_value,
        "name": "optimizer",
    }
    rate = section.learning_rate
    match section.optimizer:
        case "sgd":
            return keras.optimizers.SGD(rate, **shared)
        case "momentum":
            return keras.optimizers.SGD(rate, momentum=section.momentum, **shared)
        case "nesterov":
            return keras.optimizers.SGD(rate, momentum=section.momentum, nesterov=True, **shared)
        case "adagrad":
            return keras.optimizers.Adagrad(rate, **shared)
        case "rmsprop":
            return keras.optimizers.RMSprop(rate, **shared)
        case "adam":
            return keras.optimizers.Adam(rate, **shared)
        case "adamw":
            return keras.optimizers.AdamW(rate, weight_decay=section.weight_decay, **shared)


def learning_rate_at(
    section: TrainingSection, *, step: int, steps_per_epoch: int, plateau_drops: int
) -> float:
    """The learning rate of one step.

    Args:
        section: the recipe's ``training:``.
        step: 0-based, over all epochs.
        steps_per_epoch: for the schedules that count epochs.
        plateau_drops: how often the monitored metric has stalled; ``schedule: plateau``.
    """
    rate = section.learning_rate
    warmup = section.warmup_steps
    if step < warmup:
        return rate * (step + 1) / warmup
    epoch = step // steps_per_epoch
    match section.schedule:
        case "halving":
            return rate * 0.5**epoch
        case "exponential":
            return rate * section.decay_rate**epoch
        case "cosine":  # Loshchilov & Hutter 2017, without restarts
            total = max(section.epochs * steps_per_epoch - warmup, 1)
            return rate * 0.5 * (1.0 + math.cos(math.pi * min((step - warmup) / total, 1.0)))
        case "plateau":
            return rate * section.plateau_factor**plateau_drops
        case "constant":
            return rate
