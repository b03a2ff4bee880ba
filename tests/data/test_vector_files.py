"""Word vectors by name: fetched from a real server on this machine, checked, unpacked, kept."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zipfile
from pathlib import Path

import pytest

from tests.data.test_sources import Mirror, beside, cache, everything_in, mirror  # noqa: F401
from textnets.data.catalog import Source
from textnets.data.listing import fetch, list_vectors
from textnets.data.vector_catalog import VECTORS, VectorEntry
from textnets.data.vector_files import find_vectors
from textnets.errors import DataError
from textnets.progress import Progress
from textnets.text.vectors import read_vectors
from textnets.text.vocabulary import Vocabulary

SMALL, WIDE = "card 1 2\nlost 3 4\n", "card 1 2 3\nlost 3 4 5\n"


def archive(**files: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as found:
        for name, content in files.items():
            found.writestr(name.replace("_", "."), content)
    return packed.getvalue()


def entry(name: str, content: bytes, file_name: str, member: str | None) -> VectorEntry:
    source = Source(
        f"https://example.invalid/{file_name}", len(content), hashlib.sha256(content).hexdigest()
    )
    return VectorEntry(name, "Tiny", "2", 2, False, "none", "nobody", source, member)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch, mirror: Mirror) -> Mirror:  # noqa: F811
    packed = archive(tiny_2d_txt=SMALL, tiny_3d_txt=WIDE)
    for width in (2, 3):
        made = entry(f"tiny-{width}d", packed, "tiny.zip", f"tiny.{width}d.txt")
        monkeypatch.setitem(VECTORS, made.name, made)
    binary = b"1 2\ncard " + struct.pack("<2f", 1.5, 2.5)
    monkeypatch.setitem(VECTORS, "tiny-binary", entry("tiny-binary", binary, "tiny.bin", None))
    mirror.files = {"tiny.zip": packed, "tiny.bin": binary}
    return mirror


def vectors_of(path: Path) -> list[float]:
    return read_vectors(path, Vocabulary(["card"]), seed=1).table[4].tolist()


def test_an_archive_is_fetched_once_for_all_its_widths(tiny, beside, cache):  # noqa: F811
    path = find_vectors("tiny-2d", beside=beside, progress=Progress())
    assert path == cache / "vectors" / "tiny.2d.txt"
    assert vectors_of(path) == [1, 2]
    assert vectors_of(find_vectors("tiny-3d", beside=beside, progress=Progress())) == [1, 2, 3]
    assert vectors_of(find_vectors("tiny-binary", beside=beside, progress=Progress())) == [1.5, 2.5]
    find_vectors("tiny-3d", beside=beside, progress=Progress())
    assert tiny.requests == ["/base/tiny.zip", "/base/tiny.bin"]
    names = ["tiny.2d.txt", "tiny.3d.txt", "tiny.bin", "tiny.zip"]
    assert everything_in(cache) == ["vectors", *(f"vectors/{name}" for name in names)]
    assert fetch("tiny-2d", Progress()) == path
    places = {name: place for name, _, _, place in list_vectors()}
    assert places["tiny-2d"] == str(path)
    assert places["glove-6b-100d"] == "862 MB to download"


def test_a_users_own_file_comes_first(tiny, beside, cache):  # noqa: F811
    (beside / "data" / "vectors").mkdir(parents=True)
    given = beside / "data" / "vectors" / "tiny.2d.txt"
    given.write_text("card 7 7\n")
    assert find_vectors("tiny-2d", beside=beside, progress=Progress()) == given
    (beside / "tiny-2d").write_text("card 8 8\n")
    assert find_vectors("tiny-2d", beside=beside, progress=Progress()) == beside / "tiny-2d"
    assert tiny.requests == []
    assert not cache.exists()


def refusal(name: str, beside: Path) -> str:  # noqa: F811
    with pytest.raises(DataError) as caught:
        find_vectors(name, beside=beside, progress=Progress())
    return str(caught.value)


def test_what_is_not_the_known_file_is_not_kept(tiny, beside, cache, monkeypatch):  # noqa: F811
    tiny.files["tiny.zip"] = archive(tiny_2d_txt="card 6 6\n")
    message = refusal("tiny-2d", beside)
    assert "this is not the file that textnets knows (its sha256 must be" in message
    assert "set TEXTNETS_MIRROR to an address that serves tiny.zip" in message
    assert not list(cache.rglob("*.zip"))
    # Another archive under the right hash: the catalog's own mistake, and still one error.
    packed = archive(other_txt="card 6 6\n")
    monkeypatch.setitem(VECTORS, "tiny-2d", entry("tiny-2d", packed, "tiny.zip", "tiny.2d.txt"))
    tiny.files["tiny.zip"] = packed
    assert "cannot be unpacked: holds no tiny.2d.txt; it was not kept" in refusal("tiny-2d", beside)
    bomb = archive(tiny_2d_txt="0" * 2**24)
    monkeypatch.setitem(VECTORS, "tiny-2d", entry("tiny-2d", bomb, "tiny.zip", "tiny.2d.txt"))
    tiny.files["tiny.zip"] = bomb
    assert "tiny.2d.txt unpacks to 16,777,216 bytes" in refusal("tiny-2d", beside)
    assert not (cache / "vectors" / "tiny.2d.txt").exists()


def test_names_that_are_nearly_right(beside):  # noqa: F811
    assert "did you mean 'glove-6b-100d'?" in refusal("glove-6b-100", beside)
    missing = refusal("my/vectors.txt", beside)
    assert "there is no such file; looked for" in missing
    assert "glove" not in missing
    with pytest.raises(DataError, match="did you mean 'glove-6b-50d'"):
        fetch("glove-6b-50", Progress())


def test_every_entry_says_where_it_is_from_and_how_it_is_known():
    for name, known in VECTORS.items():
        assert known.name == name
        assert known.source.url.startswith("https://")
        assert re.fullmatch("[0-9a-f]{64}", known.source.sha256 or "")
        assert known.source.size > 100_000_000
        assert known.license
        assert re.search(r" (19|20)\d\d,", known.citation)
        assert known.file_name.endswith((".txt", ".vec", ".bin.gz"))
        assert (known.member is None) == (not known.source.file_name.endswith(".zip"))
