"""A translator in NumPy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from textnets.data.values import checked_whole
from textnets.decoding.translating import Hypothesis, Search, Translator, with_copies
from textnets.errors import InputError
from textnets.lite.contents import Contents
from textnets.lite.decoding import NumpyCalls, NumpyEncoderDecoder
from textnets.lite.encoders import LiteEncoder
from textnets.lite.predictor import BUCKET, LitePredictor
from textnets.lite.unicode import Unicode
from textnets.predictions import Alternative, Prediction, Translation
from textnets.progress import Progress
from textnets.text.tokenizers import has_joins
from textnets.text.vocabulary import EOS_ID, SPECIAL_TOKENS

_NOTHING = Alternative("", 0.0, 0.0)


class LiteTranslator(LitePredictor):
    """Translates a text, greedily or with a beam."""

    task = "translation"
    prediction = Translation

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        one = contents.header["preprocessors"][0]
        self._source = LiteEncoder.read(one["source"], contents, unicode)
        self._target = LiteEncoder.read(one["target"], contents, unicode)
        self._with_joins = has_joins(self._target.vocabulary)
        self._parts = NumpyEncoderDecoder(self._models, self._weights)
        self._translator = Translator(NumpyCalls(self._parts), BUCKET)
        of = self._settings
        self._search = Search(
            beam_size=int(of["beam_size"]),
            length_penalty=float(of["length_penalty"]),
            num_best=int(of["n_best"]),
            length_ratio=float(of["length_ratio"]),
            attention=bool(of["attention"]),
            # Files of earlier versions have no such keys.
            no_repeat_ngram=int(of.get("no_repeat_ngram", 0)),
            coverage_penalty=float(of.get("coverage_penalty", 0.0)),
            copy_unknown=bool(of.get("copy_unknown", False)),
        )

    @property
    def beam_size(self) -> int:
        """Hypotheses that are kept; more translations cannot be given."""
        return self._search.beam_size

    @property
    def can_attend(self) -> bool:
        """Whether the models look at the source, so that it can be told where."""
        with self._contents.being_read():
            _, others = self._parts.encode(np.array([[EOS_ID]], np.int32))
        return all("keys" in of_model for of_model in others)

    def predictions(
        self,
        texts: Sequence[str],
        *,
        beam_size: int | None = None,
        n_best: int | None = None,
        attention: bool | None = None,
    ) -> list[Prediction]:
        """As of every predictor; a search may be another than the recipe's.

        Args:
            texts: to translate.
            beam_size: hypotheses that are kept; 1 is greedy search.
            n_best: translations of each text.
            attention: whether its weights are told.
        """
        search = replace(
            self._search,
            beam_size=self._search.beam_size
            if beam_size is None
            else checked_whole(beam_size, "beam_size", 1),
            num_best=self._search.num_best
            if n_best is None
            else checked_whole(n_best, "n_best", 1),
            attention=self._search.attention if attention is None else bool(attention),
        )
        if search.num_best > search.beam_size:
            raise InputError(
                f"n_best: a beam of {search.beam_size} finds no more, was: {search.num_best}"
            )
        return self._of_checked(texts, lambda some: self._translated(some, search))

    def predict(self, texts: Sequence[str], **search: Any) -> list[dict[str, Any]]:
        """As of every predictor; with the arguments of :meth:`predictions`."""
        return [one.as_json() for one in self.predictions(texts, **search)]

    def about(self) -> dict[str, Any]:
        return {"most_translations": self.beam_size, "attention": self.can_attend}

    def respond(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Prediction]:
        return self.predictions(texts, **wishes)

    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        return self._translated(texts, self._search)

    def _translated(self, texts: Sequence[str], search: Search) -> list[Prediction]:
        hypotheses = self._translator.search(self._source.encode(texts), search, Progress())
        if search.copy_unknown:
            hypotheses = with_copies(
                hypotheses,
                search,
                self._target_tokens,
                lambda rows: self._source_tokens([texts[row] for row in rows]),
            )
        names = self._source.tokens(texts) if search.attention else [[] for _ in texts]
        return [
            Translation(
                text,
                # A model knows nothing of a text without words, and would say something.
                [self._alternative(one) for one in of_text] if text.strip() else [_NOTHING],
                [token.text for token in row] if text.strip() else [],
            )
            for text, of_text, row in zip(texts, hypotheses, names, strict=True)
        ]

    def _source_tokens(self, texts: Sequence[str]) -> list[list[str]]:
        return [[token.text for token in row] for row in self._source.tokens(texts)]

    def _target_tokens(self, token_ids: Sequence[int]) -> list[str]:
        return [self._target.vocabulary.decode_id(token_id) for token_id in token_ids]

    def _alternative(self, one: Hypothesis) -> Alternative:
        tokens = self._target_tokens(one.token_ids.tolist())
        return Alternative(
            text=self._target.join(
                tokens if one.words is None else one.words, with_joins=self._with_joins
            ),
            score=one.score,
            log_probability=one.log_probability,
            tokens=[] if one.attention is None else [*tokens, SPECIAL_TOKENS[EOS_ID]],
            attention=[] if one.attention is None else one.attention.tolist(),
        )
