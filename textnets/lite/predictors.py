"""A file's models with their texts: what is asked and told, as of a run's own predictor."""

from __future__ import annotations

import functools
import math
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from textnets.backend.inference import predict_all
from textnets.data.values import checked_stream, checked_texts, checked_whole, named
from textnets.decoding.joint import JointReader
from textnets.decoding.sampling import Sampling
from textnets.decoding.surprisals import SurprisalReader
from textnets.decoding.tags import (
    SMALLEST_PROBABILITY,
    TagRules,
    mix_tags,
    penalties,
    span_rules,
)
from textnets.decoding.translating import Hypothesis, Search, Translator
from textnets.decoding.writing import TextWriter, WrittenIds
from textnets.errors import InputError, RunError
from textnets.lite.activations import log_softmax
from textnets.lite.contents import Contents
from textnets.lite.decoding import NumpyCalls, NumpyEncoderDecoder, write_tokens, written_steps
from textnets.lite.encoders import LiteEncoder, read_ngrams
from textnets.lite.graph import Array, LiteModel
from textnets.lite.layers import best_tags
from textnets.lite.unicode import Unicode
from textnets.lite.words import read_words
from textnets.predictions import (
    Alternative,
    Choice,
    Prediction,
    ScoredText,
    Translation,
    WrittenText,
    class_predictions,
    mix_classes,
    tagged_text,
)
from textnets.progress import Progress
from textnets.text.encoded import RaggedIds, RaggedOutputs, join_rows
from textnets.text.ngrams import NgramFinder
from textnets.text.tokenizers import has_joins
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID, UNKNOWN_ID

_CHUNK = 1024  # texts held at a time in a stream
_BUCKET = 1  # batches are padded to their longest text: nothing is compiled


class LitePredictor:
    """A trained model that NumPy alone runs.

    Attributes:
        task: ``classification``, ``tagging``, ``translation`` or ``language_modeling``.
        info: what is known of it: ``task``, ``labels``, ``run``, ``textnets``, ``quantize``,
            ``path`` and how many models it holds.
    """

    task: ClassVar[str]

    def __init__(self, contents: Contents) -> None:
        header = contents.header
        self._settings: Mapping[str, Any] = header["settings"]
        self._weights = [float(one["weight"]) for one in header["models"]]
        self._of_member = [int(one["preprocessor"]) for one in header["models"]]
        if not self._weights or not math.isclose(sum(self._weights), 1.0, abs_tol=1e-4):
            raise RunError("the weights of its models do not sum to 1")
        self._models = [LiteModel(one["graph"], contents) for one in header["models"]]
        given = header["unicode"]
        unicode = Unicode([0], [0]) if given is None else Unicode.of_json(given)
        self._read(contents, unicode)
        self.info: dict[str, Any] = {
            "task": self.task,
            "labels": list(self._settings.get("labels", ())),
            "run": header.get("run"),
            "textnets": header.get("made_with", {}).get("textnets"),
            "quantize": header.get("quantize"),
            "models": len(self._models),
            "path": str(contents.path),
        }

    def predict(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """What the model says of some texts, in their order: what ``textnets predict --format
        jsonl`` prints of each.

        Raises:
            InputError: they are no list of texts; of one that is none, naming its row.
        """
        return [one.as_json() for one in self.predictions(texts)]

    def predict_stream(self, texts: Iterable[str]) -> Iterator[dict[str, Any]]:
        """The same for any number of texts, a chunk at a time: memory stays flat."""
        return _in_chunks(self.predict, checked_stream(texts, "texts"))

    def predictions(self, texts: Sequence[str]) -> list[Prediction]:
        """As :meth:`predict`, typed and not rounded."""
        if isinstance(texts, str):
            raise InputError("texts: expected a list of texts, was: one string; put it in a list")
        some = checked_texts(list(texts) if isinstance(texts, Iterator) else texts, "texts")
        return self._predicted(some) if some else []

    def answers(self, texts: Sequence[str]) -> list[Prediction]:
        """All that it says of some texts, to compare it with the run."""
        return self.predictions(texts)

    @abstractmethod
    def _read(self, contents: Contents, unicode: Unicode) -> None:
        """Make what turns texts into ids."""

    @abstractmethod
    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        """Of one text or more."""


def _in_chunks(answer: Callable[[list[str]], Iterable[Any]], texts: Iterable[str]) -> Iterator[Any]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, _CHUNK)):
        yield from answer(chunk)


def _forward(model: LiteModel) -> Callable[[Any], Array]:
    """From padded ids to a model's output."""
    return lambda inputs: np.asarray(model(inputs))


def _only(model: LiteModel, inputs: Mapping[str, RaggedIds]) -> dict[str, RaggedIds]:
    """The inputs that a model takes."""
    return {name: inputs[name] for name in model.input_names}


# --- Classification ---


