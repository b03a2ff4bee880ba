"""What a run of a tagger can do."""

from __future__ import annotations

from textnets.predictions import TaggedText
from textnets.tasks.predictor import Predictor


class TaggingPredictor(Predictor):
    """A tagger: :meth:`predict` gives each word of each text a tag."""

    kind = "tagger"
    prediction = TaggedText
    labels_are = "tags"
