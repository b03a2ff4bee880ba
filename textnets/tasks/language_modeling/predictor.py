"""What a run of a language model can do besides writing on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from textnets.data.values import checked_stream, checked_whole, named
from textnets.decoding.sampling import Sampling
from textnets.errors import InputError
from textnets.predictions import CONTINUED_EVERY, Prediction, ScoredText, WrittenText
from textnets.tasks.language_modeling.inference import LanguageModelingInference
from textnets.tasks.predictor import Predictor, in_chunks


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


def _check_wishes(prompt: str, length: int, seed: int, num_alternatives: int) -> None:
    if not isinstance(prompt, str):
        raise InputError(f"prompt: expected a text, was: {named(prompt)}")
    checked_whole(length, "length", 1)
    checked_whole(seed, "seed", 0)
    checked_whole(num_alternatives, "num_alternatives", 0)
