"""The files of a checkpoint: NumPy archives without pickled objects, whole or absent.

They are written beside, synced, and renamed; each holds the sha256 of its content.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import RunError
from textnets.run.files import bytes_written_whole, checked
from textnets.run.layout import (
    BEST_WEIGHTS_FILES,
    CHECKPOINT_FOLDER,
    CHECKPOINT_STATE_FILE,
    ENVIRONMENT_FILE,
    best_weights_file,
    inner_places,
)

Arrays = dict[str, npt.NDArray[Any]]

_TRAINING_STATE = "training_state"
_DIGEST = "sha256"  # of everything else in the file


def has_checkpoint(folder: Path) -> bool:
    """Whether there is something to continue from."""
    return (folder / CHECKPOINT_STATE_FILE).is_file()


def has_progress(folder: Path) -> bool:
    """Whether training would be lost with it: a step was made. True where it cannot be read."""
    if not has_checkpoint(folder):
        return False
    try:
        return _number(folder, "step", 1) > 0
    except RunError:
        return True


def has_training(run: Path) -> bool:
    """Whether an unfinished run, or one inside of it, was trained so far that it can go on."""
    return has_checkpoint(run / CHECKPOINT_FOLDER) or any(
        ((place / ENVIRONMENT_FILE).is_file() and place.suffix != ".partial") or has_training(place)
        for place in inner_places(run)
    )


def is_worth_keeping(run: Path) -> bool:
    """Whether training would be lost with an unfinished run, or with one inside of it."""
    return has_progress(run / CHECKPOINT_FOLDER) or any(
        ((place / ENVIRONMENT_FILE).is_file() and place.suffix != ".partial")
        or is_worth_keeping(place)
        for place in inner_places(run)
    )


def check_checkpoint(folder: Path) -> None:
    """Refuse a checkpoint that cannot be read, before anything is changed.

    Raises:
        RunError: naming the file.
    """
    best = _number(folder, "best_epoch", 0)
    if best:
        load_best(folder, best)


def _number(folder: Path, name: str, otherwise: int) -> int:
    """A whole number of the training state."""
    found = read_checkpoint(folder)[1].get(name, otherwise)
    return int(checked(int, found, folder / CHECKPOINT_STATE_FILE))


def read_checkpoint(folder: Path) -> tuple[Arrays, dict[str, Any]]:
    """The variables and the training state of a checkpoint.

    Raises:
        RunError: the file is damaged.
    """
    arrays = _read_arrays(folder / CHECKPOINT_STATE_FILE)
    try:
        state = json.loads(arrays.pop(_TRAINING_STATE).tobytes().decode())
    except (KeyError, ValueError, RecursionError) as error:
        raise _unreadable(folder / CHECKPOINT_STATE_FILE, error) from None
    return arrays, checked(dict[str, Any], state, folder / CHECKPOINT_STATE_FILE)


def write_checkpoint(folder: Path, arrays: Arrays, state: dict[str, Any]) -> None:
    """Write ``state.npz``: all variables, and the training state as JSON.

    The folder is not made: where a run was moved away, nothing shall grow in its place.
    """
    text = json.dumps(state)
    packed = {**arrays, _TRAINING_STATE: np.frombuffer(text.encode(), dtype=np.uint8)}
    _write_arrays(folder / CHECKPOINT_STATE_FILE, packed)


def save_best(folder: Path, epoch: int, weights: Arrays) -> None:
    """Keep the best weights; older ones stay until the next checkpoint names these."""
    _write_arrays(folder / best_weights_file(epoch), weights)


def load_best(folder: Path, epoch: int) -> Arrays:
    """The weights of the best epoch."""
    return _read_arrays(folder / best_weights_file(epoch))


def drop_other_bests(folder: Path, epoch: int) -> None:
    """Remove the weights that no checkpoint refers to any more."""
    for path in folder.glob(BEST_WEIGHTS_FILES):
        if path.name != best_weights_file(epoch):
            path.unlink()


def _write_arrays(path: Path, arrays: Arrays) -> None:
    with bytes_written_whole(path) as file:
        np.savez(file, allow_pickle=False, **arrays, **{_DIGEST: _digest_of(arrays)})


def _read_arrays(path: Path) -> Arrays:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        digest = arrays.pop(_DIGEST)
    except Exception as error:  # zipfile and NumPy raise a dozen kinds for damaged bytes
        raise _unreadable(path, error) from None
    # An archive checks a member that is read to its end; a shorter shape is not.
    if not np.array_equal(digest, _digest_of(arrays)):
        raise _unreadable(path, ValueError("its sha256 differs"))
    return arrays


def _digest_of(arrays: Arrays) -> npt.NDArray[np.uint8]:
    """``<uint8>[32]``, of names, types, shapes and bytes."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(array.data if array.size else b"")
    return np.frombuffer(digest.digest(), dtype=np.uint8)


def _unreadable(path: Path, error: Exception) -> RunError:
    return RunError(
        f"{path}: the checkpoint is damaged and cannot be read: {error}; put the file back from "
        "a copy, or start again with --overwrite"
    )
