"""Whether a run is what was written: the sha256 of its files, and of the list of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from textnets.errors import RunError
from textnets.run.checkpoint_files import check_checkpoint, has_checkpoint
from textnets.run.files import (
    bytes_written_whole,
    checked,
    read_object,
    unreadable,
    write_json,
)
from textnets.run.layout import (
    CHECKPOINT_FOLDER,
    ENVIRONMENT_FILE,
    NOT_HASHED,
    RECIPE_FILE,
    WRITTEN_LATER,
    is_left_by_systems,
)

_REPLACING = "replacing"  # hashes of files that are about to take the place of prepared ones


def check_prepared(folder: Path) -> None:
    """Refuse to continue a run whose recipe, vocabularies or checkpoint are not what was written.

    Raises:
        RunError: naming the file.
    """
    started, path = read_started(folder), folder / ENVIRONMENT_FILE
    prepared = checked(dict[str, str], started.get("prepared") or {}, path)
    replacing = checked(dict[str, str], started.get(_REPLACING) or {}, path)
    for name, digest in prepared.items():
        check_file(folder, name, digest, replacing.get(name))
    if has_checkpoint(folder / CHECKPOINT_FOLDER):  # else only runs inside of it have one
        check_checkpoint(folder / CHECKPOINT_FOLDER)


def read_started(folder: Path) -> dict[str, Any]:
    """What an unfinished run wrote of itself when it began.

    Raises:
        RunError: the file is missing or damaged.
    """
    environment = read_object(folder / ENVIRONMENT_FILE)
    check_digest(folder, environment)
    return environment


def write_environment(folder: Path, environment: Mapping[str, Any]) -> None:
    """Write ``environment.json`` with a digest of its own content."""
    content = {**environment, "digest": digest_of(environment)}
    write_json(folder / ENVIRONMENT_FILE, content)


def begin_with(folder: Path, recipe: str, environment: Mapping[str, Any]) -> None:
    """Write the recipe and the record that a run is begun with, or goes on with.

    A run that goes on has a record with the hash of its recipe. Both cannot be replaced at once:
    in between, the record names the hashes of the old and of the new one, so that a process that
    is killed at any moment leaves what can be continued.
    """
    content, prepared = recipe.encode(), environment.get("prepared")
    later = dict(environment)
    if prepared is not None:
        later["prepared"] = {**prepared, RECIPE_FILE: hashlib.sha256(content).hexdigest()}
        replacing = {RECIPE_FILE: later["prepared"][RECIPE_FILE]}
        write_environment(folder, {**environment, _REPLACING: replacing})
    with bytes_written_whole(folder / RECIPE_FILE) as file:
        file.write(content)
    write_environment(folder, later)


def prepared_files(folder: Path) -> dict[str, str]:
    """The sha256 of what a run has before its training begins: recipe and vocabularies."""
    return {
        name: digest
        for name, digest in hashes_of(folder).items()
        if name.split("/")[0] not in WRITTEN_LATER
    }


def hashes_of(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and path.relative_to(folder).parts[0] not in NOT_HASHED
        and not is_left_by_systems(path)
    }


def check_file(folder: Path, name: str, *digests: str | None) -> None:
    """Refuse a file that is missing, has none of these hashes, or is none of the run's own."""
    if ".." in name.split("/") or Path(name).is_absolute():
        raise RunError(f"{folder / ENVIRONMENT_FILE}: names a file outside of the run: {name}")
    try:
        is_there = (folder / name).is_file()
        found = _sha256(folder / name) if is_there else ""
    except (OSError, ValueError) as error:
        raise unreadable(folder / name, error) from None
    if not is_there:
        raise RunError(
            f"{folder}: the run is incomplete: {name} is missing; copy the run again, or "
            "train it again"
        )
    if found not in digests:
        raise RunError(
            f"{folder}: {name} is not the file that was written (its hash differs); copy the "
            "run again, or train it again"
        )


def digest_of(environment: Mapping[str, Any]) -> str:
    content = {key: value for key, value in environment.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def check_digest(folder: Path, environment: Mapping[str, Any]) -> None:
    if environment.get("digest") != digest_of(environment):
        raise RunError(
            f"{folder / ENVIRONMENT_FILE}: is not the file that was written (its digest "
            "differs); copy the run again, or train it again"
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
