"""A run's model: saved without its optimizer, and loaded without running code of the file."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textnets.errors import RunError


def save_model(model: Any, path: Path) -> None:
    """Save the model without its optimizer: what predicts, and nothing else."""
    import keras

    keras.Model(model.input, model.output, name=model.name).save(path)


def load_model(path: Path, allow_modules: Sequence[str] = ()) -> Any:
    """Load a ``.keras`` file that textnets wrote; no code in it is run.

    Keras's safe mode is on, and what could run code, or read another file, is refused before.

    Args:
        path: the file.
        allow_modules: whose layers it may hold, besides those of Keras and textnets.

    Raises:
        RunError: the file is no such model.
    """
    import keras

    import textnets.layers  # noqa: F401  (registers our layers)

    try:
        _refuse_strangers(path, (*_MODULES, *(name.split(".")[0] for name in allow_modules)))
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a file that is not its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: the model cannot be loaded: {reason}") from None
    return model


_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_LARGEST_CONFIG = 2**24  # bytes, unpacked; those of our models have thousands
_MODULES = ("keras", "textnets")
# Layers whose work is code, or a path to it.
_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"}


def _refuse_strangers(path: Path, modules: Sequence[str]) -> None:
    """Raise ValueError for what no model of these modules holds."""
    with zipfile.ZipFile(path) as archive:
        members = {member.filename: member.file_size for member in archive.infolist()}
        if strangers := sorted(members.keys() - _MEMBERS):
            raise ValueError(f"{strangers[0]!r} does not belong in it")
        if members["config.json"] > _LARGEST_CONFIG:
            raise ValueError("its config.json is too large")
        waiting = [json.loads(archive.read("config.json"))]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            module, name = found.get("module"), found.get("class_name")
            if module is not None and str(module).split(".")[0] not in modules:
                raise ValueError(f"{module}.{name} is not of Keras or textnets")
            if name in _CODE:
                raise ValueError(f"the layer {name} may run code of its own")
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
