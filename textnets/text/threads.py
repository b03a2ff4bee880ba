"""Work on many chunks, on several cores."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

_MOST = 4  # threads; what holds Python's lock would only wait in more
_Item = TypeVar("_Item")
_Found = TypeVar("_Found")


def in_order(function: Callable[[_Item], _Found], items: Iterable[_Item]) -> Iterator[_Found]:
    """What a function gives for each item, in their order, on several threads.

    Worth it where most of the time goes into NumPy or TensorFlow, which let go of Python's lock.
    Few items are taken ahead of their turn, so memory stays flat. What the function raises is
    raised here at its item's turn, and what was not begun by then never is.

    Args:
        function: may be called for several items at a time.
        items: any number; of a single one no thread is made.
    """
    iterator = iter(items)
    first = list(islice(iterator, 2))
    if len(first) < 2:
        yield from map(function, first)
        return
    size = min(_MOST, os.cpu_count() or 1)
    waiting: deque[Future[_Found]] = deque()
    with ThreadPoolExecutor(size, "chunks") as pool:
        try:
            for item in chain(first, iterator):
                waiting.append(pool.submit(function, item))
                if len(waiting) > size:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for one in waiting:
                one.cancel()
