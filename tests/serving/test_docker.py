"""The files of ``docker/``: no engine is at hand, so what they say is checked, and their commands
are run in a clean virtual environment."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from textnets_cli.main import verbs

from tests.conftest import ROOT

DOCKERFILE = ROOT / "docker" / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """Of the Dockerfile: each name with what it says, in their order."""
    text = DOCKERFILE.read_text(encoding="utf-8").replace("\\\n", " ")
    lines = (line.strip() for line in text.splitlines())
    return [
        (line.split()[0], line.partition(" ")[2].strip())
        for line in lines
        if line and not line.startswith("#")
    ]


def said(name: str) -> list[str]:
    return [words for known, words in instructions() if known == name]


def test_the_user_is_not_root_and_comes_last() -> None:
    names = [name for name, _ in instructions()]
    assert names[0] == "FROM"
    assert said("USER") == ["10001"]
    assert set(names[names.index("USER") + 1 :]) == {
        "EXPOSE", "STOPSIGNAL", "HEALTHCHECK", "ENTRYPOINT", "CMD",
    }  # fmt: skip
    assert re.search(r"useradd .*--uid 10001", " ".join(said("RUN")))


def test_what_is_copied_is_there_and_not_ignored() -> None:
    ignored = (DOCKERFILE.parent / "Dockerfile.dockerignore").read_text().splitlines()
    kept = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {source for words in said("COPY") for source in words.split()[:-1]}
    assert copied == kept
    assert all((ROOT / name).exists() for name in copied)


def test_what_is_started_is_a_command_that_there_is() -> None:
    (entry,), (words,) = said("ENTRYPOINT"), said("CMD")
    program, verb, *rest = [*json.loads(entry), *json.loads(words)]
    assert (program, verb) == ("textnets", "serve")
    command = verbs.commands["serve"]
    given = command.make_context("serve", list(rest)).params
    assert (given["path"], given["host"]) == ("/model", "0.0.0.0")
    assert said("EXPOSE") == [str(given["port"])]
    assert f"127.0.0.1:{given['port']}/health" in said("HEALTHCHECK")[0]


def test_compose_lets_in_nobody_else_and_may_write_nowhere() -> None:
    compose: Any = YAML(typ="safe").load(DOCKERFILE.with_name("compose.yaml"))
    (service,) = compose["services"].values()
    built = DOCKERFILE.parent / service["build"]["context"]
    assert (built / service["build"]["dockerfile"]).resolve() == DOCKERFILE.resolve()
    assert service["ports"] == ["127.0.0.1:${PORT:-8000}:8000"]
    assert (service["read_only"], service["cap_drop"]) == (True, ["ALL"])
    (volume,) = service["volumes"]
    assert (volume["target"], volume["read_only"]) == ("/model", True)


@pytest.mark.heavy
@pytest.mark.long  # it installs TensorFlow
def test_its_commands_serve_a_run(finished: Path, tmp_path: Path) -> None:
    place, environment = tmp_path / "app", tmp_path / "venv"
    place.mkdir()
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    path = f"{environment / 'bin'}:/usr/bin:/bin"
    clean = {"PATH": path, "HOME": str(tmp_path)}
    clean |= {key: value for key, value in os.environ.items() if key.startswith("PIP_")}
    for name, words in instructions():
        if name == "ENV":
            clean |= dict(pair.split("=", 1) for pair in shlex.split(words))
        elif name == "COPY":
            *sources, target = words.split()
            for source in sources:
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, place / target / ("" if target != "./" else source))
        elif name == "RUN" and words.startswith("pip "):
            subprocess.run(["sh", "-c", words], cwd=place, env=clean, check=True)
    command = [*json.loads(said("ENTRYPOINT")[0]), *json.loads(said("CMD")[0])]
    command = [str(finished) if word == "/model" else word for word in command]
    command[command.index("--port") + 1] = "8765"
    process = subprocess.Popen([environment / "bin" / command[0], *command[1:]], env=clean)
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                with urllib.request.urlopen("http://127.0.0.1:8765/health", timeout=2) as answer:
                    assert json.load(answer)["status"] == "ok"
                break
            except OSError:
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.5)
        body = b'{"text": "where is my card?"}'
        with urllib.request.urlopen("http://127.0.0.1:8765/predict", body, timeout=30) as answer:
            assert json.load(answer)["predictions"][0]["label"]
    finally:
        process.terminate()
    assert process.wait(timeout=60) == 0
