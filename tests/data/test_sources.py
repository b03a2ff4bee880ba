"""Finding and downloading, against a real server on this machine."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from textnets.data.catalog import CATALOG, CatalogEntry, Source
from textnets.data.converters import convert_banking77, convert_imdb
from textnets.data.sources import cache_folder, find_dataset, find_file, sha256_of, where_is
from textnets.errors import DataError
from textnets.progress import PlainProgress, Progress
from textnets.recipe.shipped import shipped_folder

# Read before the tests hide the variable from themselves.
REFERENCE_DATA = Path(os.environ["TEXTNETS_DATA"]) if os.environ.get("TEXTNETS_DATA") else None

TRAIN = b"text,label\n" + b"".join(b"text %d,a\n" % i for i in range(20_000))
TEST = b"text,label\none,a\n"


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Mirror:
    """What the server serves, what it was asked for, and where it stops half-way."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.requests: list[str] = []
        self.stall_on: str | None = None
        self.break_once: set[str] = set()
        self.endless: set[str] = set()
        self.sent = 0
        self.stalled = threading.Event()
        self.resume = threading.Event()
        self.address = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        name = request.path.rpartition("/")[2]
        self.requests.append(request.path)
        content = self.files.get(name)
        if content is None:
            request.send_error(404)
            return
        request.send_response(200)
        if name in self.endless:
            request.end_headers()
            while True:
                request.wfile.write(b"x" * 2**16)
                self.sent += 2**16
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        half = len(content) // 2
        request.wfile.write(content[:half])
        request.wfile.flush()
        if name in self.break_once:
            self.break_once.discard(name)
            return
        if name == self.stall_on:
            self.stalled.set()
            self.resume.wait(20)
        request.wfile.write(content[half:])


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    state = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with suppress(ConnectionError):  # the client was killed
                state.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setenv("TEXTNETS_MIRROR", f"{state.address}/base/")
    yield state
    state.resume.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test has its own places, and no way to the outside."""
    monkeypatch.setenv("TEXTNETS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TEXTNETS_MIRROR", "http://127.0.0.1:9/closed")
    monkeypatch.delenv("TEXTNETS_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    (tmp_path / "recipes").mkdir()
    return tmp_path / "recipes"


def entry(**changes: object) -> CatalogEntry:
    """A set of two csv files whose carriage returns are removed."""
    made = CatalogEntry(
        name="tiny",
        task="classification",
        title="Tiny set",
        license="none",
        citation="nobody",
        size_note="20,001 rows",
        defaults={"train": "tiny/train.csv.gz", "test": "tiny/test.csv.gz"},
        sources=tuple(
            Source(f"https://example.invalid/data/{name}", len(raw), sha256(raw))
            for name, raw in raw_files().items()
        ),
        convert=convert_banking77,
        content_sha256={"train.csv": sha256(TRAIN), "test.csv": sha256(TEST)},
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def raw_files() -> dict[str, bytes]:
    return {
        "train.csv": TRAIN.replace(b"\n", b"\r\n"),
        "test.csv": TEST.replace(b"\n", b"\r\n"),
    }


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> CatalogEntry:
    made = entry()
    monkeypatch.setitem(CATALOG, "tiny", made)
    return made


def refusal(beside: Path, name: str = "tiny", *, download: bool = True) -> str:
    with pytest.raises(DataError) as caught:
        find_dataset(name, beside=beside, progress=Progress(), download=download)
    return str(caught.value)


def everything_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


# --------------------------------------------------------------------------------------
# Files
# --------------------------------------------------------------------------------------


def test_a_file_is_looked_for_in_order(
    tmp_path: Path, beside: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTNETS_DATA", str(tmp_path / "shared"))
    places = [cache, tmp_path / "shared", beside / "data", beside]
    for place in places:  # from the last resort to the first choice
        (place / "set").mkdir(parents=True)
        (place / "set" / "a.csv").touch()
        assert find_file("set/a.csv", beside=beside) == place / "set" / "a.csv"


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path, beside: Path) -> None:
    path = tmp_path / "a.csv"
    path.touch()
    assert find_file(str(path), beside=beside) == path
    with pytest.raises(DataError, match="there is no such file"):
        find_file(str(tmp_path / "b.csv"), beside=beside)


def test_a_missing_file_lists_where_it_was_looked_for(
    tmp_path: Path, beside: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTNETS_DATA", str(tmp_path / "shared"))
    with pytest.raises(DataError) as caught:
        find_file("b.csv", beside=beside)
    lines = str(caught.value).splitlines()
    shipped = shipped_folder() / "data"
    places = (beside, beside / "data", tmp_path / "shared", shipped, cache)
    assert lines[1:6] == [f"  {place / 'b.csv'}" for place in places]
    assert "set TEXTNETS_DATA" in lines[6]
    with pytest.raises(DataError, match="'textnets data imdb' downloads this set"):
        find_file("imdb/train.csv.gz", beside=beside)


def test_the_cache_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEXTNETS_CACHE")
    assert cache_folder().is_absolute()
    assert "textnets" in cache_folder().parts


def test_the_hash_of_a_folder_follows_names_and_contents(tmp_path: Path) -> None:
    def folder(name: str, **files: str) -> Path:
        for file, content in files.items():
            path = tmp_path / name / file.replace("_", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path / name

    first = sha256_of(folder("one", pos_a="x", neg_b="y"))
    assert sha256_of(folder("two", neg_b="y", pos_a="x")) == first
    assert sha256_of(folder("three", pos_a="x", neg_c="y")) != first
    assert sha256_of(folder("four", pos_a="x", neg_b="z")) != first
    assert sha256_of(tmp_path / "one" / "pos" / "a") == sha256(b"x")
    with pytest.raises(DataError, match="cannot be read"):
        sha256_of(tmp_path / "missing")


# --------------------------------------------------------------------------------------
# Data sets
# --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("tiny")
def test_a_set_is_downloaded_once(mirror: Mirror, beside: Path, cache: Path) -> None:
    mirror.files = raw_files()
    assert where_is("tiny", beside=beside) is None
    assert find_dataset("tiny", beside=beside, progress=Progress()) == cache
    assert everything_in(cache) == ["tiny", "tiny/test.csv.gz", "tiny/train.csv.gz"]
    assert gzip.decompress((cache / "tiny" / "train.csv.gz").read_bytes()) == TRAIN
    assert (cache / "tiny" / "train.csv.gz").read_bytes()[4:8] == b"\0\0\0\0"  # no time in it
    assert mirror.requests == ["/base/train.csv", "/base/test.csv"]

    assert find_dataset("tiny", beside=beside, progress=Progress()) == cache
    assert find_dataset("tiny", beside=beside, progress=Progress(), download=False) == cache
    assert where_is("tiny", beside=beside) == cache
    assert find_file("tiny/test.csv.gz", beside=beside) == cache / "tiny" / "test.csv.gz"
    assert len(mirror.requests) == 2


@pytest.mark.usefixtures("tiny")
def test_progress_is_told_in_bytes_and_names_the_license(mirror: Mirror, beside: Path) -> None:
    mirror.files = raw_files()
    log = io.StringIO()
    find_dataset("tiny", beside=beside, progress=PlainProgress(log, every_seconds=0.0))
    lines = log.getvalue().splitlines()
    assert lines[0] == "downloading Tiny set (license: none; cite nobody)"
    size = len(raw_files()["train.csv"])
    done = [line for line in lines if line.startswith(f"train.csv: {size:,}/{size:,}")]
    assert done
    assert " B/s" in done[0]


@pytest.mark.usefixtures("tiny")
def test_a_set_beside_the_recipe_is_taken_before_the_network(
    mirror: Mirror, beside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTNETS_DATA", str(tmp_path / "shared"))
    for root in (tmp_path / "shared", beside / "data", beside):
        (root / "tiny").mkdir(parents=True)
        (root / "tiny" / "train.csv.gz").touch()
        assert where_is("tiny", beside=beside) != root  # only a part of the set
        (root / "tiny" / "test.csv.gz").touch()
        assert find_dataset("tiny", beside=beside, progress=Progress()) == root
    assert mirror.requests == []


def test_an_unknown_set_names_the_nearest(beside: Path) -> None:
    assert refusal(beside, "imbd") == "unknown data set, was: 'imbd'; did you mean 'imdb'?"
    with pytest.raises(DataError, match="did you mean 'sst2'"):
        where_is("sst", beside=beside)


@pytest.mark.usefixtures("tiny")
def test_the_ways_to_provide_a_set_are_told(beside: Path, mirror: Mirror) -> None:
    message = refusal(beside, download=False)
    assert "the data set tiny is not on this machine" in message
    assert f"put train.csv.gz, test.csv.gz into {beside / 'data' / 'tiny'}" in message
    assert "set TEXTNETS_DATA to a folder that holds tiny/" in message
    assert "run 'textnets data tiny' with a network, or set TEXTNETS_MIRROR" in message
    assert mirror.requests == []


@pytest.mark.usefixtures("tiny")
def test_a_missing_file_on_the_server_is_told(mirror: Mirror, beside: Path, cache: Path) -> None:
    message = refusal(beside)
    assert f"{mirror.address}/base/train.csv: the server answered 404 Not Found" in message
    assert "three ways" in message
    assert len(mirror.requests) == 1  # asking again would not help
    assert everything_in(cache) == []


@pytest.mark.usefixtures("tiny")
def test_a_refused_connection_is_told(
    beside: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEXTNETS_MIRROR", "http://127.0.0.1:1")
    message = refusal(beside)
    assert "http://127.0.0.1:1/train.csv: ConnectionRefusedError" in message
    assert "three ways" in message
    assert everything_in(cache) == []


@pytest.mark.usefixtures("tiny")
def test_an_address_that_is_none_is_told(beside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("file:///tmp", "no address", "ftp://127.0.0.1:1"):
        monkeypatch.setenv("TEXTNETS_MIRROR", address)
        assert "three ways" in refusal(beside)


@pytest.mark.usefixtures("tiny")
def test_a_connection_that_breaks_is_tried_again(mirror: Mirror, beside: Path, cache: Path) -> None:
    mirror.files = raw_files()
    mirror.break_once = {"train.csv"}
    log = io.StringIO()
    assert find_dataset("tiny", beside=beside, progress=PlainProgress(log)) == cache
    assert "trying again" in log.getvalue()


@pytest.mark.usefixtures("tiny")
def test_another_file_than_the_known_one_is_not_kept(
    mirror: Mirror, beside: Path, cache: Path
) -> None:
    mirror.files = {**raw_files(), "test.csv": b"something else"}
    message = refusal(beside)
    assert "test.csv: this is not the file that textnets knows" in message
    assert sha256(raw_files()["test.csv"]) in message
    assert everything_in(cache) == []
    assert mirror.requests.count("/base/test.csv") == 1


def test_a_mirror_without_an_end_is_left(
    mirror: Mirror, tiny: CatalogEntry, beside: Path, cache: Path
) -> None:
    mirror.files = raw_files()
    mirror.endless = {"train.csv"}
    assert "this is not the file that textnets knows" in refusal(beside)
    assert mirror.sent < 2**26
    assert everything_in(cache) == []


@pytest.mark.parametrize("name", ["TEXTNETS_CACHE", "TEXTNETS_DATA", "data.train"])
def test_the_home_of_nobody(beside: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if name != "data.train":
        monkeypatch.setenv(name, "~nosuchuser/c")
    with pytest.raises(
        DataError,
        match=f"{'~nosuchuser' if name == 'data.train' else name}.*"
        "~nosuchuser is the home of nobody here",
    ):
        find_file("~nosuchuser/a.csv" if name == "data.train" else "none.csv", beside=beside)


def test_the_hash_of_what_has_no_end(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(DataError, match="is no plain file"):
            sha256_of(path)


def test_without_a_known_hash_the_content_is_checked(
    mirror: Mirror, beside: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = tuple(replace(source, sha256=None) for source in entry().sources)
    monkeypatch.setitem(CATALOG, "tiny", entry(sources=sources))
    mirror.files = {**raw_files(), "test.csv": b"something else"}
    message = refusal(beside)
    assert f"gives another test.csv than textnets knows (sha256 {sha256(b'something else')}" in (
        message
    )
    assert everything_in(cache) == []
    mirror.files = raw_files()
    assert find_dataset("tiny", beside=beside, progress=Progress()) == cache


@pytest.mark.usefixtures("tiny")
def test_an_incomplete_set_in_the_cache_is_completed(
    mirror: Mirror, beside: Path, cache: Path
) -> None:
    mirror.files = raw_files()
    (cache / "tiny").mkdir(parents=True)
    (cache / "tiny" / "train.csv.gz").write_bytes(b"old")
    (cache / "tiny" / "notes.txt").write_text("mine")
    find_dataset("tiny", beside=beside, progress=Progress())
    assert gzip.decompress((cache / "tiny" / "train.csv.gz").read_bytes()) == TRAIN
    assert (cache / "tiny" / "notes.txt").read_text() == "mine"


@pytest.mark.usefixtures("tiny")
def test_a_cache_that_cannot_be_written_is_told(
    beside: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.write_text("in the way")
    monkeypatch.setenv("TEXTNETS_CACHE", str(cache / "deeper"))
    assert "TEXTNETS_CACHE names another folder" in refusal(beside)


KILLED = """
import sys
from pathlib import Path
from textnets.data.catalog import CATALOG
from textnets.data.sources import find_dataset
from textnets.progress import Progress
sys.path.insert(0, {tests!r})
from test_sources import entry
CATALOG["tiny"] = entry()
find_dataset("tiny", beside=Path({beside!r}), progress=Progress())
"""


@pytest.mark.heavy
@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_killed_download_leaves_nothing_half_written(
    mirror: Mirror, beside: Path, cache: Path, kill: signal.Signals
) -> None:
    mirror.files = raw_files()
    mirror.stall_on = "test.csv"
    script = KILLED.format(tests=str(Path(__file__).parent), beside=str(beside))
    command = [sys.executable, "-c", script]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE) as process:
        assert mirror.stalled.wait(30), "the download did not start"
        process.send_signal(kill)
        process.communicate(timeout=30)
    assert process.returncode != 0
    left = everything_in(cache)
    if kill == signal.SIGINT:
        assert left == []
    assert not [name for name in left if not name.startswith(".")]
    assert where_is("tiny", beside=beside) is None

    mirror.resume.set()
    for partial in cache.glob(".*"):  # what SIGKILL left is swept when it is a day old
        yesterday = time.time() - 25 * 3600
        os.utime(partial, (yesterday, yesterday))
    find_dataset("tiny", beside=beside, progress=Progress())
    assert everything_in(cache) == ["tiny", "tiny/test.csv.gz", "tiny/train.csv.gz"]


# --------------------------------------------------------------------------------------
# The catalog
# --------------------------------------------------------------------------------------


def review_archive(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("aclImdb/train/pos/9_9.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    return packed.getvalue()


def imdb_like(archive: bytes, train: str, test: str) -> CatalogEntry:
    return entry(
        sources=(Source("https://example.invalid/a/reviews.tar.gz", len(archive)),),
        convert=convert_imdb,
        content_sha256={"train.csv": sha256(train.encode()), "test.csv": sha256(test.encode())},
    )


def test_review_archives_are_read_and_never_unpacked(
    mirror: Mirror, beside: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = review_archive(
        {
            "../../evil.txt": b"out",
            "/aclImdb/train/pos/3_9.txt": b"out",
            "aclImdb/train/../train/pos/4_9.txt": b"out",
            "aclImdb/train/unsup/0_0.txt": b"unlabelled",
            "aclImdb/README": b"words",
            "aclImdb/train/pos/10_9.txt": 'a "good"\x85film<br />'.encode(),
            "aclImdb/train/pos/2_10.txt": b"fine",
            "aclImdb/train/neg/2_1.txt": b"bad, really",
            "aclImdb/test/neg/0_2.txt": "naïve".encode(),
        }
    )
    train = (
        'text,label,rating\n"bad, really",neg,1\nfine,pos,10\n"a ""good""\x85film<br />",pos,9\n'
    )
    monkeypatch.setitem(
        CATALOG, "tiny", imdb_like(archive, train, "text,label,rating\nnaïve,neg,2\n")
    )
    mirror.files = {"reviews.tar.gz": archive}
    find_dataset("tiny", beside=beside, progress=Progress())
    assert gzip.decompress((cache / "tiny" / "train.csv.gz").read_bytes()).decode() == train
    assert not list(tmp_path.rglob("evil.txt"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda archive: archive[:-40],
        lambda archive: b"no archive",
        lambda archive: b"",
        lambda archive: gzip.compress(b"no archive" * 100),
    ],
)
def test_a_damaged_archive_is_told(
    mirror: Mirror,
    beside: Path,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    damage: Callable[[bytes], bytes],
) -> None:
    archive = review_archive({f"aclImdb/test/neg/{i}_2.txt": os.urandom(99) for i in range(9)})
    monkeypatch.setitem(CATALOG, "tiny", imdb_like(archive, "", ""))
    mirror.files = {"reviews.tar.gz": damage(archive)}
    assert "reviews.tar.gz: cannot be unpacked as tiny" in refusal(beside)
    assert everything_in(cache) == []


@pytest.mark.parametrize("name", CATALOG)
def test_the_catalog_agrees_with_itself(name: str) -> None:
    listed = CATALOG[name]
    assert listed.name == name
    named = [
        listed.defaults[key] for key in ("train", "validation", "test") if key in listed.defaults
    ]
    sides = [listed.defaults.get(key, "") for key in ("source", "target")]
    files = {name.replace("{side}", side) for name in named for side in sides}
    assert files == set(listed.files)
    keys = {
        "classification": {"text", "label"},
        "tagging": {"format"},
        "language_modeling": {"stream"},
        "translation": {"source", "target"},
    }
    assert {"train", *keys[listed.task]} <= set(listed.defaults)
    assert all(source.url.startswith("https://") for source in listed.sources)
    hashes = [*listed.content_sha256.values(), *(s.sha256 for s in listed.sources if s.sha256)]
    assert all(len(bytes.fromhex(known)) == 32 for known in hashes)


def test_a_mirror_can_serve_every_source_by_its_name() -> None:
    names = [source.file_name for listed in CATALOG.values() for source in listed.sources]
    assert len(set(names)) == len(names)


def mr_source(rows: list[list[str]], label: str) -> bytes:
    return "".join(f"{row[0]} \n" for row in rows if row[1] == label).encode("cp1252")


def trec_source(rows: list[list[str]]) -> bytes:
    return "".join(f"{row[2]} {row[0]}\n" for row in rows).encode("latin-1")


def sst2_source(content: bytes) -> bytes:
    rows = (line.split("\t") for line in content.decode().split("\n")[1:-1])
    return "".join(f"{label} {sentence}\n" for sentence, label in rows).encode()


def imdb_source(contents: dict[str, bytes]) -> bytes:
    members = {
        f"aclImdb/{split}/{label}/{number // 2}_{rating}.txt": text.encode()
        for split in ("train", "test")
        for number, (text, label, rating) in enumerate(csv_rows(contents[f"{split}.csv"]))
    }
    return review_archive(members)


def csv_rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))[1:]


def crlf_records(content: bytes) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(
        csv.reader(io.StringIO(content.decode(), newline=""))
    )
    return text.getvalue().encode()


SOURCES_FROM_CONTENTS: dict[str, Callable[[dict[str, bytes]], dict[str, bytes]]] = {
    "imdb": lambda contents: {"aclImdb_v1.tar.gz": imdb_source(contents)},
    "mr": lambda contents: {
        f"rt-polarity.{label}": mr_source(csv_rows(contents["mr.csv"]), label)
        for label in ("pos", "neg")
    },
    "sst2": lambda contents: {
        f"stsa.binary.{name.removesuffix('.tsv')}": sst2_source(content)
        for name, content in contents.items()
    },
    "trec": lambda contents: {
        f"TREC.{name.removesuffix('.csv')}": trec_source(csv_rows(content))
        for name, content in contents.items()
    },
    "banking77": lambda contents: {
        name: crlf_records(content) for name, content in contents.items()
    },
    "multi30k_en_de": lambda contents: {
        f"{name}.gz": gzip.compress(content) for name, content in contents.items()
    },
}


@pytest.mark.parametrize("name", CATALOG)
def test_converters_give_the_reference_copies(name: str, tmp_path: Path) -> None:
    """Runs only where TEXTNETS_DATA holds the reference copies."""
    listed = CATALOG[name]
    if not (REFERENCE_DATA and all((REFERENCE_DATA / file).is_file() for file in listed.files)):
        pytest.skip(f"no reference copy of {name} in TEXTNETS_DATA")
    contents = {
        file_name: gzip.decompress((REFERENCE_DATA / name / f"{file_name}.gz").read_bytes())
        for file_name in listed.content_sha256
    }
    assert {file: sha256(content) for file, content in contents.items()} == listed.content_sha256
    raw = SOURCES_FROM_CONTENTS.get(name, dict)(contents)  # most are kept as they are
    assert set(raw) == {source.file_name for source in listed.sources}
    for source in listed.sources:
        (tmp_path / source.file_name).write_bytes(raw[source.file_name])
        if source.sha256 and name != "imdb":  # the archive's own bytes cannot be rebuilt
            assert sha256(raw[source.file_name]) == source.sha256
    downloads = {source.file_name: tmp_path / source.file_name for source in listed.sources}
    assert dict(listed.convert(downloads)) == contents
