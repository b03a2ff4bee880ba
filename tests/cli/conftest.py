"""Runs the real command: in this process (TensorFlow starts once), or in one of its own."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import pytest
from textnets_cli.main import main

from tests.conftest import RECIPE, read_questions, write_csv
from tests.sharing import made_once

TEXTNETS = str(Path(sys.executable).with_name("textnets"))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """Lines of standard output; only a line feed ends one."""
        assert self.out == "" or self.out.endswith("\n")
        return self.out.split("\n")[:-1]


def textnets(*words: str | Path, stdin: bytes = b"") -> Ended:
    """``textnets WORDS...`` in this process."""
    before = sys.stdin, sys.stdout, sys.stderr
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="\n") for _ in range(2))
    sys.stdin, sys.stdout, sys.stderr = io.TextIOWrapper(io.BytesIO(stdin), "utf-8"), out, err
    try:
        with pytest.raises(SystemExit) as exit_:
            main([str(word) for word in words])
    finally:
        sys.stdin, sys.stdout, sys.stderr = before
    assert isinstance(exit_.value.code, int)
    return Ended(exit_.value.code, _written(out), _written(err))


def _written(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()


def succeed(*words: str | Path, stdin: bytes = b"") -> Ended:
    """The command, which must exit with 0."""
    ended = textnets(*words, stdin=stdin)
    assert ended.code == 0, ended.err
    return ended


def refuse(*words: str | Path, stdin: bytes = b"", below: Path | None = None) -> str:
    """The command, which must refuse with one error, exit code 2 and nothing written."""
    below = below or Path.cwd()
    before = listing(below)
    ended = textnets(*words, stdin=stdin)
    assert ended.code == 2, ended
    assert ended.out == ""
    assert "Traceback" not in ended.err
    assert ended.err.count("error: ") == 1, ended.err
    assert listing(below) == before
    return ended.err


def run_process(*words: str | Path, stdin: str = "") -> Ended:
    """``textnets WORDS...`` as a process with pipes."""
    ended = subprocess.run(
        [TEXTNETS, *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=plain_environment(),
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def plain_environment() -> dict[str, str]:
    """A user's environment: without the log level that the tests set."""
    hidden = ("TF_CPP_MIN_LOG_LEVEL", "CUDA_VISIBLE_DEVICES")
    return {key: value for key, value in os.environ.items() if key not in hidden}


def listing(folder: Path) -> dict[str, tuple[int, int] | None]:
    """Every path below a folder, files with their size and time."""
    found = {}
    for path in sorted(folder.rglob("*")):
        stat = path.lstat()
        is_file = path.is_file() and not path.is_symlink()
        found[str(path)] = (stat.st_size, stat.st_mtime_ns) if is_file else None
    return found


@dataclass(frozen=True)
class Trained:
    """A folder with a recipe, its data, and the run that 'textnets train' made of it."""

    folder: Path
    ended: Ended

    @property
    def run(self) -> Path:
        """The run directory."""
        return self.folder / "runs" / "tiny"


def write_project(folder: Path, recipe: str = RECIPE) -> Path:
    """A tiny recipe with real questions beside it."""
    write_csv(folder / "train.csv", read_questions("train"))
    write_csv(folder / "test.csv", read_questions("test", most=20))
    path = folder / "tiny.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained() -> Trained:
    """One run, trained where a user would stand; do not write into it."""

    def train(folder: Path) -> None:
        write_project(folder)
        with chdir(folder):
            ended = textnets("train", "tiny.yaml", "--set", "training.epochs=4")
        assert ended.code == 0, ended.err
        (folder / "ended.json").write_text(json.dumps([ended.out, ended.err]), encoding="utf-8")

    folder = made_once("project", train)
    return Trained(folder, Ended(0, *json.loads((folder / "ended.json").read_text("utf-8"))))


@pytest.fixture
def run_copy(trained: Trained, tmp_path: Path) -> Path:
    """A run of one's own, to damage."""
    return Path(shutil.copytree(trained.run, tmp_path / "run"))


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes the tiny recipe and its data where the test runs; maps old text to new."""

    def write(replace: dict[str, str] | None = None) -> Path:
        text = RECIPE
        for old, new in (replace or {}).items():
            assert old in text
            text = text.replace(old, new)
        write_project(tmp_path, text)
        return Path("tiny.yaml")

    return write
