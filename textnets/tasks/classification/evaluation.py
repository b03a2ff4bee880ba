"""How good a classifier is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.data.counts import RowCount
from textnets.errors import DataError
from textnets.evaluation.baselines import BASELINES, TEXTBOOK_BASELINES, Targets, run_baseline
from textnets.evaluation.classification import (
    confident_mistakes,
    confusions,
    label_set_table,
    label_table,
    score_label_sets,
    score_labels,
)
from textnets.evaluation.ngrams import Ngrams
from textnets.evaluation.report import Table
from textnets.predictions import MULTI_LABEL_THRESHOLD, probabilities_of
from textnets.progress import Progress
from textnets.tasks.classification.examples import LabeledTexts, as_label
from textnets.tasks.classification.inference import Outputs
from textnets.tasks.classification.preprocessor import ClassificationPreprocessor, shorten
from textnets.tasks.evaluation import BaselineScore, Evaluation, Scores, Split
from textnets.text.encoded import EncodedSplit


class ClassificationEvaluation(Evaluation[LabeledTexts, Outputs]):
    """Accuracy and F1, of one label a text or of sets of labels."""

    def __init__(self, preprocessor: ClassificationPreprocessor) -> None:
        super().__init__(preprocessor.recipe)
        self._preprocessor, self._labels = preprocessor, preprocessor.labels
        self._multi_label = preprocessor.multi_label

    def check(self, examples: LabeledTexts, where: str) -> None:
        check_known(examples, self._known, f"{where}:")

    def scorable(self, examples: LabeledTexts, count: RowCount) -> LabeledTexts:
        drops = self.recipe.data.unknown_labels == "drop"
        return examples.within(self._known, count) if drops else examples

    @property
    def _known(self) -> set[str]:
        """The labels, also as they are compared: those of an earlier run may be decomposed."""
        return {*self._labels, *map(as_label, self._labels)}

    def measure(self, outputs: Outputs, split: EncodedSplit) -> dict[str, float]:
        values = self.values(outputs, split)
        loss = values.pop("log_loss") if "log_loss" in values else _cross_entropy(outputs, split)
        return {"loss": loss, **values}

    def estimates(self, outputs: Outputs, split: EncodedSplit, *, resamples: int) -> Scores:
        probabilities = probabilities_of(outputs, len(self._labels))
        predicted = (
            (outputs > MULTI_LABEL_THRESHOLD).astype(np.float32)
            if self._multi_label
            else probabilities.argmax(axis=1).astype(np.int32)
        )
        return self._scores_of(predicted, np.asarray(split.targets), probabilities, resamples)

    def baselines(
        self, train: Split[LabeledTexts], scored: Split[LabeledTexts], progress: Progress
    ) -> list[BaselineScore]:
        train_targets, targets = (
            self._preprocessor.targets_of(split.examples.labels) for split in (train, scored)
        )
        learned: Targets = (
            train_targets > 0.5 if self._multi_label else train_targets.astype(np.int32)
        )
        ngrams = Ngrams(train.examples.texts, scored.examples.texts)
        asked = TEXTBOOK_BASELINES if self.recipe.evaluation.baselines == "all" else {}
        scores = []
        for name in (*BASELINES, *asked):
            progress.say(f"baseline {name} ...")
            baseline = run_baseline(name, ngrams, learned, seed=self.recipe.seed)
            of_baseline = self._scores_of(
                np.asarray(baseline.predicted), targets, None, self.recipe.evaluation.resamples
            )
            scores.append(BaselineScore(name, baseline.description, of_baseline, baseline.seconds))
        return scores

    def tables(self, texts: Sequence[str], outputs: Outputs, split: EncodedSplit) -> list[Table]:
        targets = np.asarray(split.targets)
        if self._multi_label:
            scores = label_set_table(targets > 0.5, outputs > MULTI_LABEL_THRESHOLD, self._labels)
            return [_label_scores_table(scores)]
        probabilities = probabilities_of(outputs, len(self._labels))
        predicted = probabilities.argmax(axis=1).astype(np.int32)
        confused = confusions(targets, predicted, self._labels)
        mistakes = confident_mistakes(targets, predicted, probabilities)
        return [
            _label_scores_table(label_table(targets, predicted, self._labels)),
            Table(
                title="Most frequent confusions",
                note="",
                columns=("true label", "predicted", "texts"),
                rows=[(c.true, c.predicted, c.count) for c in confused],
            ),
            Table(
                title="Most confident mistakes",
                note="Often a wrong label in the data.",
                columns=("text", "true label", "predicted", "probability"),
                rows=[
                    (
                        texts[row] if texts else f"example {row + 1}",
                        self._labels[targets[row]],
                        self._labels[predicted[row]],
                        float(probabilities[row, predicted[row]]),
                    )
                    for row in mistakes
                ],
            ),
        ]

    def _scores_of(
        self,
        predicted: npt.NDArray[Any],
        targets: npt.NDArray[Any],
        probabilities: Outputs | None,
        resamples: int,
    ) -> Scores:
        confidence, seed = self.recipe.evaluation.confidence, self.recipe.seed
        if self._multi_label:
            return score_label_sets(
                targets > 0.5,
                predicted > 0.5,
                confidence=confidence,
                resamples=resamples,
                seed=seed,
            )
        return score_labels(
            targets,
            predicted.astype(np.int32),
            probabilities,
            num_classes=len(self._labels),
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )


def check_known(examples: LabeledTexts, known: set[str], where: str) -> None:
    """Refuse labels that the training split lacks.

    Raises:
        DataError: naming them.
    """
    if unknown := sorted(examples.distinct_labels - known):
        named = ", ".join(repr(label) for label in unknown[:_MOST_NAMED])
        more = f" and {len(unknown) - _MOST_NAMED:,} more" if len(unknown) > _MOST_NAMED else ""
        first = examples.where(int(examples.rows_beyond(known)[0]))
        raise DataError(
            f"{where} has labels that the training split lacks: {named}{more}"
            + (f", the first at {first}" if first else "")
            + f"; known: {shorten(sorted(known))}; data.unknown_labels: drop leaves such rows out"
        )


_MOST_NAMED = 20


def _cross_entropy(outputs: Outputs, split: EncodedSplit) -> float:
    """Mean binary cross-entropy over examples and classes, in nats, as Keras has it."""
    probabilities = np.clip(outputs.astype(np.float64), 1e-7, 1 - 1e-7)
    targets = np.asarray(split.targets)
    terms = targets * np.log(probabilities) + (1 - targets) * np.log1p(-probabilities)
    return float(-terms.mean())


def _label_scores_table(scores: Sequence[Any]) -> Table:
    return Table(
        title="By label",
        note="Worst first.",
        columns=("label", "precision", "recall", "F1", "texts"),
        rows=[
            (s.label, s.precision, s.recall, s.f1, s.support)
            for s in scores  # the worst F1 comes first
        ],
    )
