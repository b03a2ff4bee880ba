"""A file that is damaged, or made to do harm, is one clear error."""

from __future__ import annotations

import copy
import io
import json
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets.lite
from tests.cli.conftest import listing
from tests.exports import exported_run
from textnets.errors import RunError

pytestmark = pytest.mark.heavy

DAMAGED = r"model\.textnets: is no model of 'textnets export --to numpy', or damaged: "


@pytest.fixture(scope="module")
def sound(finished: Path) -> bytes:
    return (exported_run(finished) / "model.textnets").read_bytes()


@pytest.fixture
def load(tmp_path: Path) -> Callable[[bytes], Any]:
    """Bytes to the model that they are."""

    def load_bytes(content: bytes) -> Any:
        path = tmp_path / "model.textnets"
        path.write_bytes(content)
        return textnets.lite.load(path)

    return load_bytes


def repacked(
    sound: bytes,
    change: Callable[[dict[str, Any]], Any] | None = None,
    parts: dict[str, bytes] | None = None,
    how: int = zipfile.ZIP_STORED,
) -> bytes:
    """The file with another description or other parts, signed as one who knows how would."""
    import hashlib

    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= parts or {}
    header = json.loads(content.pop("header.json"))
    header["parts"] = {
        name: {"sha256": hashlib.sha256(part).hexdigest(), "bytes": len(part)}
        for name, part in content.items()
    }
    if change is not None:
        header = change(header) or header
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", how) as archive:
        archive.writestr("header.json", json.dumps(header), zipfile.ZIP_STORED)
        for name, part in content.items():
            archive.writestr(name, part)
    return written.getvalue()


def test_repacked_it_is_the_same(sound: bytes, load: Callable[[bytes], Any]) -> None:
    texts = ["my card still has not arrived"]
    assert load(repacked(sound)).predict(texts) == load(sound).predict(texts)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="nothing: no such file"):
        textnets.lite.load(tmp_path / "nothing")
    with pytest.raises(RunError, match=r"model\.textnets: no such file"):
        textnets.lite.load(tmp_path)
    (tmp_path / "secret.textnets").write_bytes(b"")
    with pytest.raises(RunError, match="damaged"):
        textnets.lite.load(tmp_path / "secret.textnets")


def test_any_byte_that_changed_is_noticed(sound: bytes, load: Callable[[bytes], Any]) -> None:
    chance = random.Random(7)
    for _ in range(60):
        content = bytearray(sound)
        place = chance.randrange(len(content))
        content[place] ^= 1 << chance.randrange(8)
        try:
            found = load(bytes(content))
        except RunError:
            continue
        # A date, or the padding between parts, of which nothing is read.
        assert found.predict(["a card"]) == load(sound).predict(["a card"])


def test_any_end_that_was_cut_off_is_noticed(sound: bytes, load: Callable[[bytes], Any]) -> None:
    for length in (0, 1, 30, 1000, len(sound) // 2, len(sound) - 30, len(sound) - 1):
        with pytest.raises(RunError, match=DAMAGED):
            load(sound[:length])


def test_nothing_is_unpickled(sound: bytes, load: Callable[[bytes], Any], tmp_path: Path) -> None:
    class Harm:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "harm").touch, ())

    array = io.BytesIO()
    np.save(array, np.array([Harm()], dtype=object), allow_pickle=True)
    name = first_array(sound)
    for content in (array.getvalue(), pickle.dumps(Harm())):
        with pytest.raises(RunError, match=r"model\.textnets: "):
            load(repacked(sound, parts={name: content})).predict(["a"])
    assert [path.name for path in map(Path, listing(tmp_path))] == ["model.textnets"]


def first_array(sound: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(sound)) as archive:
        return next(name for name in archive.namelist() if name.startswith("arrays/"))


def npy(shape: tuple[int, ...], kind: str = "<f4") -> bytes:
    """The beginning of an array that says it is so large."""
    written = io.BytesIO()
    header = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(written, header)
    return written.getvalue() + bytes(64)


