"""Bad data files are one clear error each; unusual ones lose nothing."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.cli.conftest import Trained, refuse, succeed
from tests.conftest import read_questions

Project = Callable[..., Path]


def append(path: str, line: str) -> int:
    """Add a line to a file; its number."""
    text = Path(path).read_bytes().decode() + line + "\n"
    Path(path).write_bytes(text.encode())
    return text.count("\n")


def test_missing_file(project: Project) -> None:
    recipe = project()
    Path("train.csv").unlink()
    err = refuse("train", recipe)
    assert "train.csv" in err
    assert "TEXTNETS_DATA" in err


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (b"question,label", ("train.csv:1", "no column 'text'", "'question', 'label'")),
        (b"text,intent", ("train.csv:1", "no column 'label'", "'text', 'intent'")),
    ],
)
def test_missing_column(project: Project, header: bytes, said: tuple[str, ...]) -> None:
    recipe = project()
    content = Path("train.csv").read_bytes()
    Path("train.csv").write_bytes(content.replace(b"text,label", header, 1))
    err = refuse("train", recipe)
    for words in said:
        assert words in err


@pytest.mark.parametrize(
    ("line", "said"),
    [("only a text", "no cell for 'label'"), ("a text,", "column 'label' is empty")],
)
@pytest.mark.parametrize("file", ["train.csv", "test.csv"])
def test_missing_cell(project: Project, file: str, line: str, said: str) -> None:
    recipe = project()
    number = append(file, line)
    err = refuse("train", recipe)
    assert f"{file}:{number}: " in err
    assert said in err


@pytest.mark.parametrize("split", ["test", "validation"])
def test_unknown_labels_are_all_named(project: Project, split: str) -> None:
    recipe = project({"validation: 0.2": "validation: validation.csv"})
    Path("validation.csv").write_bytes(Path("test.csv").read_bytes())
    append(f"{split}.csv", "what is this,zebra\nand this,apple")
    err = refuse("train", recipe)
    assert f"{split}.csv" in err
    assert "'apple', 'zebra'" in err
    assert "'change_pin'" in err


def test_not_utf8(project: Project) -> None:
    recipe = project()
    content = Path("train.csv").read_bytes()
    Path("train.csv").write_bytes(content + b"caf\xe9,change_pin\n")
    err = refuse("train", recipe)
    assert f": not UTF-8 at byte offset {len(content) + 3}" in err
    assert "iconv" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "train.csv: the file is empty"),
        ("text,label\n", "train.csv: there are no rows in it"),
        ("text,label\n" + "a,x\n" * 10, "only the label 'x'"),
        ('text,label\n"a,x\n', "train.csv:2: a quoted cell begins here and is never closed"),
        ("text,text,label\na,x,y\n", "column names are repeated"),
    ],
)
def test_no_data_to_train_on(project: Project, content: str, said: str) -> None:
    recipe = project()
    Path("train.csv").write_text(content)
    assert said in refuse("train", recipe)


def test_evaluate_refuses_bad_files(trained: Trained, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("text,label\na,zebra\nb,apple\nc,change_pin\n")
    err = refuse("evaluate", trained.run, "--data", "labels.csv")
    assert "labels.csv: has labels" in err
    assert "'apple', 'zebra'" in err
    assert "nowhere.csv" in refuse("evaluate", trained.run, "--data", "nowhere.csv")
    (tmp_path / "columns.csv").write_text("question,label\na,change_pin\n")
    err = refuse("evaluate", trained.run, "--data", "columns.csv")
    assert "no column 'text'; the columns are 'question', 'label'" in err


def test_predict_refuses_bad_files(trained: Trained, tmp_path: Path) -> None:
    assert "nowhere.txt: cannot be read: No such file" in refuse(
        "predict", trained.run, "nowhere.txt"
    )
    assert "nowhere.csv" in refuse("predict", trained.run, "nowhere.csv")
    (tmp_path / "columns.csv").write_text("question\na\n")
    err = refuse("predict", trained.run, "columns.csv")
    assert "columns.csv:1: there is no column 'text'; the columns are 'question'" in err
    (tmp_path / "latin.txt").write_bytes("fine\ncafé\n".encode("latin-1"))
    assert "latin.txt:2: not UTF-8 at byte offset 8" in refuse("predict", trained.run, "latin.txt")
    assert "standard input:1: not UTF-8" in refuse("predict", trained.run, stdin=b"\xff\n")
    (tmp_path / "cut.txt.gz").write_bytes(b"\x1f\x8b\x08\x00")
    assert "cut.txt.gz: the gzip data" in refuse("predict", trained.run, "cut.txt.gz")


# --- Unusual, and no error ---

UNUSUAL = [
    "two\nlines",
    "a\u0085next line character, a\u2028separator",
    'quotes "inside" and, commas',
    "",
    "carriage\rreturn",
    "e\u0301 and 😀",
    "   ",
    " ".join(["card"] * 10_000),
    "the last one",
]


def as_csv(texts: Sequence[str], *, label: str, end: str) -> bytes:
    table = io.StringIO(newline="")
    rows = csv.writer(table, lineterminator=end, quoting=csv.QUOTE_ALL)
    rows.writerows([("text", "label"), *((text, label) for text in texts)])
    return table.getvalue().encode()


@pytest.fixture(scope="module")
def unusual(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half of the data is unusual; with CRLF and a byte order mark."""
    folder = tmp_path_factory.mktemp("unusual")
    questions = [text for text, label in read_questions("train", most=12) if label == "change_pin"]
    head = as_csv(questions, label="plain", end="\r\n")
    tail = as_csv(UNUSUAL, label="unusual", end="\r\n").partition(b"\r\n")[2]
    for name in ("train.csv", "test.csv"):
        (folder / name).write_bytes(b"\xef\xbb\xbf" + head + tail)
    return folder


@pytest.mark.heavy
def test_unusual_texts_train_evaluate_and_predict(
    project: Project, unusual: Path, tmp_path: Path
) -> None:
    recipe = project()
    for name in ("train.csv", "test.csv"):
        (tmp_path / name).write_bytes((unusual / name).read_bytes())
    succeed("train", recipe)
    run = Path("runs/tiny")
    count = 12 + len(UNUSUAL)

    def texts_of(lines: list[str]) -> list[str]:
        return [json.loads(line)["text"] for line in lines]

    stored = (run / "predictions" / "test.jsonl").read_bytes().decode().split("\n")[:-1]
    assert texts_of(stored)[12:] == UNUSUAL
    assert json.loads(succeed("evaluate", run, "--format", "json").out)["examples"] == count
    predicted = succeed("predict", run, "test.csv", "--format", "jsonl").lines
    assert texts_of(predicted)[12:] == UNUSUAL
    assert len(succeed("predict", run, "test.csv").lines) == count
    table = succeed("predict", run, "test.csv", "--format", "csv").out
    cells = list(csv.reader(io.StringIO(table, newline=""), strict=True))
    assert [row[0] for row in cells[13:]] == UNUSUAL
    assert {len(row) for row in cells} == {3}
