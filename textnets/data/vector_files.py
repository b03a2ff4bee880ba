"""Files of word vectors: a file of the user's own, or one of the catalog, fetched if need be.

They lie below ``vectors/`` where data sets lie: beside the recipe, beside it under ``data/``, under
``$TEXTNETS_DATA``, and in the cache.
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from pathlib import Path

from textnets.data.sources import (
    address_of,
    cache_folder,
    download,
    find_file,
    roots,
    working_folder,
)
from textnets.data.vector_catalog import VECTORS, VectorEntry
from textnets.errors import DataError, did_you_mean
from textnets.progress import Progress

_FOLDER = "vectors"
_CHUNK = 2**20
_LARGEST_RATIO = 50  # of an archive: numbers as text pack to a third of their size


def find_vectors(name: str, *, beside: Path, progress: Progress) -> Path:
    """The file of vectors that a recipe names: a file, or an entry of the catalog.

    Args:
        name: as written in the recipe.
        beside: the folder that holds the recipe.
        progress: shows the download, in bytes.

    Raises:
        DataError: there is no such file, nor such an entry; or it cannot be downloaded, or is not
            the known one.
    """
    try:
        return find_file(name, beside=beside)
    except DataError as error:
        if name in VECTORS:
            return fetch_vectors(name, beside=beside, progress=progress)
        if Path(name).suffix or len(Path(name).parts) > 1:
            raise
        hint = did_you_mean(name, VECTORS)
        raise DataError(f"{error}; of the vectors that textnets knows by name, {hint}") from None


def where_are(entry: VectorEntry, *, beside: Path) -> Path | None:
    """The file of an entry; ``None`` where it is nowhere yet."""
    for root in roots(beside):
        path = root / _FOLDER / entry.file_name
        if path.is_file():
            return path
    return None


def fetch_vectors(name: str, *, beside: Path, progress: Progress) -> Path:
    """The file of an entry of the catalog, downloaded where it is nowhere yet.

    An archive is kept beside, since it may hold vectors of other widths too.

    Raises:
        DataError: there is no such entry; it cannot be downloaded, or is not the known one.
    """
    if name not in VECTORS:
        raise DataError(f"unknown vectors, was: {name!r}; {did_you_mean(name, VECTORS)}")
    entry = VECTORS[name]
    found = where_are(entry, beside=beside)
    if found is not None:
        return found
    cache = cache_folder()
    place = cache / _FOLDER
    try:
        with working_folder(name, cache) as folder:
            archive = place / entry.source.file_name
            if not archive.is_file():
                progress.say(
                    f"downloading {entry.title} (license: {entry.license}; cite {entry.citation})"
                )
                fetched = download(entry.source, folder, progress)
                place.mkdir(parents=True, exist_ok=True)
                _keep(fetched, archive)
            if entry.member is not None:
                unpacked = folder / entry.file_name
                _unpack(archive, entry, unpacked)
                _keep(unpacked, place / entry.file_name)
    except DataError as error:
        raise DataError(f"cannot provide {name}: {error}\n{_ways(entry, beside)}") from error
    except OSError as error:
        raise DataError(
            f"cannot keep {name} in {place}: {error}; TEXTNETS_CACHE names another folder"
        ) from error
    return place / entry.file_name


def _keep(path: Path, target: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())  # or a power cut leaves an empty file of the right name
    path.replace(target)


def _unpack(archive: Path, entry: VectorEntry, target: Path) -> None:
    """Write one file of an archive.

    Raises:
        DataError: the archive is damaged, has no such file, or unpacks to much more than it is.
    """
    origin = address_of(entry.source)
    try:
        with zipfile.ZipFile(archive) as packed:
            member = packed.getinfo(str(entry.member))
            most = _LARGEST_RATIO * archive.stat().st_size + _CHUNK
            if member.file_size > most:
                raise DataError(f"{origin}: {entry.member} unpacks to {member.file_size:,} bytes")
            with packed.open(member) as source, target.open("wb") as file:
                shutil.copyfileobj(source, file, _CHUNK)
    except (zipfile.BadZipFile, KeyError, zlib.error, EOFError, NotImplementedError) as error:
        reason = f"holds no {entry.member}" if isinstance(error, KeyError) else str(error)
        archive.unlink(missing_ok=True)
        raise DataError(f"{origin}: cannot be unpacked: {reason}; it was not kept") from error


def _ways(entry: VectorEntry, beside: Path) -> str:
    return (
        f"there are three ways to provide it:\n"
        f"  put {entry.file_name} into {beside / 'data' / _FOLDER}\n"
        f"  set TEXTNETS_DATA to a folder that holds {_FOLDER}/{entry.file_name}\n"
        f"  run 'textnets data {entry.name}' with a network, or set TEXTNETS_MIRROR to an address "
        f"that serves {entry.source.file_name}"
    )
