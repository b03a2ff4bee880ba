"""What a tagger says of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textnets.backend.inference import input_names, predict_all
from textnets.backend.steps import forward
from textnets.decoding.tags import conditional_random_field, mix_tags, span_rules, tag_decoder
from textnets.predictions import TaggedText, tagged_text
from textnets.progress import Progress
from textnets.tasks.inference import Inference
from textnets.tasks.tagging.preprocessor import TaggingPreprocessor
from textnets.text.encoded import EncodedSplit, RaggedIds, RaggedOutputs


@dataclass(frozen=True)
class TagOutputs:
    """What a tagger answers.

    Attributes:
        probabilities: ``<float32>[total, tags]``; the marginals of a CRF.
        tags: the chosen tag's id at every word.
    """

    probabilities: RaggedOutputs
    tags: RaggedIds

    def __len__(self) -> int:
        return len(self.tags)


class TaggingInference(Inference[TagOutputs]):
    """The probability of each tag, and the best tags: of a softmax without rules the most
    probable of each word, else the best sequence."""

    def __init__(self, preprocessor: TaggingPreprocessor, model: Any) -> None:
        self._preprocessor, self._labels = preprocessor, preprocessor.labels
        is_constrained = preprocessor.recipe.evaluation.constrained
        self._rules = rules = span_rules(self._labels) if is_constrained else None
        self._is_free = rules is None and conditional_random_field(model) is None
        decoder = model if self._is_free else tag_decoder(model, rules)
        self._forward, self._names = forward(decoder), input_names(decoder)

    def outputs(
        self, split: EncodedSplit, progress: Progress, *, quick: bool = False, tight: bool = False
    ) -> TagOutputs:
        found = predict_all(
            self._forward,
            split.only(self._names).inputs,
            bucket_width=self._preprocessor.recipe.training.bucket_width,
            tight=tight,
            progress=progress,
        )
        if not isinstance(found, RaggedOutputs):
            raise TypeError("a tagger answers at every word")
        values, offsets = found.values[:, : len(self._labels)], found.offsets
        chosen = values.argmax(axis=1) if self._is_free else found.values[:, -1]
        tags = RaggedIds(chosen.astype(np.int32), offsets)
        return TagOutputs(RaggedOutputs(values, offsets), tags)

    def mixed(self, outputs: Sequence[TagOutputs], weights: Sequence[float]) -> TagOutputs:
        """The mean of the logarithms of the probabilities, of a CRF its marginals; then the most
        probable tag of each word, or the best sequence that the rules allow."""
        offsets = outputs[0].probabilities.offsets
        values = [one.probabilities.values for one in outputs]
        likely, chosen = mix_tags(values, weights, offsets, self._rules)
        return TagOutputs(RaggedOutputs(likely, offsets), RaggedIds(chosen, offsets))

    def predictions(self, texts: Sequence[str], outputs: TagOutputs) -> list[TaggedText]:
        probabilities, tags = outputs.probabilities, outputs.tags
        return [
            tagged_text(text, probabilities.row(index), tags.row(index), self._labels)
            for index, text in enumerate(map(self._preprocessor.plain, texts))
        ]
