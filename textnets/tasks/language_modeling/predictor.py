"""What a run of a language model can do besides writing on."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textnets.data.counts import RowCount
from textnets.data.values import checked_stream, checked_whole, named
from textnets.decoding.cache import CacheRule
from textnets.decoding.sampling import Sampling
from textnets.errors import InputError
from textnets.predictions import CONTINUED_EVERY, Prediction, ScoredText, WrittenText
from textnets.progress import Progress
from textnets.tasks.language_modeling.inference import LanguageModelingInference
from textnets.tasks.predictor import Predictor, in_chunks


@dataclass(frozen=True)
class CacheScore:
    """What a model with a cache made of a text.

    Attributes:
        size, theta, weight: the values of the keys of ``evaluation.cache``.
        cross_entropy: in nats a token.
    """

    size: int
    theta: float
    weight: float
    cross_entropy: float


class LanguageModelPredictor(Predictor):
    """A language model: scores texts, and writes new ones; :meth:`predict` continues each."""

    kind = "language model"
    prediction = WrittenText
    examples = (
        *Predictor.examples,
        'print(model.write("a beginning", length=50)[0]["continued"])',
    )
    inference: LanguageModelingInference

    def score(self, texts: Iterable[str]) -> Iterator[ScoredText]:
        """The probabilities of any number of texts, a chunk at a time: memory stays flat."""
        return in_chunks(self.inference.scored, checked_stream(texts, "texts"))

    def try_caches(
        self,
        path: str | Path,
        *,
        sizes: Sequence[int] = (2000,),
        thetas: Sequence[float] = (0.1, 0.2, 0.3, 0.5, 1.0),
        weights: Sequence[float] = (0.05, 0.1, 0.2, 0.3),
    ) -> list[CacheScore]:
        """What caches of several kinds would make of a running text: for ``evaluation.cache``.

        Give the text of the validation split: a cache that is chosen on the text that is scored
        at the end flatters.

        Args:
            path: of the text, read as the recipe's files are.
            sizes, thetas, weights: the values of the keys of ``evaluation.cache`` to try, each
                with each.

        Returns:
            One a combination, the best first.

        Raises:
            InputError: the model reads sentences, or a value is out of its range.
            DataError: the file cannot be read.
        """
        if not self.task.recipe.data.stream:
            raise InputError(
                "try_caches: a cache is of what a text held before, and this run reads sentences"
            )
        _check_caches("sizes", sizes, all(size >= 1 for size in sizes))
        _check_caches("thetas", thetas, all(theta >= 0.0 for theta in thetas))
        _check_caches("weights", weights, all(0.0 < weight < 1.0 for weight in weights))
        examples = self.task.read(Path(path), Progress(), RowCount(self.task.unit))
        split, _ = self.preprocessor.encode(examples, Progress(), "encoding")
        rules = list(itertools.starmap(CacheRule, itertools.product(sizes, thetas, weights)))
        ids, targets = split.inputs["token_ids"].ids, split.ragged_targets.ids
        surprisals = self.inference.with_caches(ids, targets, rules, Progress())
        found = [
            CacheScore(rule.size, rule.theta, rule.weight, float(values.mean(dtype=np.float64)))
            for rule, values in zip(rules, surprisals, strict=True)
        ]
        return sorted(found, key=lambda one: one.cross_entropy)

    def write(
        self,
        prompt: str = "",
        *,
        length: int = 100,
        sampling: Sampling | None = None,
        count: int = 1,
        seed: int = 0,
        num_alternatives: int = 0,
    ) -> list[WrittenText]:
        """Texts that begin with a prompt.

        Args:
            prompt: how each begins.
            length: tokens to write at most.
            sampling: how to choose them; from the model's probabilities by default.
            count: how many texts.
            seed: the texts are a pure function of it; the first of ten is the first of one.
            num_alternatives: how many of the most likely tokens to tell at each place; all where
                there are not so many.

        Raises:
            InputError: a number is out of its range.
        """
        _check_wishes(prompt, length, seed, num_alternatives)
        checked_whole(count, "count", 1)
        return self.inference.written(
            [prompt] * count,
            sampling or Sampling(),
            length=length,
            seeds=[(seed, number) for number in range(count)],
            num_alternatives=num_alternatives,
        )

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 100,
        sampling: Sampling | None = None,
        seed: int = 0,
        num_alternatives: int = 0,
    ) -> Iterator[WrittenText]:
        """The first text of :meth:`write`, token by token.

        Args:
            prompt, length, sampling, seed, num_alternatives: as there.

        Yields:
            The text so far, with the choice of its last token.

        Raises:
            InputError: a number is out of its range.
        """
        _check_wishes(prompt, length, seed, num_alternatives)
        return self.inference.streamed(
            prompt,
            sampling or Sampling(),
            length=length,
            seed=(seed, 0),
            num_alternatives=num_alternatives,
        )

    def respond(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Prediction]:
        if not wishes:
            return self.predict(texts)
        return [one for text in texts for one in self.write(text, **_as_writing(wishes))]

    def follow(self, prompt: str, wishes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        written = self.stream(prompt, **_as_writing(wishes))
        return (one.last_token() for one in written)

    def everything(self, texts: Sequence[str]) -> list[Prediction]:
        # What it writes after some of them, which takes long, and how probable each is.
        return [*self.predict(texts[::CONTINUED_EVERY]), *self.score(texts)]


def _as_writing(wishes: Mapping[str, Any]) -> dict[str, Any]:
    """As :meth:`LanguageModelPredictor.write` takes them."""
    found = dict(wishes)
    chosen = {key: found.pop(key) for key in ("temperature", "top_k", "top_p") if key in found}
    if "alternatives" in found:
        found["num_alternatives"] = found.pop("alternatives")
    return {**found, "sampling": Sampling(**chosen)}


def _check_caches(name: str, values: Sequence[float], fits: bool) -> None:
    if not fits:
        told = ", ".join(f"{value:g}" for value in values)
        raise InputError(f"{name}: not in the range of evaluation.cache, was: {told}")


def _check_wishes(prompt: str, length: int, seed: int, num_alternatives: int) -> None:
    if not isinstance(prompt, str):
        raise InputError(f"prompt: expected a text, was: {named(prompt)}")
    checked_whole(length, "length", 1)
    checked_whole(seed, "seed", 0)
    checked_whole(num_alternatives, "num_alternatives", 0)
