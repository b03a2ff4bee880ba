"""Searching and writing in NumPy, as :mod:`textnets.decoding` does it in graphs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from textnets.decoding.step import NO_SCORE
from textnets.decoding.translating import LEAST_COVERAGE, SearchRules
from textnets.lite.activations import log_softmax, softmax
from textnets.lite.graph import Array
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID, UNKNOWN_ID

_NONE = np.float32(NO_SCORE)
_IMPOSSIBLE = np.float32(-1e9)

#: ``(token_ids, states) -> (logits, states)``; the states a nest of arrays, one row each.
NumpyStep = Callable[[Array, Any], tuple[Array, Any]]


def mapped(function: Callable[[Array], Array], nest: Any) -> Any:
    """A nest of arrays with each changed."""
    if isinstance(nest, dict):
        return {key: mapped(function, one) for key, one in nest.items()}
    if isinstance(nest, list | tuple):
        return [mapped(function, one) for one in nest]
    return function(nest)


def greedy_search(
    step: NumpyStep,
    states: Any,
    limits: Array,
    room: int,
    *,
    no_repeat_ngram: int = 0,
    writes_unknown: bool = False,
) -> tuple[Array, Array]:
    """As :func:`textnets.decoding.greedy.greedy_search`."""
    batch = len(limits)
    tokens = np.full((batch, room), PADDING_ID, np.int32)
    last = np.full(batch, BOS_ID, np.int32)
    sums, done = np.zeros(batch, np.float32), np.zeros(batch, bool)
    for time in range(room):
        if done.all():
            break
        logits, states = step(last, states)
        scores = log_softmax(logits)
        if no_repeat_ngram:
            _ban_repeating(scores, tokens, time, no_repeat_ngram)
        scores = _closed(scores, time + 1 >= limits, writes_unknown)
        best = scores.argmax(axis=-1).astype(np.int32)
        sums = sums + np.where(done, np.float32(0), scores.max(axis=-1))
        last = np.where(done, PADDING_ID, best).astype(np.int32)
        tokens[:, time] = last
        done = done | (last == EOS_ID)
    return tokens, sums


def _ban_repeating(scores: Array, written: Array, time: int, size: int) -> None:
    """Rule out what would end an n-gram that a row holds already; as
    :func:`textnets.decoding.repetition.repeating_tokens`.

    Args:
        scores: ``<float32>[rows, vocabulary]``, which are changed.
        written: ``<int32>[rows, room]``, of which the first ``time`` columns are written.
        time: tokens of each row.
        size: of the n-grams.
    """
    for begin in range(time - size + 1):
        alike = written[:, begin : begin + size - 1] == written[:, time - size + 1 : time]
        rows = np.flatnonzero(alike.all(axis=1))
        scores[rows, written[rows, begin + size - 1]] = _NONE


def _closed(scores: Array, must_end: Array, writes_unknown: bool) -> Array:
    """What is never written is out of the question, and all but the end where that must come."""
    scores = scores.copy()
    never = [PADDING_ID, BOS_ID, *([] if writes_unknown else [UNKNOWN_ID])]
    scores[..., never] = _NONE
    ends = scores[..., EOS_ID].copy()
    scores[must_end] = _NONE
    scores[..., EOS_ID] = ends
    return scores


def beam_search(
    step: NumpyStep,
    states: Any,
    limits: Array,
    room: int,
    *,
    beam_size: int,
    length_penalty: float,
    no_repeat_ngram: int = 0,
    writes_unknown: bool = False,
    reward: Callable[[Any], Array] | None = None,
) -> tuple[Array, Array, Array]:
    """As :func:`textnets.decoding.beam_search.beam_search`."""
    batch = len(limits)
    states = mapped(lambda array: np.repeat(array, beam_size, axis=0), states)
    tokens = np.full((batch, beam_size, room), PADDING_ID, np.int32)
    last = np.full((batch, beam_size), BOS_ID, np.int32)
    scores = np.tile(np.where(np.arange(beam_size) == 0, np.float32(0), _NONE), (batch, 1))
    kept = {
        "tokens": np.full((batch, beam_size, room), PADDING_ID, np.int32),
        "scores": np.full((batch, beam_size), _NONE, np.float32),
        "sums": np.full((batch, beam_size), _NONE, np.float32),
    }
    done = np.zeros(batch, bool)
    rows = np.arange(batch)[:, None]
    for time in range(room):
        if done.all():
            break
        logits, after = step(last.reshape(-1), states)
        size = logits.shape[-1]
        each = log_softmax(logits)
        if no_repeat_ngram:
            _ban_repeating(each, tokens.reshape(-1, room), time, no_repeat_ngram)
        each = each.reshape(batch, beam_size, size)
        total = _closed(scores[:, :, None] + each, time + 1 >= limits, writes_unknown)
        found, places = _highest(total.reshape(batch, -1), 2 * beam_size)
        beams, new = places // size, (places % size).astype(np.int32)
        written = tokens[rows, beams]
        written[:, :, time] = new
        ends = new == EOS_ID
        penalty = np.float32(((5.0 + time + 1) / 6.0) ** length_penalty)
        ranked = found / penalty
        if reward is not None:
            ranked = ranked + reward(after).reshape(batch, beam_size)[rows, beams]
        _set_aside(kept, written, found, ranked, ends, done, beam_size)
        scores, chosen = _highest(np.where(ends, _NONE, found), beam_size)
        last, tokens = new[rows, chosen], written[rows, chosen]
        from_rows = (rows * beam_size + beams[rows, chosen]).reshape(-1)
        states = mapped(lambda array, at=from_rows: array[at], after)  # type: ignore[misc]
        count = (kept["scores"] > _NONE / 2).sum(axis=1)
        done = done | (count >= beam_size) | (time + 1 >= limits)
    return kept["tokens"], kept["scores"], kept["sums"]


def _set_aside(
    kept: dict[str, Array],
    written: Array,
    found: Array,
    ranked: Array,
    ends: Array,
    done: Array,
    beam_size: int,
) -> None:
    """Keep what ends among the best, in rows that are not done."""
    counts = ends & (np.arange(2 * beam_size) < beam_size) & ~done[:, None] & (found > _NONE / 2)
    if not counts.any():
        return
    scores = np.where(counts, ranked, _NONE)
    best, places = _highest(np.concatenate([kept["scores"], scores], axis=1), beam_size)
    rows = np.arange(len(best))[:, None]
    kept["tokens"] = np.concatenate([kept["tokens"], written], axis=1)[rows, places]
    kept["sums"] = np.concatenate([kept["sums"], found], axis=1)[rows, places]
    kept["scores"] = best


def _highest(values: Array, count: int) -> tuple[Array, Array]:
    """The highest of each row with their places, highest first, of equal ones the first."""
    count = min(count, values.shape[1])
    some = values.shape[1] > 4 * count
    places = np.argpartition(-values, count - 1, axis=1)[:, :count] if some else None
    if places is None:
        order = np.argsort(-values, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(values, order, axis=1), order
    places = np.sort(places, axis=1)
    found = np.take_along_axis(values, places, axis=1)
    order = np.argsort(-found, axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(places, order, axis=1)


# --- Writing ---


class WrittenStep(NamedTuple):
    """What one step wrote in each row.

    Attributes:
        places: ``<int>[rows]``: of the new token, negative inside of a prompt.
        token_ids, log_probabilities: ``[rows]``.
        alternative_ids, alternative_probabilities: ``[rows, alternatives]``.
        here: ``<bool>[rows]``: whether it counts.
    """

    places: Array
    token_ids: Array
    log_probabilities: Array
    alternative_ids: Array
    alternative_probabilities: Array
    here: Array


def written_steps(
    step: NumpyStep,
    prompts: Array,
    lengths: Array,
    states: Any,
    noise: Array,
    allowed: Array,
    temperature: float,
    top_k: int,
    top_p: float,
    *,
    end_id: int,
    num_alternatives: int,
) -> Iterator[WrittenStep]:
    """As :func:`textnets.decoding.sampling.write_tokens`, one step after the other."""
    rows, width = prompts.shape
    new = noise.shape[1]
    last, done = np.zeros(rows, np.int32), np.zeros(rows, bool)
    time = 0
    while not done.all():
        fed = np.where(time < lengths, prompts[:, min(time, width - 1)], last)
        logits, states = step(fed.astype(np.int32), states)
        places = time - (lengths - 1)
        here = (places >= 0) & (places < new) & ~done
        number = np.where(here, noise[np.arange(rows), np.clip(places, 0, new - 1)], 0.0)
        chosen = _choose(logits, number.astype(np.float32), allowed, temperature, top_k, top_p)
        likely = log_softmax(logits)
        best, best_ids = _highest(likely, num_alternatives)
        yield WrittenStep(
            places,
            chosen,
            np.take_along_axis(likely, chosen[:, None], axis=1)[:, 0],
            best_ids.astype(np.int32),
            np.exp(best),
            here,
        )
        last = chosen
        done = done | ((places >= 0) & (chosen == end_id)) | (places >= new - 1)
        time += 1


def write_tokens(
    step: NumpyStep,
    prompts: Array,
    lengths: Array,
    states: Any,
    noise: Array,
    *settings: Any,
    **more: Any,
) -> dict[str, Array]:
    """All of :func:`written_steps` as arrays, ``[rows, new]`` and ``[rows, new, alternatives]``."""
    rows, new = noise.shape
    alternatives = int(more["num_alternatives"])
    found = {
        "token_ids": np.zeros((rows, new), np.int32),
        "log_probabilities": np.zeros((rows, new), np.float32),
        "alternative_ids": np.zeros((rows, new, alternatives), np.int32),
        "alternative_probabilities": np.zeros((rows, new, alternatives), np.float32),
    }
    for one in written_steps(step, prompts, lengths, states, noise, *settings, **more):
        at = np.flatnonzero(one.here)
        for name, values in found.items():
            values[at, one.places[at]] = getattr(one, name)[at]
    return found


def _choose(
    logits: Array, number: Array, allowed: Array, temperature: float, top_k: int, top_p: float
) -> Array:
    """The token at which the sum of probabilities, most likely first, passes the number."""
    cool = np.float32(temperature if temperature > 0.0 else 1.0)
    logits = np.where(allowed[None], logits / cool, _IMPOSSIBLE)
    if temperature <= 0.0:
        return logits.argmax(axis=-1).astype(np.int32)
    ids = np.argsort(-logits, axis=-1, kind="stable")
    probabilities = softmax(np.take_along_axis(logits, ids, axis=-1))
    before = np.cumsum(probabilities, axis=-1) - probabilities
    ranks = np.arange(logits.shape[-1])[None]
    kept = (ranks == 0) | ((ranks < top_k) & (before < top_p))
    total = np.cumsum(np.where(kept, probabilities, np.float32(0)), axis=-1)
    passed = (total <= number[:, None] * total[:, -1:]).sum(axis=-1)
    place = np.minimum(passed, kept.sum(axis=-1) - 1)
    return np.take_along_axis(ids, place[:, None], axis=-1)[:, 0].astype(np.int32)


# --- Encoder-decoders ---


class NumpyEncoderDecoder:
    """As :class:`textnets.decoding.encoder_decoder.EncoderDecoder`, and of several models as
    :class:`textnets.decoding.joint.JointEncoderDecoder`.

    Args:
        models: their layers by name.
        weights: of each; they sum to 1.
    """

    def __init__(self, models: Sequence[Any], weights: Sequence[float]) -> None:
        self._layers = [model.layers for model in models]
        self._weights = [np.float32(weight) for weight in weights]

    def encode(self, source_ids: Array) -> tuple[list[Any], list[Any]]:
        """The states of each model, and what else its encoder gives."""
        states, others = [], []
        for layers in self._layers:
            embedding = layers.get("source_embedding", layers["target_embedding"])
            inputs = {"source_vectors": embedding(source_ids), "source_mask": source_ids != 0}
            found = dict(layers["encoder"](inputs))
            states.append(found.pop("states"))
            others.append(found)
        return states, others

    def decode(
        self, target_ids: Array, states: Sequence[Any], others: Sequence[Any]
    ) -> tuple[Array, list[Any], Array | None]:
        """Logits of each next token, states, and the weights of attention."""
        total: Any = 0.0
        after: list[Any] = []
        looks: list[Any] = []
        parts = zip(self._layers, self._weights, states, others, strict=True)
        for layers, weight, of_one, given in parts:
            vectors = layers["target_embedding"](target_ids)
            found = layers["decoder"]({"target_vectors": vectors, "states": of_one, **given})
            if "logits" in layers:
                logits = layers["logits"](found["outputs"])
            else:
                logits = layers["target_embedding"](found["outputs"], reverse=True)
            total = logits if len(self._layers) == 1 else total + weight * log_softmax(logits)
            after.append(list(found["states"]))
            seen = found.get("weights")
            looks.append(None if seen is None else weight * seen)
        look: Any = None if any(one is None for one in looks) else sum(looks)
        return total, after, look


class NumpyCalls:
    """What a translator computes with: textnets.decoding.translating.TranslatorCalls."""

    def __init__(self, parts: NumpyEncoderDecoder) -> None:
        self._parts = parts

    def surprisals(
        self, source_ids: Array, target_ids: Array, targets: Array, weights: Array
    ) -> Array:
        """Minus the log-probability of each target, nats: ``<float32>[batch]``."""
        logits, _, _ = self._parts.decode(target_ids, *self._parts.encode(source_ids))
        each = np.take_along_axis(log_softmax(logits), targets[:, :, None], axis=-1)[..., 0]
        found: Array = -(each * weights).sum(axis=1)
        return found

    def weights(self, source_ids: Array, target_ids: Array) -> Array | None:
        """Those of attention."""
        return self._parts.decode(target_ids, *self._parts.encode(source_ids))[2]

    def search(self, rules: SearchRules) -> Callable[..., Any]:
        """Greedy, or with a beam."""
        beam_size = rules.beam_size
        shared: dict[str, Any] = {
            "no_repeat_ngram": rules.no_repeat_ngram,
            "writes_unknown": rules.writes_unknown,
        }
        of_beam = {"beam_size": beam_size, "length_penalty": rules.length_penalty, **shared}

        def search(source_ids: Array, limits: Array, room: Array) -> tuple[Array, Array, Array]:
            states, others = self._parts.encode(source_ids)
            states = mapped(lambda array: _with_room(array, len(room)), states)
            given = mapped(lambda array: np.repeat(array, beam_size, axis=0), others)

            def step(token_ids: Array, states: Any) -> tuple[Array, Any]:
                logits, after, _ = self._parts.decode(token_ids[:, None], states, given)
                return logits[:, 0], after

            if beam_size == 1:
                ids, sums = greedy_search(step, states, limits, len(room), **shared)
                return ids[:, None], sums[:, None], sums[:, None]
            if not rules.coverage_penalty:
                return beam_search(step, states, limits, len(room), **of_beam)
            is_token = np.repeat(source_ids != PADDING_ID, beam_size, axis=0)

            def covering_step(token_ids: Array, states: Any) -> tuple[Array, Any]:
                logits, after, weights = self._parts.decode(
                    token_ids[:, None], states["of_model"], given
                )
                if weights is None:
                    raise TypeError("a model without attention covers nothing")
                return logits[:, 0], {"of_model": after, "seen": states["seen"] + weights[:, 0]}

            def reward(states: Any) -> Array:
                each = np.log(np.clip(states["seen"], np.float32(LEAST_COVERAGE), np.float32(1.0)))
                total = np.where(is_token, each, np.float32(0.0)).sum(axis=1)
                found: Array = np.float32(rules.coverage_penalty) * total
                return found

            start = {"of_model": states, "seen": np.zeros(source_ids.shape, np.float32)}
            return beam_search(covering_step, start, limits, len(room), reward=reward, **of_beam)

        return search


def _with_room(state: Array, steps: int) -> Array:
    """As :func:`textnets.decoding.encoder_decoder.with_room`, of one state."""
    if state.ndim != 3:
        return state
    return np.zeros((len(state), steps, state.shape[-1]), np.float32)