@pytest.mark.parametrize(
    "content",
    [npy((10**12,)), npy((2**40, 2**40)), npy((-1, 4)), npy((16,), "|O"), npy((16,), "<U4"), b""],
)
def test_arrays_that_are_larger_than_the_file(
    sound: bytes, load: Callable[[bytes], Any], content: bytes
) -> None:
    with pytest.raises(RunError, match=r"model\.textnets: "):
        load(repacked(sound, parts={first_array(sound): content})).predict(["a"])


def test_parts_that_do_not_belong_in_it(sound: bytes, load: Callable[[bytes], Any]) -> None:
    for name in ("../escape", "/etc/passwd", "arrays/../x", "code.py", "arrays/A.npy"):
        with pytest.raises(RunError, match="does not belong in it"):
            load(repacked(sound, parts={name: b"x"}))
    with pytest.raises(RunError, match="does not belong in it"):
        load(repacked(sound, parts={"raw/bomb.bin": bytes(10**7)}, how=zipfile.ZIP_DEFLATED))


def changed(**values: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda header: {**header, **values}


def in_graph(**values: Any) -> Callable[[dict[str, Any]], Any]:
    def change(header: dict[str, Any]) -> Any:
        found = copy.deepcopy(header)
        found["models"][0]["graph"].update(values)
        return found

    return change


def of_layer(**values: Any) -> Callable[[dict[str, Any]], Any]:
    def change(header: dict[str, Any]) -> Any:
        found = copy.deepcopy(header)
        found["models"][0]["graph"]["layers"][-1].update(values)
        return found

    return change


def nested(levels: int) -> dict[str, Any]:
    layer: dict[str, Any] = {"name": "deep", "class": "Identity"}
    for _ in range(levels):
        layer = {"name": "deep", "class": "TimeDistributed", "inner": {"layer": [layer]}}
    return layer


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "newer": changed(textnets_lite=2),
    "no number": changed(textnets_lite="1"),
    "no task": changed(task=None),
    "another task": changed(task="translation"),
    "no such task": changed(task="os.system"),
    "no models": changed(models=[]),
    "no settings": changed(settings={}),
    "no preprocessor": changed(preprocessors=[]),
    "weights": lambda header: {**header, "models": header["models"] * 2},
    "a list": lambda header: ["header"],
    "no calls": in_graph(calls=[]),
    "no layers": in_graph(layers=[]),
    "calls of text": in_graph(calls="abc"),
    "an output that nobody makes": in_graph(outputs={"tensor": 10**9}),
    "an operation of its own": in_graph(
        calls=[{"operation": "__import__", "config": {}, "arguments": [], "named": {}, "gives": []}]
    ),
    "a layer of its own": of_layer(**{"class": "os.system"}),
    "a method": of_layer(**{"class": "__init__"}),
    "a part that is not there": of_layer(weights={"kernel": {"values": "arrays/99999.npy"}}),
    "a part of another kind": of_layer(weights={"kernel": {"values": "texts/00000.json"}}),
    "an activation of its own": of_layer(config={"activation": "eval"}),
    "a bomb": of_layer(**{"class": "RepeatVector", "config": {"n": 10**12}}),
    "another bomb": in_graph(
        calls=[{"operation": "Repeat", "config": {"repeats": 2**62}, "arguments": [{"tensor": 0}],
                "named": {}, "gives": [1]}], outputs={"tensor": 1}
    ),
    "depth": of_layer(**nested(100)),
    "unicode": changed(unicode={"starts": []}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_description_that_fits_no_model(
    sound: bytes, load: Callable[[bytes], Any], name: str
) -> None:
    with pytest.raises(RunError, match=r"model\.textnets: "):
        load(repacked(sound, CHANGES[name])).predict(["a card", "another"])


def test_deep_json_and_large_descriptions(sound: bytes, load: Callable[[bytes], Any]) -> None:
    for content in (b"[" * 100_000, b'{"a":' * 100_000, b"\xff\xfe", b"null"):
        written = io.BytesIO()
        with zipfile.ZipFile(written, "w") as archive:
            archive.writestr("header.json", content)
        with pytest.raises(RunError, match=DAMAGED):
            load(written.getvalue())
