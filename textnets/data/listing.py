"""The catalog as a person sees it: what there is, where it lies, and fetching one."""

from __future__ import annotations

from pathlib import Path

from textnets.data.catalog import CATALOG
from textnets.data.sources import find_dataset, where_is
from textnets.progress import Progress


def list_catalog() -> list[tuple[str, str, str, str, str]]:
    """Name, task, rows, license and place of each data set."""
    rows = []
    for name, entry in CATALOG.items():
        root = where_is(name, beside=Path())
        place = str(root / name) if root else "not here yet"
        rows.append((name, entry.task, entry.size_note, entry.license, place))
    return rows


def fetch(name: str, progress: Progress) -> Path:
    """The folder of a data set, downloaded if it is nowhere yet.

    Raises:
        DataError: no such data set, or it cannot be had.
    """
    return find_dataset(name, beside=Path(), progress=progress) / name
