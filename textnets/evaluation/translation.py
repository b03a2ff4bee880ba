"""Scores of translations: BLEU and chrF by sacrebleu, perplexity, and their intervals.

The values are sacrebleu's own (Post 2018), on detokenized text. For the bootstrap everything
is counted once a sentence, as sacrebleu counts it, so that a resample only weighs counts.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textnets.evaluation.confidence import Estimate, Statistic, bootstrap_many

FloatArray = npt.NDArray[np.float64]

_CHRF_ORDER = 6  # of character n-grams, as sacrebleu's chrF2
_CHRF_BETA = 2


@dataclass(frozen=True)
class TranslationScores:
    """What a set of translations scored.

    Attributes:
        scores: ``bleu`` and ``chrf``, from 0 to 100, and, where the model's probabilities of
            the references are known, ``perplexity`` a token.
        signatures: sacrebleu's, by metric: what exactly was computed.
    """

    scores: dict[str, Estimate]
    signatures: dict[str, str]


def score_translations(
    translations: Sequence[str],
    references: Sequence[str],
    *,
    surprisals: FloatArray | None = None,
    lengths: npt.NDArray[np.int64] | None = None,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int,
) -> TranslationScores:
    """Score detokenized translations against one reference each.

    Args:
        translations: one a sentence.
        references: the same number.
        surprisals: ``<float64>[sentences]``, minus the log-probability of each reference, nats.
        lengths: ``<int64>[sentences]``, in tokens, ``[EOS]`` included.
        confidence, resamples, seed: of the bootstrap, over sentences.
    """
    from sacrebleu import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF(char_order=_CHRF_ORDER, word_order=0, beta=_CHRF_BETA)
    values = {
        "bleu": bleu.corpus_score(translations, [references]).score,
        "chrf": chrf.corpus_score(translations, [references]).score,
    }
    statistics = _statistics(translations, references)
    if surprisals is not None and lengths is not None:
        of_tokens = lengths.astype(np.float64)
        statistics["perplexity"] = lambda weights: float(
            np.exp((weights @ surprisals) / (weights @ of_tokens))
        )
    found = bootstrap_many(
        statistics, len(translations), confidence=confidence, resamples=resamples, seed=seed
    )
    for name, value in values.items():
        found[name] = Estimate(float(value), found[name].low, found[name].high)
    signatures = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    return TranslationScores(found, signatures)


def sentence_chrf(translations: Sequence[str], references: Sequence[str]) -> FloatArray:
    """chrF of each sentence alone: ``<float64>[sentences]``."""
    pairs = zip(translations, references, strict=True)
    return np.array([_chrf(_chrf_counts(*pair)) for pair in pairs])


def _statistics(translations: Sequence[str], references: Sequence[str]) -> dict[str, Statistic]:
    """BLEU and chrF as functions of the sentences' weights."""
    from sacrebleu import BLEU

    bleu = BLEU()
    pairs = list(zip(translations, references, strict=True))
    found = [bleu.corpus_score([translation], [[reference]]) for translation, reference in pairs]
    counts = np.array(
        [[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in found], float
    )
    order = (counts.shape[1] - 2) // 2
    chrf_counts = np.array([_chrf_counts(*pair) for pair in pairs], float)

    def weighted_bleu(weights: FloatArray) -> float:
        sums = (weights @ counts).astype(int).tolist()
        score = BLEU.compute_bleu(
            sums[:order], sums[order : 2 * order], sums[-2], sums[-1], smooth_method="exp"
        )
        return float(score.score)

    return {"bleu": weighted_bleu, "chrf": lambda weights: _chrf(weights @ chrf_counts)}


def _chrf_counts(translation: str, reference: str) -> FloatArray:
    """For each order, n-grams of the translation, of the reference, and of both."""
    texts = ["".join(text.split()) for text in (translation, reference)]
    counts = []
    for order in range(1, _CHRF_ORDER + 1):
        ours, theirs = (
            Counter(text[i : i + order] for i in range(len(text) - order + 1)) for text in texts
        )
        # Without an n-gram in the reference those of the translation do not count.
        counts += [ours.total() if theirs else 0, theirs.total(), (ours & theirs).total()]
    return np.array(counts, float)


def _chrf(counts: FloatArray) -> float:
    """F of the mean precision and recall over the orders that both sides have."""
    ours, theirs, shared = counts.reshape(_CHRF_ORDER, 3).T
    present = (ours > 0) & (theirs > 0)
    if not shared.any():
        return 0.0
    precision = float((shared[present] / ours[present]).mean())
    recall = float((shared[present] / theirs[present]).mean())
    squared = _CHRF_BETA**2
    return 100.0 * (1 + squared) * precision * recall / (squared * precision + recall)


# --- Baselines ---


def nearest_translations(
    sources: Sequence[str], targets: Sequence[str], asked: Sequence[str]
) -> tuple[list[str], float]:
    """A translation memory: the target of the most similar training source.

    Similar by the cosine of TF-IDF weighted words and word pairs.

    Returns:
        One translation for each text of ``asked``, and the seconds that it took.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    started = time.monotonic()
    vectorizer = TfidfVectorizer(
        token_pattern=r"\w+|[^\w\s]", ngram_range=(1, 2), sublinear_tf=True, dtype=np.float32
    )
    known = vectorizer.fit_transform(sources)
    found = []
    for start in range(0, len(asked), 256):
        similar = vectorizer.transform(asked[start : start + 256]) @ known.T
        found += np.asarray(similar.argmax(axis=1)).ravel().tolist()
    return [targets[index] for index in found], time.monotonic() - started
