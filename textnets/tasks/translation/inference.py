"""What a translator says."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from textnets.decoding.translating import (
    Hypothesis,
    Search,
    Translator,
    TranslatorOutputs,
    with_copies,
)
from textnets.errors import InputError
from textnets.predictions import Alternative, Translation
from textnets.progress import Progress
from textnets.tasks.inference import Inference
from textnets.tasks.translation.preprocessor import TranslationPreprocessor
from textnets.tasks.translation.recipe import TranslationEvaluation
from textnets.text.encoded import EncodedSplit

_NOTHING = Alternative("", 0.0, 0.0)


def search_of(section: TranslationEvaluation) -> Search:
    """How a recipe's ``evaluation:`` searches."""
    return Search(
        beam_size=section.beam_size,
        length_penalty=section.length_penalty,
        num_best=section.n_best,
        length_ratio=section.length_ratio,
        attention=section.attention,
        no_repeat_ngram=section.no_repeat_ngram or 0,
        coverage_penalty=section.coverage_penalty,
        copy_unknown=section.copy_unknown,
    )


class TranslationInference(Inference[TranslatorOutputs]):
    """Searches for translations: with a beam, or greedily where that is enough.

    Args:
        preprocessor: of the models.
        models: one, or several that translate together.
        weights: of each; they sum to 1.
    """

    can_mix = False

    def __init__(
        self,
        preprocessor: TranslationPreprocessor,
        models: Sequence[Any],
        weights: Sequence[float] = (1.0,),
    ) -> None:
        recipe = preprocessor.recipe
        self._preprocessor = preprocessor
        self._translator = Translator.of(models, weights, recipe.training.bucket_width)
        self._full = search_of(recipe.evaluation)
        self._greedy = Search(
            length_ratio=self._full.length_ratio,
            no_repeat_ngram=self._full.no_repeat_ngram,
            copy_unknown=self._full.copy_unknown,
        )

    @property
    def beam_size(self) -> int:
        """Hypotheses that are kept; more translations cannot be given."""
        return self._full.beam_size

    @property
    def can_attend(self) -> bool:
        """Whether the models look at the source, so that it can be told where."""
        return self._preprocessor.recipe.model.get("attention") != "none"

    def searching(self, *, num_best: int, attention: bool) -> TranslationInference:
        """The same models, which say more of each text."""
        found = copy.copy(self)
        found._full = replace(self._full, num_best=num_best, attention=attention)
        return found

    def outputs(
        self, split: EncodedSplit, progress: Progress, *, quick: bool = False, tight: bool = False
    ) -> TranslatorOutputs:
        how = self._greedy if quick else self._full
        hypotheses = self._translator.search(split.inputs["source_ids"], how, progress)
        if how.copy_unknown:
            hypotheses = with_copies(
                hypotheses,
                how,
                self._preprocessor.target_tokens,
                lambda rows: self._source_tokens(split, rows),
            )
        is_given = "target_ids" in split.inputs
        surprisals = self._translator.surprisals(split, progress) if is_given else None
        return TranslatorOutputs(hypotheses, surprisals)

    def _source_tokens(self, split: EncodedSplit, rows: Sequence[int]) -> list[list[str]]:
        if split.texts is None:
            raise InputError(
                "evaluation.copy_unknown: copies words of texts, of which stored ids hold none; "
                "train without --store, or remove the key"
            )
        tokens = self._preprocessor.tokens([split.texts[row] for row in rows])
        return [[token.text for token in of_text] for of_text in tokens]

    def predictions(self, texts: Sequence[str], outputs: TranslatorOutputs) -> list[Translation]:
        names = self._preprocessor.tokens(texts) if self._full.attention else [[] for _ in texts]
        return [
            Translation(
                text,
                # A model knows nothing of a text without words, and would say something.
                [self._alternative(one) for one in hypotheses] if text.strip() else [_NOTHING],
                [token.text for token in row] if text.strip() else [],
            )
            for text, hypotheses, row in zip(texts, outputs.hypotheses, names, strict=True)
        ]

    def _alternative(self, hypothesis: Hypothesis) -> Alternative:
        weights = hypothesis.attention
        tokens = self._preprocessor.target_tokens(hypothesis.token_ids.tolist())
        return Alternative(
            text=self._preprocessor.target_text(
                tokens if hypothesis.words is None else hypothesis.words
            ),
            score=hypothesis.score,
            log_probability=hypothesis.log_probability,
            tokens=[] if weights is None else [*tokens, "[EOS]"],
            attention=[] if weights is None else weights.tolist(),
        )
