"""What an exact continuation needs of a model: every variable, by a stable name.

A checkpoint holds the variables of the model (weights, the seed states of dropout, statistics)
and of the optimizer, and the plain numbers of the training state. Keras's
``BackupAndRestore``, ``save_weights`` and ``.keras`` files lose the seed states.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from textnets.errors import RunError
from textnets.run.checkpoint_files import (
    Arrays,
    load_best,
    read_checkpoint,
    save_best,
    write_checkpoint,
)
from textnets.run.layout import CHECKPOINT_STATE_FILE

Variables = dict[str, Any]  # keras.Variable by a stable name

_NONE: Mapping[str, Any] = MappingProxyType({})
_SEED_GENERATOR = re.compile(r"seed_generator_\d+")


def variables_of(model: Any) -> Variables:
    """All variables of a compiled model and its optimizer, by a stable name."""
    optimizer = _named(model.optimizer.variables, "optimizer/")
    return {**_named(model.variables, "model/"), **optimizer}


class BestWeights:
    """Copies of a model's variables after its best epoch: in memory, and in a file of ``folder``
    from the next checkpoint on."""

    def __init__(self, folder: Path, model: Any) -> None:
        self._folder, self._model = folder, model
        self._weights: Arrays | None = None
        self._saved_epoch = 0

    def keep(self) -> None:
        """Those of the model as it is now; they are not written yet."""
        self._weights = _values(_named(self._model.variables))

    def save(self, epoch: int) -> None:
        """Write them as those of an epoch, from 1, unless that was done."""
        if self._weights is not None and self._saved_epoch != epoch:
            save_best(self._folder, epoch, self._weights)
            self._saved_epoch = epoch

    def load(self, epoch: int) -> None:
        """Read those of an epoch; 0 for none.

        Raises:
            RunError: the file is damaged or missing.
        """
        self._weights = load_best(self._folder, epoch) if epoch else None
        self._saved_epoch = epoch

    def put_back(self) -> None:
        """Give the model what is kept, if anything is."""
        if self._weights is not None:
            _assign(_named(self._model.variables), self._weights, "the best weights")


def are_lost(model: Any) -> bool:
    """Whether a variable's memory was given away to a step that failed (JAX donates it)."""
    values = [variable.value for variable in variables_of(model).values()]
    return any(value.is_deleted() for value in values if hasattr(value, "is_deleted"))


def save_checkpoint(
    folder: Path, model: Any, state: Mapping[str, object], others: Mapping[str, Any] = _NONE
) -> bool:
    """Write all variables of a compiled model, and the training state.

    Args:
        folder: of the checkpoint.
        model: compiled.
        state: of the training.
        others: arrays besides those of the variables, by names that no variable has.

    Returns:
        False, with nothing written, where a variable is not finite: the checkpoint that is there
        is worth more.
    """
    arrays = _values(variables_of(model)) | dict(others)
    if not all(np.isfinite(array).all() for array in arrays.values() if array.dtype.kind == "f"):
        return False
    write_checkpoint(folder, arrays, dict(state))
    return True


def load_checkpoint(folder: Path, model: Any) -> tuple[dict[str, Any], Arrays]:
    """Put every variable back.

    Returns:
        The training state, and the arrays that are of no variable.

    Raises:
        RunError: the file is damaged, or is of another model.
    """
    arrays, state = read_checkpoint(folder)
    of_variables = {
        name: array for name, array in arrays.items() if name.startswith(("model/", "optimizer/"))
    }
    _assign(variables_of(model), of_variables, str(folder / CHECKPOINT_STATE_FILE))
    return state, {name: arrays[name] for name in arrays.keys() - of_variables.keys()}


def _named(variables: Iterable[Any], prefix: str = "") -> Variables:
    """Variables by place and path; Keras numbers seed generators over the whole process, so
    their number is left out."""
    return {
        f"{prefix}{index:04d}/{_SEED_GENERATOR.sub('seed_generator', variable.path)}": variable
        for index, variable in enumerate(variables)
    }


def _values(variables: Variables) -> Arrays:
    # Copied: on CPU the array may be the variable's memory itself, which the next step changes.
    return {name: np.asarray(variable).copy() for name, variable in variables.items()}


def _assign(variables: Variables, arrays: Arrays, source: str) -> None:
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
