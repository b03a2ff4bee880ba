"""Starts processes that need not wait for TensorFlow: it is imported once, then forked.

Run as ``python warm_server.py SOCKET PID`` it answers requests of ``tests/warm.py`` until the
process ``PID`` is gone. With ``KERAS_BACKEND=jax`` it is JAX that is imported, and TensorFlow
cannot be: Keras would import it where it is installed, which takes longer than most tests do.

A child is a real process, with a pid, files, signals and an environment of its own; what it lacks
is an interpreter that starts from nothing. Nothing of textnets is imported here, so that each
child imports it as a fresh process does.
"""

from __future__ import annotations

import fcntl
import json
import os
import selectors
import signal
import socket
import sys
import termios
import traceback
from pathlib import Path
from typing import Any


class Refuse:
    """Refuses TensorFlow as an environment without it would."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.split(".")[0] in ("tensorflow", "tensorflow_text"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def import_what_is_heavy() -> None:
    if os.environ["KERAS_BACKEND"] == "jax":
        sys.meta_path.insert(0, Refuse())  # type: ignore[arg-type]
    import keras

    if keras.backend.backend() == "jax":
        return
    import jinja2  # noqa: F401
    import rich.progress  # noqa: F401
    import ruamel.yaml  # noqa: F401
    import sacrebleu  # noqa: F401
    import tensorflow_text  # noqa: F401


def serve(place: str, until_gone: int) -> None:
    """Fork a child for each connection, and tell it how the child ended."""
    with socket.socket(socket.AF_UNIX) as server, selectors.DefaultSelector() as waiting:
        server.bind(place + ".new")
        server.listen()
        Path(place + ".new").rename(place)  # from now on it can be asked
        waiting.register(server, selectors.EVENT_READ)
        waiting.register(os.pidfd_open(until_gone), selectors.EVENT_READ, "gone")
        while True:
            for key, _ in waiting.select():
                if key.data == "gone":
                    return
                if key.data is None:
                    connection, _ = server.accept()
                    pid = fork_for(connection, server)
                    waiting.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
                else:
                    pid, connection = key.data
                    waiting.unregister(key.fileobj)
                    os.close(key.fd)
                    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
                    with connection:
                        connection.sendall(code.to_bytes(8, signed=True))


def fork_for(connection: socket.socket, server: socket.socket) -> int:
    """A child that does what the connection asks for; its pid is the first answer."""
    size = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
    content, files, _, _ = socket.recv_fds(connection, 1, 3)
    while len(content) < size:
        content += connection.recv(size - len(content))
    pid = os.fork()
    if pid == 0:
        server.close()
        connection.close()
        become(json.loads(content), files)
    for file in files:
        os.close(file)
    connection.sendall(pid.to_bytes(8))
    return pid


def become(wanted: dict[str, Any], files: list[int]) -> None:
    """Be the process that is wanted, and end as it does."""
    code = 1
    try:
        os.setsid()
        for target, file in enumerate(files):
            os.dup2(file, target)
            os.close(file)
        if os.isatty(0):
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
        os.closerange(3, 64)
        os.environ.clear()
        os.environ.update(wanted["environment"])
        os.chdir(wanted["folder"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.argv = wanted["words"]
        sys.path[0] = ""
        for name, file in (("stdin", 0), ("stdout", 1), ("stderr", 2)):
            stream = open(file, "r" if file == 0 else "w", encoding="utf-8", closefd=False,  # noqa: SIM115
                          errors="backslashreplace" if file == 2 else "strict",
                          buffering=1 if file == 2 or os.isatty(file) else -1)  # fmt: skip
            setattr(sys, name, stream)
            setattr(sys, f"__{name}__", stream)
        code = run(wanted["program"])
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def run(program: str) -> int:
    """The program's exit code, as the interpreter finds it."""
    try:
        exec(compile(program, "<program>", "exec"), {"__name__": "__main__"})
    except SystemExit as exit_:
        if exit_.code is None or isinstance(exit_.code, int):
            return exit_.code or 0
        print(exit_.code, file=sys.stderr)
        return 1
    except BaseException as error:
        traceback.print_exc()
        return 130 if isinstance(error, KeyboardInterrupt) else 1
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends when its tests have ended
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())
    import_what_is_heavy()
    serve(sys.argv[1], int(sys.argv[2]))
