"""Ctrl-C and SIGTERM are taken between two steps, so that nothing is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Self

from textnets.errors import InterruptedTrainingError

Handler = Callable[[int, FrameType | None], object]


class Interrupts:
    """While the block runs, the first signal is noted; a second one acts at once.

    Outside the main thread, where Python allows no handlers, signals act as always.
    """

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self.pending: int | None = None
        self._before: dict[int, Handler | int | None] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in self._SIGNALS:
                # A process that was started to ignore a signal, as by nohup, goes on ignoring it.
                if signal.getsignal(number) in (signal.SIG_IGN, None):
                    continue
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def raise_if_pending(self) -> None:
        """Raise :class:`InterruptedTrainingError` if a signal came."""
        if self.pending is not None:
            raise InterruptedTrainingError(self.pending)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.pending = number
        signal.signal(number, self._before[number])
