"""Classification: one label a text, or several (multi-label)."""

from textnets.tasks.classification.examples import LabeledTexts
from textnets.tasks.classification.task import ClassificationTask

__all__ = ["ClassificationTask", "LabeledTexts"]
