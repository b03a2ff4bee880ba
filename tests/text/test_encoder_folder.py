"""Folders that are no encoder, damaged ones, and those made to do harm: each is one error."""

from __future__ import annotations

import builtins
import json
import os
import pickle
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from tests.encoder_folders import wordpiece, words, write_encoder
from textnets.errors import DataError, MissingExtraError
from textnets.text.encoder_folder import EncoderFolder

SIZE, WORDS = wordpiece().get_vocab_size(), words().get_vocab_size()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_encoder(tmp_path / "encoder", clusters=5, with_weights=True, normalize=True)


def tensors(change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def of_folder(folder: Path) -> None:
        found = load_file(folder / "model.safetensors")
        change(found)
        save_file(found, folder / "model.safetensors")

    return of_folder


def header(**told: Any) -> Callable[[Path], None]:
    """A table of contents that says something else of the same bytes."""

    def of_folder(folder: Path) -> None:
        path = folder / "model.safetensors"
        content = path.read_bytes()
        size = int.from_bytes(content[:8], "little")
        said = json.loads(content[8 : 8 + size])
        said["embeddings"] |= told
        changed = json.dumps(said).encode()
        path.write_bytes(len(changed).to_bytes(8, "little") + changed + content[8 + size :])

    return of_folder


def written(name: str, content: bytes | str) -> Callable[[Path], None]:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def without(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def gaps_in_ids(folder: Path) -> None:
    said = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = said["model"]["vocab"]
    vocabulary["yet"] = 4_000_000_000  # no id of a row, and no size of a table
    (folder / "tokenizer.json").write_text(json.dumps(said))


def as_sentence_transformers(folder: Path) -> None:
    (folder / "config.json").rename(folder / "config_sentence_transformers.json")


def as_pickle(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"embeddings": [1.0]}))


