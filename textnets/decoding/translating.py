"""How an encoder-decoder answers: probabilities of given targets, and the search for new ones."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from textnets.backend.inference import answers_in_batches
from textnets.backend.steps import compiled
from textnets.decoding.step import NO_SCORE
from textnets.errors import TrainingError
from textnets.progress import Progress
from textnets.text.encoded import EncodedSplit, RaggedIds, join_rows, padded_width
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID, SPECIAL_TOKENS, UNKNOWN_ID

if TYPE_CHECKING:
    from textnets.decoding.encoder_decoder import EncoderDecoder
    from textnets.decoding.joint import JointEncoderDecoder

# A beam of five holds five times the states, and the softmax is over thousands of words.
_TOKENS_PER_BATCH = 64 * 32
LENGTH_EXTRA = 10  # tokens that the shortest source's translation may have
LEAST_COVERAGE = 1e-6  # of a word that was hardly looked at: its logarithm is finite
_LENGTH_BUCKET = 32  # what a decoding's room is rounded up to: few compilations


@dataclass(frozen=True)
class Hypothesis:
    """One way to translate a text.

    Attributes:
        token_ids: ``<int32>[length]``, without ``[EOS]``.
        score: what hypotheses are ranked by: the log-probability over the length's penalty.
        log_probability: in nats, ``[EOS]`` included.
        attention: ``<float32>[length + 1, source_length]``, the weights of each step, that of
            ``[EOS]`` last; ``None`` where not asked for.
        words: the tokens as texts, where words of the source stand in place of ``[UNK]``; ``None``
            where none does.
    """

    token_ids: npt.NDArray[np.int32]
    score: float
    log_probability: float
    attention: npt.NDArray[np.float32] | None = None
    words: Sequence[str] | None = None


@dataclass(frozen=True)
class TranslatorOutputs:
    """What a model says of some texts.

    Attributes:
        hypotheses: of each text, best first.
        surprisals: ``<float64>[examples]``, minus the log-probability of the given targets,
            nats; ``None`` where there are none.
    """

    hypotheses: list[list[Hypothesis]] = field(default_factory=list)
    surprisals: npt.NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.hypotheses)


@dataclass(frozen=True)
class SearchRules:
    """What a step of a search goes by.

    Attributes:
        beam_size: hypotheses a text; 1 is greedy search.
        length_penalty: see :func:`textnets.decoding.beam_search.beam_search`.
        no_repeat_ngram: no translation holds so many tokens in a row twice; 0 for whatever it
            holds.
        coverage_penalty: how much a finished hypothesis of a beam loses for words of the source
            that it looked at too little: for each the logarithm of the sum of its attention, 1 at
            most (Wu et al. 2016, equation 14); 0 for nothing.
        writes_unknown: whether ``[UNK]`` may be written.
    """

    beam_size: int = 1
    length_penalty: float = 0.0
    no_repeat_ngram: int = 0
    coverage_penalty: float = 0.0
    writes_unknown: bool = False


@dataclass(frozen=True)
class Search:
    """How translations are searched for.

    Attributes:
        beam_size, length_penalty, no_repeat_ngram, coverage_penalty: see :class:`SearchRules`.
        num_best: how many hypotheses are given.
        length_ratio: see :func:`search_limits`.
        attention: whether the weights are given too.
        copy_unknown: whether ``[UNK]`` is written, for a word of the source to stand in its place:
            see :func:`copied_words`.
    """

    beam_size: int = 1
    length_penalty: float = 0.0
    num_best: int = 1
    length_ratio: float = 2.0
    attention: bool = False
    no_repeat_ngram: int = 0
    coverage_penalty: float = 0.0
    copy_unknown: bool = False

    @property
    def rules(self) -> SearchRules:
        """What of it the search itself needs to know."""
        return SearchRules(
            self.beam_size,
            self.length_penalty,
            self.no_repeat_ngram,
            self.coverage_penalty if self.beam_size > 1 else 0.0,
            self.copy_unknown,
        )

    @property
    def needs_attention(self) -> bool:
        """Whether the weights of attention are looked at."""
        return self.attention or self.copy_unknown


def search_limits(
    source_lengths: npt.NDArray[np.int64], length_ratio: float
) -> npt.NDArray[np.int32]:
    """The most tokens that each translation may have, ``[EOS]`` included: ``<int32>[texts]``.

    Args:
        source_lengths: ``<int64>[texts]``, in tokens.
        length_ratio: see ``evaluation.length_ratio``.
    """
    limits: npt.NDArray[np.float64] = np.ceil(source_lengths * length_ratio) + LENGTH_EXTRA
    return limits.astype(np.int32)


class TranslatorCalls(Protocol):
    """What a translator computes with, from arrays to arrays: :class:`CompiledCalls`, or NumPy
    alone (:mod:`textnets.lite`)."""

    def surprisals(self, source_ids: Any, target_ids: Any, targets: Any, weights: Any) -> Any:
        """Minus the log-probability of each target, nats: ``<float32>[batch]``."""

    def weights(self, source_ids: Any, target_ids: Any) -> Any:
        """Those of attention: ``<float32>[batch, target_length, source_length]``."""

    def search(self, rules: SearchRules) -> Callable[..., Any]:
        """``(source_ids, limits, room) -> (ids, scores, log_probabilities)``, best first, as of
        :func:`textnets.decoding.beam_search.beam_search`; ``room`` is as long as the largest of
        the limits, or longer."""


class CompiledCalls:
    """Of models of :func:`textnets.builders.build_encoder_decoder`, compiled.

    Args:
        parts: of a model, or of several that translate together.
    """

    def __init__(self, parts: EncoderDecoder | JointEncoderDecoder) -> None:
        self._parts = parts
        self._surprisals = compiled(parts, self._surprisal_graph)
        self._weights = compiled(parts, self._weights_graph)
        self._searches: dict[SearchRules, Callable[..., Any]] = {}

    def surprisals(self, source_ids: Any, target_ids: Any, targets: Any, weights: Any) -> Any:
        """See :class:`TranslatorCalls`."""
        return self._surprisals(source_ids, target_ids, targets, weights)

    def weights(self, source_ids: Any, target_ids: Any) -> Any:
        """See :class:`TranslatorCalls`."""
        return self._weights(source_ids, target_ids)

    def search(self, rules: SearchRules) -> Callable[..., Any]:
        """See :class:`TranslatorCalls`."""
        if rules not in self._searches:
            self._searches[rules] = compiled(self._parts, search_graph(self._parts, rules))
        return self._searches[rules]

    def _surprisal_graph(self, source_ids: Any, target_ids: Any, targets: Any, weights: Any) -> Any:
        import keras

        encoded = self._parts.encode(source_ids)
        logits, _, _ = self._parts.decode(target_ids, encoded)
        each = keras.ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)
        return keras.ops.sum(each * weights, axis=1)

    def _weights_graph(self, source_ids: Any, target_ids: Any) -> Any:
        _, _, weights = self._parts.decode(target_ids, self._parts.encode(source_ids))
        return weights


def search_graph(
    parts: EncoderDecoder | JointEncoderDecoder, rules: SearchRules
) -> Callable[..., Any]:
    """From ``source_ids``, the ``limits`` of :func:`search_limits` and an array as long as the
    largest of them to ids, scores and log-probabilities; in ``keras.ops``."""
    import keras

    from textnets.decoding.beam_search import beam_search
    from textnets.decoding.encoder_decoder import with_room
    from textnets.decoding.greedy import greedy_search

    ops, shared = keras.ops, _shared_rules(rules)

    def search(source_ids: Any, limits: Any, room: Any) -> Any:
        length = ops.shape(room)[0]
        encoded = parts.encode(source_ids)
        # What is left is the same for all hypotheses of a text.
        states = with_room(encoded.pop("states"), length)

        def step(token_ids: Any, states: Any) -> tuple[Any, Any]:
            logits, after, _ = parts.decode(token_ids[:, None], {"states": states, **encoded})
            return logits[:, 0], after

        if rules.beam_size == 1:
            ids, sums = greedy_search(step, states, limits, length, **shared)
            return ids[:, None], sums[:, None], sums[:, None]
        of_beam = {"beam_size": rules.beam_size, "length_penalty": rules.length_penalty, **shared}
        if not rules.coverage_penalty:
            return beam_search(step, states, limits, length, **of_beam)

        is_token = ops.repeat(ops.not_equal(source_ids, PADDING_ID), rules.beam_size, axis=0)

        def covering_step(token_ids: Any, states: Any) -> tuple[Any, Any]:
            given = {"states": states["of_model"], **encoded}
            logits, after, weights = parts.decode(token_ids[:, None], given)
            seen = states["seen"] + ops.cast(weights[:, 0], "float32")
            return logits[:, 0], {"of_model": after, "seen": seen}

        def reward(states: Any) -> Any:
            each = ops.log(ops.clip(states["seen"], LEAST_COVERAGE, 1.0))
            return rules.coverage_penalty * ops.sum(ops.where(is_token, each, 0.0), axis=1)

        start = {"of_model": states, "seen": ops.zeros_like(source_ids, dtype="float32")}
        return beam_search(covering_step, start, limits, length, reward=reward, **of_beam)

    return search


def _shared_rules(rules: SearchRules) -> dict[str, Any]:
    """What greedy searches go by too."""
    return {"no_repeat_ngram": rules.no_repeat_ngram, "writes_unknown": rules.writes_unknown}


def with_copies(
    hypotheses: Sequence[Sequence[Hypothesis]],
    how: Search,
    target_tokens: Callable[[Sequence[int]], Sequence[str]],
    source_tokens: Callable[[Sequence[int]], Sequence[Sequence[str]]],
) -> list[list[Hypothesis]]:
    """Hypotheses whose ``[UNK]`` are words of their sources.

    Args:
        hypotheses: of each text, with their attention.
        how: they were searched for; their attention goes unless it was asked for.
        target_tokens: token ids of a translation as texts.
        source_tokens: rows, to the tokens of those texts as they are written.
    """
    holds = [
        row
        for row, of_text in enumerate(hypotheses)
        if any(UNKNOWN_ID in one.token_ids for one in of_text)
    ]
    sources = dict(zip(holds, source_tokens(holds) if holds else [], strict=True))
    found: list[list[Hypothesis]] = []
    for row, of_text in enumerate(hypotheses):
        found.append([])
        for one in of_text:
            words = None
            if one.attention is not None and UNKNOWN_ID in one.token_ids:
                tokens = target_tokens(one.token_ids.tolist())
                words = copied_words(tokens, one.attention, sources[row])
            attention = one.attention if how.attention else None
            found[row].append(replace(one, words=words, attention=attention))
    return found


def copied_words(
    tokens: Sequence[str], attention: npt.NDArray[np.float32], source: Sequence[str]
) -> list[str]:
    """The tokens of a translation, with a word of the source in place of each ``[UNK]``: the one
    that was looked at most (Luong et al. 2015, "Addressing the Rare Word Problem"; Jean et al.
    2015).

    Args:
        tokens: as texts.
        attention: ``<float32>[tokens or more, source_length or less]``, the weights of each step.
        source: its tokens, as they are written; ``[BOS]`` and ``[EOS]`` are never copied.

    Returns:
        As many. Where the source has no word an ``[UNK]`` is left out.
    """
    known = min(attention.shape[1], len(source))
    is_word = np.array([word not in SPECIAL_TOKENS for word in source[:known]], bool)
    found = list(tokens)
    for place, token in enumerate(tokens):
        if token == SPECIAL_TOKENS[UNKNOWN_ID]:
            weights = np.where(is_word, attention[place, :known], -1.0)
            found[place] = source[int(weights.argmax())] if is_word.any() else ""
    return [word for word in found if word]


def translating_parts(
    models: Sequence[Any], weights: Sequence[float]
) -> EncoderDecoder | JointEncoderDecoder:
    """A model taken apart, or several that translate together, with their weights."""
    from textnets.decoding.encoder_decoder import EncoderDecoder
    from textnets.decoding.joint import JointEncoderDecoder

    parts = [EncoderDecoder(model) for model in models]
    return parts[0] if len(parts) == 1 else JointEncoderDecoder(parts, weights)


class Translator:
    """Translates texts, and scores given translations.

    Args:
        calls: what computes.
        bucket_width: batches are padded to a multiple of this.
    """

    def __init__(self, calls: TranslatorCalls, bucket_width: int) -> None:
        self._calls, self._bucket_width = calls, bucket_width

    @classmethod
    def of(cls, models: Sequence[Any], weights: Sequence[float], bucket_width: int) -> Translator:
        """For a model, or several that translate together, with their weights."""
        return cls(CompiledCalls(translating_parts(models, weights)), bucket_width)

    # --- Given targets ---

    def surprisals(self, split: EncodedSplit, progress: Progress) -> npt.NDArray[np.float64]:
        """Minus the log-probability of each target, nats: ``<float64>[examples]``."""
        found = np.zeros(len(split))
        with progress.steps("scoring", len(split), "examples") as step:
            for rows, answer in answers_in_batches(
                split.lengths,
                self._bucket_width,
                lambda rows: self._surprisals_of(split, rows),
                tokens=_TOKENS_PER_BATCH,
            ):
                found[rows] = answer
                step.advance(len(rows))
        if not np.isfinite(found).all():
            raise _diverged()
        return found

    def _surprisals_of(
        self, split: EncodedSplit, rows: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.float64]:
        inputs, targets, weights = split.batch(rows, self._bucket_width)
        arguments = (inputs["source_ids"], inputs["target_ids"], targets, weights)
        return np.asarray(self._calls.surprisals(*arguments), np.float64)

    # --- New targets ---

    def search(self, sources: RaggedIds, how: Search, progress: Progress) -> list[list[Hypothesis]]:
        """Hypotheses of each source, best first."""
        found: list[list[Hypothesis]] = [[] for _ in range(len(sources))]
        tokens = max(1, _TOKENS_PER_BATCH // how.beam_size) * 4
        with progress.steps("translating", len(sources), "examples") as step:
            for rows, answer in answers_in_batches(
                sources.lengths,
                self._bucket_width,
                lambda rows: self._search(sources, rows, how),
                tokens=tokens,
            ):
                for row, hypotheses in zip(rows, answer, strict=True):
                    found[row] = hypotheses
                step.advance(len(rows))
        return found

    def _search(
        self, sources: RaggedIds, rows: npt.NDArray[np.int64], how: Search
    ) -> list[list[Hypothesis]]:
        source_ids = sources.pad(rows, sources.width_of(rows, self._bucket_width))
        # A limit of each text's own, so that no prediction depends on its batch.
        limits = search_limits(sources.lengths[rows], how.length_ratio)
        # Its length says how far to go; as an array's shape it is static where XLA compiles.
        room = np.zeros(padded_width(int(limits.max()), _LENGTH_BUCKET), np.int32)
        search = self._calls.search(how.rules)
        answered = search(source_ids, limits, room)
        ids, scores, sums = (np.asarray(array) for array in answered)
        found = [
            [
                Hypothesis(_text_ids(ids[row, j]), float(scores[row, j]), float(sums[row, j]))
                for j in range(min(how.num_best, ids.shape[1]))
                if scores[row, j] > NO_SCORE / 2
            ]
            for row in range(len(rows))
        ]
        if not all(found):
            raise _diverged()
        if not how.needs_attention:
            return found
        return self._with_attention(source_ids, sources, rows, found)

    # --- Attention ---

    def _with_attention(
        self,
        source_ids: npt.NDArray[np.int32],
        sources: RaggedIds,
        rows: npt.NDArray[np.int64],
        found: list[list[Hypothesis]],
    ) -> list[list[Hypothesis]]:
        """The same hypotheses with the weights by which they look at their source."""
        places = [(row, j) for row, of_row in enumerate(found) for j in range(len(of_row))]
        targets = join_rows([[BOS_ID, *found[row][j].token_ids] for row, j in places])
        every = np.arange(len(places))
        target_ids = targets.pad(every, targets.width_of(every, self._bucket_width))
        weights = np.asarray(
            self._calls.weights(source_ids[[row for row, _ in places]], target_ids)
        )
        with_weights: list[list[Hypothesis]] = [[] for _ in found]
        for index, (row, j) in enumerate(places):
            length, source_length = targets.lengths[index], sources.lengths[rows[row]]
            cut = weights[index, :length, :source_length].astype(np.float32)
            with_weights[row].append(replace(found[row][j], attention=cut))
        return with_weights


def _text_ids(ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Without ``[EOS]`` and padding."""
    chosen: npt.NDArray[np.int32] = ids[(ids != EOS_ID) & (ids != PADDING_ID)]
    return chosen


def _diverged() -> TrainingError:
    return TrainingError(
        "the model's outputs are no longer finite numbers: its weights have diverged. "
        "Try a lower training.learning_rate, or training.clip_norm: 1.0"
    )
