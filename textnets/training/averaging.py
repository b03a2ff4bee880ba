"""Means of the weights that training goes through, which often predict better than the last ones.

Training goes on with the weights as they are; the mean is measured and kept. Three kinds:

- *ema*, an exponential moving mean of all steps (Polyak and Juditsky 1992, with the weights of long
  ago forgotten): ``mean += (1 - d) * (weights - mean)``, where ``d`` is the recipe's decay, and in
  the first steps ``(1 + steps) / (10 + steps)`` at most, so that the start is soon forgotten.
- *epochs*, equal parts of the ends of epochs: those from one epoch on (stochastic weight averaging,
  Izmailov et al. 2018), or the last few (checkpoint averaging, as Vaswani et al. 2017 have it).
- *steps*, equal parts of all steps since averaging began: averaged SGD (Polyak and Juditsky 1992),
  from an epoch on, or from where validation no longer improves (NT-ASGD, Merity et al. 2017).

A mean is over every trained variable, whole: a row of a table that no token of a batch asked for
moves too, as the formulas say. A step of *ema* or *steps* so takes two passes over all weights,
whatever the batch holds, and the means take as much memory as the weights; a second copy is there
while one is computed. *epochs* with ``last`` holds a copy for each of those epochs, outside of the
device.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from textnets.backend.steps import compiled
from textnets.errors import RunError
from textnets.recipe.sections import AverageSection
from textnets.run.checkpoint_files import Arrays
from textnets.training.policies import Monitor
from textnets.training.state import TrainingState

_PREFIX = "average/"


class WeightAverage:
    """The mean of a model's trained weights, as a recipe asks for it.

    Args:
        section: the recipe's ``training.average``.
        model: a built ``keras.Model``.
        monitor: what ``patience`` looks at; ``None`` where nothing is monitored.
    """

    def __init__(self, section: AverageSection, model: Any, monitor: Monitor | None) -> None:
        self._section, self._model, self._monitor = section, model, monitor
        self._recent: list[list[Any]] = []  # of the last epochs, the oldest first
        self._means = _Means(model.trainable_variables)

    # --- What training tells ---

    def after_step(self, state: TrainingState) -> None:
        """Take in the weights after a step."""
        counted = state.averaged or 0
        if self._section.kind == "ema":
            decay = min(self._section.decay, (1 + counted) / (10 + counted))
            self._means.move(1.0 - decay)
        elif self._section.kind == "steps" and self._has_begun(state):
            self._means.move(1.0 / (counted + 1))
        else:
            return
        state.averaged = counted + 1

    def after_epoch(self, state: TrainingState) -> None:
        """Take in the weights after an epoch's last step; ``state`` is of that epoch."""
        section = self._section
        if section.kind != "epochs":
            return
        if section.last is not None:
            self._recent = [*self._recent, self._values()][-section.last :]
            self._means.assign(_mean_of(self._recent))
            state.averaged = len(self._recent)
        elif self._has_begun(state):
            state.averaged = (state.averaged or 0) + 1
            self._means.move(1.0 / state.averaged)

    def _has_begun(self, state: TrainingState) -> bool:
        """Whether the epoch that a state is in counts."""
        if self._section.first is not None:
            return state.epoch + 1 >= self._section.first
        if self._monitor is None or self._section.patience is None:
            return False
        values = [record[self._monitor.metric] for record in state.history]
        return is_triggered(values, self._section.patience, self._monitor)

    # --- What is measured and kept ---

    @contextmanager
    def in_place(self, state: TrainingState) -> Iterator[None]:
        """The model with the mean of its weights while this lasts, where there is one."""
        if not state.averaged:
            yield
            return
        raw = self._values()
        self._assign(self._means.values())
        try:
            yield
        finally:
            self._assign(raw)

    def _values(self) -> list[Any]:
        # Copied: on CPU the array may be the variable's memory itself.
        return [np.asarray(variable).copy() for variable in self._model.trainable_variables]

    def _assign(self, values: Sequence[Any]) -> None:
        for variable, value in zip(self._model.trainable_variables, values, strict=True):
            variable.assign(value)

    # --- Checkpoints ---

    def arrays(self) -> Arrays:
        """What a checkpoint keeps of it, by names that begin alike."""
        found = dict(zip(self._names("mean"), self._means.values(), strict=True))
        for number, values in enumerate(self._recent):
            found |= zip(self._names(f"recent_{number}"), values, strict=True)
        return found

    def restore(self, arrays: Mapping[str, Any], source: str) -> None:
        """Put back what :meth:`arrays` gave; without any, begin with the model's weights.

        Args:
            arrays: of a checkpoint, others among them.
            source: of the arrays, for a message.

        Raises:
            RunError: they are not of this model's weights.
        """
        own = {name: array for name, array in arrays.items() if name.startswith(_PREFIX)}
        if not own:
            self._recent = []
            self._means.assign(self._values())
            return
        size = len(self._model.trainable_variables)
        groups = len(own) // size if size else 0
        wanted = [self._names("mean"), *(self._names(f"recent_{i}") for i in range(groups - 1))]
        shapes = [tuple(variable.shape) for variable in self._model.trainable_variables]
        if sorted(name for names in wanted for name in names) != sorted(own) or any(
            own[name].shape != shape
            for names in wanted
            for name, shape in zip(names, shapes, strict=True)
        ):
            raise RunError(
                f"{source}: the averaged weights are of another model; start again with --overwrite"
            )
        mean, *recent = [[own[name] for name in names] for names in wanted]
        self._means.assign(mean)
        self._recent = recent

    def _names(self, group: str) -> list[str]:
        variables = self._model.trainable_variables
        return [f"{_PREFIX}{group}/{i:04d}/{one.path}" for i, one in enumerate(variables)]


