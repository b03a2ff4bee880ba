"""Processes that start at once, for tests that need a process but not a start from nothing.

Starting Python with TensorFlow takes longer than most tests do. ``tests/warm_server.py`` does so
once, for all workers, and forks. Where the start itself is promised (what is imported, what is
said, Ctrl-C before anything has begun), a test starts ``sys.executable`` as ever.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.heavy import refuse_unless_heavy
from tests.sharing import ends_last, is_shared, shared_folder

#: The command line, as the installed script calls it.
TEXTNETS = "from textnets_cli import main; main()"


class WarmProcess:
    """As much of ``subprocess.Popen`` as tests use.

    Attributes:
        returncode: as of Popen: the exit code, -N after signal N, None while it runs.
    """

    def __init__(
        self,
        program: str,
        words: Sequence[str | Path] = (),
        *,
        backend: str = "tensorflow",
        environment: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int | None = None,
        stderr: int | None = None,
    ) -> None:
        """Start a Python program with these words after its name.

        Args:
            backend: of Keras, which is imported already.
            environment: by default that of this process.
            stdin: an open file; by default an empty one.
            stdout: an open file; by default one that :meth:`communicate` reads.
            stderr: likewise.
        """
        self.returncode: int | None = None
        self._written: list[int] = []
        self._connection = socket.socket(socket.AF_UNIX)
        refuse_unless_heavy("it starts a process")
        wanted = {
            "program": program,
            "words": ["-c", *map(str, words)],
            "folder": str(Path.cwd()),
            "environment": environment_of(backend) if environment is None else {**environment},
        }
        content = json.dumps(wanted).encode()
        # Files rather than pipes: nobody has to read them while it runs.
        self._written = [os.memfd_create(name) for name in ("stdout", "stderr")]
        nothing = os.open(os.devnull, os.O_RDONLY)
        files = [
            nothing if stdin == subprocess.DEVNULL else stdin,
            self._written[0] if stdout is None else stdout,
            self._written[1] if stderr is None else stderr,
        ]
        self._connection.connect(str(_server(backend)))
        self._connection.sendall(len(content).to_bytes(4))
        socket.send_fds(self._connection, [content[:1]], files)
        self._connection.sendall(content[1:])
        os.close(nothing)
        self.pid = int.from_bytes(self._connection.recv(8, socket.MSG_WAITALL))
        assert self.pid, "the server of warm processes is gone"

    def __del__(self) -> None:
        self._connection.close()
        for file in self._written:
            os.close(file)

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._ended(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended."""
        found = self._ended(timeout)
        if found is None:
            raise subprocess.TimeoutExpired("a warm process", timeout or 0.0)
        return found

    def _ended(self, timeout: float | None) -> int | None:
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                told = self._connection.recv(8)  # written at once, so it is there as a whole
            except (TimeoutError, BlockingIOError):
                return None
            assert told, "the server of warm processes is gone"
            self.returncode = int.from_bytes(told, signed=True)
            self._connection.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it wrote, once it has ended."""
        self.wait(timeout)
        out, err = (os.pread(file, os.fstat(file).st_size, 0) for file in self._written)
        return out.decode(), err.decode()

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def environment_of(backend: str) -> dict[str, str]:
    """Of a process that runs on this backend."""
    return {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}


def start_program(
    program: str, *words: str | Path, backend: str = "tensorflow"
) -> WarmProcess | subprocess.Popen[str]:
    """A Python program as a process; not a warm one where there are none."""
    if hasattr(os, "pidfd_open"):
        return WarmProcess(program, words, backend=backend)
    return subprocess.Popen(
        [sys.executable, "-c", program, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment_of(backend),
    )


def start_textnets(*words: str | Path) -> WarmProcess | subprocess.Popen[str]:
    """``textnets WORDS...`` as a process."""
    return start_program(TEXTNETS, *words)


def run_program(program: str, *words: str | Path, backend: str = "tensorflow") -> str:
    """What a program writes, which must end well."""
    process = start_program(program, *words, backend=backend)
    out, err = process.communicate(timeout=1200)  # other work on the machine is no fault
    assert process.returncode == 0, err[-3000:]
    return out


def _server(backend: str) -> Path:
    """The socket of the server of this test run, which the first caller starts."""
    place = shared_folder() / f"{backend}.socket"
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            script = Path(__file__).with_name("warm_server.py")
            with place.with_suffix(".log").open("w") as log:
                process = subprocess.Popen(
                    [sys.executable, str(script), str(place), str(ends_last())],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=environment_of(backend),
                    start_new_session=True,
                )
            while not place.exists():
                assert process.poll() is None, f"see {log.name}"
                time.sleep(0.02)
            _started.append(process)
    return place


_started: list[subprocess.Popen[bytes]] = []


def end_servers() -> None:
    """End what this worker has started, once all workers have run their tests.

    It is waited for, so that what it took counts as time of the tests.
    """
    if not is_shared():
        return  # nothing has run here
    (shared_folder() / f"ended-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}").touch()
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    latest = time.monotonic() + 1800  # where a worker crashed
    while _started and len([*shared_folder().glob("ended-*")]) < workers:
        if time.monotonic() > latest:
            break
        time.sleep(0.1)
    for process in _started:
        process.terminate()
        process.wait()
