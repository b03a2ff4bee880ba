"""What a person sees while work goes on: a live bar on a terminal, plain lines elsewhere.

Everything here goes to standard error, so that results on standard output can be piped.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol, TextIO

# What a terminal obeys, and what ends a line or turns the direction of what follows.
_OBEYED = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def printable(text: str, *, lines: bool = False) -> str:
    """Text as a terminal may have it: what it would obey, and line ends, are spelled out.

    Args:
        text: of a user's file, such as a label.
        lines: whether line feeds and tabs stay.
    """
    kept = "\n\t" if lines else ""
    return _OBEYED.sub(lambda found: found[0] if found[0] in kept else ascii(found[0])[1:-1], text)


def one_line(text: str) -> str:
    """A text of several lines as one that a terminal may have."""
    return printable(" ".join(text.split()))


class Step(Protocol):
    """Receives how far a piece of work has come."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """``amount`` more units are done; ``note`` replaces the text after the bar."""

    def expect(self, total: int) -> None:
        """The whole is thought to be so many units, now that more is known."""


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

    def expect(self, total: int) -> None:
        pass


class PlainProgress(Progress):
    """Whole lines only: for logs and pipes. Long steps report about every 30 seconds."""

    def __init__(self, stream: TextIO | None = None, every_seconds: float = 30.0) -> None:
        self._stream = stream or sys.stderr
        self._every = every_seconds
        self._is_closed = self._stream is None

    def say(self, line: str) -> None:
        if self._is_closed:
            return
        try:
            print(printable(line, lines=True), file=self._stream, flush=True)
        except (OSError, ValueError):  # nobody listens any more: work goes on all the same
            self._is_closed = True

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

    def expect(self, total: int) -> None:
        self._total = total

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
        self._print(line)

    def warn(self, line: str) -> None:
        self._print(f"warning: {line}", style="yellow")

    def _print(self, line: str, **how: str) -> None:
        with suppress(OSError, ValueError):  # the terminal was closed: work goes on all the same
            self._console.print(printable(line, lines=True), markup=False, soft_wrap=True, **how)

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
        display = bars.Progress(*columns, console=self._console, transient=True)
        with suppress(OSError, ValueError):
            display.start()
        task = display.add_task(printable(label), total=total, note="", rate="")
        try:
            yield _LiveStep(display, task, unit)
        finally:
            with suppress(OSError, ValueError):
                display.stop()


class _LiveStep:
    def __init__(self, display: Any, task: Any, unit: str) -> None:
        self._display, self._task, self._unit = display, task, unit
        self._done, self._started = 0, time.monotonic()

    def expect(self, total: int) -> None:
        with suppress(OSError, ValueError):
            self._display.update(self._task, total=total)

    def advance(self, amount: int = 1, note: str = "") -> None:
        self._done += amount
        rate = self._done / max(time.monotonic() - self._started, 1e-9)
        shown = f"{rate:,.0f} {self._unit}/s".strip()
        with suppress(OSError, ValueError):
            self._display.update(self._task, advance=amount, note=printable(note), rate=shown)


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person sees it; one that was closed is seen by nobody."""
    return stream is not None and not stream.closed and stream.isatty()


def terminal_progress(*, quiet: bool = False) -> Progress:
    """The progress display that fits standard error: silent, live or plain."""
    if quiet or sys.stderr is None or sys.stderr.closed:
        return Progress()
    return LiveProgress() if is_terminal(sys.stderr) else PlainProgress()


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
