"""The catalogs as a person sees them: what there is, where it lies, and fetching one."""

from __future__ import annotations

from pathlib import Path

from textnets.data.catalog import CATALOG
from textnets.data.sources import find_dataset, where_is
from textnets.data.vector_catalog import VECTORS
from textnets.data.vector_files import fetch_vectors, where_are
from textnets.errors import DataError, did_you_mean
from textnets.progress import Progress


def list_catalog() -> list[tuple[str, str, str, str, str]]:
    """Name, task, rows, license and place of each data set."""
    rows = []
    for name, entry in CATALOG.items():
        root = where_is(name, beside=Path())
        place = str(root / name) if root else "not here yet"
        rows.append((name, entry.task, entry.size_note, entry.license, place))
    return rows


def list_vectors() -> list[tuple[str, str, str, str]]:
    """Name, what they are, license and place of the word vectors that are known by name."""
    rows = []
    for name, entry in VECTORS.items():
        path = where_are(entry, beside=Path())
        megabytes = f"{entry.source.size / 1e6:,.0f} MB to download"
        rows.append((name, entry.summary, entry.license, str(path) if path else megabytes))
    return rows


def fetch(name: str, progress: Progress) -> Path:
    """The folder of a data set, or the file of word vectors, downloaded if it is nowhere yet.

    Raises:
        DataError: nothing has this name, or it cannot be had.
    """
    if name in VECTORS:
        return fetch_vectors(name, beside=Path(), progress=progress)
    if name not in CATALOG:
        hint = did_you_mean(name, [*CATALOG, *VECTORS])
        raise DataError(f"unknown data set, was: {name!r}; {hint}")
    return find_dataset(name, beside=Path(), progress=progress) / name
