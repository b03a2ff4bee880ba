"""Labeled texts."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from textnets.data.counts import RowCount
from textnets.tasks.examples import Examples

LabelSet = tuple[str, ...]  # one label, or any number of them in multi-label


@dataclass(frozen=True)
class Origins:
    """Where each example stands: its file and its line.

    Attributes:
        paths: of the files.
        files: ``<int32>[examples]``, places in ``paths``.
        lines: ``<int32>[examples]``, from 1.
    """

    paths: tuple[str, ...]
    files: npt.NDArray[np.int32]
    lines: npt.NDArray[np.int32]

    def where(self, row: int) -> str:
        """``path:line`` of an example."""
        return f"{self.paths[self.files[row]]}:{self.lines[row]}"

    def select(self, rows: npt.NDArray[np.int64]) -> Origins:
        """Of the chosen examples."""
        return Origins(self.paths, self.files[rows], self.lines[rows])

    def joined(self, others: Origins) -> Origins:
        """Of these examples, then the others."""
        files = np.concatenate([self.files, others.files + np.int32(len(self.paths))])
        lines = np.concatenate([self.lines, others.lines])
        return Origins((*self.paths, *others.paths), files, lines)


@dataclass(frozen=True)
class LabeledTexts(Examples):
    """Texts with their labels; ``labels`` is empty where they are not known.

    ``weights``, ``<float32>[examples]``, is how much each counts in the training loss: once each
    where there are none. ``origins`` says where examples from files stand.
    """

    _texts: list[str] = field(default_factory=list)
    labels: list[LabelSet] = field(default_factory=list)
    weights: npt.NDArray[np.float32] | None = None
    origins: Origins | None = field(default=None, compare=False)

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
            None if self.origins is None else self.origins.select(rows),
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
        origins = None
        if self.origins is not None and others.origins is not None:
            origins = self.origins.joined(others.origins)
        texts = [*self._texts, *others._texts]
        return LabeledTexts(texts, [*self.labels, *others.labels], weights, origins)

    def rows_beyond(self, known: set[str]) -> npt.NDArray[np.int64]:
        """``<int64>[rows]``: the examples that have a label that is none of these."""
        found = [row for row, labels in enumerate(self.labels) if not known.issuperset(labels)]
        return np.array(found, dtype=np.int64)

    def within(self, known: set[str], count: RowCount) -> LabeledTexts:
        """Without the examples that have a label that is none of these."""
        rows = self.rows_beyond(known)
        if not len(rows):
            return self
        where = self.where(int(rows[0]))
        count.drop_read("a label that the training split lacks", where, len(rows))
        return self.select(np.setdiff1d(np.arange(len(self)), rows))

    def where(self, row: int) -> str:
        """The place of an example, for a message; ``""`` where it is in no file."""
        return "" if self.origins is None else self.origins.where(row)

    @property
    def distinct_labels(self) -> set[str]:
        """Every label that one of the texts has."""
        return {label for labels in self.labels for label in labels}


def as_label(text: str) -> str:
    """A label as it is compared: without blanks around it, and composed (NFC), so that two that
    look alike are one."""
    return unicodedata.normalize("NFC", text.strip())
