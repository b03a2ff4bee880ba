"""From a file to the predictor of its task."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from textnets.errors import RunError
from textnets.lite.contents import MODEL_FILE, Contents

# Imported when a file is of the task: each needs another half of the rest.
_PREDICTORS = {
    "classification": ("textnets.lite.classification", "LiteClassifier"),
    "tagging": ("textnets.lite.tagging", "LiteTagger"),
    "translation": ("textnets.lite.translation", "LiteTranslator"),
    "language_modeling": ("textnets.lite.language_modeling", "LiteLanguageModel"),
}


def load(file: str | Path) -> Any:
    """Open a model that ``textnets export --to numpy`` wrote, with NumPy alone.

    Args:
        file: ``model.textnets``, or the folder of the export.

    Returns:
        A :class:`textnets.lite.LitePredictor`; what it can do besides goes by its ``task``, see
        :mod:`textnets.lite.translation` and :mod:`textnets.lite.language_modeling`.

    Raises:
        RunError: it is no such file, damaged, or from a newer version.
    """
    path = Path(file)
    path = path / MODEL_FILE if path.is_dir() else path
    return predictor_of(Contents.open(path))


def predictor_of(contents: Contents) -> Any:
    """The predictor of what was opened."""
    with contents.being_read():
        task = contents.header["task"]
        if task not in _PREDICTORS:
            raise RunError(f"its task {task!r} is none that this version knows")
        module, name = _PREDICTORS[task]
        return getattr(import_module(module), name)(contents)
