"""A training step that memory cannot end: the batch is then read in parts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from textnets.backend.accumulation import PartedStep, is_out_of_memory
from textnets.backend.steps import TrainStep
from textnets.errors import TrainingError
from textnets.progress import Progress
from textnets.text.encoded import Batch
from textnets.training.state import TrainingState


class WeightsLostError(Exception):
    """A failed step has taken the weights with it."""


@dataclass
class StepInMemory:
    """Trains on a batch, in as many parts as memory asks for.

    Attributes:
        whole: trains on a batch at once.
        make_parted: makes what trains on it in parts; called when that is first needed.
        are_lost: whether a step that failed took the weights with it (JAX hands them over).
        progress: is warned when parts become smaller.
        rows_together: rows of a batch that stay in one part.
    """

    whole: TrainStep
    make_parted: Callable[[], PartedStep]
    are_lost: Callable[[], bool]
    progress: Progress
    rows_together: int = 1

    @cached_property
    def _parted(self) -> PartedStep:
        return self.make_parted()

    def __call__(self, data: Batch, state: TrainingState) -> dict[str, float]:
        """Train on the state's next batch and return its loss and metrics.

        Where memory runs out, ``state.parts`` grows and stays so.

        Raises:
            TrainingError: there is no memory for a single example.
            WeightsLostError: training must go on from the last checkpoint, with these parts.
        """
        while True:
            try:
                if state.parts == 1:
                    return self.whole(*data)
                return self._parted(*data, state.parts)
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._use_smaller_parts(state, len(data[1]) // self.rows_together)

    def _use_smaller_parts(self, state: TrainingState, size: int) -> None:
        if state.parts >= size:
            raise TrainingError(
                "out of memory, even with one example at a time; the last checkpoint is whole. "
                "Shorten the texts (text.max_length), or make the model smaller"
            )
        state.parts = min(2 * state.parts, size)
        self.progress.warn(
            f"out of memory in {state.place}: from here on a batch is read in {state.parts} parts "
            f"of at most {-(-size // state.parts)}; gradients are added up, so the updates stay "
            "those of the whole batch"
        )
        if self.are_lost():
            raise WeightsLostError
