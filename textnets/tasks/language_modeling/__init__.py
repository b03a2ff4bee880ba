"""Language modeling: what comes next, at every place of a text."""

from textnets.predictions import ScoredText, WrittenText
from textnets.tasks.language_modeling.examples import TextLines
from textnets.tasks.language_modeling.predictor import LanguageModelPredictor
from textnets.tasks.language_modeling.task import LanguageModelingTask

__all__ = [
    "LanguageModelPredictor",
    "LanguageModelingTask",
    "ScoredText",
    "TextLines",
    "WrittenText",
]
