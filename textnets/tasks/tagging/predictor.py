"""What a run of a tagger can do."""

from __future__ import annotations

import json
from collections.abc import Sequence

from textnets.predictions import TaggedText
from textnets.tasks.ensemble import first_of
from textnets.tasks.predictor import Predictor


class TaggingPredictor(Predictor):
    """A tagger: :meth:`predict` gives each word of each text a tag."""

    kind = "tagger"
    prediction = TaggedText
    labels_are = "tags"

    @property
    def usage(self) -> Sequence[str]:
        texts = [self._taken("a text"), self._taken("another")]
        return (f"print(model.predict({json.dumps(texts, ensure_ascii=False)}))",)

    @property
    def sample(self) -> str:
        return self._taken("a text")

    def _taken(self, text: str) -> str:
        """A text with the further columns that the model reads of each word, if there are any."""
        found: str = first_of(self.preprocessor).text_of(text.split())
        return found