class LiteClassifier(LitePredictor):
    """Names the class, or the labels, of a text."""

    task = "classification"

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        self._encoders: list[tuple[str, LiteEncoder | NgramFinder]] = []
        for one in contents.header["preprocessors"]:
            read = read_ngrams if one["text"].get("ngrams") else LiteEncoder.read
            self._encoders.append((str(one["input"]), read(one["text"], contents, unicode)))

    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        inputs = [{name: encoder.encode(texts)} for name, encoder in self._encoders]
        outputs = []
        for model, member in zip(self._models, self._of_member, strict=True):
            found = predict_all(_forward(model), _only(model, inputs[member]), bucket_width=_BUCKET)
            if isinstance(found, RaggedOutputs):
                raise RunError("a classifier answers once a text")
            outputs.append(found)
        labels, separator = self._settings["labels"], self._settings["separator"]
        mixed = outputs[0]
        if len(outputs) > 1:
            mixed = mix_classes(outputs, self._weights, independent=separator is not None)
        return list(class_predictions(texts, mixed, labels, separator))


# --- Tagging ---


class LiteTagger(LitePredictor):
    """Gives each word of a text a tag."""

    task = "tagging"

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        header = contents.header
        self._labels: list[str] = list(self._settings["labels"])
        self._rules = span_rules(self._labels) if self._settings["constrained"] else None
        self._encoders = [read_words(one, contents) for one in header["preprocessors"]]
        self._fields = [one["field"] for one in header["models"]]

    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        sentences = [text.split() for text in texts]
        inputs = [encoder.encode(sentences) for encoder in self._encoders]
        values, chosen = [], []
        for model, member, field in zip(self._models, self._of_member, self._fields, strict=True):
            forward, tags = _tagging(model, field, self._rules, len(self._labels))
            found = predict_all(forward, _only(model, inputs[member]), bucket_width=_BUCKET)
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
        return _forward(model), lambda values: values.argmax(axis=1)
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


# --- Translation ---


class LiteTranslator(LitePredictor):
    """Translates a text, greedily or with a beam."""

    task = "translation"

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        one = contents.header["preprocessors"][0]
        self._source = LiteEncoder.read(one["source"], contents, unicode)
        self._target = LiteEncoder.read(one["target"], contents, unicode)
        self._with_joins = has_joins(self._target.vocabulary)
        parts = NumpyEncoderDecoder(self._models, self._weights)
        self._translator = Translator(NumpyCalls(parts), _BUCKET)
        of = self._settings
        self._search = Search(
            beam_size=int(of["beam_size"]),
            length_penalty=float(of["length_penalty"]),
            num_best=int(of["n_best"]),
            length_ratio=float(of["length_ratio"]),
            attention=bool(of["attention"]),
        )

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
        search = Search(
            beam_size=self._search.beam_size
            if beam_size is None
            else checked_whole(beam_size, "beam_size", 1),
            length_penalty=self._search.length_penalty,
            num_best=self._search.num_best
            if n_best is None
            else checked_whole(n_best, "n_best", 1),
            length_ratio=self._search.length_ratio,
            attention=self._search.attention if attention is None else bool(attention),
        )
        if search.num_best > search.beam_size:
            raise InputError(
                f"n_best: a beam of {search.beam_size} finds no more, was: {search.num_best}"
            )
        before, self._search = self._search, search
        try:
            return super().predictions(texts)
        finally:
            self._search = before

    def predict(self, texts: Sequence[str], **search: Any) -> list[dict[str, Any]]:
        """As of every predictor; with the arguments of :meth:`predictions`."""
        return [one.as_json() for one in self.predictions(texts, **search)]

    def _predicted(self, texts: Sequence[str]) -> list[Prediction]:
        search = self._search
        hypotheses = self._translator.search(self._source.encode(texts), search, Progress())
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

    def _alternative(self, one: Hypothesis) -> Alternative:
        tokens = [
            self._target.vocabulary.decode_id(token_id) for token_id in one.token_ids.tolist()
        ]
        return Alternative(
            text=self._target.join(tokens, with_joins=self._with_joins),
            score=one.score,
            log_probability=one.log_probability,
            tokens=[] if one.attention is None else [*tokens, "[EOS]"],
            attention=[] if one.attention is None else one.attention.tolist(),
        )


_NOTHING = Alternative("", 0.0, 0.0)


# --- Language modeling ---

_CONTINUATION = {"characters": 200}  # tokens that 'predict' writes
_WORDS_CONTINUATION = 40
_NO_LIMIT = 2**30


