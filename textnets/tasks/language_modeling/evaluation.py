"""How good a language model is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from textnets.evaluation.language_modeling import (
    CountedText,
    blocks_of,
    by_position,
    costly_tokens,
    counting_baselines,
    score_surprisals,
)
from textnets.evaluation.report import Table
from textnets.progress import Progress
from textnets.tasks.evaluation import BaselineScore, Evaluation, Scores, Split
from textnets.tasks.language_modeling.examples import TextLines
from textnets.tasks.language_modeling.inference import LanguageModelOutputs, Surprisals
from textnets.tasks.language_modeling.preprocessor import LanguageModelingPreprocessor, with_id
from textnets.text.encoded import EncodedSplit
from textnets.text.vocabulary import BOS_ID, PADDING_ID, UNKNOWN_ID

_ORDERS = {"characters": (1, 6)}  # of the counting baselines
_WORD_ORDERS = (1, 4)


class LanguageModelingEvaluation(Evaluation[TextLines, LanguageModelOutputs]):
    """Cross-entropy, and what follows from it."""

    def __init__(self, preprocessor: LanguageModelingPreprocessor) -> None:
        super().__init__(preprocessor.recipe)
        self._preprocessor = preprocessor

    def check(self, examples: TextLines, where: str) -> None:
        """Any text can be scored."""

    def measure(self, outputs: LanguageModelOutputs, split: EncodedSplit) -> dict[str, float]:
        values = self.values(outputs, split)
        return {"loss": values["cross_entropy"], **values}

    def estimates(
        self, outputs: LanguageModelOutputs, split: EncodedSplit, *, resamples: int
    ) -> Scores:
        found = _surprisals(outputs)
        scores = self._scores_of(found, resamples)
        if found.cached is not None:
            cached = self._scores_of(replace(found, values=found.cached), resamples)
            del cached["unknown_share"]  # the same
            scores |= {f"cache_{name}": estimate for name, estimate in cached.items()}
        return scores

    def _scores_of(self, outputs: Surprisals, resamples: int) -> Scores:
        return score_surprisals(
            outputs.values,
            blocks_of(len(outputs.values)) if self._preprocessor.is_stream else outputs.offsets,
            characters=self._preprocessor.has_characters,
            unknown=outputs.unknown,
            confidence=self.recipe.evaluation.confidence,
            resamples=resamples,
            seed=self.recipe.seed,
        )

    def baselines(
        self, train: Split[TextLines], scored: Split[TextLines], progress: Progress
    ) -> list[BaselineScore]:
        orders = _ORDERS.get(self.recipe.text.tokenizer, _WORD_ORDERS)
        progress.say(f"baselines: n-grams of the orders {', '.join(map(str, orders))} ...")
        train_split, scored_split = map(self._encoded, (train, scored))
        targets = scored_split.ragged_targets
        is_unknown = targets.ids == UNKNOWN_ID
        counted = self._counted(scored_split)
        is_target = counted.places > 0
        vocabulary_size = len(self._preprocessor.vocabulary)
        scores = []
        for baseline in counting_baselines(
            self._counted(train_split),
            counted,
            orders=orders,
            vocabulary_size=vocabulary_size,
            is_scored=~np.isin(np.arange(vocabulary_size), [PADDING_ID, BOS_ID]),
        ):
            surprisals = baseline.surprisals[is_target].astype(np.float32)
            outputs = Surprisals(surprisals, targets.offsets, is_unknown)
            of_baseline = self._scores_of(outputs, self.recipe.evaluation.resamples)
            scores.append(
                BaselineScore(baseline.name, baseline.description, of_baseline, baseline.seconds)
            )
        return scores

    def _encoded(self, split: Split[TextLines]) -> EncodedSplit:
        """Not encoded twice: seeding TensorFlow, as training does, loses sentencepiece's model."""
        if split.encoded is not None:
            return split.encoded
        return self._preprocessor.encode(split.examples, Progress(), "encoding")[0]

    def _counted(self, split: EncodedSplit) -> CountedText:
        """A split with what starts it: before the stream, or before each sentence."""
        targets = split.ragged_targets
        if self._preprocessor.is_stream:
            ids = np.concatenate([[self._preprocessor.start_id], targets.ids]).astype(np.int32)
            return CountedText(ids, np.arange(len(ids), dtype=np.int64))
        rows = with_id(targets, BOS_ID, in_front=True)
        places = np.arange(len(rows.ids), dtype=np.int64)
        return CountedText(rows.ids, places - np.repeat(rows.offsets[:-1], rows.lengths))

    def tables(
        self, texts: Sequence[str], outputs: LanguageModelOutputs, split: EncodedSplit
    ) -> list[Table]:
        surprisals = _surprisals(outputs)
        targets = split.ragged_targets
        unit = "character" if self._preprocessor.has_characters else "token"
        rows = [
            (
                repr(self._preprocessor.vocabulary.decode_id(found.token_id)),
                found.count,
                found.mean,
                found.share,
            )
            for found in costly_tokens(surprisals.values, targets.ids)
        ]
        where = "line" if self._preprocessor.is_stream else "sentence"
        return [
            Table(
                title=f"Costliest {unit}s",
                note="By their part in the cross-entropy.",
                columns=(unit, "count", "nats", "share of all nats"),
                rows=rows,
            ),
            Table(
                title=f"By position in the {where}",
                note="",
                columns=("position", f"{unit}s", "nats"),
                rows=by_position(surprisals.values, surprisals.offsets),
            ),
        ]


def _surprisals(outputs: LanguageModelOutputs) -> Surprisals:
    if not isinstance(outputs, Surprisals):
        raise TypeError("what was written has no scores")
    return outputs
