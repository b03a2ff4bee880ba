"""Translation: a text in, another text out, token by token."""

from textnets.predictions import Translation
from textnets.tasks.translation.examples import SentencePairs
from textnets.tasks.translation.predictor import TranslationPredictor
from textnets.tasks.translation.task import TranslationTask

__all__ = ["SentencePairs", "Translation", "TranslationPredictor", "TranslationTask"]
