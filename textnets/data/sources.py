"""Where data files come from: beside the recipe, ``$TEXTNETS_DATA``, the cache, the network.

Environment variables:

    TEXTNETS_DATA     a folder that holds data sets (``imdb/train.csv.gz``, ...)
    TEXTNETS_CACHE    where downloads are kept, instead of the user's cache folder
    TEXTNETS_MIRROR   a base address that serves the source files by their names alone
"""

from __future__ import annotations

import gzip
import hashlib
import logging
import os
import re
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from textnets.data.catalog import CATALOG, CatalogEntry, Source
from textnets.errors import DataError, did_you_mean
from textnets.progress import Progress, Step
from textnets.recipe.shipped import shipped_folder

if TYPE_CHECKING:
    from requests import RequestException

IN_MEMORY = "(in memory)"  # stands for a file where examples are in none
_ATTEMPTS = 2
_TIMEOUTS = (10.0, 60.0)  # seconds to connect, and between two arrivals of data
_CHUNK = 2**16
_SIZE_FACTOR = 2  # what is more than so often the size of a source is not that source
_STALE_SECONDS = 24 * 3600.0


# --------------------------------------------------------------------------------------
# Finding
# --------------------------------------------------------------------------------------


def find_file(name: str, *, beside: Path) -> Path:
    """The file (or folder) that a recipe names.

    Looked for beside the recipe, in ``data/`` there, in ``$TEXTNETS_DATA`` and in the cache;
    the first that exists wins. An absolute path is taken as it is.

    Args:
        name: as written in the recipe.
        beside: the folder that holds the recipe.

    Raises:
        DataError: there is no such file; the message lists where it was looked for.
    """
    if name == IN_MEMORY:
        raise DataError(
            "the run was fitted in Python, on examples that were in memory; evaluate it on a file "
            "with --data FILE, or train on one with --set data.train=FILE"
        )
    given = _in_a_home(name, name)
    places = [given] if given.is_absolute() else [root / name for root in roots(beside)]
    for place in places:
        try:
            if place.exists():
                return place
        except OSError as error:  # a name that is too long, a folder that may not be looked into
            raise DataError(f"{name}: cannot be looked for: {error.strerror}") from None
    looked = "".join(f"\n  {place}" for place in places)
    raise DataError(f"{name}: there is no such file; looked for\n{looked[1:]}\n{_remedy(name)}")


def _in_a_home(path: str, where: str) -> Path:
    """A path with ``~`` or ``~somebody`` written out."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        user = Path(path).parts[0]
        raise DataError(f"{where}: {user} is the home of nobody here, was: {path}") from None


def find_files(name: str, *, beside: Path) -> list[Path]:
    """The files that a recipe names, which may have ``*``, ``?`` or ``[...]`` in their name.

    Of several they are sorted by name, and all from the first of the places that has one.

    Raises:
        DataError: there is none.
    """
    if not _PATTERN.search(name) or name == IN_MEMORY:
        return [find_file(name, beside=beside)]
    given = _in_a_home(name, name)
    try:
        return [find_file(name, beside=beside)]
    except DataError:
        for root in [Path(given.anchor)] if given.is_absolute() else roots(beside):
            pattern = str(given.relative_to(given.anchor)) if given.is_absolute() else name
            if found := sorted(root.glob(pattern)):
                return found
        raise


_PATTERN = re.compile(r"[*?\[]")


def _remedy(name: str) -> str:
    data_set = Path(name).parts[0] if name else ""
    if data_set in CATALOG:
        return f"'textnets data {data_set}' downloads this set"
    return "put it at one of these places, or set TEXTNETS_DATA to the folder that holds it"


def where_is(name: str, *, beside: Path) -> Path | None:
    """The folder under which all files of a catalog entry exist, or ``None``.

    Looks in the same places as :func:`find_dataset`, and never downloads.

    Raises:
        DataError: no data set has this name.
    """
    entry = _entry(name)
    for root in roots(beside):
        if _holds(root, entry):
            return root
    return None


def cache_folder() -> Path:
    """Where downloaded data sets are kept: ``$TEXTNETS_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("TEXTNETS_CACHE")
    if chosen:
        return _in_a_home(chosen, "TEXTNETS_CACHE")
    import pooch

    return Path(pooch.os_cache("textnets"))


