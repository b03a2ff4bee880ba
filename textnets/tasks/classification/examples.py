"""Labeled texts."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textnets.tasks.examples import Examples

LabelSet = tuple[str, ...]  # one label, or any number of them in multi-label


@dataclass(frozen=True)
class LabeledTexts(Examples):
    """Texts with their labels; ``labels`` is empty where they are not known.

    ``weights``, ``<float32>[examples]``, is how much each counts in the training loss: once each
    where there are none.
    """

    _texts: list[str] = field(default_factory=list)
    labels: list[LabelSet] = field(default_factory=list)
    weights: npt.NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self._texts)

    @property
    def texts(self) -> list[str]:
        return self._texts

    def select(self, rows: npt.NDArray[np.int64]) -> LabeledTexts:
        chosen = rows.tolist()
        return LabeledTexts(
            [self._texts[i] for i in chosen],
            [self.labels[i] for i in chosen],
            None if self.weights is None else self.weights[rows],
        )

    def joined(self, others: LabeledTexts) -> LabeledTexts:
        weights = None
        if self.weights is not None or others.weights is not None:
            weights = np.concatenate(
                [
                    np.ones(len(part), np.float32) if part.weights is None else part.weights
                    for part in (self, others)
                ]
            )
        texts = [*self._texts, *others._texts]
        return LabeledTexts(texts, [*self.labels, *others.labels], weights)

    @property
    def distinct_labels(self) -> set[str]:
        """Every label that one of the texts has."""
        return {label for labels in self.labels for label in labels}


def joined(labels: LabelSet, separator: str | None) -> str:
    """Labels in one cell."""
    return (separator or "").join(labels)
