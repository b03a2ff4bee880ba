"""Seeds that are trained side by side, each in a process of its own."""

from __future__ import annotations

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from textnets.errors import InterruptedTrainingError
from textnets.progress import Progress
from textnets.training.interrupts import Interrupts

_MODULE = "textnets.reproduction.seed_process"
_LOOK_EVERY = 0.2  # seconds
_GRACE = 60.0  # seconds until what does not stop is killed


class _Training:
    """One process, and the threads that read what it says."""

    def __init__(self, seed: int, wanted: Mapping[str, Any], told: queue.Queue[str]) -> None:
        self.seed = seed
        # A session of its own: Ctrl-C at a terminal reaches it through us, and so once.
        self._process = subprocess.Popen(
            [sys.executable, "-m", _MODULE, json.dumps(wanted)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
        self._told, self._last, self._message = told, "", ""
        self._readers = [threading.Thread(target=read, daemon=True)
                         for read in (self._read_talk, self._read_message)]  # fmt: skip
        for reader in self._readers:
            reader.start()

    def _read_talk(self) -> None:
        for line in self._process.stderr or ():
            if line.strip():
                self._last = line.rstrip("\n")
                self._told.put(f"seed {self.seed}: {self._last}")

    def _read_message(self) -> None:
        stream = self._process.stdout
        self._message = stream.read().strip() if stream else ""

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    def send(self, number: int) -> None:
        """A signal, unless it has ended."""
        if not self.has_ended:
            self._process.send_signal(number)

    def wait(self) -> None:
        """Until it has ended, and not for ever."""
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def failure(self) -> tuple[str, int] | None:
        """What went wrong, and the exit code; ``None`` where nothing did."""
        code = self._process.wait()
        for reader in self._readers:
            reader.join(_GRACE)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        if code == 0:
            return None
        if self._message:
            return self._message, code
        if code < 0:
            name = signal.Signals(-code).name
            return f"its process was ended by {name}; is memory short? try fewer --jobs", 1
        return f"its process ended with exit code {code}: {self._last}", 1


def train_side_by_side(
    wanted: Mapping[int, Mapping[str, Any]],
    jobs: int,
    progress: Progress,
    ended: Callable[[int], None],
) -> dict[int, tuple[str, int]]:
    """Train seeds, some of them at a time.

    Args:
        wanted: what :func:`textnets.pipeline.train` is given, by seed.
        jobs: processes at a time.
        progress: where to show what each says.
        ended: called with each seed that was trained.

    Returns:
        Of each seed that failed its message and exit code; the others go on.

    Raises:
        InterruptedTrainingError: Ctrl-C or SIGTERM; every process has written its checkpoint.
    """
    waiting, running = list(wanted), list[_Training]()
    failures: dict[int, tuple[str, int]] = {}
    told: queue.Queue[str] = queue.Queue()
    with Interrupts() as interrupts, _all_ended(running):
        signaled = False
        while running or (waiting and not signaled):
            while waiting and len(running) < jobs and not signaled:
                seed = waiting.pop(0)
                running.append(_Training(seed, wanted[seed], told))
            for line in _lines(told):
                if not signaled:  # then it is how they end
                    progress.say(line)
            if interrupts.pending is not None and not signaled:
                signaled = True
                progress.say("stopping all seeds, each with a checkpoint ...")
                for training in running:
                    training.send(interrupts.pending)
            for training in [found for found in running if found.has_ended]:
                running.remove(training)
                failure = training.failure()
                if failure is None:
                    ended(training.seed)
                elif signaled:
                    waiting.append(training.seed)
                else:
                    failures[training.seed] = failure
                    progress.warn(f"seed {training.seed} failed: {failure[0]}")
        if interrupts.pending is not None and waiting:
            raise InterruptedTrainingError(interrupts.pending)
    return failures


def _lines(told: queue.Queue[str]) -> Iterator[str]:
    """What was said within the next moment."""
    try:
        yield told.get(timeout=_LOOK_EVERY)
        while True:
            yield told.get_nowait()
    except queue.Empty:
        return


@contextmanager
def _all_ended(running: Sequence[_Training]) -> Iterator[None]:
    """No process outlives the block; a second Ctrl-C acts at once."""
    try:
        yield
    except KeyboardInterrupt:
        for training in running:
            training.send(signal.SIGINT)  # for the second time
        raise InterruptedTrainingError(signal.SIGINT) from None
    finally:
        for training in running:
            training.send(signal.SIGTERM)
            training.wait()
