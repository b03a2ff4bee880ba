"""In how many parts a batch is read where memory ends: the arithmetic of it, without a model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from textnets.errors import TrainingError
from textnets.progress import Progress
from textnets.training.memory import StepInMemory, WeightsLostError
from textnets.training.state import EpochSoFar, TrainingState

SIZE = 12
DATA = (np.zeros((SIZE, 3)), np.zeros(SIZE), None)


class Warnings(Progress):
    """Remembers them."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def warn(self, line: str) -> None:
        self.lines.append(line)


class Machine:
    """Has memory for so many rows; remembers in how many parts it was asked."""

    def __init__(self, rows: int, *, takes_weights: bool = False, together: int = 1) -> None:
        self.rows, self.takes_weights = rows, takes_weights
        self.asked: list[int] = []
        self.made = 0
        self.shown = Warnings()
        self.step = StepInMemory(
            self.whole, self.make, lambda: self.takes_weights, self.shown, together
        )

    def whole(self, inputs: Any, targets: Any, weights: Any) -> dict[str, float]:
        return self.parted(inputs, targets, weights, 1)

    def make(self) -> Any:
        self.made += 1
        return self.parted

    def parted(self, inputs: Any, targets: Any, weights: Any, parts: int) -> dict[str, float]:
        self.asked.append(parts)
        if -(-len(targets) // parts) > self.rows:
            raise MemoryError
        return {"loss": 0.5}


def test_a_batch_that_fits_is_read_at_once() -> None:
    machine, state = Machine(SIZE), TrainingState()
    assert machine.step(DATA, state) == {"loss": 0.5}
    assert (machine.asked, machine.made, state.parts, machine.shown.lines) == ([1], 0, 1, [])


def test_parts_are_halved_until_they_fit_and_stay_so() -> None:
    machine = Machine(4)
    state = TrainingState(epoch=2, so_far=EpochSoFar(batches=6))
    machine.step(DATA, state)
    machine.step(DATA, state)
    assert (machine.asked, machine.made, state.parts) == ([1, 2, 4, 4], 1, 4)
    assert machine.shown.lines == [
        f"out of memory in epoch 3, batch 7: from here on a batch is read in {parts} parts of at "
        f"most {rows}; gradients are added up, so the updates stay those of the whole batch"
        for parts, rows in [(2, 6), (4, 3)]
    ]


def test_parts_are_no_more_than_examples() -> None:
    machine, state = Machine(1), TrainingState()
    machine.step(DATA, state)
    assert machine.asked == [1, 2, 4, 8, SIZE]


def test_parts_are_no_more_than_pairs_that_stay_together() -> None:
    machine = Machine(0, together=2)
    with pytest.raises(TrainingError, match="even with one example at a time"):
        machine.step(DATA, TrainingState())
    assert machine.asked == [1, 2, 4, SIZE // 2]
    assert "6 parts of at most 1;" in machine.shown.lines[-1]


def test_a_single_example_that_does_not_fit_ends_training() -> None:
    with pytest.raises(TrainingError, match="even with one example at a time"):
        Machine(0).step(DATA, TrainingState())


def test_weights_that_a_step_took_are_told_of_and_the_parts_remembered() -> None:
    machine, state = Machine(6, takes_weights=True), TrainingState()
    with pytest.raises(WeightsLostError):
        machine.step(DATA, state)
    assert state.parts == 2
    machine.step(DATA, state)
    assert machine.asked == [1, 2]


def test_other_errors_pass() -> None:
    machine, state = Machine(6), TrainingState()
    with pytest.raises(TypeError):
        machine.step((DATA[0], None, None), state)  # type: ignore[arg-type]
    assert state.parts == 1
