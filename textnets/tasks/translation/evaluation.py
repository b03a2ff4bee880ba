"""How good a translator is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from textnets.decoding.translating import TranslatorOutputs, search_limits
from textnets.evaluation.report import Cell, Table
from textnets.evaluation.translation import (
    Reading,
    TranslationScores,
    bleu_tokenizer_in,
    nearest_translations,
    score_translations,
    sentence_chrf,
)
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.tasks.evaluation import BaselineScore, Evaluation, Fact, Scores, Split
from textnets.tasks.translation.ceiling import LOW_CEILING, Ceiling
from textnets.tasks.translation.examples import SentencePairs
from textnets.tasks.translation.preprocessor import TranslationPreprocessor, sections_of
from textnets.text.encoded import EncodedSplit
from textnets.text.vocabulary import UNKNOWN_ID

_SHOWN_SENTENCES = 20  # in the report


class TranslationEvaluation(Evaluation[SentencePairs, TranslatorOutputs]):
    """BLEU and chrF of texts, and perplexity of the given translations."""

    def __init__(self, preprocessor: TranslationPreprocessor) -> None:
        super().__init__(preprocessor.recipe)
        self._preprocessor = preprocessor
        self._reading = reading_of(preprocessor.recipe)

    def check(self, examples: SentencePairs, where: str) -> None:
        """Any pair of texts can be scored."""

    def facts(self, name: str, split: EncodedSplit, progress: Progress) -> list[Fact]:
        if name == "train":
            return []
        found = self._ceiling(split, with_known=True)
        told = [
            f"BLEU {found.bleu:.1f}, chrF {found.chrf:.1f} for a translator that makes no mistake "
            f"({bleu_tokenizer_in(found.signature)})"
        ]
        if found.known is not None and found.unknown_share > 0.0:
            told.append(
                f"BLEU {found.known:.1f} if it knew every word: {found.unknown_share:.1%} of the "
                "target's tokens are [UNK], which is never written"
            )
        if found.bleu < LOW_CEILING:
            progress.warn(f"{name}: BLEU can be {found.bleu:.1f} at most: {found.reason}")
        return [Fact(f"{name} ceiling", "; ".join(told))]

    def _ceiling(self, split: EncodedSplit, *, with_known: bool) -> Ceiling:
        """What the references score after their way through the target's vocabulary and back."""
        references = _references_of(split)
        targets, sources = split.ragged_targets, split.inputs["source_ids"].lengths
        limits = search_limits(sources, self.recipe.evaluation.length_ratio) - 1  # [EOS] is one
        rows = [targets.row(index)[:-1] for index in range(len(targets))]
        written = [
            self._text_of(row[row != UNKNOWN_ID][:limit].tolist())
            for row, limit in zip(rows, limits.tolist(), strict=True)
        ]
        found = self._compared(written, references, resamples=0)
        known = None
        if with_known:  # which needs the tokenizer
            restored = self._preprocessor.target.encoder.restored(references)
            known = self.score_texts(restored, references, resamples=0)["bleu"].value
        unknown = sum(int((row == UNKNOWN_ID).sum()) for row in rows)
        return Ceiling(
            bleu=found.scores["bleu"].value,
            chrf=found.scores["chrf"].value,
            known=known,
            unknown_share=unknown / max(sum(map(len, rows)), 1),
            cut_share=float(
                np.mean([len(row) > limit for row, limit in zip(rows, limits, strict=True)])
            ),
            signature=found.signatures["bleu"],
        )

    def _computed(
        self, signatures: Mapping[str, str], split: EncodedSplit
    ) -> list[tuple[Cell, ...]]:
        ceiling = self._ceiling(split, with_known=False)
        of_metric = {"bleu": ceiling.bleu, "chrf": ceiling.chrf}
        return [(name, signature, of_metric[name]) for name, signature in signatures.items()]

    def measure(self, outputs: TranslatorOutputs, split: EncodedSplit) -> dict[str, float]:
        values = self.values(outputs, split)
        return {"loss": float(np.log(values["perplexity"])), **values}

    def baselines(
        self, train: Split[SentencePairs], scored: Split[SentencePairs], progress: Progress
    ) -> list[BaselineScore]:
        resamples = self.recipe.evaluation.resamples
        progress.say("baseline translation_memory ...")
        nearest, seconds = nearest_translations(
            train.examples.texts, train.examples.targets, scored.examples.texts
        )
        systems = {
            "copy": ("the source as it is", scored.examples.texts, 0.0),
            "translation_memory": (
                "the translation of the most similar training source, by TF-IDF of words and "
                "word pairs",
                nearest,
                seconds,
            ),
        }
        return [
            BaselineScore(
                name,
                description,
                self.score_texts(translations, scored.examples.targets, resamples=resamples),
                seconds,
            )
            for name, (description, translations, seconds) in systems.items()
        ]

    def tables(
        self, texts: Sequence[str], outputs: TranslatorOutputs, split: EncodedSplit
    ) -> list[Table]:
        translations, references = self._best(outputs), _references_of(split)
        each = sentence_chrf(translations, references, self._reading)
        order = np.argsort(each, kind="stable")[:_SHOWN_SENTENCES]
        signatures = self._compared(translations, references, resamples=0).signatures
        return [
            Table(
                title="What was computed",
                note="sacrebleu's signatures, and what a translator that makes no mistake would "
                "score: the references through the target's vocabulary and back.",
                columns=("score", "signature", "ceiling"),
                rows=self._computed(signatures, split),
            ),
            Table(
                title="Farthest from their references",
                note="Lowest chrF first.",
                columns=("source", "reference", "translation", "chrF"),
                rows=[
                    (
                        texts[row] if texts else f"example {row + 1}",
                        references[row],
                        translations[row],
                        float(each[row]),
                    )
                    for row in order.tolist()
                ],
            ),
        ]

    def estimates(
        self, outputs: TranslatorOutputs, split: EncodedSplit, *, resamples: int
    ) -> Scores:
        return self._compared(
            self._best(outputs),
            _references_of(split),
            surprisals=outputs.surprisals,
            lengths=split.ragged_targets.lengths,
            resamples=resamples,
        ).scores

    def score_texts(
        self, translations: Sequence[str], references: Sequence[str], *, resamples: int
    ) -> Scores:
        """BLEU and chrF of translations, of this model or of others."""
        return self._compared(translations, references, resamples=resamples).scores

    def _compared(
        self,
        translations: Sequence[str],
        references: Sequence[str],
        *,
        resamples: int,
        surprisals: npt.NDArray[np.float64] | None = None,
        lengths: npt.NDArray[np.int64] | None = None,
    ) -> TranslationScores:
        return score_translations(
            translations,
            references,
            self._reading,
            surprisals=surprisals,
            lengths=lengths,
            confidence=self.recipe.evaluation.confidence,
            resamples=resamples,
            seed=self.recipe.seed,
        )

    def _best(self, outputs: TranslatorOutputs) -> list[str]:
        return [
            self._text_of(best.token_ids.tolist())
            if best.words is None
            else self._preprocessor.target_text(best.words)
            for best, *_ in outputs.hypotheses
        ]

    def _text_of(self, token_ids: Sequence[int]) -> str:
        return self._preprocessor.target_text(self._preprocessor.target_tokens(token_ids))


def reading_of(recipe: Recipe) -> Reading:
    """How texts are read where they are compared: as far as a model can tell them apart."""
    _, target = sections_of(recipe)
    return Reading(target.normalize, target.lowercase, recipe.evaluation.bleu_tokenize)


def _references_of(split: EncodedSplit) -> Sequence[str]:
    if split.references is None:
        raise TypeError("a translator's split holds its references")
    return split.references
