"""textnets: from a text file and one YAML recipe to a trained, measured text model.

Names are loaded when they are first used, so that ``import textnets`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textnets.errors import InputError, TextnetsError
    from textnets.estimators import (
        TextClassifier,
        TextEnsemble,
        TextLanguageModel,
        TextTagger,
        TextTranslator,
        load,
    )
    from textnets.pipeline import TrainedRun, check, evaluate, train
    from textnets.reproduction import Reproduction, reproduce
    from textnets.tasks.predictor import Predictor

__version__ = "0.1.0"

__all__ = [
    "InputError",
    "Predictor",
    "Reproduction",
    "TextClassifier",
    "TextEnsemble",
    "TextLanguageModel",
    "TextTagger",
    "TextTranslator",
    "TextnetsError",
    "TrainedRun",
    "check",
    "evaluate",
    "load",
    "reproduce",
    "train",
]

_HOMES = {
    "InputError": "textnets.errors",
    "TextnetsError": "textnets.errors",
    "Predictor": "textnets.tasks.predictor",
    "Reproduction": "textnets.reproduction",
    "reproduce": "textnets.reproduction",
    "TextClassifier": "textnets.estimators",
    "TextEnsemble": "textnets.estimators",
    "TextLanguageModel": "textnets.estimators",
    "TextTagger": "textnets.estimators",
    "TextTranslator": "textnets.estimators",
    "load": "textnets.estimators",
    "TrainedRun": "textnets.pipeline",
    "check": "textnets.pipeline",
    "evaluate": "textnets.pipeline",
    "train": "textnets.pipeline",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textnets' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