def roots(beside: Path) -> list[Path]:
    data = os.environ.get("TEXTNETS_DATA")
    shared = [_in_a_home(data, "TEXTNETS_DATA")] if data else []
    shipped = shipped_folder() / "data"  # what a recipe copied out no longer lies beside
    return [beside, beside / "data", *shared, shipped, cache_folder()]


def _entry(name: str) -> CatalogEntry:
    if name not in CATALOG:
        raise DataError(f"unknown data set, was: {name!r}; {did_you_mean(name, CATALOG)}")
    return CATALOG[name]


def _holds(root: Path, entry: CatalogEntry) -> bool:
    return all((root / file).is_file() for file in entry.files)


def sha256_of(path: Path) -> str:
    """The hash of a file; of a folder, the hash of its sorted relative names and file hashes.

    Raises:
        DataError: there is nothing at ``path``, or it cannot be read.
    """
    try:
        if not path.is_dir():
            if path.exists() and not path.is_file():
                raise DataError(f"{path}: is no plain file, but a device or a pipe")
            with path.open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").hexdigest()
        files = {file.relative_to(path).as_posix(): file for file in path.rglob("*")}
        listing = "".join(
            f"{sha256_of(file)}  {name}\n" for name, file in sorted(files.items()) if file.is_file()
        )
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest()


# --------------------------------------------------------------------------------------
# Downloading
# --------------------------------------------------------------------------------------


class _Transfer:
    """Pooch's downloader protocol. Pooch's own leaves connections open where they fail."""

    def __init__(self, step: Step, size: int) -> None:
        self._step, self._most = step, _SIZE_FACTOR * size + _CHUNK

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Stream ``url`` into ``output_file``."""
        import requests

        with requests.get(url, stream=True, timeout=_TIMEOUTS) as response:
            response.raise_for_status()
            left = self._most
            with Path(output_file).open("wb") as file:
                for chunk in response.iter_content(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise ValueError("more than the file that is known")
                    file.write(chunk)
                    self._step.advance(len(chunk))


def address_of(source: Source) -> str:
    mirror = os.environ.get("TEXTNETS_MIRROR")
    return f"{mirror.rstrip('/')}/{source.file_name}" if mirror else source.url


def download(source: Source, folder: Path, progress: Progress) -> Path:
    """Fetch one file into ``folder``; a connection that breaks is tried once more."""
    from requests import RequestException

    address = address_of(source)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return _retrieve(source, address, folder, progress)
        except RequestException as error:
            reason = _reason(error)
            if _is_final(error) or attempt == _ATTEMPTS:
                raise DataError(f"{address}: {reason}") from error
            progress.warn(f"{address}: {reason}; trying again")
            time.sleep(1.0)
        except ValueError as error:  # pooch found another hash, and kept nothing
            raise DataError(
                f"{address}: this is not the file that textnets knows (its sha256 must be "
                f"{source.sha256}); it was not kept"
            ) from error
    raise AssertionError("unreachable")


def _is_final(error: RequestException) -> bool:
    """Whether asking again cannot help: no such file, or an address that is none."""
    if error.response is not None:
        return error.response.status_code < 500
    return isinstance(error, ValueError)


def _retrieve(source: Source, address: str, folder: Path, progress: Progress) -> Path:
    import pooch

    known = f"sha256:{source.sha256}" if source.sha256 else None
    with progress.steps(source.file_name, source.size, "B") as step, _quiet_pooch():
        kept = pooch.retrieve(
            address,
            known,
            fname=source.file_name,
            path=folder,
            downloader=_Transfer(step, source.size),
        )
    return Path(kept)


@contextmanager
def _quiet_pooch() -> Iterator[None]:
    import pooch

    logger = pooch.get_logger()
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """The few words that matter out of requests' nested exceptions."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"the server answered {response.status_code} {response.reason}"
    innermost: BaseException = error
    while nested := innermost.__cause__ or innermost.__context__:
        innermost = nested
    return f"{type(innermost).__name__}: {innermost}"


# --------------------------------------------------------------------------------------
# Converting and keeping
# --------------------------------------------------------------------------------------


