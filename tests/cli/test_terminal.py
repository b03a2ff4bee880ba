"""As a person at a terminal sees it, and what Ctrl-C does."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from pexpect.fdpexpect import fdspawn

from tests.cli.conftest import TEXTNETS, Trained, listing, plain_environment, refuse, succeed
from tests.warm import TEXTNETS as IN_PYTHON
from tests.warm import WarmProcess

Project = Callable[..., Path]

_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@contextmanager
def at_a_terminal(*words: str | Path) -> Iterator[fdspawn[str]]:
    """``textnets WORDS...`` at a terminal of 24 lines; it must end well."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    process = WarmProcess(
        IN_PYTHON,
        words,
        environment={**plain_environment(), "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    yield fdspawn(ours, encoding="utf-8", timeout=120)
    assert process.wait(timeout=120) == 0
    os.close(ours)


@pytest.mark.heavy
def test_training_shows_a_live_bar(project: Project) -> None:
    with at_a_terminal("train", project(), "--set", "training.batch_size=1") as child:
        child.expect(pexpect.EOF)
    shown = str(child.before)
    pieces = [_ESCAPES.sub("", piece) for piece in re.split(r"[\r\n]+", shown)]
    bars = [piece for piece in pieces if "━" in piece and piece.startswith("epoch 1/2")]
    full = re.compile(r"━ \d+ examples/s \d+:\d\d loss \d\.\d+  accuracy \d\.\d+")
    assert any(full.search(bar) for bar in bars), bars[-3:]
    assert max(map(len, bars)) <= 80
    assert any(piece.startswith("epoch 2/2  loss ") for piece in pieces)
    assert "test: 80 examples" in pieces


def test_texts_are_asked_for_and_answered_at_once(trained: Trained) -> None:
    with at_a_terminal("predict", trained.run, "--format", "csv") as child:
        child.expect_exact("type a text and press Enter; an empty line ends\r\n> ")
        child.sendline("my card, please")
        child.expect(r'text,label,probability\r\n"my card, please",\w+,0\.\d+\r\n> ')
        child.sendline("PIN")
        child.expect(r"PIN\r\nPIN,\w+,0\.\d+\r\n> ")
        child.sendline("")
        child.expect(pexpect.EOF)
    assert child.before == "\r\n"


def test_the_end_of_the_file_ends_too(trained: Trained) -> None:
    with at_a_terminal("tokenize", trained.run) as child:
        child.expect_exact("> ")
        child.sendline("my card")
        child.expect(r"'my'=\d+ 'card'=\d+\r\n> ")
        child.send("\x04")  # Ctrl-D
        child.expect(pexpect.EOF)
    assert "2 tokens, 0 unknown, coverage 100.0%" in str(child.before)


# --- Ctrl-C ---


@pytest.mark.heavy
def test_a_stopped_training_says_how_to_continue_and_does(project: Project) -> None:
    recipe = project({"epochs: 2": "epochs: 500"})
    words = ["train", str(recipe), "--output", "a place/run", "--set", "training.batch_size=4"]
    with subprocess.Popen(
        [TEXTNETS, *words], stderr=subprocess.PIPE, text=True, env=plain_environment()
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("epoch 2/500"):
                break
        time.sleep(0.05)  # into the third epoch
        process.send_signal(signal.SIGINT)
        err = process.stderr.read()
        assert process.wait(timeout=60) == 130
    *_, message, command = err.splitlines()
    assert message.startswith("stopped by Ctrl-C; the checkpoint is complete")
    assert {path.name for path in Path("a place").iterdir()} == {"run.partial"}

    assert "training has not finished" in refuse("predict", "a place/run", "--text", "card")
    textnets, *again = shlex.split(command)
    assert (textnets, again[-1]) == ("textnets", "--resume")
    assert "--resume continues it" in refuse(*again[:-1])
    assert "model.maps: 8 before, 9 now" in refuse(*again, "--set", "model.maps=9")
    last = 2 + int(max(re.findall(r"^epoch (\d+)/500", err, re.MULTILINE), key=int, default="2"))
    result = succeed(*again, "--set", f"training.epochs={last}")
    assert "continuing from the checkpoint: epoch " in result.err
    history = Path("a place/run/history.jsonl").read_text().splitlines()
    assert [json.loads(line)["epoch"] for line in history] == list(range(1, last + 1))


@pytest.mark.heavy
@pytest.mark.parametrize("seconds", [0.3, 2.0])
def test_ctrl_c_before_training_leaves_nothing(project: Project, seconds: float) -> None:
    recipe = project({"epochs: 2": "epochs: 5000"})
    before = listing(Path())
    with subprocess.Popen(
        [TEXTNETS, "train", str(recipe)], stderr=subprocess.PIPE, text=True, env=plain_environment()
    ) as process:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    said = err.removesuffix("\nstopped\n")
    assert said != err
    assert re.fullmatch(r"(\w+: \d+ rows in the file, \d+ read\n)*", said)  # read so far
    assert listing(Path()) == before
