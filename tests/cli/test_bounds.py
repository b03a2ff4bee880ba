"""Input that is made to eat memory or time, or that is something else: one error, soon."""

from __future__ import annotations

import ast
import gzip
import io
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import refuse, succeed, textnets
from tests.conftest import RECIPE
from textnets.data.readers import CELL_LIMIT, read_rows
from textnets.data.running_text import cut_long_lines, read_lines, stream_lines
from textnets.errors import DataError
from textnets.text.encoded import EncodedSplit, RaggedIds
from textnets.text.vectors import read_vectors
from textnets.text.vocabulary import Vocabulary

Project = Callable[..., Path]
READERS: dict[str, Callable[[Path], object]] = {
    "predict FILE": lambda path: list(stream_lines(path)),
    "text.vectors": lambda path: read_vectors(path, Vocabulary(["a"]), seed=1),
    "running text": read_lines,
    "csv": lambda path: list(read_rows(path, columns=["text"], file_format="csv")),
}


def within(seconds: float, start: float) -> None:
    assert time.process_time() - start < seconds


@pytest.mark.heavy
@pytest.mark.parametrize("name", READERS)
def test_a_gzip_bomb(name: str, tmp_path: Path) -> None:
    member = gzip.compress(b"a" * 2**24, 1)
    (tmp_path / "bomb.gz").write_bytes(member * 40)
    start = time.process_time()
    with pytest.raises(DataError, match=r"bomb\.gz"):
        READERS[name](tmp_path / "bomb.gz")
    within(20.0, start)


@pytest.mark.parametrize("name", READERS)
def test_a_device_that_never_ends(name: str) -> None:
    with pytest.raises(DataError, match="is no plain file"):
        READERS[name](Path("/dev/zero"))


