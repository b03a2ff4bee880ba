"""A classifier in NumPy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from textnets.backend.inference import predict_all
from textnets.errors import RunError
from textnets.lite.contents import Contents
from textnets.lite.encoders import LiteEncoder
from textnets.lite.predictor import (
    BUCKET,
    LitePredictor,
    close_batches,
    forward_of,
    taken,
)
from textnets.lite.unicode import Unicode
from textnets.predictions import ClassPrediction, Prediction, class_predictions, mix_classes
from textnets.text.encoded import RaggedOutputs

if TYPE_CHECKING:
    from textnets.text.ngrams import NgramFinder


class LiteClassifier(LitePredictor):
    """Names the class, or the labels, of a text."""

    task = "classification"
    prediction = ClassPrediction

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        self._encoders: list[tuple[str, LiteEncoder | NgramFinder]] = []
        for one in contents.header["preprocessors"]:
            encoder: LiteEncoder | NgramFinder
            if one["text"].get("ngrams"):
                from textnets.lite.ngrams import read_ngrams

                encoder = read_ngrams(one["text"], contents, unicode)
            else:
                encoder = LiteEncoder.read(one["text"], contents, unicode)
            self._encoders.append((str(one["input"]), encoder))

    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        inputs = [{name: encoder.encode(texts)} for name, encoder in self._encoders]
        outputs = []
        for model, member in zip(self._models, self._of_member, strict=True):
            found = predict_all(
                forward_of(model),
                taken(model, inputs[member]),
                bucket_width=BUCKET,
                batches=close_batches,
            )
            if isinstance(found, RaggedOutputs):
                raise RunError("a classifier answers once a text")
            outputs.append(found)
        labels, separator = self._settings["labels"], self._settings["separator"]
        mixed = outputs[0]
        if len(outputs) > 1:
            mixed = mix_classes(outputs, self._weights, independent=separator is not None)
        return list(class_predictions(texts, mixed, labels, separator))
