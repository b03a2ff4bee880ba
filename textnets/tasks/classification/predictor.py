"""What a run of a classifier can do."""

from __future__ import annotations

from textnets.predictions import ClassPrediction
from textnets.tasks.predictor import Predictor


class ClassificationPredictor(Predictor):
    """A classifier: :meth:`predict` names the class, or the labels, of each text."""

    kind = "classifier"
    prediction = ClassPrediction
