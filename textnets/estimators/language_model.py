"""``TextLanguageModel``: how probable texts are, and new ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from textnets.data.values import checked_texts, checked_whole
from textnets.decoding.sampling import Sampling
from textnets.errors import InputError
from textnets.estimators.base import RandomState, TextEstimator, with_full_signature
from textnets.predictions import ScoredText
from textnets.tasks.language_modeling import LanguageModelPredictor


@with_full_signature
class TextLanguageModel(TextEstimator):
    """Texts to their probabilities, token by token.

    Every key of a language model recipe's ``text:``, ``model:`` and ``training:`` sections is a
    parameter; ``help(TextLanguageModel)`` lists them. Each text is a sentence of its own, unless
    ``stream=True``: then the texts are the lines of one running text, in their order.

    Args:
        builder: ``rnn_language_model``, ``transformer_language_model``, or a function of your own
            as ``"my_models:build_mine"``.
        random_state: seed of the weights and of the order of batches.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        verbose: 1 shows progress on standard error.
        stream: whether the texts are one running text.
        parameters: the rest, by name.

    Attributes:
        history_, n_iter_, model_: as in ``TextClassifier``.

    >>> model = TextLanguageModel(units=[32], epochs=30, learning_rate=0.02, random_state=1)
    >>> likely, odd = model.fit(["a b c d e"] * 40).score_samples(["a b c d e", "e d c b a"])
    >>> bool(likely > odd)
    True
    >>> model.sample(prompts=["a b"], temperature=0.0, length=10)
    ['a b c d e']
    """

    task_name = "language_modeling"
    default_builder: ClassVar[str] = "rnn_language_model"
    _data_keys = ("validation", "stream")
    _defaults: ClassVar[Mapping[str, Any]] = {"stream": False}

    def __init__(
        self,
        builder: str = "rnn_language_model",
        *,
        random_state: RandomState = None,
        device: str = "auto",
        verbose: int = 0,
        **parameters: Any,
    ) -> None:
        self._store(builder, random_state, device, verbose, parameters)

    def fit(self, X: Sequence[str], y: None = None) -> Self:
        """Learn vocabulary and weights.

        Args:
            X: texts.
            y: without effect, for scikit-learn.

        Raises:
            ValueError: a text is none, or a parameter is wrong.
        """
        texts = checked_texts(X)
        if not any(text.strip() for text in texts):
            raise InputError("X: holds no text: 0 sample(s), while a minimum of 1 is required")
        task: Any = self._make_task()
        lines = [f"{text}\n" for text in texts] if task.keeps_ends else texts
        self._fit(task, task.examples(lines), {})
        return self

    def score_samples(self, X: Sequence[str]) -> npt.NDArray[np.float64]:
        """The logarithm of each text's probability, in nats.

        Returns:
            ``<float64>[texts]``.
        """
        return np.array([found.log_probability for found in self._scored(X)])

    def score(self, X: Sequence[str], y: None = None) -> float:
        """The mean logarithm of a token's probability, in nats: minus the cross-entropy, so more
        is better. Of models whose tokens differ, it cannot be compared, and of texts of which many
        tokens are ``[UNK]`` it is too good: see :meth:`unknown_share`."""
        scored = self._scored_some(X)
        tokens = sum(len(found.surprisals) for found in scored)
        return math.fsum(found.log_probability for found in scored) / max(tokens, 1)

    def perplexity(self, X: Sequence[str]) -> float:
        """Per token, over all texts: less is better. It says little without the
        :meth:`unknown_share` of the same texts."""
        return math.exp(-self.score(X))

    def unknown_share(self, X: Sequence[str]) -> float:
        """The share of all scored tokens that are ``[UNK]``, which is easy to guess."""
        scored = self._scored_some(X)
        tokens = sum(len(found.unknown) for found in scored)
        return sum(sum(found.unknown) for found in scored) / max(tokens, 1)

    def sample(
        self,
        n_samples: int = 1,
        *,
        prompts: Sequence[str] = ("",),
        length: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        random_state: int = 0,
    ) -> list[str]:
        """Texts that the model writes.

        Args:
            n_samples: how many after each prompt.
            prompts: how they begin.
            length: new tokens at most.
            temperature: 0 always takes the most likely token.
            top_k: draw from the k most likely tokens only.
            top_p: draw from the fewest tokens that together have this probability only.
            random_state: the texts are a pure function of it.

        Returns:
            The prompts with what was written after, those of one prompt together.
        """
        predictor = self._language_model
        checked_whole(n_samples, "n_samples", 1)
        checked_whole(random_state, "random_state", 0)
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p)
        return [
            written.continued
            for prompt in checked_texts(prompts, "prompts")
            for written in predictor.write(
                prompt, length=length, sampling=sampling, count=n_samples, seed=random_state
            )
        ]

    def _scored(self, X: Sequence[str]) -> list[ScoredText]:
        return list(self._language_model.score(checked_texts(X)))

    def _scored_some(self, X: Sequence[str]) -> list[ScoredText]:
        scored = self._scored(X)
        if not scored:
            raise InputError("X is empty: 0 sample(s), while a minimum of 1 is required")
        return scored

    @property
    def _language_model(self) -> LanguageModelPredictor:
        predictor = self._predictor
        if not isinstance(predictor, LanguageModelPredictor):
            raise TypeError("the run is no language model's")
        return predictor