def is_triggered(values: Sequence[float], patience: int, monitor: Monitor) -> bool:
    """Whether a metric has once been no better than its best of more than ``patience`` checks
    before (Merity et al. 2017, algorithm 1).

    Args:
        values: of the metric, a check each.
        patience: checks that may pass without a better one.
        monitor: which way is better.
    """
    best = min if monitor.lower_is_better else max
    return any(
        not monitor.improves(values[now], best(values[: now - patience]))
        for now in range(patience + 1, len(values))
    )


class _Means:
    """A mean for each of some variables, where those are; new ones equal them."""

    def __init__(self, variables: Sequence[Any]) -> None:
        import keras

        self._followed = list(variables)
        self._means = [
            keras.Variable(
                keras.ops.convert_to_numpy(variable),
                dtype=variable.dtype,
                trainable=False,
                autocast=False,
                name=f"average_{number}",
            )
            for number, variable in enumerate(self._followed)
        ]
        self.variables = [*self._means, *self._followed]
        self._moved = compiled(self, self._move)

    def move(self, share: float) -> None:
        """Go this share of the way to what the variables are now."""
        for mean, value in zip(self._means, self._moved(np.array(share, "float32")), strict=True):
            mean.assign(value)

    def _move(self, share: Any) -> list[Any]:
        import keras

        return [
            mean + keras.ops.cast(share, mean.dtype) * (variable - mean)
            for mean, variable in zip(self._means, self._followed, strict=True)
        ]

    def values(self) -> list[Any]:
        """Copies, in memory."""
        return [np.asarray(mean).copy() for mean in self._means]

    def assign(self, values: Sequence[Any]) -> None:
        """Make them these."""
        for mean, value in zip(self._means, values, strict=True):
            mean.assign(value)


def _mean_of(copies: Sequence[Sequence[Any]]) -> list[Any]:
    """Of each variable, in the order of the copies and in float64."""
    return [
        (sum(value.astype("float64") for value in values) / len(values)).astype(values[0].dtype)
        for values in zip(*copies, strict=True)
    ]