@pytest.mark.parametrize("name", [name for name in READERS if name != "predict FILE"])
def test_a_pipe_that_nobody_writes_to(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is no plain file"):
        READERS[name](tmp_path / "pipe")


@pytest.mark.heavy
def test_a_line_of_a_hundred_megabytes(tmp_path: Path) -> None:
    text = "a b " * 25 * 2**20
    start = time.process_time()
    pieces = cut_long_lines([text])
    within(10.0, start)
    assert sum(map(len, pieces)) == len(text)
    assert max(map(len, pieces)) <= 4100
    (tmp_path / "long.txt").write_text("x" * (CELL_LIMIT + 2))
    with pytest.raises(DataError, match=r"long\.txt:1: a line of more than"):
        list(stream_lines(tmp_path / "long.txt"))
    with pytest.raises(DataError, match=r"long\.txt:1: a line of more than"):
        read_vectors(tmp_path / "long.txt", Vocabulary(["a"]), seed=1)


def test_a_hundred_thousand_columns(tmp_path: Path) -> None:
    header = ",".join(f"c{number}" for number in range(100_000))
    (tmp_path / "wide.csv").write_text(f"{header}\n{header.upper()}\n")
    start = time.process_time()
    (row,) = read_rows(tmp_path / "wide.csv", columns=["c99999"])
    within(5.0, start)
    assert row.values == {"c99999": "C99999"}
    (tmp_path / "wide.csv").write_text(f"{header},c7\n")
    with pytest.raises(DataError, match="column names are repeated: 'c7'"):
        list(read_rows(tmp_path / "wide.csv", columns=["c7"]))


@pytest.mark.parametrize("values", [("1e30", "-1e30"), ("3e38", "-3e38")])
def test_vectors_whose_variance_is_no_float32(tmp_path: Path, values: tuple[str, str]) -> None:
    (tmp_path / "x.vec").write_text(f"a {values[0]} 2\nb {values[1]} 5\n")
    found = read_vectors(tmp_path / "x.vec", Vocabulary(["a", "b", "c"]), seed=1)
    assert np.isfinite(found.table).all()
    assert found.table[4, 0] == np.float32(values[0])


@pytest.mark.parametrize("name", ["cell", "column", "large number"])
def test_parquet_that_is_not_utf8(tmp_path: Path, name: str) -> None:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    latin = pa.Array.from_buffers(
        pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xe9x")]
    )
    text = pa.array([2**62], pa.timestamp("us")) if name == "large number" else latin
    parquet.write_table(pa.table({"text": text, "label": ["a"]}), path)
    if name == "column":
        path.write_bytes(path.read_bytes().replace(b"label", b"l\xe9bel"))
    with pytest.raises(DataError, match=r"t\.parquet"):
        list(read_rows(path, columns=["text", "label"]))


# --- Stored ids ---


def header_of(shape: str) -> bytes:
    text = f"{{'descr': '<i4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * ((64 - (len(text) + 11) % 64) % 64) + b"\n"
    assert isinstance(ast.literal_eval(text.decode()), dict)
    return b"\x93NUMPY\x01\0" + len(text).to_bytes(2, "little") + text


def archive() -> bytes:
    file = io.BytesIO()
    np.savez(file, a=np.arange(3))
    return file.getvalue()


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "a byte of the header": lambda good: good.replace(b"}", b" "),
    "a torn archive": lambda good: b"PK\x03\x04",
    "an archive": lambda good: archive(),
    "four terabytes": lambda good: header_of("(1099511627776,)"),
    "less than nothing": lambda good: header_of("(-1,)"),
    "no numbers": lambda good: good.replace(b"<i4", b"|O8").replace(b"<i8", b"|O8"),
    "one byte more": lambda good: good + b"\0",
    "nothing": lambda good: b"",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_arrays(tmp_path: Path, name: str) -> None:
    ids = RaggedIds(np.arange(10, dtype=np.int32), np.array([0, 3, 10]))
    EncodedSplit({"token_ids": ids}, np.array([0, 1], np.int32)).save(tmp_path, "train")
    for path in sorted(tmp_path.glob("*.npy")):
        good = path.read_bytes()
        path.write_bytes(DAMAGED[name](good))
        with pytest.raises(DataError, match=r"train"):
            EncodedSplit.open(tmp_path, "train", ("token_ids",))
        path.write_bytes(good)
    assert len(EncodedSplit.open(tmp_path, "train", ("token_ids",))) == 2


@pytest.mark.heavy
def test_stored_ids_have_hashes(project: Project) -> None:
    recipe = project()
    succeed("tokenize", recipe, "--store", "ids")
    names = sorted(path.name for path in Path("ids").iterdir())
    assert {"labels.txt", "vocabulary.txt", "train.targets.npy"} < set(names)
    for name in names:
        path = Path("ids", name)
        good = path.read_bytes()
        path.write_bytes(good[:-2] + bytes([good[-2] ^ 1]) + good[-1:])
        err = refuse("train", recipe, "-o", "x", "--store", "ids")
        assert name in err or "store.json" in err or "recipe's" in err
        path.write_bytes(good)
    Path("ids", "more.txt").touch()
    assert "more.txt" in refuse("train", recipe, "-o", "x", "--store", "ids")
    assert "holds more.txt besides stored ids" in refuse(
        "tokenize", recipe, "--store", "ids", "--overwrite"
    )


@pytest.mark.heavy
@pytest.mark.parametrize("name", ["train.token_ids.ids", "train.targets"])
def test_stored_ids_that_the_vocabularies_do_not_have(project: Project, name: str) -> None:
    import hashlib

    recipe = project()
    succeed("tokenize", recipe, "--store", "ids")
    path = Path("ids", f"{name}.npy")
    ids = np.load(path)
    ids[-1] = 10**6
    np.save(path, ids)
    described = json.loads(Path("ids/store.json").read_text())
    described["files"][path.name] = hashlib.sha256(path.read_bytes()).hexdigest()
    Path("ids/store.json").write_text(json.dumps(described))
    err = refuse("train", recipe, "-o", "x", "--store", "ids")
    assert "are none of those that the vocabularies and labels beside them have" in err


# --- Recipes ---


@pytest.mark.parametrize(
    "builder",
    ["builtins:dict", "functools:partial", "csv:reader", "collections:OrderedDict",
     "threading:Lock", "datetime:date", "builtins:print", "os:PathLike", "typing:Any"],
)  # fmt: skip
def test_a_builder_whose_signature_is_none(project: Project, builder: str) -> None:
    words = ("--set", f"model.builder={builder}", "--allow-builder", builder.partition(":")[0])
    assert "model.builder: " in refuse("check", project(), *words)


@pytest.mark.parametrize("verb", ["check", "tokenize"])
def test_a_strangers_builder_is_imported_by_nobody(project: Project, verb: str) -> None:
    Path("harm.py").write_text("open('harmed', 'w')\ndef build(): ...\n")
    recipe = project({"builder: cnn_classifier": "builder: harm:build"})
    err = refuse(verb, recipe)
    assert "tiny.yaml:9:3: model.builder: 'harm:build' is none of textnets' own" in err
    assert "--allow-builder harm imports that module" in err
    assert not Path("harmed").exists()
    member = f"ensemble: {{members: [{{recipe: {recipe}}}]}}"
    start, end = RECIPE.index("model:"), RECIPE.index("training:")
    Path("two.yaml").write_text(RECIPE[:start] + RECIPE[end:] + member)
    assert "--allow-builder harm" in refuse(verb, "two.yaml")
    assert not Path("harmed").exists()


def test_data_that_changes_while_it_is_read(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textnets.tasks.classification import ClassificationTask

    recipe = project()
    real = ClassificationTask.read_splits

    def read_splits(self: ClassificationTask, *arguments: object) -> object:
        found = real(self, *arguments)  # type: ignore[arg-type]
        with Path("train.csv").open("a") as file:
            file.write("one more,card_arrival\n")
        return found

    monkeypatch.setattr(ClassificationTask, "read_splits", read_splits)
    ended = textnets("check", recipe)
    assert ended.code == 2
    assert "train.csv: the train data was changed while it was read" in ended.err
