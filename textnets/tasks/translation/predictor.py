"""What a run of a translator can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textnets.data.values import checked_texts, checked_whole
from textnets.errors import InputError
from textnets.predictions import Prediction, Translation
from textnets.progress import Progress
from textnets.tasks.predictor import Predictor
from textnets.tasks.translation.inference import TranslationInference


class TranslationPredictor(Predictor):
    """A translator; ``evaluation.beam_size`` and the like say how it searches."""

    kind = "translator"
    prediction = Translation
    inference: TranslationInference

    def translate(
        self, texts: Sequence[str], *, n_best: int = 1, attention: bool = False
    ) -> list[Translation]:
        """As :meth:`predict`, with as much said of each text as is asked for.

        Args:
            texts: what to translate.
            n_best: translations of each, ``evaluation.beam_size`` at most.
            attention: whether the weights of attention are told.

        Raises:
            InputError: so many cannot be had, or the model has no attention.
        """
        texts, most = checked_texts(texts, "texts"), self.inference.beam_size
        if checked_whole(n_best, "n_best", 1) > most:
            raise InputError(f"n_best: a beam of {most} finds no more, was: {n_best}")
        if attention and not self.inference.can_attend:
            raise InputError("attention: the model has none")
        if not texts:
            return []
        inference = self.inference.searching(num_best=n_best, attention=attention)
        outputs = inference.outputs(self.preprocessor.encode_inputs(texts), Progress())
        return list(inference.predictions(texts, outputs))

    def about(self) -> dict[str, Any]:
        found = self.inference
        return {"most_translations": found.beam_size, "attention": found.can_attend}

    def respond(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Prediction]:
        return list(self.translate(texts, **wishes) if wishes else self.predict(texts))
