"""Metrics of taggers: over tokens, over sentences, and over the spans that tags mark.

Everything is counted once a sentence, so that a bootstrap over sentences only weighs counts.
Spans are read as seqeval and conlleval read them (a test compares): leniently, so that an
``I-NP`` with nothing to continue begins a span; a span counts as found when its type and both
of its ends are right.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from textnets.evaluation.confidence import Estimate, Statistic, bootstrap_many

Tags = Sequence[str]
_SPAN_TAG = re.compile(r"O|[BIES]-.+")


@dataclass(frozen=True)
class Span:
    """Neighboring tokens that belong together: from ``start`` up to, not including, ``end``."""

    type: str
    start: int
    end: int


@dataclass(frozen=True)
class SpanScore:
    """How well the spans of one type were found; ``None`` where there is nothing to count."""

    type: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


def are_span_tags(tags: Iterable[str]) -> bool:
    """Whether all tags are ``O`` or a place in a span and its type, such as ``B-NP``."""
    return all(_SPAN_TAG.fullmatch(tag) for tag in tags)


def spans_of(tags: Tags) -> list[Span]:
    """The spans of one sentence, from IOB, IOB2 or IOBES tags.

    >>> spans_of(["B-NP", "I-NP", "O", "I-VP"])
    [Span(type='NP', start=0, end=2), Span(type='VP', start=3, end=4)]
    """
    spans: list[Span] = []
    start: int | None = None
    place, kind = "O", ""
    for position, tag in enumerate([*tags, "O"]):
        continues = place in "BI" and tag[:1] in "IE" and tag[2:] == kind
        if not continues:
            if start is not None:
                spans.append(Span(kind, start, position))
            start = None if tag == "O" else position
        place, kind = tag[:1], tag[2:]
    return spans


def score_tags(
    true: Sequence[Tags],
    predicted: Sequence[Tags],
    unknown: Sequence[NDArray[np.bool_]],
    *,
    spans: bool,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> dict[str, Estimate]:
    """The metrics of tagged sentences, with bootstrap intervals over sentences.

    Args:
        true: the tags of each sentence.
        predicted: as many tags for each sentence.
        unknown: ``<bool>[length]`` a sentence: words that the vocabulary lacks.
        spans: whether tags mark spans.
        confidence: of the intervals, in (0, 1).
        resamples: of the bootstrap; 0 for no intervals.
        seed: of the bootstrap.

    Returns:
        ``accuracy`` of tokens, ``unknown_accuracy`` of unknown words (left out where there are
        none), ``sentence_accuracy``, and for spans ``span_precision``, ``span_recall`` and
        ``span_f1``, over all types together.

    Raises:
        DataError: there is no sentence.
    """
    hits = [
        np.array([one == other for one, other in zip(*pair, strict=True)], dtype=np.bool_)
        for pair in zip(true, predicted, strict=True)
    ]
    tokens = _counts(len(row) for row in hits)
    right = _counts(row.sum() for row in hits)
    unknown_tokens = _counts(row.sum() for row in unknown)
    unknown_right = _counts(
        (row & is_unknown).sum() for row, is_unknown in zip(hits, unknown, strict=True)
    )
    statistics: dict[str, Statistic] = {
        "accuracy": _ratio(right, tokens),
        "sentence_accuracy": _ratio(
            _counts(row.all() for row in hits), np.ones(len(hits), np.float64)
        ),
    }
    if unknown_tokens.sum():
        statistics["unknown_accuracy"] = _ratio(unknown_right, unknown_tokens)
    if spans:
        statistics |= _span_statistics(true, predicted)
    return bootstrap_many(
        statistics, len(hits), confidence=confidence, resamples=resamples, seed=seed
    )


def span_table(true: Sequence[Tags], predicted: Sequence[Tags]) -> list[SpanScore]:
    """Scores of each type of span, worst F1 first, ties by type."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for one, other in zip(true, predicted, strict=True):
        wanted, found = set(spans_of(one)), set(spans_of(other))
        for name, group in (("true", wanted), ("found", found), ("hits", wanted & found)):
            for span in group:
                counts[span.type][name] += 1
    rows = [
        SpanScore(
            type=kind,
            precision=_share(count["hits"], count["found"]),
            recall=_share(count["hits"], count["true"]),
            f1=_share(2 * count["hits"], count["true"] + count["found"]),
            support=count["true"],
        )
        for kind, count in counts.items()
    ]
    return sorted(rows, key=lambda row: (row.f1 or 0.0, row.type))


# --- Counting ---


def _counts(numbers: Iterable[int | np.integer | np.bool_]) -> NDArray[np.float64]:
    """``<float64>[sentences]``."""
    return np.array([float(number) for number in numbers], dtype=np.float64)


def _ratio(part: NDArray[np.float64], whole: NDArray[np.float64]) -> Statistic:
    """Of two sums over sentences; 0 where the second is."""

    def statistic(weights: NDArray[np.float64]) -> float:
        total = float(weights @ whole)
        return float(weights @ part) / total if total else 0.0

    return statistic


def _span_statistics(true: Sequence[Tags], predicted: Sequence[Tags]) -> dict[str, Statistic]:
    wanted = [set(spans_of(tags)) for tags in true]
    found = [set(spans_of(tags)) for tags in predicted]
    hits = _counts(len(one & other) for one, other in zip(wanted, found, strict=True))
    num_wanted, num_found = _counts(map(len, wanted)), _counts(map(len, found))
    return {
        "span_precision": _ratio(hits, num_found),
        "span_recall": _ratio(hits, num_wanted),
        "span_f1": _ratio(2.0 * hits, num_wanted + num_found),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
