"""Files of predictions: the same answers as ``predict``, once each, whatever happens between."""

from __future__ import annotations

import csv
import gzip
import io
import json
import tarfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import refuse, succeed, textnets
from tests.conftest import ROOT, read_questions, write_csv
from tests.warm import start_textnets
from textnets import Predictor
from textnets.bulk import predict_file, windows

ODD = ["", "   ", 'say "rate", please', "two\nlines", "\x7f\u2028 é ß 中文", "%s %d {}", "a" * 3000]


def some_texts(count: int) -> list[str]:
    """Texts of very different lengths, each with its number."""
    questions = [text for text, _ in read_questions("test")]
    return [*ODD, *(f"{questions[n % len(questions)]} {n}" * (1 + n % 5) for n in range(count))]


def write_texts(path: Path, texts: Sequence[str]) -> Path:
    return write_csv(path, [(text, "unused") for text in texts])


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(windows, "_TEXTS", 64)


def read_back(path: Path) -> list[dict[str, str]]:
    raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if ".jsonl" in path.name:
        return [json.loads(line) for line in raw.decode().split("\n")[:-1]]
    return list(csv.DictReader(io.StringIO(raw.decode(), newline=""), strict=True))


@pytest.mark.usefixtures("small_windows")
@pytest.mark.parametrize("name", ["out.jsonl", "out.csv", "out.jsonl.gz", "out.csv.gz"])
def test_a_file_says_what_predict_says(finished: Path, tmp_path: Path, name: str) -> None:
    texts = some_texts(500)
    source = write_texts(tmp_path / "big.csv", texts)
    ended = succeed("predict", finished, source, "--output", name)
    assert ended.out == ""
    assert f"{name}: {len(texts):,} predictions" in ended.err
    rows, said = read_back(Path(name)), Predictor.load(finished).predict(texts)
    assert [row["text"] for row in rows] == texts
    assert [row["label"] for row in rows] == [one.labels[0] for one in said]
    for row, one in zip(rows, said, strict=True):
        assert float(row["probability"]) == pytest.approx(one.probability, abs=2e-6)
        assert set(row) == {"text", "label", "probability"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["big.csv", name]


def test_parquet(finished: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = some_texts(100)
    source = write_texts(tmp_path / "big.csv", texts)
    predict_file(finished, source, "out.parquet", details=True)
    table = parquet.read_table("out.parquet")
    said = Predictor.load(finished).predict(texts)
    assert table["text"].to_pylist() == texts
    assert table["label"].to_pylist() == [one.labels[0] for one in said]
    for name in said[0].probabilities:
        found = table[f"probabilities.{name}"].to_numpy()
        assert found == pytest.approx([one.probabilities[name] for one in said], abs=2e-6)
    assert not list(tmp_path.glob("*.partial"))


def test_details_are_the_lines_of_standard_output(finished: Path, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "big.csv", some_texts(60))
    succeed("predict", finished, source, "--output", "out.jsonl", "--details")
    shown = succeed("predict", finished, source, "--format", "jsonl").out
    ours_lines = Path("out.jsonl").read_text("utf-8").split("\n")
    for ours, theirs in zip(ours_lines[:-1], shown.split("\n")[:-1], strict=True):
        one, other = json.loads(ours), json.loads(theirs)
        assert list(one) == list(other)
        assert list(one["probabilities"]) == list(other["probabilities"])
        values = [[*found["probabilities"].values()] for found in (one, other)]
        assert np.allclose(*values, rtol=0, atol=2e-6)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "project",
    [
        "topics",
        "chunks",
        *(pytest.param(name, marks=pytest.mark.long) for name in ("phrases", "play")),
    ],
)
def test_every_task(tmp_path: Path, project: str) -> None:
    """Several labels, tags, translations and continuations, by runs of an earlier version."""
    folder = ROOT / "tests/earlier_runs" / project
    with tarfile.open(folder / "runs.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    words = ("predict", "finished", folder / "texts.txt", "--output")
    succeed(*words, "out.jsonl", "--details")
    said = (folder / "expected/predict.jsonl").read_text(encoding="utf-8")
    wanted = [json.loads(line) for line in said.split("\n")[:-1]]
    found = read_back(Path("out.jsonl"))
    assert [list(row) for row in found] == [list(row) for row in wanted]
    for key in {"labels", "tags", "translation", "continued"} & set(wanted[0]):
        assert [row[key] for row in found] == [row[key] for row in wanted]
    succeed(*words, "out.csv")
    flat = read_back(Path("out.csv"))
    assert [row["text"] for row in flat] == [row["text"] for row in wanted]
    succeed(*words, "short.jsonl")
    assert "probabilities" not in read_back(Path("short.jsonl"))[0]


def test_texts_a_line_and_standard_input(finished: Path, tmp_path: Path) -> None:
    texts = ["my card", "", "PIN?"]
    (tmp_path / "lines.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
    succeed("predict", finished, "lines.txt", "--output", "of_file.jsonl")
    succeed("predict", finished, "--output", "of_pipe.jsonl", stdin=b"my card\n\nPIN?\n")
    assert [row["text"] for row in read_back(Path("of_file.jsonl"))] == texts
    assert Path("of_file.jsonl").read_bytes() == Path("of_pipe.jsonl").read_bytes()
    err = refuse("predict", finished, "-", "--output", "of_pipe.jsonl", "--resume")
    assert "standard input cannot be read again" in err


# --- Stopped in the middle ---


def test_killed_and_gone_on_from(finished: Path, tmp_path: Path) -> None:
    name, texts = "out.jsonl.gz", some_texts(50_000)
    source = write_texts(tmp_path / "big.csv", texts)
    words = ("predict", finished, source, "--output", name)
    partial, journal = (tmp_path / f"{name}.{end}" for end in ("partial", "journal"))
    process = start_textnets(*words)
    while not journal.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not Path(name).exists()
    counted = json.loads(journal.read_text())["written"]
    assert 0 < counted["rows"] < len(texts)
    with partial.open("ab") as file:
        file.write(b'{"text": "half a li')  # a write that was cut off
    assert "is of a prediction that was stopped; --resume" in refuse(*words)
    err = refuse(*words, "--details", "--resume")
    assert "was begun with another settings" in err
    succeed(*words, "--resume")
    assert [row["text"] for row in read_back(Path(name))] == texts
    succeed("predict", finished, source, "--output", f"whole_{name}")
    assert Path(name).read_bytes() == Path(f"whole_{name}").read_bytes()
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"big.csv", name, f"whole_{name}"}


@pytest.mark.usefixtures("small_windows")
def test_another_input_is_not_gone_on_with(finished: Path, tmp_path: Path) -> None:
    lines = [json.dumps({"text": text}) for text in some_texts(200)]
    source = tmp_path / "big.jsonl"
    source.write_text("\n".join([*lines, "no json"]), encoding="utf-8")
    words = ("predict", finished, source, "--output", "out.jsonl")
    ended = textnets(*words)
    assert ended.code == 2
    assert f"{source}:{len(lines) + 1}:1: not valid JSON" in ended.err
    assert "192 rows before it are written: --resume with --on-error skip" in ended.err
    kept = source.read_bytes()
    source.write_bytes(kept + b"\n")
    assert "was begun with another input" in refuse(*words, "--resume")
    source.write_bytes(kept)
    ended = succeed(*words, "--resume", "--on-error", "skip")
    assert "1 of 208 rows could not be read; they are named in out.jsonl.skipped" in ended.err
    assert [row["text"] for row in read_back(Path("out.jsonl"))] == some_texts(200)
    assert "out.jsonl: is complete" in succeed(*words, "--resume").err
    assert "is there already; --overwrite" in refuse(*words)
    succeed(*words, "--overwrite", "--on-error", "skip")


# --- Rows that cannot be read ---

RAGGED = "text,label\nfirst,a\none cell\nthird,a\n"
BAD = {
    "ragged.csv": (RAGGED.encode(), ["ragged.csv:3: the header has 2 columns"]),
    "bytes.csv": (b"text,label\nfirst,a\n\xff\xfe,a\nthird,a\n", ["bytes.csv:3: not UTF-8"]),
    "quote.csv": (b'text,label\nfirst,a\n"so" he said,a\nthird,a\n', ["quote.csv:3: this record"]),
    "some.jsonl": (
        b'{"text": "first"}\n{"text": null}\n{"txt": "x"}\n[1]\n{"text": ["a"]}\n'
        b'{"text": "\\ud83d"}\n{"text": "third"}\n',
        [
            "some.jsonl:2: there is no value for 'text' (null)",
            "some.jsonl:3: there is no column 'text'",
            "some.jsonl:4: each line must be a JSON object",
            "some.jsonl:5: column 'text' holds a list",
            "some.jsonl:6: 'text' holds half of a surrogate pair",
        ],
    ),
    "lines.txt": (b"first\n\xff\nthird\n", ["lines.txt:2: not UTF-8"]),
}


@pytest.mark.parametrize("name", BAD)
def test_rows_that_cannot_be_read_are_named_and_counted(
    finished: Path, tmp_path: Path, name: str
) -> None:
    content, wanted = BAD[name]
    (tmp_path / name).write_bytes(content)
    refuse("predict", finished, name, "--output", "out.jsonl")
    ended = succeed("predict", finished, name, "--output", "out.jsonl", "--on-error", "skip")
    count = f"{len(wanted)} of {len(wanted) + 2} rows could not be read"
    assert count in ended.err
    assert [row["text"] for row in read_back(Path("out.jsonl"))] == ["first", "third"]
    named = Path("out.jsonl.skipped").read_text().splitlines()
    assert len(named) == len(wanted)
    assert all(start in line for start, line in zip(wanted, named, strict=True))


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--output", "out.txt"), "the name does not tell the format"),
        (("--output", "out.parquet.gz"), "parquet is packed already"),
        (("--output", "no/out.jsonl"), "there is no folder no"),
        (("--output", ".", "--format", "csv"), "is no plain file"),
        (("--output", "lines.txt", "--format", "csv"), "is the input"),
        (("--output", "out.jsonl", "--resume", "--overwrite"), "--overwrite replaces it"),
        (("--output", "out.jsonl", "--format", "text"), "--format text is for a terminal"),
        (("--output", "out.jsonl", "--n-best", "2"), "only a translator can do this"),
        (("--output", "out.jsonl", "--set", "seed=1"), "only keys that start with"),
        (("--details",), "--details goes with --output"),
        (("--workers", "2"), "--workers goes with --output"),
        (("--format", "parquet"), "--format parquet goes with --output"),
    ],
)
def test_what_cannot_be_written_is_refused(
    finished: Path, tmp_path: Path, words: tuple[str, ...], hint: str
) -> None:
    (tmp_path / "lines.txt").write_text("my card\n")
    assert hint in refuse("predict", finished, "lines.txt", *words)


def test_a_file_that_is_not_there(finished: Path) -> None:
    assert "none.csv: cannot be read" in refuse("predict", finished, "none.csv", "-o", "o.jsonl")


# --- Several processes ---


@pytest.mark.heavy
def test_two_workers_write_the_same_file(finished: Path, tmp_path: Path) -> None:
    source = write_texts(tmp_path / "big.csv", some_texts(20_000))
    process = start_textnets("predict", finished, source, "-o", "two.jsonl", "--workers", "2")
    succeed("predict", finished, source, "-o", "one.jsonl")
    _, err = process.communicate()
    assert process.returncode == 0, err
    one, two = (read_back(Path(name)) for name in ("one.jsonl", "two.jsonl"))
    assert [(row["text"], row["label"]) for row in one] == [(r["text"], r["label"]) for r in two]
