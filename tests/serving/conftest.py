"""Servers that run as a user would start them, each once for the tests of a worker."""

from __future__ import annotations

import http.client
import json
import os
import re
import tarfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.sharing import made_once
from tests.warm import TEXTNETS, WarmProcess

#: Of each task a run that an earlier version made.
PROJECTS = {
    "classification": "questions",
    "tagging": "chunks",
    "translation": "phrases",
    "language_modeling": "play",
}


def run_of(task: str) -> Path:
    """A finished run; do not write into it."""
    project = PROJECTS[task]

    def unpack(folder: Path) -> None:
        with tarfile.open(ROOT / "tests/earlier_runs" / project / "runs.tar.xz") as archive:
            archive.extractall(folder, filter="data")

    return made_once(f"earlier-{project}", unpack) / "finished"


def texts_of(task: str) -> list[str]:
    """What its project asks it about."""
    path = ROOT / "tests/earlier_runs" / PROJECTS[task] / "texts.txt"
    return path.read_text(encoding="utf-8").splitlines()


def said_of(task: str) -> list[Any]:
    """What ``predict --format jsonl`` said of these texts when the run was made."""
    path = ROOT / "tests/earlier_runs" / PROJECTS[task] / "expected/predict.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Answered:
    """How a request ended."""

    status: int
    text: str
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True)
class Server:
    """A process that serves."""

    process: WarmProcess
    port: int
    run: Path
    log: Path

    def ask(self, path: str, body: object = None) -> Answered:
        """A request: GET without a body, else POST; what is no bytes is sent as JSON."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        sent = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        connection.request("GET" if body is None else "POST", path, sent)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return Answered(response.status, text, {k.lower(): v for k, v in response.headers.items()})

    def predict(self, **request: object) -> list[dict[str, Any]]:
        answered = self.ask("/predict", request)
        assert answered.status == 200, answered
        found: list[dict[str, Any]] = answered.json["predictions"]
        return found

    def refusal(self, body: object) -> tuple[int, str]:
        answered = self.ask("/predict", body)
        assert list(answered.json) == ["error"]
        return answered.status, answered.json["error"]


@contextmanager
def serving(run: Path, folder: Path, *words: str) -> Iterator[Server]:
    """``textnets serve`` on a free port, until the block ends."""
    log = folder / "serve.log"
    with log.open("wb") as file:
        started = ("serve", run, "--port", "0", "--device", "cpu", *words)
        process = WarmProcess(TEXTNETS, started, stderr=file.fileno(), environment={**os.environ})
    try:
        while not (found := re.search(r"at http://127\.0\.0\.1:(\d+);", log.read_text())):
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield Server(process, int(found[1]), run, log)
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A server of each task, started when it is first asked for."""
    with ExitStack() as stack:
        known: dict[str, Server] = {}

        def server(task: str) -> Server:
            if task not in known:
                folder = tmp_path_factory.mktemp("server")
                known[task] = stack.enter_context(serving(run_of(task), folder))
            return known[task]

        yield server