class LiteLanguageModel(LitePredictor):
    """Says how probable texts are, and writes on."""

    task = "language_modeling"

    def _read(self, contents: Contents, unicode: Unicode) -> None:
        one = contents.header["preprocessors"][0]
        self._encoder = LiteEncoder.read(one["text"], contents, unicode)
        of = self._settings
        self._is_stream, self._ends_rows = bool(of["is_stream"]), bool(of["ends_rows"])
        self._start_id, self._tokenizer = int(of["start_id"]), str(of["tokenizer"])
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

    def answers(self, texts: Sequence[str]) -> list[Prediction]:
        return [*self.predictions(texts), *self._scored(checked_texts(texts, "texts"))]

    def score(self, texts: Iterable[str]) -> Iterator[dict[str, Any]]:
        """How probable each text is, a chunk at a time."""
        found = _in_chunks(self._scored, checked_stream(texts, "texts"))
        return (one.as_json() for one in found)

    def _scored(self, texts: Sequence[str]) -> list[ScoredText]:
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
            names = [token.text for token in tokens] + ["[EOS]"] * len(ends)
            unknown = [token.id == UNKNOWN_ID for token in tokens] + [False] * len(ends)
            found.append(ScoredText(text, names, outputs.row(index).tolist(), unknown))
        return found

    def _rows(self, texts: Sequence[str]) -> list[npt.NDArray[np.int32]]:
        encoded = self._encoder.encode(texts)
        return [encoded.row(index) for index in range(len(texts))]

    # --- Writing ---

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
        sampling = self._checked(prompt, length, seed, num_alternatives, temperature, top_k, top_p)
        checked_whole(count, "count", 1)
        seeds = [(seed, number) for number in range(count)]
        written = self._written([prompt] * count, sampling, length, seeds, num_alternatives)
        return [one.as_json() for one in written]

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
        sampling = self._checked(prompt, length, seed, num_alternatives, temperature, top_k, top_p)
        return self._streamed(prompt, length, sampling, seed, num_alternatives)

    def _streamed(
        self, prompt: str, length: int, sampling: Sampling, seed: int, num_alternatives: int
    ) -> Iterator[dict[str, Any]]:
        (row,) = self._rows([prompt])
        ids = np.array([[self._start_id, *row.tolist()]], np.int32)
        noise = np.random.default_rng((seed, 0)).random(length)[None].astype(np.float32)
        more = min(num_alternatives, len(self._encoder.vocabulary))
        steps = written_steps(
            self.predict_one_step,
            ids,
            np.array([ids.shape[1]], np.int32),
            [np.zeros((1, size), np.float32) for size in self._writer.state_sizes],
            noise,
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
            yield {
                "token": one.token,
                "probability": round(one.probability, 6),
                **({"alternatives": {n: round(p, 6) for n, p in one.alternatives}} if more else {}),
                "continued": self._joined(prompt, written),
            }

    def _checked(
        self,
        prompt: str,
        length: int,
        seed: int,
        num_alternatives: int,
        temperature: float,
        top_k: int | None,
        top_p: float,
    ) -> Sampling:
        if not isinstance(prompt, str):
            raise InputError(f"prompt: expected a text, was: {named(prompt)}")
        checked_whole(length, "length", 1)
        checked_whole(seed, "seed", 0)
        checked_whole(num_alternatives, "num_alternatives", 0)
        return Sampling(temperature, top_k, top_p)

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
        return WrittenText(prompt, self._joined(prompt, ids), choices)

    def _choice(
        self, token_id: int, probability: float, ids: Sequence[int], of_ids: Sequence[float]
    ) -> Choice:
        name = self._encoder.vocabulary.decode_id
        return Choice(name(token_id), probability, list(zip(map(name, ids), of_ids, strict=True)))

    def _joined(self, prompt: str, token_ids: Sequence[int]) -> str:
        """The prompt and what was written after it, as a text."""
        lines: list[list[str]] = [[]]
        for token_id in token_ids:
            if token_id == EOS_ID:
                lines.append([])
            else:
                lines[-1].append(self._encoder.vocabulary.decode_id(token_id))
        first, *others = lines
        joined = "\n".join([prompt + self._after(prompt, first), *map(self._encoder.join, others)])
        return joined if self._is_stream else joined.removesuffix("\n")

    def _after(self, prompt: str, tokens: Sequence[str]) -> str:
        """Tokens as a text that goes on where the prompt ends: in a word, or after a blank."""
        join = self._encoder.join
        (before,) = self._encoder.tokens([prompt])
        known = [token.text for token in before]
        start, whole = join(known), join([*known, *tokens])
        if not whole.startswith(start):
            return f" {join(tokens)}"
        rest = whole[len(start) :]
        goes_on = self._tokenizer == "characters" or not prompt[-1:].isspace()
        return rest if goes_on else rest.lstrip(" ")


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


PREDICTORS: dict[str, type[LitePredictor]] = {
    kind.task: kind for kind in (LiteClassifier, LiteTagger, LiteTranslator, LiteLanguageModel)
}


def load(file: str | Path) -> Any:
    """Open a model that ``textnets export --to numpy`` wrote, with NumPy alone.

    Args:
        file: ``model.textnets``, or the folder of the export.

    Returns:
        A :class:`LitePredictor`: its ``task`` says which, see :data:`PREDICTORS`.

    Raises:
        RunError: it is no such file, damaged, or from a newer version.
    """
    from textnets.lite.contents import MODEL_FILE

    path = Path(file)
    path = path / MODEL_FILE if path.is_dir() else path
    contents = Contents.open(path)
    with contents.being_read():
        task = contents.header["task"]
        if task not in PREDICTORS:
            raise RunError(f"its task {task!r} is none that this version knows")
        return PREDICTORS[task](contents)
