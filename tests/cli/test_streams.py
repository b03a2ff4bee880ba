"""Results to standard output, talk to standard error."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import (
    TEXTNETS,
    Trained,
    listing,
    plain_environment,
    run_process,
    succeed,
)
from tests.conftest import INTENTS, read_questions, write_csv
from tests.warm import TEXTNETS as IN_PYTHON
from tests.warm import WarmProcess

Project = Callable[..., Path]

TEXTS = ["my card has not arrived", "", "how do I change my PIN?", 'say "rate", please', "   "]
PIPED = "\n".join(TEXTS).encode() + b"\n"


def texts_in(out: str, output_format: str) -> list[str]:
    """The texts of the predictions, each of which names one of the intents."""
    if output_format == "jsonl":
        records = [json.loads(line) for line in out.split("\n")[:-1]]
        assert all(set(record["probabilities"]) == set(INTENTS) for record in records)
        rows = [(record["text"], record["label"], record["probability"]) for record in records]
    elif output_format == "csv":
        header, *rows = csv.reader(io.StringIO(out, newline=""), strict=True)
        assert header == ["text", "label", "probability"]
    else:
        cells = [line.split("\t") for line in out.split("\n")[:-1]]
        rows = [(text, label, probability) for label, probability, text in cells]
    assert all(label in INTENTS and 0 < float(p) <= 1 for _, label, p in rows)
    return [text for text, _, _ in rows]


@pytest.mark.parametrize("output_format", ["text", "jsonl", "csv"])
def test_one_prediction_a_text(trained: Trained, tmp_path: Path, output_format: str) -> None:
    shown = [" ".join(text.split()) for text in TEXTS] if output_format == "text" else TEXTS
    write_csv(tmp_path / "some.csv", [(text, "unused") for text in TEXTS])
    (tmp_path / "lines.txt").write_bytes(PIPED.removesuffix(b"\n").replace(b"\n", b"\r\n"))
    sources = ((), ("-",), ("some.csv",), ("lines.txt",))
    flags = ("--format", output_format)
    for source in sources:
        ended = succeed("predict", trained.run, *source, *flags, stdin=PIPED)
        assert ended.err == ""
        assert texts_in(ended.out, output_format) == shown
    repeated = [word for text in TEXTS for word in ("--text", text)]
    assert succeed("predict", trained.run, *repeated, *flags).out == ended.out


@pytest.mark.parametrize("output_format", ["text", "jsonl", "csv"])
def test_no_texts_no_predictions(trained: Trained, output_format: str) -> None:
    ended = succeed("predict", trained.run, "--format", output_format)
    assert (ended.out, ended.err) == ("", "")


def test_a_last_line_without_its_end_and_a_byte_order_mark(trained: Trained) -> None:
    ended = succeed("predict", trained.run, "--format", "jsonl", stdin=b"\xef\xbb\xbfcard\nPIN")
    assert texts_in(ended.out, "jsonl") == ["card", "PIN"]


def test_train_says_plain_lines_and_ends_with_the_scores(trained: Trained) -> None:
    out, err = trained.ended.lines, trained.ended.err
    assert out[0] == "test: 80 examples"
    assert [line.split()[0] for line in out[1:3]] == ["accuracy", "this"]
    assert out[-1] == "run: runs/tiny  report: runs/tiny/report.html"
    starts = [line.index("[") for line in out[2:5]]
    assert len(set(starts)) == 1, "the columns are not aligned"
    assert "epoch 1/4  loss " in err
    assert "validation_accuracy " in err
    assert "examples/s" in err
    assert "\x1b" not in err + trained.ended.out
    assert "\r" not in err


@pytest.mark.heavy
def test_quiet_says_nothing_but_results(project: Project) -> None:
    ended = succeed("train", project(), "--quiet")
    assert ended.err == ""
    assert ended.lines[0] == "test: 80 examples"
    for words in (
        ("evaluate", "runs/tiny"),
        ("predict", "runs/tiny", "--text", "card"),
        ("tokenize", "runs/tiny", "--text", "card"),
        ("tokenize", "tiny.yaml", "--text", "card"),
        ("tokenize", "tiny.yaml", "--store", "ids"),
        ("check", "tiny.yaml"),
    ):
        ended = succeed(*words, "--quiet")
        assert ended.err == "", words
        assert ended.out, words


@pytest.mark.heavy
def test_a_process_is_free_of_the_frameworks_noise(project: Project) -> None:
    ended = run_process("train", project(), "--set", "training.epochs=1")
    assert ended.code == 0, ended.err
    starts = ("learning", "train:", "validation:", "test:", "model:", "epoch 1/1", "baseline")
    assert [line for line in ended.err.splitlines() if not line.startswith(starts)] == []
    before = listing(Path())
    ended = run_process("predict", "runs/tiny", stdin="my card\n\nPIN?\n")
    assert (ended.code, ended.err, len(ended.lines)) == (0, "", 3)
    assert listing(Path()) == before


def test_a_reader_that_goes_away(trained: Trained, tmp_path: Path) -> None:
    many = [text for text, _ in read_questions("train")] * 50
    (tmp_path / "many.txt").write_text("\n".join(many), encoding="utf-8")
    ours, theirs = os.pipe()
    words = ("predict", trained.run, "many.txt")
    process = WarmProcess(IN_PYTHON, words, stdout=theirs, environment=plain_environment())
    os.close(theirs)
    with open(ours, "rb") as out:  # noqa: PTH123
        assert out.readline()
    assert process.wait(timeout=60) == 141
    assert process.communicate() == ("", "")


@pytest.mark.heavy
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
def test_streams_that_were_closed(project: Project, closed: str) -> None:
    recipe = project()
    command = f"{TEXTNETS} recipes {closed} && {TEXTNETS} check {recipe} {closed}"
    ended = subprocess.run(
        ["sh", "-c", command], capture_output=True, check=False, env=plain_environment()
    )
    assert ended.returncode == 0, ended
    assert b"Traceback" not in ended.stderr
    assert (ended.stdout == b"") == closed.startswith(">")


@pytest.mark.heavy
def test_a_training_goes_on_when_nobody_listens_any_more(project: Project) -> None:
    recipe = project()
    ours, theirs = os.pipe()
    os.close(ours)
    words = ("train", recipe, "--set", "training.epochs=2")
    process = WarmProcess(IN_PYTHON, words, stderr=theirs, environment=plain_environment())
    os.close(theirs)
    assert process.wait(timeout=120) == 0
    assert "run: runs/tiny" in process.communicate()[0]
    assert len(Path("runs/tiny/history.jsonl").read_text().splitlines()) == 2
