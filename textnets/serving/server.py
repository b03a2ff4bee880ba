"""A model at a port: starts, answers, and stops when all is answered."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textnets.errors import InputError, MissingExtraError, TextnetsError
from textnets.progress import Progress
from textnets.serving.limits import Limits

if TYPE_CHECKING:
    import uvicorn

_DRAIN_SECONDS = 30  # that open requests have once it is to stop


def serve(
    path: str | Path,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    limits: Limits | None = None,
    device: str = "auto",
    allow_builders: Sequence[str] = (),
    progress: Progress | None = None,
) -> None:
    """Serve a run, or an exported file, until the process is told to stop.

    A first SIGTERM or Ctrl-C ends it when all requests are answered, a second at once.

    Args:
        path: of the run directory, or of the file.
        host: the address to listen at; by default nobody else's machine reaches it.
        port: 0 for a free one.
        limits: of each request.
        device, allow_builders: as :meth:`textnets.Predictor.load`.
        progress: where to say the address.

    Raises:
        MissingExtraError: FastAPI or uvicorn is not installed.
        InputError: the port is taken, or there is no such address.
        RunError: no such run, or it is damaged.
    """
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        raise MissingExtraError("serving", extra="serve")
    from textnets.serving.application import make_application
    from textnets.serving.models import load_served

    progress, limits = progress or Progress(), limits or Limits()
    with _listening(host, port) as listener:
        served = load_served(path, device=device, allow_builders=allow_builders)
        server = _make_server(make_application(served, limits))
        shown = f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{listener.getsockname()[1]}"
        progress.say(f"serving {served.name} ({served.task}) at {address}; Ctrl-C stops it")
        asyncio.run(server.serve(sockets=[listener]))
    if not server.started:
        raise TextnetsError("the server could not start")
    progress.say("stopped: all requests are answered")


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A port of our own, taken before the model is loaded."""
    try:
        (family, kind, _, _, place), *_ = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise InputError(f"--host {host}: there is no such address: {error.strerror}") from None
    listener = socket.socket(family, kind)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is in use; choose another with --port, 0 takes a free one"
            ) from None
        raise InputError(f"cannot listen at {host}, port {port}: {error.strerror}") from None
    with listener:
        yield listener


def _make_server(application: Any) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """As uvicorn's, which then ends the process by the same signal: to stop a server in
            this way is no failure."""
            known = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
            try:
                yield
            finally:
                for number, handler in known.items():
                    signal.signal(number, handler)

    config = uvicorn.Config(
        application,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=_DRAIN_SECONDS,
        backlog=2048,
    )
    return Server(config)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)
