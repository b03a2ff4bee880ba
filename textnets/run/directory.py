"""A run directory that is there: opened, or told apart from what is none."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.errors import RunError
from textnets.run.files import read_object, unreadable
from textnets.run.integrity import check_digest, check_file
from textnets.run.layout import (
    CHECKPOINT_FOLDER,
    ENVIRONMENT_FILE,
    EVALUATION_FILE,
    FORMAT,
    HISTORY_FILE,
    LOCK_FILE,
    MODEL_FILE,
    NOT_HASHED,
    NOT_NEEDED,
    RECIPE_FILE,
    partial_folder,
)


@dataclass(frozen=True)
class Run:
    """A complete run directory.

    Attributes:
        folder: where it lies.
        environment: the content of ``environment.json``.
    """

    folder: Path
    environment: Mapping[str, Any]

    @property
    def model_path(self) -> Path:
        """The model with its best weights."""
        return self.folder / MODEL_FILE

    def history(self) -> list[dict[str, float]]:
        """One record an epoch; none where each of several models has its own."""
        if HISTORY_FILE not in self.environment["files"]:
            return []
        path = self.folder / HISTORY_FILE
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from None

    def evaluation(self) -> dict[str, Any]:
        """The content of ``evaluation.json``.

        Raises:
            RunError: the file is missing or not what was written.
        """
        check_file(self.folder, EVALUATION_FILE, self.environment["files"].get(EVALUATION_FILE))
        return read_object(self.folder / EVALUATION_FILE)


def open_run(folder: Path) -> Run:
    """Open a finished run and check that it is whole.

    Raises:
        RunError: it is missing, unfinished, from a newer version, or a file of it is missing or
            not what was written.
    """
    if not folder.is_dir():
        if partial_folder(folder).is_dir():
            raise RunError(
                f"{folder}: training has not finished; continue with 'textnets train ... --resume'"
            )
        if folder.exists():
            raise RunError(f"{folder}: is a file, expected a run directory")
        raise RunError(f"{folder}: no such run directory")
    if not (folder / ENVIRONMENT_FILE).is_file():
        what = "the run is incomplete" if looks_like_a_run(folder) else "is no run directory"
        raise RunError(f"{folder}: {what}: {ENVIRONMENT_FILE} is missing")
    environment = read_object(folder / ENVIRONMENT_FILE)
    version = environment.get("format")
    if version is None:
        raise RunError(
            f"{folder}: training has not finished; continue with 'textnets train ... --resume'"
        )
    if not isinstance(version, int) or version > FORMAT:
        raise RunError(
            f"{folder}: written by a newer textnets (format {version}, textnets "
            f"{environment.get('textnets')}; this one reads up to format {FORMAT}); update textnets"
        )
    check_digest(folder, environment)
    files = environment.get("files")
    if not isinstance(files, dict) or not isinstance(environment.get("data"), dict):
        raise RunError(f"{folder / ENVIRONMENT_FILE}: is not what was written: keys are missing")
    for name, digest in files.items():
        if name.split("/")[0] not in NOT_NEEDED:
            check_file(folder, name, digest)
    return Run(folder, environment)


def looks_like_a_run(folder: Path) -> bool:
    return folder.is_dir() and (folder / RECIPE_FILE).is_file()


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run and nothing else, so that it may be replaced: a user's own
    folder with a recipe.yaml in it is not ours to remove."""
    if not looks_like_a_run(folder) or not (folder / ENVIRONMENT_FILE).is_file():
        return False
    written = {
        path.split("/")[0] for path in read_object(folder / ENVIRONMENT_FILE).get("files", ())
    }
    return {path.name for path in folder.iterdir()} <= written | set(NOT_HASHED)


def is_partial(folder: Path) -> bool:
    """Whether a folder is an unfinished run, or one that was stopped before its first file."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    begun = {ENVIRONMENT_FILE, CHECKPOINT_FOLDER} <= names  # its recipe may have been lost
    return looks_like_a_run(folder) or begun or names <= {LOCK_FILE}
