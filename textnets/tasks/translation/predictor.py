"""What a run of a translator can do."""

from __future__ import annotations

from textnets.tasks.predictor import Predictor


class TranslationPredictor(Predictor):
    """A translator; ``evaluation.beam_size`` and the like say how it searches."""

    kind = "translator"
