"""Stages of work that go on at the same time: on threads of this process, or in others."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from textnets.errors import TextnetsError

T = TypeVar("T")
U = TypeVar("U")

_WAIT = 0.2  # seconds after which a thread looks whether it is still needed
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS")


def ahead(items: Iterable[T], size: int = 2) -> Iterator[T]:
    """The same items, made on a thread of their own, a few before they are asked for.

    What goes wrong there is raised here; who stops asking stops the thread.
    """
    made: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(size)
    is_over = threading.Event()

    def hand_over(item: T | None, error: BaseException | None = None) -> bool:
        while not is_over.is_set():
            with contextlib.suppress(queue.Full):
                made.put((item, error), timeout=_WAIT)
                return True
        return False

    end = StopIteration()

    def make() -> None:
        try:
            for item in items:
                if not hand_over(item):
                    return
            hand_over(None, end)
        except BaseException as error:
            hand_over(None, error)

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        while True:
            item, error = made.get()
            if error is end:
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        is_over.set()
        thread.join(timeout=5.0)


def in_processes(
    work: Callable[[T], U], items: Iterable[T], *, prepare: Callable[[], None], workers: int
) -> Iterator[tuple[T, U]]:
    """What several processes make of items, in the order of the items.

    Args:
        work: done by whichever process is free; it can be pickled, and so can its answer.
        items: read here, a few more than there are processes.
        prepare: called once in each process.
        workers: processes; they share the cores.

    Raises:
        TextnetsError: a process was killed.
    """
    threads = str(max(1, (os.cpu_count() or 1) // workers))
    pool = ProcessPoolExecutor(
        workers,
        multiprocessing.get_context("spawn"),  # TensorFlow does not outlive a fork
        initializer=_begin,
        initargs=(prepare, threads),
    )
    waiting: deque[tuple[T, Future[U]]] = deque()
    try:
        for item in items:
            waiting.append((item, pool.submit(work, item)))
            if len(waiting) > 2 * workers:
                first, answer = waiting.popleft()
                yield first, answer.result()
        while waiting:
            first, answer = waiting.popleft()
            yield first, answer.result()
    except BrokenProcessPool:
        raise TextnetsError(
            "a worker was killed, perhaps for memory (each holds the model); what is written stays "
            "and --resume goes on"
        ) from None
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _begin(prepare: Callable[[], None], threads: str) -> None:
    for name in _THREADS:
        os.environ[name] = threads
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who started this
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare()


def _end_with_parent() -> None:
    """No process outlives one that was killed."""
    parent: Any = multiprocessing.parent_process()
    parent.join()
    os._exit(1)
