"""``TextTranslator``: texts to texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from textnets.data.pairs import Pair
from textnets.data.values import checked_texts
from textnets.errors import InputError
from textnets.estimators.base import (
    RandomState,
    TextEstimator,
    check_lengths,
    with_full_signature,
)
from textnets.tasks.translation import SentencePairs
from textnets.tasks.translation.evaluation import TranslationEvaluation


@with_full_signature
class TextTranslator(TextEstimator):
    """Texts to other texts: an encoder, a decoder, and attention between them.

    Every key of a translation recipe's ``text:``, ``model:`` and ``training:`` sections is a
    parameter, and so are ``beam_size``, ``length_penalty`` and ``length_ratio``;
    ``help(TextTranslator)`` lists them.

    Args:
        builder: ``encoder_decoder``, ``transformer_encoder_decoder``, or a function of your own as
            ``"my_models:build_mine"``.
        random_state: seed of the weights and of the order of batches.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        verbose: 1 shows progress on standard error.
        parameters: the rest, by name.

    Attributes:
        history_, n_iter_, model_: as in ``TextClassifier``.

    >>> words = {"one": "un", "two": "deux", "three": "trois"}
    >>> texts = [f"{a} {b}" for a in words for b in words] * 4
    >>> translations = [" ".join(words[word] for word in text.split()) for text in texts]
    >>> translator = TextTranslator(
    ...     units=[32], embedding_width=16, batch_size=6, epochs=25, learning_rate=0.02,
    ...     beam_size=2, random_state=1,
    ... )
    >>> translator.fit(texts, translations).predict(["two one"])
    ['deux un']
    """

    task_name = "translation"
    default_builder: ClassVar[str] = "encoder_decoder"

    def __init__(
        self,
        builder: str = "encoder_decoder",
        *,
        random_state: RandomState = None,
        device: str = "auto",
        verbose: int = 0,
        **parameters: Any,
    ) -> None:
        self._store(builder, random_state, device, verbose, parameters)

    def fit(self, X: Sequence[str], y: Sequence[str]) -> Self:
        """Learn both vocabularies and the weights.

        Args:
            X: texts.
            y: the translation of each. Where both are blank, they are left out.

        Raises:
            ValueError: a text is none, the lists differ in length, or a parameter is wrong.
        """
        sources, targets = checked_texts(X), checked_texts(y, "y")
        check_lengths(sources, targets, "y")
        # Who says nothing of nothing teaches nothing.
        pairs = [
            Pair(source, target)
            for source, target in zip(sources, targets, strict=True)
            if source.strip() or target.strip()
        ]
        if not pairs:
            raise InputError("X and y hold no text: 0 sample(s), while a minimum of 1 is required")
        self._fit(self._make_task(), SentencePairs(pairs), {})
        return self

    def predict(self, X: Sequence[str]) -> list[str]:
        """The best translation of each text."""
        predictor = self._predictor
        return [found.translation for found in predictor.predict(checked_texts(X))]  # type: ignore[attr-defined]

    def score(self, X: Sequence[str], y: Sequence[str]) -> float:
        """BLEU of the whole, from 0 to 100, read as a recipe's scores are: sacrebleu's tokenizer by
        ``bleu_tokenize`` or the references' script, without case where the target has none."""
        references = checked_texts(y, "y")
        translations = self.predict(X)
        check_lengths(translations, references, "y")
        preprocessor: Any = self._predictor.preprocessor
        scores = TranslationEvaluation(preprocessor).score_texts(
            translations, references, resamples=0
        )
        return scores["bleu"].value
