"""How good a tagger is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textnets.evaluation.classification import confusions, label_table
from textnets.evaluation.report import Table
from textnets.evaluation.tagging import Tags, score_tags, span_table
from textnets.evaluation.tagging_baselines import TAG_BASELINES
from textnets.progress import Progress
from textnets.tasks.evaluation import BaselineScore, Evaluation, Scores, Split
from textnets.tasks.tagging.examples import TaggedSentences
from textnets.tasks.tagging.inference import TagOutputs
from textnets.tasks.tagging.preprocessor import TaggingPreprocessor
from textnets.tasks.tagging.span_tags import check_span_tags
from textnets.text.encoded import EncodedSplit, RaggedIds, RaggedOutputs
from textnets.text.vocabulary import UNKNOWN_ID

_SMALLEST_PROBABILITY = 1e-7


class TaggingEvaluation(Evaluation[TaggedSentences, TagOutputs]):
    """Accuracy of tags and of sentences, and of spans where tags mark those."""

    def __init__(self, preprocessor: TaggingPreprocessor) -> None:
        super().__init__(preprocessor.recipe)
        self._preprocessor, self._labels = preprocessor, preprocessor.labels
        self._spans: bool = preprocessor.recipe.data.spans

    def check(self, examples: TaggedSentences, where: str) -> None:
        if self._spans:
            check_span_tags(
                examples.sentences,
                self._labels,
                constrained=self.recipe.evaluation.constrained,
            )

    def measure(self, outputs: TagOutputs, split: EncodedSplit) -> dict[str, float]:
        values = self.values(outputs, split)
        values.pop("unknown_accuracy", None)
        return {"loss": _cross_entropy(outputs.probabilities, split.ragged_targets), **values}

    def estimates(self, outputs: TagOutputs, split: EncodedSplit, *, resamples: int) -> Scores:
        return self._scores_of(
            self._names(split.ragged_targets, split),
            self._names(outputs.tags, split),
            split.inputs["token_ids"],
            resamples,
        )

    def baselines(
        self, train: Split[TaggedSentences], scored: Split[TaggedSentences], progress: Progress
    ) -> list[BaselineScore]:
        sentences = scored.examples.sentences
        true = [sentence.tags for sentence in sentences]
        words = [sentence.words for sentence in sentences]
        inputs = self._preprocessor.encode_words(words)
        scores = []
        for name, run in TAG_BASELINES.items():
            progress.say(f"baseline {name} ...")
            baseline = run(
                [sentence.words for sentence in train.examples.sentences],
                [sentence.tags for sentence in train.examples.sentences],
                words,
                seed=self.recipe.seed,
            )
            of_baseline = self._scores_of(
                true, baseline.predicted, inputs["token_ids"], self.recipe.evaluation.resamples
            )
            scores.append(BaselineScore(name, baseline.description, of_baseline, baseline.seconds))
        return scores

    def tables(self, texts: Sequence[str], outputs: TagOutputs, split: EncodedSplit) -> list[Table]:
        names = [*self._labels, *split.unseen_labels]
        targets = split.ragged_targets.ids
        predicted = outputs.tags.ids
        tables = [
            Table(
                title="By tag",
                note="Worst first.",
                columns=("tag", "precision", "recall", "F1", "words"),
                rows=[
                    (row.label, row.precision, row.recall, row.f1, row.support)
                    for row in label_table(targets, predicted, names)
                ],
            ),
            Table(
                title="Most frequent confusions",
                note="",
                columns=("true tag", "predicted", "words"),
                rows=[
                    (c.true, c.predicted, c.count) for c in confusions(targets, predicted, names)
                ],
            ),
        ]
        if self._spans:
            rows = span_table(
                self._names(split.ragged_targets, split), self._names(outputs.tags, split)
            )
            columns = ("type", "precision", "recall", "F1", "spans")
            cells = [(row.type, row.precision, row.recall, row.f1, row.support) for row in rows]
            tables.insert(0, Table("By type of span", "Worst first.", columns, cells))
        return tables

    def _scores_of(
        self, true: Sequence[Tags], predicted: Sequence[Tags], token_ids: RaggedIds, resamples: int
    ) -> Scores:
        return score_tags(
            true,
            predicted,
            [token_ids.row(index) == UNKNOWN_ID for index in range(len(token_ids))],
            spans=self._spans,
            confidence=self.recipe.evaluation.confidence,
            resamples=resamples,
            seed=self.recipe.seed,
        )

    def _names(self, tag_ids: RaggedIds, split: EncodedSplit) -> list[list[str]]:
        names = np.array([*self._labels, *split.unseen_labels], dtype=object)
        return [names[tag_ids.row(index)].tolist() for index in range(len(tag_ids))]


def _cross_entropy(outputs: RaggedOutputs, targets: RaggedIds) -> float:
    """Mean over words, in nats; a tag that training had not has the smallest probability."""
    known = targets.ids < outputs.values.shape[1]
    chosen = np.where(known, targets.ids, 0)[:, None]
    found = np.take_along_axis(outputs.values, chosen, axis=1)[:, 0].astype(np.float64)
    return float(-np.log(np.maximum(np.where(known, found, 0.0), _SMALLEST_PROBABILITY)).mean())
