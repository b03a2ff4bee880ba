"""What an exact continuation needs of a model: every variable, by a stable name.

A checkpoint holds the variables of the model (weights, the seed states of dropout, statistics)
and of the optimizer, and the plain numbers of the training state. Keras's own
``BackupAndRestore``, ``save_weights`` and ``.keras`` files lose the seed states.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from textnets.errors import RunError
from textnets.run.checkpoint_files import Arrays, read_checkpoint, write_checkpoint
from textnets.run.layout import CHECKPOINT_STATE_FILE

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
    """Write all variables of a compiled model, and the training state.

    Returns:
        False, with nothing written, where a variable is not finite: the checkpoint that is there
        is worth more.
    """
    arrays = _values(variables_of(model))
    if not all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
        return False
    write_checkpoint(folder, arrays, state)
    return True


def load_checkpoint(folder: Path, model: Any) -> dict[str, Any]:
    """Put every variable back and return the training state.

    Raises:
        RunError: the file is damaged, or is of another model.
    """
    arrays, state = read_checkpoint(folder)
    _assign(variables_of(model), arrays, str(folder / CHECKPOINT_STATE_FILE))
    return state


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
