"""Chunks that are worked on side by side come in their order, few ahead of their turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from textnets.text.threads import in_order


def numbers(most: int, taken: list[int]) -> Iterator[int]:
    for number in range(most):
        taken.append(number)
        yield number


def test_in_order_whatever_takes_longest() -> None:
    def slow_first(number: int) -> int:
        time.sleep(0.02 if number % 3 == 0 else 0.0)
        return number * number

    assert list(in_order(slow_first, range(20))) == [number * number for number in range(20)]


@pytest.mark.parametrize("count", [0, 1])
def test_a_single_chunk_needs_no_thread(count: int) -> None:
    found = list(in_order(lambda _: threading.current_thread(), range(count)))
    assert found == [threading.main_thread()] * count


def test_few_are_taken_ahead() -> None:
    taken: list[int] = []
    found = in_order(lambda number: number, numbers(1000, taken))
    for place in range(50):
        assert next(found) == place
        assert len(taken) <= place + 10


def test_what_goes_wrong_is_raised_at_its_turn() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    found = in_order(work, range(1000))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(found)
    assert len(begun) < 20
    with pytest.raises(StopIteration):
        next(found)
