"""What a person sees while work goes on: a live bar on a terminal, plain lines elsewhere.

Everything here goes to standard error, so that results on standard output can be piped.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol, TextIO


class Step(Protocol):
    """Receives how far a piece of work has come."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """``amount`` more units are done; ``note`` replaces the text after the bar."""


class Progress:
    """Where the talk of a run goes. This base class is silent (``--quiet``, Python callers)."""

    def say(self, line: str) -> None:
        """Print one line that stays."""

    def warn(self, line: str) -> None:
        """Print one line that asks for attention."""

    @contextmanager
    def steps(self, label: str, total: int | None, unit: str = "") -> Iterator[Step]:
        """Show a piece of work of ``total`` units (``None``: not known) while the block runs."""
        yield _SilentStep()


class _SilentStep:
    def advance(self, amount: int = 1, note: str = "") -> None:
        pass


class PlainProgress(Progress):
    """Whole lines only: for logs and pipes. Long steps report about every 30 seconds."""

    def __init__(self, stream: TextIO | None = None, every_seconds: float = 30.0) -> None:
        self._stream = stream or sys.stderr
        self._every = every_seconds

    def say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def warn(self, line: str) -> None:
        self.say(f"warning: {line}")

    @contextmanager
    def steps(self, label: str, total: int | None, unit: str = "") -> Iterator[Step]:
        yield _PlainStep(self, label, total, unit, self._every)


class _PlainStep:
    def __init__(
        self, progress: PlainProgress, label: str, total: int | None, unit: str, every: float
    ) -> None:
        self._progress, self._label, self._total, self._unit = progress, label, total, unit
        self._every, self._done = every, 0
        self._started = self._last = time.monotonic()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        now = time.monotonic()
        if now - self._last < self._every:
            return
        self._last = now
        rate = self._done / max(now - self._started, 1e-9)
        parts = [f"{self._label}: {self._done:,}"]
        if self._total:
            remaining = (self._total - self._done) / max(rate, 1e-9)
            parts[0] += f"/{self._total:,}"
            parts += [f"{rate:,.0f} {self._unit}/s".strip(), f"{_clock(remaining)} left"]
        self._progress.say(", ".join([*parts, note]).rstrip(", "))


class LiveProgress(Progress):
    """Bars that redraw themselves, for a terminal."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console: Any = Console(stderr=True, highlight=False)

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def warn(self, line: str) -> None:
        self._console.print(f"warning: {line}", style="yellow", markup=False, soft_wrap=True)

    @contextmanager
    def steps(self, label: str, total: int | None, unit: str = "") -> Iterator[Step]:
        from rich import progress as bars

        columns = (
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=24),
            bars.TextColumn("{task.fields[rate]}"),
            bars.TimeRemainingColumn(compact=True),
            bars.TextColumn("{task.fields[note]}"),
        )
        with bars.Progress(*columns, console=self._console, transient=True) as display:
            task = display.add_task(label, total=total, note="", rate="")
            yield _LiveStep(display, task, unit)


class _LiveStep:
    def __init__(self, display: Any, task: Any, unit: str) -> None:
        self._display, self._task, self._unit = display, task, unit
        self._done, self._started = 0, time.monotonic()

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        shown = f"{rate:,.0f} {self._unit}/s".strip()
        self._display.update(self._task, advance=amount, note=note, rate=shown)


def terminal_progress(*, quiet: bool = False) -> Progress:
    """The progress display that fits standard error: silent, live or plain."""
    if quiet:
        return Progress()
    return LiveProgress() if sys.stderr.isatty() else PlainProgress()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
