"""Everything that an exact continuation needs, in files that are whole or absent.

A checkpoint holds every variable of the model (weights, the seed states of dropout,
statistics) and of the optimizer, and the plain numbers of the training state. Keras's own
``BackupAndRestore``, ``save_weights`` and ``.keras`` files lose the seed states. Files are
NumPy archives without pickled objects, written beside, synced, and renamed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import RunError

Arrays = dict[str, npt.NDArray[Any]]

_STATE_FILE = "state.npz"
_SCALARS = "training_state"
_DIGEST = "sha256"  # of everything else in the file
_SEED_GENERATOR = re.compile(r"seed_generator_\d+")


def variables_of(model: Any) -> dict[str, Any]:
    """All variables of a compiled model and its optimizer, by a stable name."""
    optimizer = _named(model.optimizer.variables, "optimizer/")
    return {**_named(model.variables, "model/"), **optimizer}


def weights_of(model: Any) -> Arrays:
    """Copies of the model's own variables: what a best epoch is kept as."""
    return _values(_named(model.variables))


def set_weights(model: Any, weights: Arrays) -> None:
    """Put back what :func:`weights_of` gave."""
    _assign(_named(model.variables), weights, "the best weights")


def are_lost(model: Any) -> bool:
    """Whether a variable's memory was given away to a step that failed (JAX donates it)."""
    values: list[Any] = [variable.value for variable in variables_of(model).values()]
    return any(value.is_deleted() for value in values if hasattr(value, "is_deleted"))


def save_checkpoint(folder: Path, model: Any, state: dict[str, Any]) -> bool:
    """Write ``state.npz``: all variables and the training state (JSON).

    The folder is not made: where a run was moved away, nothing shall grow in its place.

    Returns:
        False, with nothing written, where a variable is not finite: the checkpoint that is there
        is worth more.
    """
    arrays = _values(variables_of(model))
    if not all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
        return False
    text = json.dumps(state)
    arrays[_SCALARS] = np.frombuffer(text.encode(), dtype=np.uint8)
    _write_arrays(folder / _STATE_FILE, arrays)
    return True


def has_checkpoint(folder: Path) -> bool:
    """Whether there is something to continue from."""
    return (folder / _STATE_FILE).is_file()


def has_progress(folder: Path) -> bool:
    """Whether training would be lost with it: a step was made. True where it cannot be read."""
    if not has_checkpoint(folder):
        return False
    try:
        return int(_state_of(_read_arrays(folder / _STATE_FILE), folder)["step"]) > 0
    except RunError:
        return True


def check_checkpoint(folder: Path) -> None:
    """Refuse a checkpoint that cannot be read, before anything is changed.

    Raises:
        RunError: naming the file.
    """
    best = int(_state_of(_read_arrays(folder / _STATE_FILE), folder)["best_epoch"])
    if best:
        load_best(folder, best)


def load_checkpoint(folder: Path, model: Any) -> dict[str, Any]:
    """Put every variable back and return the training state.

    Raises:
        RunError: the file is damaged, or is of another model.
    """
    arrays = _read_arrays(folder / _STATE_FILE)
    state = _state_of(arrays, folder)
    _assign(variables_of(model), arrays, str(folder / _STATE_FILE))
    return state


def _state_of(arrays: Arrays, folder: Path) -> dict[str, Any]:
    """Take the training state out of a checkpoint's arrays."""
    try:
        state: dict[str, Any] = json.loads(arrays.pop(_SCALARS).tobytes().decode())
    except (KeyError, ValueError) as error:
        raise _unreadable(folder / _STATE_FILE, error) from None
    return state


def save_best(folder: Path, epoch: int, weights: Arrays) -> None:
    """Keep the best weights; older ones stay until the next checkpoint names these."""
    _write_arrays(folder / _best_name(epoch), weights)


def load_best(folder: Path, epoch: int) -> Arrays:
    """The weights of the best epoch."""
    return _read_arrays(folder / _best_name(epoch))


def drop_other_bests(folder: Path, epoch: int) -> None:
    """Remove the weights that no checkpoint refers to any more."""
    for path in folder.glob("best-*.npz"):
        if path.name != _best_name(epoch):
            path.unlink()


def _best_name(epoch: int) -> str:
    return f"best-{epoch:05d}.npz"


def _named(variables: Iterable[Any], prefix: str = "") -> dict[str, Any]:
    """Variables by place and path; Keras numbers seed generators over the whole process, so
    their number is left out."""
    return {
        f"{prefix}{index:04d}/{_SEED_GENERATOR.sub('seed_generator', variable.path)}": variable
        for index, variable in enumerate(variables)
    }


def _values(variables: Mapping[str, Any]) -> Arrays:
    # Copied: on CPU the array may be the variable's own memory, which the next step changes.
    return {name: np.asarray(variable).copy() for name, variable in variables.items()}


def _assign(variables: dict[str, Any], arrays: Arrays, source: str) -> None:
    if differing := _difference(variables, arrays.keys()):
        raise RunError(
            f"{source}: the checkpoint is of another model: {differing} is not on both sides; "
            "start again with --overwrite"
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise RunError(
                f"{source}: the checkpoint is of another model: {name} has the shape "
                f"{arrays[name].shape}, expected {tuple(variable.shape)}; start again with "
                "--overwrite"
            )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def _difference(variables: Iterable[str], names: Iterable[str]) -> str | None:
    return next(iter(sorted(set(variables) ^ set(names))), None)


def _write_arrays(path: Path, arrays: Arrays) -> None:
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays, **{_DIGEST: _digest_of(arrays)})
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename outlive a power cut; where a folder cannot be opened (Windows), it does."""
    with suppress(PermissionError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


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
