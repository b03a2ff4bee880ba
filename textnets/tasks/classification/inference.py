"""What a classifier says of texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.backend.inference import input_names, predict_all
from textnets.backend.steps import forward
from textnets.predictions import (
    ClassPrediction,
    class_predictions,
    mix_classes,
    probabilities_of,
)
from textnets.progress import Progress
from textnets.tasks.classification.preprocessor import ClassificationPreprocessor
from textnets.tasks.columns import Chosen, Columns, Rounded, Shares
from textnets.tasks.inference import Inference
from textnets.text.encoded import EncodedSplit, RaggedOutputs

Outputs = npt.NDArray[np.float32]  # <float32>[examples, classes]


class ClassificationInference(Inference[Outputs]):
    """The probability of each class; of two classes a model gives that of the second only."""

    def __init__(self, preprocessor: ClassificationPreprocessor, model: Any) -> None:
        self._preprocessor = preprocessor
        self._forward, self._names = forward(model), input_names(model)

    def outputs(
        self, split: EncodedSplit, progress: Progress, *, quick: bool = False, tight: bool = False
    ) -> Outputs:
        found = predict_all(
            self._forward,
            split.only(self._names).inputs,
            bucket_width=self._preprocessor.recipe.training.bucket_width,
            tight=tight,
            progress=progress,
        )
        if isinstance(found, RaggedOutputs):
            raise TypeError("a classifier answers once a text")
        return found

    def mixed(self, outputs: Sequence[Outputs], weights: Sequence[float]) -> Outputs:
        """See :func:`textnets.predictions.mix_classes`."""
        return mix_classes(outputs, weights, independent=self._preprocessor.multi_label)

    def predictions(self, texts: Sequence[str], outputs: Outputs) -> list[ClassPrediction]:
        return class_predictions(
            texts, outputs, self._preprocessor.labels, self._preprocessor.separator
        )

    def columns(
        self, texts: Sequence[str], outputs: Outputs, *, flat: bool = False, details: bool = False
    ) -> Columns:
        labels = self._preprocessor.labels
        shares = probabilities_of(outputs, len(labels))
        if self._preprocessor.multi_label:
            found = dict(super().columns(texts, outputs, flat=flat))
        else:
            chosen = shares.argmax(axis=1)
            of_chosen = np.take_along_axis(shares, chosen[:, None], axis=1)[:, 0]
            label = Chosen(chosen, labels)
            found = {"text": texts, "label": label, "probability": Rounded(of_chosen)}
        if details:
            found["probabilities"] = Shares(shares, labels)
        return found
