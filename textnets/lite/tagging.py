"""A tagger in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from textnets.backend.inference import predict_all
from textnets.decoding.tags import (
    SMALLEST_PROBABILITY,
    TagRules,
    mix_tags,
    penalties,
    span_rules,
)
from textnets.errors import RunError
from textnets.lite.contents import Contents
from textnets.lite.graph import Array, LiteModel
from textnets.lite.layers import best_tags
from textnets.lite.predictor import (
    BUCKET,
    LitePredictor,
    close_batches,
    forward_of,
    taken,
)
from textnets.lite.unicode import Unicode
from textnets.lite.words import read_words
from textnets.predictions import Prediction, TaggedText, tagged_text
from textnets.text.encoded import RaggedOutputs
from textnets.text.word_columns import plain_text


class LiteTagger(LitePredictor):
    """Gives each word of a text a tag."""

    task = "tagging"
    prediction = TaggedText

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        header = contents.header
        self._labels: list[str] = list(self._settings["labels"])
        self._rules = span_rules(self._labels) if self._settings["constrained"] else None
        self._encoders = [read_words(one, contents) for one in header["preprocessors"]]
        self._fields = [one.get("field") for one in header["models"]]

    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        inputs = [encoder.encode_texts(texts) for encoder in self._encoders]
        if self._encoders[0].columns is not None:
            texts = list(map(plain_text, texts))
        values, chosen = [], []
        for model, member, field in zip(self._models, self._of_member, self._fields, strict=True):
            forward, tags = _tagging(model, field, self._rules, len(self._labels))
            found = predict_all(
                forward, taken(model, inputs[member]), bucket_width=BUCKET, batches=close_batches
            )
            if not isinstance(found, RaggedOutputs):
                raise RunError("a tagger answers at every word")
            values.append(found.values[:, : len(self._labels)])
            chosen.append(tags(found.values).astype(np.int32))
        offsets = inputs[0]["token_ids"].offsets
        probabilities, best = values[0], chosen[0]
        if len(values) > 1:
            probabilities, best = mix_tags(values, self._weights, offsets, self._rules)
        return [
            tagged_text(text, probabilities[start:end], best[start:end], self._labels)
            for text, start, end in zip(texts, offsets[:-1], offsets[1:], strict=True)
        ]


def _tagging(
    model: LiteModel, field: Mapping[str, Any] | None, rules: TagRules | None, num_tags: int
) -> tuple[Callable[[Any], Array], Callable[[Array], Array]]:
    """From padded ids to the probabilities of tags, and the chosen one after them where that is
    not the most probable; and what finds the chosen ones in all of these."""
    if field is None and rules is None:
        return forward_of(model), lambda values: values.argmax(axis=1)
    edges = [np.asarray(one, np.float32) for one in penalties(rules, num_tags)]
    if field is not None:
        crf = model.layers[field["layer"]].weights
        own = ("start", "transitions", "end")
        edges = [one + crf[name] for one, name in zip(edges, own, strict=True)]

    def forward(inputs: Any) -> Array:
        outputs = model.outputs
        wanted = outputs if field is None else {"list": [outputs, field["reads"]]}
        found = model.run(inputs, wanted)
        if field is None:
            probabilities = found
            token_ids = inputs["token_ids"] if isinstance(inputs, dict) else inputs
            emissions, mask = np.log(np.maximum(found, SMALLEST_PROBABILITY)), token_ids != 0
        else:
            probabilities, (emissions, mask) = found
        tags = best_tags(emissions, mask, *edges)
        return np.concatenate([probabilities, tags[:, :, None].astype(np.float32)], axis=-1)

    return forward, lambda values: values[:, -1]
