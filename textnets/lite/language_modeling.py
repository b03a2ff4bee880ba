"""A language model in NumPy."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.data.values import checked_stream, checked_texts, checked_whole, named
from textnets.decoding.joint import JointReader
from textnets.decoding.sampling import Sampling
from textnets.decoding.surprisals import SurprisalReader
from textnets.decoding.writing import TextWriter, WrittenIds
from textnets.errors import InputError
from textnets.lite.activations import log_softmax
from textnets.lite.contents import Contents
from textnets.lite.decoding import write_tokens, written_steps
from textnets.lite.encoders import LiteEncoder
from textnets.lite.graph import Array, LiteModel
from textnets.lite.predictor import LitePredictor, in_chunks
from textnets.lite.unicode import Unicode
from textnets.predictions import CONTINUED_EVERY, Choice, Prediction, ScoredText, WrittenText
from textnets.progress import Progress
from textnets.text.continuing import Continuation
from textnets.text.encoded import RaggedOutputs, join_rows
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID, SPECIAL_TOKENS, UNKNOWN_ID

_CONTINUATION = {"characters": 200}  # tokens that 'predict' writes
_WORDS_CONTINUATION = 40
_NO_LIMIT = 2**30


@dataclass(frozen=True)
class _Wishes:
    """How a text is to be written; see :meth:`LiteLanguageModel.write`."""

    length: int = 100
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    num_alternatives: int = 0

    @classmethod
    def of(cls, wishes: Mapping[str, Any]) -> _Wishes:
        """Those of a request, by its keys."""
        found = dict(wishes)
        of_sampling = [name for name in ("temperature", "top_k", "top_p") if name in found]
        sampling = Sampling(**{name: found.pop(name) for name in of_sampling})
        return cls(sampling=sampling, num_alternatives=found.pop("alternatives", 0), **found)

    def check(self, prompt: str) -> None:
        """Refuse what cannot be had.

        Raises:
            InputError: naming it.
        """
        if not isinstance(prompt, str):
            raise InputError(f"prompt: expected a text, was: {named(prompt)}")
        checked_whole(self.length, "length", 1)
        checked_whole(self.seed, "seed", 0)
        checked_whole(self.num_alternatives, "num_alternatives", 0)


class LiteLanguageModel(LitePredictor):
    """Says how probable texts are, and writes on."""

    task = "language_modeling"
    prediction = WrittenText

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        one = contents.header["preprocessors"][0]
        self._encoder = LiteEncoder.read(one["text"], contents, unicode)
        of = self._settings
        self._is_stream, self._ends_rows = bool(of["is_stream"]), bool(of["ends_rows"])
        self._start_id, self._tokenizer = int(of["start_id"]), str(of["tokenizer"])
        self._continuation = Continuation(
            self._encoder.vocabulary.decode_id,
            self._encoder.join,
            lambda text: [token.text for token in self._encoder.tokens([text])[0]],
            has_characters=self._tokenizer == "characters",
            is_stream=self._is_stream,
        )
        size = len(self._encoder.vocabulary)
        readers = [
            SurprisalReader(functools.partial(_surprisals, model), model.state_sizes, size)
            for model in self._models
        ]
        self._reader: SurprisalReader | JointReader = readers[0]
        if len(readers) > 1:
            self._reader = JointReader(readers, self._weights)
        never = [PADDING_ID, UNKNOWN_ID, BOS_ID, *([] if self._ends_rows else [EOS_ID])]
        self._end_id = -1 if self._is_stream else EOS_ID
        sizes = tuple(size for model in self._models for size in model.state_sizes)
        allowed = ~np.isin(np.arange(size), never)
        self._writer = TextWriter(self._write_batch, sizes, allowed)

    def predict_one_step(
        self, token_ids: Array, states: Sequence[Array]
    ) -> tuple[Array, list[Array]]:
        """One token a row: logits of the next, and the states after it."""
        found, after, states = [], [], list(states)
        for model, weight in zip(self._models, self._weights, strict=True):
            count = len(model.state_sizes)
            own, states = states[:count], states[count:]
            read = model({"token_ids": token_ids[:, None], "states": own})
            logits = np.asarray(read["logits"], np.float32)[:, 0]
            after += list(read["states"])
            if len(self._models) == 1:
                return logits, after
            found.append(log_softmax(logits) + np.float32(math.log(weight)))
        return np.logaddexp.reduce(found, axis=0).astype(np.float32), after

    def _write_batch(self, num_alternatives: int) -> Callable[..., Any]:
        return functools.partial(
            write_tokens,
            self.predict_one_step,
            end_id=self._end_id,
            num_alternatives=num_alternatives,
        )

    # --- Scores ---

    def everything(self, texts: Sequence[str]) -> list[Prediction]:
        scored = self._scored(checked_texts(texts, "texts"))
        return [*self.predictions(texts[::CONTINUED_EVERY]), *scored]

    def score(self, texts: Iterable[str]) -> Iterator[dict[str, Any]]:
        """How probable each text is, a chunk at a time."""
        found = in_chunks(self._scored, checked_stream(texts, "texts"))
        return (one.as_json() for one in found)

    def _scored(self, texts: Sequence[str]) -> list[ScoredText]:
        with self._contents.being_read():
            return self._scored_some(texts)

    def _scored_some(self, texts: Sequence[str]) -> list[ScoredText]:
        rows = [row.tolist() for row in self._rows(texts)]
        ends = [EOS_ID] if self._ends_rows else []
        targets = join_rows([[*row, *ends] for row in rows])
        # Without [EOS] nothing is predicted from the last token of a text.
        read = join_rows(
            [[self._start_id, *(row if ends else row[:-1])] if row or ends else [] for row in rows]
        )
        surprisals = self._reader.read_rows(read.ids, targets.ids, targets.offsets, Progress())
        outputs = RaggedOutputs(surprisals, targets.offsets)
        found = []
        for index, (text, tokens) in enumerate(
            zip(texts, self._encoder.tokens(texts), strict=True)
        ):
            names = [token.text for token in tokens] + [SPECIAL_TOKENS[EOS_ID]] * len(ends)
            unknown = [token.id == UNKNOWN_ID for token in tokens] + [False] * len(ends)
            found.append(ScoredText(text, names, outputs.row(index).tolist(), unknown))
        return found

    def _rows(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        encoded = self._encoder.encode(texts)
        return [encoded.row(index) for index in range(len(texts))]

    # --- Writing ---

    def respond(self, texts: Sequence[str], wishes: Mapping[str, Any]) -> list[Prediction]:
        if not wishes:
            return self.predictions(texts)
        wished = _Wishes.of(wishes)
        return [one for text in texts for one in self._texts_after(text, wished)]

    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        length = _CONTINUATION.get(self._tokenizer, _WORDS_CONTINUATION)
        seeds = [(0,)] * len(texts)
        return list(self._written(texts, Sampling(temperature=0.0), length, seeds, 0))

    def write(
        self,
        prompt: str = "",
        *,
        length: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        count: int = 1,
        seed: int = 0,
        num_alternatives: int = 0,
    ) -> list[dict[str, Any]]:
        """Texts that begin with a prompt; as ``textnets generate --format jsonl`` prints them.

        The numbers that chance is made of are the run's for the same seed. So the texts are the
        same, but where two tokens are so alike that the error of floats tells them apart.

        Args:
            prompt: how each begins.
            length: tokens to write at most.
            temperature, top_k, top_p: how to choose them, see
                :class:`textnets.decoding.sampling.Sampling`.
            count: how many texts.
            seed: the texts are a pure function of it; the first of ten is the first of one.
            num_alternatives: how many of the most likely tokens to tell at each place.

        Raises:
            InputError: a number is out of its range.
        """
        sampling = Sampling(temperature, top_k, top_p)
        wished = _Wishes(length, sampling, seed, num_alternatives)
        return [one.as_json() for one in self._texts_after(prompt, wished, count)]

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 100,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float = 1.0,
        seed: int = 0,
        num_alternatives: int = 0,
    ) -> Iterator[dict[str, Any]]:
        """The first text of :meth:`write`, token by token as it is written.

        Yields:
            ``token``, ``probability`` and, where they are asked for, ``alternatives`` of each, and
            ``continued``: the prompt with all that was written so far.
        """
        sampling = Sampling(temperature, top_k, top_p)
        steps = self._steps_after(prompt, _Wishes(length, sampling, seed, num_alternatives))
        return map(_as_step, steps)

    def follow(self, prompt: str, wishes: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        return (one.last_token() for one in self._steps_after(prompt, _Wishes.of(wishes)))

    def _texts_after(self, prompt: str, wished: _Wishes, count: int = 1) -> list[WrittenText]:
        wished.check(prompt)
        checked_whole(count, "count", 1)
        seeds = [(wished.seed, number) for number in range(count)]
        with self._contents.being_read():
            return self._written(
                [prompt] * count, wished.sampling, wished.length, seeds, wished.num_alternatives
            )

    def _steps_after(self, prompt: str, wished: _Wishes) -> Iterator[WrittenText]:
        wished.check(prompt)  # now, not when the first token is asked for
        return self._guarded(self._streamed(prompt, wished))

    def _guarded(self, steps: Iterator[WrittenText]) -> Iterator[WrittenText]:
        while True:
            with self._contents.being_read():
                step = next(steps, None)
            if step is None:
                return
            yield step

    def _streamed(self, prompt: str, wished: _Wishes) -> Iterator[WrittenText]:
        sampling = wished.sampling
        (row,) = self._rows([prompt])
        ids = np.array([[self._start_id, *row.tolist()]], np.int32)
        noise = np.random.default_rng((wished.seed, 0)).random(wished.length)
        more = min(wished.num_alternatives, len(self._encoder.vocabulary))
        steps = written_steps(
            self.predict_one_step,
            ids,
            np.array([ids.shape[1]], np.int32),
            [np.zeros((1, size), np.float32) for size in self._writer.state_sizes],
            noise[None].astype(np.float32),
            self._writer.allowed,
            sampling.temperature,
            sampling.top_k or _NO_LIMIT,
            sampling.top_p if sampling.top_p < 1.0 else 2.0,
            end_id=self._end_id,
            num_alternatives=max(1, more),
        )
        written: list[int] = []
        for step in steps:
            if not step.here[0]:
                continue
            token_id = int(step.token_ids[0])
            written.append(token_id)
            one = self._choice(
                token_id,
                float(np.exp(step.log_probabilities[0])),
                step.alternative_ids[0, :more].tolist(),
                step.alternative_probabilities[0, :more].tolist(),
            )
            yield WrittenText(prompt, self._continuation.text(prompt, written), [one])

    def _written(
        self,
        prompts: Sequence[str],
        sampling: Sampling,
        length: int,
        seeds: Sequence[Sequence[int]],
        num_alternatives: int,
    ) -> list[WrittenText]:
        rows = join_rows([[self._start_id, *row.tolist()] for row in self._rows(prompts)])
        more = min(num_alternatives, len(self._encoder.vocabulary))
        written = self._writer.write(rows, length, sampling, seeds=seeds, num_alternatives=more)
        return [self._as_written(*pair) for pair in zip(prompts, written, strict=True)]

    def _as_written(self, prompt: str, written: WrittenIds) -> WrittenText:
        ids = written.token_ids.tolist()
        choices = [
            self._choice(*one)
            for one in zip(
                ids,
                np.exp(written.log_probabilities).tolist(),
                written.alternative_ids.tolist(),
                written.alternative_probabilities.tolist(),
                strict=True,
            )
        ]
        return WrittenText(prompt, self._continuation.text(prompt, ids), choices)

    def _choice(
        self, token_id: int, probability: float, ids: Sequence[int], of_ids: Sequence[float]
    ) -> Choice:
        name = self._encoder.vocabulary.decode_id
        return Choice(name(token_id), probability, list(zip(map(name, ids), of_ids, strict=True)))


def _as_step(one: WrittenText) -> dict[str, Any]:
    """A line of :meth:`LiteLanguageModel.stream`."""
    found = one.last_token()
    likely = dict(found.pop("alternatives"))
    return {**found, "alternatives": likely} if likely else found


def _surprisals(
    model: LiteModel, token_ids: Array, target_ids: Array, states: Sequence[Array]
) -> tuple[Array, list[Array]]:
    """How surprising each token is, nats, and the states after the last."""
    read = model({"token_ids": token_ids, "states": list(states)})
    likely = log_softmax(np.asarray(read["logits"], np.float32))
    # Padding can never follow; it stands for [UNK], and counts for nothing.
    targets = np.where(target_ids == PADDING_ID, UNKNOWN_ID, target_ids)
    found = -np.take_along_axis(likely, targets[:, :, None], axis=-1)[..., 0]
    return found, list(read["states"])
