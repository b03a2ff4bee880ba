"""What a classifier says of texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.backend.inference import input_names, predict_all
from textnets.backend.steps import forward
from textnets.progress import Progress, one_line, printable
from textnets.tasks.classification.examples import LabelSet, joined
from textnets.tasks.classification.preprocessor import ClassificationPreprocessor
from textnets.tasks.columns import Chosen, Columns, Rounded, Shares
from textnets.tasks.inference import Inference, Prediction
from textnets.text.encoded import EncodedSplit, RaggedOutputs

MULTI_LABEL_THRESHOLD = 0.5
_LEAST = 1e-7  # of a probability, before its logarithm is taken

Outputs = npt.NDArray[np.float32]  # <float32>[examples, classes]


@dataclass(frozen=True)
class ClassPrediction(Prediction):
    """The label, or labels, of one text.

    Attributes:
        text: as given.
        labels: one label, or in multi-label those above a half.
        probability: of the label; in multi-label of the least sure of the labels.
        probabilities: of every class.
        separator: between several labels in one cell; ``None`` where there is only one.
    """

    text: str
    labels: LabelSet
    probability: float
    probabilities: Mapping[str, float]
    separator: str | None = None

    def as_fields(self) -> dict[str, Any]:
        return {"label": joined(self.labels, self.separator), **self._figures()}

    def as_json(self) -> dict[str, Any]:
        rounded = {name: round(value, 6) for name, value in self.probabilities.items()}
        named = {"label": self.labels[0]} if self.separator is None else {"labels": self.labels}
        return {"text": self.text, **named, **self._figures(), "probabilities": rounded}

    def as_line(self) -> str:
        label = joined(self.labels, self.separator) or "(none)"
        return f"{printable(label)}\t{self.probability:.3f}\t{one_line(self.text)}"

    def _figures(self) -> dict[str, float]:
        return {"probability": round(self.probability, 6)}


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
        """The mean of the logarithms of the probabilities, so that who is sure weighs more
        (Hinton 2002: a product of experts)."""
        known = [np.clip(found.astype(np.float64), _LEAST, 1.0 - _LEAST) for found in outputs]
        if self._preprocessor.multi_label or known[0].shape[1] == 1:
            logits = [np.log(found) - np.log1p(-found) for found in known]
            total = np.sum([w * one for w, one in zip(weights, logits, strict=True)], axis=0)
            return np.asarray(1.0 / (1.0 + np.exp(-total)), np.float32)
        total = np.sum([w * np.log(one) for w, one in zip(weights, known, strict=True)], axis=0)
        likely = np.exp(total - total.max(axis=1, keepdims=True))
        return np.asarray(likely / likely.sum(axis=1, keepdims=True), np.float32)

    def predictions(self, texts: Sequence[str], outputs: Outputs) -> list[ClassPrediction]:
        labels, separator = self._preprocessor.labels, self._preprocessor.separator
        predictions = []
        for text, row in zip(texts, probabilities_of(outputs, len(labels)).tolist(), strict=True):
            chosen = self._choose(row)
            predictions.append(
                ClassPrediction(
                    text=text,
                    labels=tuple(labels[index] for index in chosen),
                    probability=min((row[index] for index in chosen), default=1.0 - max(row)),
                    probabilities=dict(zip(labels, row, strict=True)),
                    separator=separator,
                )
            )
        return predictions

    def columns(
        self, texts: Sequence[str], outputs: Outputs, *, flat: bool = False, details: bool = False
    ) -> Columns:
        if self._preprocessor.multi_label:
            found = dict(super().columns(texts, outputs, flat=flat))
        else:
            shares = probabilities_of(outputs, len(self._preprocessor.labels))
            chosen = shares.argmax(axis=1)
            of_chosen = np.take_along_axis(shares, chosen[:, None], axis=1)[:, 0]
            label = Chosen(chosen, self._preprocessor.labels)
            found = {"text": texts, "label": label, "probability": Rounded(of_chosen)}
        if details:
            found["probabilities"] = Shares(
                probabilities_of(outputs, len(self._preprocessor.labels)),
                self._preprocessor.labels,
            )
        return found

    def _choose(self, row: list[float]) -> list[int]:
        if self._preprocessor.multi_label:
            return [index for index, value in enumerate(row) if value > MULTI_LABEL_THRESHOLD]
        return [max(range(len(row)), key=row.__getitem__)]


def probabilities_of(outputs: Outputs, num_classes: int) -> Outputs:
    """``<float32>[examples, classes]``; a binary head gives only that of class 1."""
    if outputs.shape[1] == 1 and num_classes == 2:
        return np.concatenate([1.0 - outputs, outputs], axis=1)
    return outputs