def deep(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"normalizer":' + "[" * 200_000)


def as_folder(name: str) -> Callable[[Path], None]:
    def of_folder(folder: Path) -> None:
        (folder / name).unlink()
        (folder / name).mkdir()

    return of_folder


def as_pipe(name: str) -> Callable[[Path], None]:
    def of_folder(folder: Path) -> None:
        (folder / name).unlink()
        os.mkfifo(folder / name)

    return of_folder


def to_a_device(folder: Path) -> None:
    (folder / "config.json").unlink()
    (folder / "config.json").symlink_to("/dev/zero")


def to_nowhere(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer.json").symlink_to("gone")


# What is done to a sound folder, and what is said of it.
REFUSED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no weights": (without("model.safetensors"), "encoder: holds no model.safetensors; expected"),
    "no tokenizer": (without("tokenizer.json"), "encoder: holds no tokenizer.json; expected a"),
    "no config": (without("config.json"), "encoder: holds no config.json; expected a folder as"),
    "another library's": (as_sentence_transformers, "load it with model2vec and save it again"),
    "a pickle": (as_pickle, "weights in a pickle are never read, since a pickle may run code"),
    "a folder": (as_folder("tokenizer.json"), "tokenizer.json: is no plain file"),
    "a pipe": (as_pipe("model.safetensors"), "model.safetensors: is no plain file"),
    "a device": (to_a_device, "config.json: is no plain file"),
    "a broken link": (to_nowhere, "holds no tokenizer.json"),
    "no JSON": (written("config.json", "{"), "config.json: is no JSON"),
    "no object": (written("config.json", "[1]"), "config.json: expected an object of settings"),
    "no encoding": (written("config.json", b"\xff\xfe\x00"), "config.json: is no JSON"),
    "nested": (written("config.json", "[" * 200_000), "config.json: is no JSON"),
    "words for normalize": (written("config.json", '{"normalize": "yes"}'),
        "config.json: normalize: expected true or false, was: 'yes'"),
    "no length": (written("config.json", '{"max_length": 0}'),
        "config.json: max_length: expected a number of tokens above 0, or null, was: 0"),
    "a true length": (written("config.json", '{"max_length": true}'), "above 0, or null, was: T"),
    "a half length": (written("config.json", '{"max_length": 2.5}'), "or null, was: 2.5"),
    "an empty tokenizer": (written("tokenizer.json", ""), "tokenizer.json: is no tokenizer that"),
    "no tokenizer's JSON": (written("tokenizer.json", "{}"), "tokenizer.json: is no tokenizer"),
    "a deep tokenizer": (deep, "tokenizer.json: is no tokenizer that can be used"),
    "gaps in ids": (gaps_in_ids, "tokenizer.json: is no tokenizer that can be used: its ids"),
    "another tokenizer": (lambda folder: words().save(str(folder / "tokenizer.json")),
        f"'mapping' is of shape [{SIZE}], expected [{WORDS}]: one for each token of"),
    "a pickle by another name": (written("model.safetensors", pickle.dumps([1.0])),
        "model.safetensors: is no file of safetensors, or damaged"),
    "empty weights": (written("model.safetensors", b""), "is no file of safetensors, or damaged"),
    "a header of a terabyte": (written("model.safetensors", (2**40).to_bytes(8, "little")),
        "is no file of safetensors, or damaged"),
    "more rows than bytes": (header(shape=[2**40, 6]), "is no file of safetensors, or damaged"),
    "an overflowing shape": (header(shape=[2**62, 6]), "is no file of safetensors, or damaged"),
    "fewer rows than bytes": (header(shape=[4, 6]), "is no file of safetensors, or damaged"),
    "bytes of another": (header(data_offsets=[0, 2**50]), "is no file of safetensors, or damaged"),
    "another type": (header(dtype="I32"), "'embeddings' is of type I32, expected one of F32"),
    "one axis": (header(shape=[30]), "'embeddings' is of shape [30], expected [rows, width]"),
    "no row": (tensors(lambda found: found.update(embeddings=np.zeros((0, 3), "f"))),
        "'embeddings' is of shape [0, 3], expected [rows, width]"),
    "a Transformer": (tensors(lambda found: found.update(x=found.pop("embeddings"))),
        "holds no tensor 'embeddings' (but 'mapping', 'weights', 'x'), so it is no encoder of one"),
    "no mapping": (tensors(lambda found: found.pop("mapping")),
        f"has vectors of 5 tokens, and tokenizer.json has {SIZE}: they are not of one encoder"),
    "few weights": (tensors(lambda found: found.update(weights=np.ones(3))),
        f"'weights' is of shape [3], expected [{SIZE}]"),
    "a wide row": (tensors(lambda found: found.update(embeddings=np.zeros((1, 2**24), "int8"))),
        f"{SIZE} tokens, 16,777,216 wide, take {4 * (SIZE + 4) * 2**24:,} bytes, 4,294,967,296 at"),
    "a broken mapping": (tensors(lambda found: found.update(mapping=np.full(SIZE, 0.5))),
        "'mapping' is of type F64, expected one of I64"),
    # What only the numbers say is said when they are read.
    "a row that is not there": (tensors(lambda found: found["mapping"].__setitem__(7, 5)),
        "'mapping' names row 5 of 5"),
    "a row below": (tensors(lambda found: found["mapping"].__setitem__(7, -1)), "names row -1"),
    "no number": (tensors(lambda found: found["weights"].__setitem__(6, np.nan)),
        "the vector of 'c' (row 6) is not finite"),
    "too large a number": (tensors(lambda found: found["weights"].__setitem__(6, 1e300)),
        "the vector of 'c' (row 6) is not finite"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_is_none_is_refused(folder, name):
    change, message = REFUSED[name]
    change(folder)
    with pytest.raises(DataError, match=re.escape(message)) as refusal:
        EncoderFolder.read(folder).vectors()
    assert "\n" not in str(refusal.value)
    assert str(refusal.value).startswith(str(folder))


def test_a_place_where_nothing_is_and_one_that_is_a_file(tmp_path):
    (tmp_path / "file").touch()
    for name, said in {"none": "there is no such folder", "file": "is a file"}.items():
        with pytest.raises(DataError, match=rf"{name}: {said}; expected a folder as model2vec"):
            EncoderFolder.read(tmp_path / name)


def test_a_folder_of_links_as_caches_of_downloads_have_them(folder, tmp_path):
    linked = tmp_path / "snapshot"
    linked.mkdir()
    for path in folder.iterdir():
        (linked / path.name).symlink_to(path)
    found, expected = EncoderFolder.read(linked), EncoderFolder.read(folder)
    assert found.sha256 == expected.sha256
    np.testing.assert_array_equal(found.vectors(), expected.vectors())


def test_no_other_file_is_opened(folder, monkeypatch):
    for name in ("pytorch_model.bin", "model.pkl", "modeling.py", "pipeline.skops"):
        (folder / name).write_bytes(b"\x80\x04cos\nsystem\n(S'touch pwned'\ntR.")
    before, opened = EncoderFolder.read(folder).sha256, list[str]()
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda self, *a, **n: opened.append(self.name)
                        or real(self, *a, **n))  # fmt: skip
    monkeypatch.setattr(builtins, "open", lambda name, *a, **n: opened.append(str(name)) or 1 / 0)
    found = EncoderFolder.read(folder)
    assert np.isfinite(found.vectors()).all()
    assert found.sha256 == before
    assert set(opened) == {"config.json", "tokenizer.json", "model.safetensors"}


def test_a_file_that_changes_between_two_looks_is_told(folder):
    found = EncoderFolder.read(folder)
    tensors(lambda them: them["weights"].__setitem__(0, 9.0))(folder)
    with pytest.raises(DataError, match="the encoder was changed while it was read; try again"):
        found.vectors()


def test_the_hash_is_of_what_counts(folder):
    before = EncoderFolder.read(folder).sha256
    (folder / "README.md").write_text("# An encoder\n")
    assert EncoderFolder.read(folder).sha256 == before
    for name in ("config.json", "tokenizer.json"):
        path = folder / name
        path.write_text(path.read_text() + " ")
        after = EncoderFolder.read(folder).sha256
        assert after != before
        before = after


def test_brain_floats(tmp_path):
    folder = write_encoder(tmp_path / "encoder", words(), width=2)
    path, count = folder / "model.safetensors", words().get_vocab_size()
    table = np.random.default_rng(0).normal(size=(count, 2)).astype("float32")
    halves = (table.view("uint32") >> 16).astype("uint16").tobytes()
    said = {"embeddings": {"dtype": "BF16", "shape": [count, 2], "data_offsets": [0, len(halves)]}}
    contents = json.dumps(said).encode()
    path.write_bytes(len(contents).to_bytes(8, "little") + contents + halves)
    np.testing.assert_allclose(EncoderFolder.read(folder).vectors()[4:], table, rtol=0.01)


@pytest.mark.parametrize("package", ["tokenizers", "safetensors"])
def test_without_the_extra_the_error_names_it(folder, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"pip install 'textnets\[encoder\]'"):
        EncoderFolder.read(folder)