def _converted(entry: CatalogEntry, downloads: Mapping[str, Path]) -> Mapping[str, bytes]:
    """The set's files, decompressed; they are the known ones to the byte."""
    origin = " and ".join(address_of(source) for source in entry.sources)
    try:
        contents = entry.convert(downloads)
    except (ValueError, EOFError, OSError, zlib.error, tarfile.TarError) as error:
        raise DataError(f"{origin}: cannot be unpacked as {entry.name}: {error}") from error
    for file_name, known in entry.content_sha256.items():
        found = hashlib.sha256(contents.get(file_name, b"")).hexdigest()
        if found != known:
            raise DataError(
                f"{origin}: gives another {file_name} than textnets knows (sha256 {found}, "
                f"expected {known}); it was not kept"
            )
    return contents


def _write_gzip(path: Path, content: bytes) -> None:
    # No name and no time inside: the same content gives the same file.
    with path.open("wb") as raw:
        with gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as packed:
            packed.write(content)
        raw.flush()
        os.fsync(raw.fileno())  # or a power cut leaves an empty file of the right name


@contextmanager
def working_folder(name: str, cache: Path) -> Iterator[Path]:
    """A hidden folder on the cache's own file system, gone when the block ends."""
    cache.mkdir(parents=True, exist_ok=True)
    _sweep(cache)
    with tempfile.TemporaryDirectory(prefix=f".{name}-", suffix=".partial", dir=cache) as folder:
        yield Path(folder)


def _sweep(cache: Path) -> None:
    """Remove what killed processes left; a young folder may be at work in another process."""
    for folder in cache.glob(".*.partial"):
        with suppress(FileNotFoundError):
            if time.time() - folder.stat().st_mtime > _STALE_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _move_into_place(finished: Path, target: Path) -> None:
    """Rename the whole folder, or, where one is in the way, file by file over it."""
    try:
        finished.rename(target)
    except OSError:
        if not target.is_dir():
            raise
        for file in finished.iterdir():
            file.replace(target / file.name)


def _fetch(entry: CatalogEntry, cache: Path, progress: Progress) -> None:
    """Download, check, convert, check and keep one data set: all of it or nothing."""
    with working_folder(entry.name, cache) as folder:
        downloads = {
            source.file_name: download(source, folder, progress) for source in entry.sources
        }
        contents = _converted(entry, downloads)
        finished = folder / "finished"
        finished.mkdir()
        for file_name in entry.content_sha256:
            _write_gzip(finished / f"{file_name}.gz", contents[file_name])
        _move_into_place(finished, cache / entry.name)


def find_dataset(name: str, *, beside: Path, progress: Progress, download: bool = True) -> Path:
    """The folder under which the files of a catalog entry exist; downloads them if need be.

    Looks beside the recipe, in ``data/`` there, in ``$TEXTNETS_DATA`` and in the cache. What is
    found is taken as it is; what is downloaded is checked, and kept in the cache as a whole or
    not at all.

    Args:
        name: a key of :data:`~textnets.data.catalog.CATALOG`.
        beside: the folder that holds the recipe.
        progress: shows the download, in bytes.
        download: whether the network may be used.

    Raises:
        DataError: the name is unknown, the set is not here and may not be or cannot be
            downloaded, or it is not the known one. The message says how to provide it.
    """
    entry = _entry(name)
    found = where_is(name, beside=beside)
    if found:
        return found
    if not download:
        raise DataError(f"the data set {name} is not on this machine\n{_ways(entry, beside)}")
    cache = cache_folder()
    progress.say(f"downloading {entry.title} (license: {entry.license}; cite {entry.citation})")
    try:
        _fetch(entry, cache, progress)
    except DataError as error:
        raise DataError(f"cannot provide {name}: {error}\n{_ways(entry, beside)}") from error
    except OSError as error:
        raise DataError(
            f"cannot keep {name} in {cache}: {error}; TEXTNETS_CACHE names another folder"
        ) from error
    return cache


def _ways(entry: CatalogEntry, beside: Path) -> str:
    files = ", ".join(Path(file).name for file in entry.files)
    return (
        f"there are three ways to provide it:\n"
        f"  put {files} into {beside / 'data' / entry.name}\n"
        f"  set TEXTNETS_DATA to a folder that holds {entry.name}/\n"
        f"  run 'textnets data {entry.name}' with a network, or set TEXTNETS_MIRROR to an "
        f"address that serves {', '.join(source.file_name for source in entry.sources)}"
    )
