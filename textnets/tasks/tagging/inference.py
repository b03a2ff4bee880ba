"""What a tagger says of sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np

from textnets.backend.inference import input_names, predict_all
from textnets.backend.steps import forward
from textnets.decoding.tags import best_sequence, conditional_random_field, span_rules, tag_decoder
from textnets.progress import Progress, printable
from textnets.tasks.inference import Inference, Prediction
from textnets.tasks.tagging.preprocessor import TaggingPreprocessor
from textnets.text.encoded import EncodedSplit, RaggedIds, RaggedOutputs

_LEAST = 1e-7  # of a probability, before its logarithm is taken


@dataclass(frozen=True)
class TaggedText(Prediction):
    """A text with a tag for each of its words.

    Attributes:
        text: as given.
        tokens: its words.
        tags: one a word.
        probabilities: of each tag.
    """

    details: ClassVar[tuple[str, ...]] = ("tokens", "probabilities")

    text: str
    tokens: Sequence[str]
    tags: Sequence[str]
    probabilities: Sequence[float]

    def as_fields(self) -> dict[str, Any]:
        return {"tags": " ".join(self.tags)}

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "tokens": list(self.tokens),
            "tags": list(self.tags),
            "probabilities": [round(value, 6) for value in self.probabilities],
        }

    def as_line(self) -> str:
        pairs = zip(self.tokens, self.tags, strict=True)
        return printable(" ".join(f"{token}/{tag}" for token, tag in pairs))


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
        known = [np.clip(one.probabilities.values, _LEAST, 1.0) for one in outputs]
        total = np.sum([w * np.log(one) for w, one in zip(weights, known, strict=True)], axis=0)
        likely = np.exp(total - total.max(axis=1, keepdims=True))
        likely /= likely.sum(axis=1, keepdims=True)
        if self._rules is None:
            chosen = total.argmax(axis=1).astype(np.int32)
        else:
            bounds = pairwise(offsets.tolist())
            rows = [best_sequence(total[start:end], self._rules) for start, end in bounds]
            chosen = np.concatenate([np.zeros(0, np.int32), *rows])
        return TagOutputs(
            RaggedOutputs(likely.astype(np.float32), offsets), RaggedIds(chosen, offsets)
        )

    def predictions(self, texts: Sequence[str], outputs: TagOutputs) -> list[TaggedText]:
        predictions = []
        for index, text in enumerate(texts):
            tokens = text.split()
            tags = outputs.tags.row(index)
            probabilities = outputs.probabilities.row(index)[np.arange(len(tags)), tags]
            if not tokens and text == "" and len(tags) > 1:  # stored ids, whose texts are not here
                tokens = ["_"] * len(tags)
            predictions.append(
                TaggedText(
                    text=text,
                    tokens=tokens,
                    tags=[self._labels[tag] for tag in tags[: len(tokens)].tolist()],
                    probabilities=probabilities[: len(tokens)].tolist(),
                )
            )
        return predictions
