"""A run directory that is there: opened, or told apart from what is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.errors import RunError
from textnets.run.files import checked, parse_json, read_object, read_text
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
    is_left_by_systems,
    not_plain,
    partial_folder,
    strangers,
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
        records = [parse_json(line, path) for line in read_text(path).splitlines()]
        return list(checked(list[dict[str, int | float]], records, path))

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
    files = checked(_Described, environment, folder / ENVIRONMENT_FILE).files
    refuse_what_is_not_plain(folder)
    for name, digest in files.items():
        if name.split("/")[0] not in NOT_NEEDED:
            check_file(folder, name, digest)
    return Run(folder, environment)


def refuse_what_is_not_plain(folder: Path) -> None:
    """Refuse links, pipes and devices: what would be read lies elsewhere, or never ends.

    Raises:
        RunError: naming the first.
    """
    for name in not_plain(folder):
        raise RunError(f"{folder / name}: is a link or no plain file, expected what was written")


@dataclass(frozen=True)
class _Described:
    """What ``environment.json`` of a finished run says at least."""

    files: dict[str, str]
    data: dict[str, dict[str, str]]


def looks_like_a_run(folder: Path) -> bool:
    return folder.is_dir() and (folder / RECIPE_FILE).is_file()


def is_run(folder: Path) -> bool:
    """Whether a folder holds a run and nothing else, so that it may be replaced: a user's own
    folder with a recipe.yaml in it is not ours to remove, nor are files of his in a run."""
    return looks_like_a_run(folder) and next(strangers_in_run(folder), None) is None


def strangers_in_run(folder: Path) -> Iterator[str]:
    """What lies in a finished run and is no part of it; its record where that is missing."""
    path = folder / ENVIRONMENT_FILE
    if not path.is_file():
        yield ENVIRONMENT_FILE
        return
    files = checked(dict[str, str], read_object(path).get("files", {}), path)
    strange = set(strangers(folder, files))
    for found in sorted(folder.rglob("*")):
        name = found.relative_to(folder).as_posix()
        is_listed = found.is_dir() or name in files or name.split("/")[0] in NOT_HASHED
        is_listed = is_listed or is_left_by_systems(found)
        if name in strange or not is_listed:
            yield name


def strangers_in_partial(folder: Path) -> Iterator[str]:
    """What lies where a run is written, and is none of its files; the folder itself where it was
    not made by a training."""
    if not folder.is_dir() or folder.is_symlink():
        yield folder.name
        return
    names = {path.name for path in folder.iterdir() if not is_left_by_systems(path)}
    begun = names & {LOCK_FILE, ENVIRONMENT_FILE, CHECKPOINT_FOLDER}  # its recipe may be lost
    if names and not begun:
        yield min(names)
    yield from strangers(folder)


def is_partial(folder: Path) -> bool:
    """Whether a folder is an unfinished run, or one that was stopped before its first file."""
    return next(strangers_in_partial(folder), None) is None
