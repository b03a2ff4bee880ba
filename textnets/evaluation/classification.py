"""Metrics of text classification, with one label or a set of labels an example.

The definitions are scikit-learn's. F1 is averaged over the classes that occur in the truth
or in the predictions: a class that appears in neither has no F1, and is left out rather
than counted as 0 (``zero_division=np.nan`` there). In a bootstrap resample the same rule is
applied to what the resample holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textnets.evaluation.confidence import Estimate, Statistic, bootstrap_many

#: Probabilities below this count as this much in the log loss, so that one confident
#: mistake cannot make it infinite.
SMALLEST_PROBABILITY = 1e-7


@dataclass(frozen=True)
class ClassScore:
    """How well one class was found.

    Attributes:
        label: the class.
        precision: share of its predictions that are right; ``None`` if never predicted.
        recall: share of its examples that were found; ``None`` if it has none.
        f1: their harmonic mean; ``None`` if the class is in neither truth nor predictions.
        support: number of examples that truly have the label.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


@dataclass(frozen=True)
class Confusion:
    """How often ``true`` was taken for ``predicted``."""

    true: str
    predicted: str
    count: int


@dataclass(frozen=True)
class _Assignments:
    """Which example has which class, as pairs.

    Attributes:
        examples: ``<int64>[pairs]``.
        classes: ``<int64>[pairs]``.
        num_classes: number of classes.
    """

    examples: NDArray[np.int64]
    classes: NDArray[np.int64]
    num_classes: int

    def count(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Weight of each class, ``<float64>[classes]``, from ``<float64>[examples]``."""
        counts = np.bincount(self.classes, weights[self.examples], self.num_classes)
        return counts.astype(np.float64, copy=False)


@dataclass(frozen=True)
class _Outcome:
    """Truth, predictions and where they agree. All that F1 needs."""

    true: _Assignments
    predicted: _Assignments
    hits: _Assignments

    def f1_by_class(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """``<float64>[classes that occur]``."""
        occurrences = self.true.count(weights) + self.predicted.count(weights)
        occurs = occurrences > 0
        hits: NDArray[np.float64] = self.hits.count(weights)[occurs]
        return 2.0 * hits / occurrences[occurs]

    def macro_f1(self, weights: NDArray[np.float64]) -> float:
        """Mean F1 of the classes that occur; 0 where none does."""
        scores = self.f1_by_class(weights)
        return float(scores.mean()) if scores.size else 0.0

    def micro_f1(self, weights: NDArray[np.float64]) -> float:
        """F1 of all single decisions; 0 where nothing is true and nothing predicted."""
        occurrences = self.true.count(weights).sum() + self.predicted.count(weights).sum()
        return float(2.0 * self.hits.count(weights).sum() / occurrences) if occurrences else 0.0


def score_labels(
    true_ids: NDArray[np.integer],
    predicted_ids: NDArray[np.integer],
    probabilities: NDArray[np.floating] | None,
    *,
    num_classes: int,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> dict[str, Estimate]:
    """Accuracy, macro F1 and, given probabilities, log loss in nats, with intervals.

    Args:
        true_ids: ``<int32>[examples]`` in [0, num_classes).
        predicted_ids: ``<int32>[examples]``.
        probabilities: ``<float32>[examples, classes]``, or ``None``.
        num_classes: number of classes.
        confidence: of the intervals, in (0, 1).
        resamples: of the bootstrap; 0 for no intervals.
        seed: of the bootstrap.

    Returns:
        ``accuracy``, ``macro_f1`` and ``log_loss``.

    Raises:
        DataError: there is no example.
        ValueError: shapes or ids do not fit together.
    """
    outcome = _outcome_of_ids(true_ids, predicted_ids, num_classes)
    statistics: dict[str, Statistic] = {
        "accuracy": _weighted_mean(true_ids == predicted_ids),
        "macro_f1": outcome.macro_f1,
    }
    if probabilities is not None:
        losses = _log_losses(true_ids, probabilities, num_classes)
        statistics["log_loss"] = _weighted_mean(losses)
    return _estimate(statistics, len(true_ids), confidence, resamples, seed)


def score_label_sets(
    true: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    *,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> dict[str, Estimate]:
    """Micro F1, macro F1 and exact match (subset accuracy), with intervals.

    Args:
        true: ``<bool>[examples, classes]``.
        predicted: ``<bool>[examples, classes]``.
        confidence: of the intervals, in (0, 1).
        resamples: of the bootstrap; 0 for no intervals.
        seed: of the bootstrap.

    Returns:
        ``micro_f1``, ``macro_f1`` and ``exact_match``.

    Raises:
        DataError: there is no example.
        ValueError: the shapes do not fit together.
    """
    outcome = _outcome_of_sets(true, predicted)
    statistics: Mapping[str, Statistic] = {
        "micro_f1": outcome.micro_f1,
        "macro_f1": outcome.macro_f1,
        "exact_match": _weighted_mean((true == predicted).all(axis=1)),
    }
    return _estimate(statistics, len(true), confidence, resamples, seed)


def label_table(
    true_ids: NDArray[np.integer], predicted_ids: NDArray[np.integer], labels: Sequence[str]
) -> list[ClassScore]:
    """Scores of each class, worst F1 first (ties in the order of ``labels``).

    Args:
        true_ids: ``<int32>[examples]``.
        predicted_ids: ``<int32>[examples]``.
        labels: name of each class.
    """
    outcome = _outcome_of_ids(true_ids, predicted_ids, len(labels))
    return _class_table(outcome, len(true_ids), labels)


def label_set_table(
    true: NDArray[np.bool_], predicted: NDArray[np.bool_], labels: Sequence[str]
) -> list[ClassScore]:
    """As :func:`label_table`, from ``<bool>[examples, classes]``."""
    outcome = _outcome_of_sets(true, predicted)
    if true.shape[1] != len(labels):
        raise ValueError(f"{true.shape[1]} classes need as many labels, was: {len(labels)}")
    return _class_table(outcome, len(true), labels)


def confusions(
    true_ids: NDArray[np.integer],
    predicted_ids: NDArray[np.integer],
    labels: Sequence[str],
    *,
    most: int = 10,
) -> list[Confusion]:
    """The most frequent mistakes, ties in the order of ``labels``.

    Args:
        true_ids: ``<int32>[examples]``.
        predicted_ids: ``<int32>[examples]``.
        labels: name of each class.
        most: how many to return at most.
    """
    _check_ids(true_ids, predicted_ids, len(labels))
    wrong = true_ids != predicted_ids
    # One number a pair, in int64: a full confusion matrix would not fit with many classes.
    pairs = true_ids[wrong].astype(np.int64) * len(labels) + predicted_ids[wrong]
    distinct, counts = np.unique(pairs, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:most]
    return [
        Confusion(
            true=labels[int(distinct[place]) // len(labels)],
            predicted=labels[int(distinct[place]) % len(labels)],
            count=int(counts[place]),
        )
        for place in order
    ]


def confident_mistakes(
    true_ids: NDArray[np.integer],
    predicted_ids: NDArray[np.integer],
    probabilities: NDArray[np.floating],
    *,
    most: int = 10,
) -> NDArray[np.int64]:
    """Positions of the wrong examples, the most certain first (ties by position).

    Args:
        true_ids: ``<int32>[examples]``.
        predicted_ids: ``<int32>[examples]``.
        probabilities: ``<float32>[examples, classes]``.
        most: how many to return at most.

    Returns:
        ``<int64>[mistakes]``.
    """
    _check_ids(true_ids, predicted_ids, probabilities.shape[1])
    _check_probabilities(probabilities, len(true_ids), probabilities.shape[1])
    wrong = np.flatnonzero(true_ids != predicted_ids).astype(np.int64)
    certainty = probabilities[wrong, predicted_ids[wrong]]
    return wrong[np.argsort(-certainty, kind="stable")[:most]]


def _estimate(
    statistics: Mapping[str, Statistic],
    num_examples: int,
    confidence: float,
    resamples: int,
    seed: int,
) -> dict[str, Estimate]:
    return bootstrap_many(
        statistics, num_examples, confidence=confidence, resamples=resamples, seed=seed
    )


def _weighted_mean(values: NDArray[np.bool_] | NDArray[np.float64]) -> Statistic:
    """The mean of ``[examples]`` as a function of the examples' weights."""
    numbers = values.astype(np.float64)
    return lambda weights: float(weights @ numbers / weights.sum())


def _log_losses(
    true_ids: NDArray[np.integer], probabilities: NDArray[np.floating], num_classes: int
) -> NDArray[np.float64]:
    """Minus the log of the probability of the truth, in nats: ``<float64>[examples]``."""
    _check_probabilities(probabilities, len(true_ids), num_classes)
    chosen = probabilities[np.arange(len(true_ids)), true_ids].astype(np.float64)
    losses: NDArray[np.float64] = -np.log(np.clip(chosen, SMALLEST_PROBABILITY, 1.0))
    return losses


def _outcome_of_ids(
    true_ids: NDArray[np.integer], predicted_ids: NDArray[np.integer], num_classes: int
) -> _Outcome:
    _check_ids(true_ids, predicted_ids, num_classes)
    everyone = np.arange(len(true_ids), dtype=np.int64)
    right = np.flatnonzero(true_ids == predicted_ids).astype(np.int64)
    return _Outcome(
        true=_Assignments(everyone, true_ids.astype(np.int64), num_classes),
        predicted=_Assignments(everyone, predicted_ids.astype(np.int64), num_classes),
        hits=_Assignments(right, true_ids[right].astype(np.int64), num_classes),
    )


def _outcome_of_sets(true: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> _Outcome:
    if true.ndim != 2 or true.shape != predicted.shape:
        raise ValueError(
            "true and predicted must both be [examples, classes], "
            f"was: {true.shape} and {predicted.shape}"
        )
    return _Outcome(
        true=_assignments(true),
        predicted=_assignments(predicted),
        hits=_assignments(true & predicted),
    )


def _assignments(cells: NDArray[np.bool_]) -> _Assignments:
    examples, classes = np.nonzero(cells)
    return _Assignments(examples.astype(np.int64), classes.astype(np.int64), cells.shape[1])


def _class_table(outcome: _Outcome, num_examples: int, labels: Sequence[str]) -> list[ClassScore]:
    weights = np.ones(num_examples)
    counts = zip(
        labels,
        outcome.true.count(weights),
        outcome.predicted.count(weights),
        outcome.hits.count(weights),
        strict=True,
    )
    rows = [
        ClassScore(
            label=label,
            precision=_ratio(hits, predicted),
            recall=_ratio(hits, true),
            f1=_ratio(2.0 * hits, true + predicted),
            support=int(true),
        )
        for label, true, predicted, hits in counts
    ]
    return sorted(rows, key=lambda row: (row.f1 is None, row.f1 or 0.0))


def _ratio(part: float, whole: float) -> float | None:
    return float(part / whole) if whole else None


def _check_ids(
    true_ids: NDArray[np.integer], predicted_ids: NDArray[np.integer], num_classes: int
) -> None:
    if true_ids.ndim != 1 or true_ids.shape != predicted_ids.shape:
        raise ValueError(
            "true_ids and predicted_ids must both be [examples], "
            f"was: {true_ids.shape} and {predicted_ids.shape}"
        )
    for name, ids in (("true_ids", true_ids), ("predicted_ids", predicted_ids)):
        if ids.size and not 0 <= ids.min() <= ids.max() < num_classes:
            raise ValueError(
                f"{name} must be in [0, {num_classes}), was: {ids.min()} to {ids.max()}"
            )


def _check_probabilities(
    probabilities: NDArray[np.floating], num_examples: int, num_classes: int
) -> None:
    if probabilities.shape != (num_examples, num_classes):
        raise ValueError(
            f"probabilities must be [{num_examples}, {num_classes}], was: {probabilities.shape}"
        )
