"""Beam search over a step function, batched and in one loop."""

from __future__ import annotations

from typing import Any

import keras

from textnets.decoding.step import NO_SCORE, Step
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID


def beam_search(
    step: Step,
    states: Any,
    limits: Any,
    max_length: Any,
    *,
    beam_size: int,
    length_penalty: float = 0.0,
) -> tuple[Any, Any, Any]:
    """Search for the most probable sequences, each ending in ``[EOS]``.

    At each step the ``beam_size`` best ways to go on are kept. One that ends is set aside as
    finished; a row is done when it has ``beam_size`` finished ones, or at its limit, where
    every hypothesis must end. A beam of 1 is greedy search. Finished hypotheses compete by
    ``log p / ((5 + length) / 6) ** length_penalty`` (Wu et al. 2016), the length in tokens
    with ``[EOS]``. Rows do not see one another.

    Args:
        step: see :data:`textnets.decoding.step.Step`; here with ``beam_size`` rows a text.
        states: a nest of arrays, one row a text.
        limits: ``<int32>[batch]``, tokens of a hypothesis at most, ``[EOS]`` included.
        max_length: the largest of them, a Python int or a scalar ``<int32>``.
        beam_size: hypotheses a text.
        length_penalty: 0 prefers short sequences, 1 about none.

    Returns:
        ``<int32>[batch, beam_size, max_length]`` tokens, ``[EOS]`` and then padding at their
        ends; their ``<float32>[batch, beam_size]`` scores, best first, and log-probabilities.
        Where fewer were found, the rest are empty, with a score below -1e29.
    """
    ops = keras.ops
    batch = ops.shape(limits)[0]
    states = keras.tree.map_structure(lambda array: ops.repeat(array, beam_size, axis=0), states)
    first_only = ops.where(ops.arange(beam_size) == 0, 0.0, NO_SCORE)
    alive = {
        "tokens": ops.full((batch, beam_size, max_length), PADDING_ID, dtype="int32"),
        "last": ops.full((batch, beam_size), BOS_ID, dtype="int32"),
        "scores": ops.tile(first_only[None, :], (batch, 1)),
        "states": states,
    }
    finished = {
        "tokens": ops.full((batch, beam_size, max_length), PADDING_ID, dtype="int32"),
        "scores": ops.full((batch, beam_size), NO_SCORE, dtype="float32"),
        "log_probabilities": ops.full((batch, beam_size), NO_SCORE, dtype="float32"),
    }
    done = ops.zeros((batch,), dtype="bool")

    def goes_on(time: Any, alive: Any, finished: Any, done: Any) -> Any:
        return ops.logical_and(time < max_length, ops.logical_not(ops.all(done)))

    def advance(time: Any, alive: Any, finished: Any, done: Any) -> Any:
        logits, after = step(ops.reshape(alive["last"], (-1,)), alive["states"])
        found = _candidates(logits, alive, time, limits, beam_size)
        ends = found["last"] == EOS_ID
        finished = _merge(
            finished, found, ends, done, beam_size, _penalty(time + 1, length_penalty)
        )
        alive = _keep_alive(found, ends, after, beam_size)
        count = ops.sum(ops.cast(finished["scores"] > NO_SCORE / 2, "int32"), axis=1)
        done = ops.logical_or(done, ops.logical_or(count >= beam_size, time + 1 >= limits))
        return time + 1, alive, finished, done

    start = (ops.zeros((), dtype="int32"), alive, finished, done)
    _, _, finished, _ = ops.while_loop(goes_on, advance, start)
    return finished["tokens"], finished["scores"], finished["log_probabilities"]


def never_written(token_ids: Any) -> Any:
    """Padding, ``[UNK]`` and ``[BOS]`` stand for no text, so no decoder writes them."""
    return token_ids < EOS_ID  # special ids are fixed, and these come first


def _candidates(
    logits: Any, alive: dict[str, Any], time: Any, limits: Any, beam_size: int
) -> dict[str, Any]:
    """The ``2 * beam_size`` best ways to go on, best first, so that half of them can end."""
    ops = keras.ops
    logits = ops.cast(logits, "float32")
    batch, size = ops.shape(limits)[0], ops.shape(logits)[-1]
    scores = ops.reshape(ops.log_softmax(logits, axis=-1), (batch, beam_size, size))
    token = ops.arange(size)
    never = never_written(token)
    must_end = (time + 1 >= limits)[:, None, None]
    closed = ops.logical_or(
        never[None, None, :], ops.logical_and(must_end, (token != EOS_ID)[None, None, :])
    )
    total = ops.where(closed, NO_SCORE, alive["scores"][:, :, None] + scores)
    best, places = ops.top_k(ops.reshape(total, (batch, beam_size * size)), 2 * beam_size)
    beams, last = places // size, ops.cast(places % size, "int32")
    tokens = ops.take_along_axis(alive["tokens"], beams[:, :, None], axis=1)
    now = ops.arange(ops.shape(tokens)[-1]) == time
    return {
        "scores": best,
        "beams": beams,
        "last": last,
        "tokens": ops.where(now[None, None, :], last[:, :, None], tokens),
    }


def _merge(
    finished: dict[str, Any],
    found: dict[str, Any],
    ends: Any,
    done: Any,
    beam_size: int,
    penalty: Any,
) -> dict[str, Any]:
    """Set aside what ends among the ``beam_size`` best, in rows that are not done."""
    ops = keras.ops
    among_best = ops.arange(2 * beam_size) < beam_size
    counts = ops.logical_and(ops.logical_and(ends, among_best), ops.logical_not(done)[:, None])
    counts = ops.logical_and(counts, found["scores"] > NO_SCORE / 2)
    scores = ops.where(counts, found["scores"] / penalty, NO_SCORE)
    together = ops.concatenate([finished["scores"], scores], axis=1)
    best, places = ops.top_k(together, beam_size)
    tokens = ops.concatenate([finished["tokens"], found["tokens"]], axis=1)
    sums = ops.concatenate([finished["log_probabilities"], found["scores"]], axis=1)
    return {
        "scores": best,
        "tokens": ops.take_along_axis(tokens, places[:, :, None], axis=1),
        "log_probabilities": ops.take_along_axis(sums, places, axis=1),
    }


def _keep_alive(found: dict[str, Any], ends: Any, states: Any, beam_size: int) -> dict[str, Any]:
    """The best ``beam_size`` that do not end, with the states that they came from."""
    ops = keras.ops
    best, places = ops.top_k(ops.where(ends, NO_SCORE, found["scores"]), beam_size)
    beams = ops.take_along_axis(found["beams"], places, axis=1)
    batch = ops.shape(beams)[0]
    rows = ops.reshape(ops.arange(batch)[:, None] * beam_size + ops.cast(beams, "int32"), (-1,))
    return {
        "scores": best,
        "last": ops.take_along_axis(found["last"], places, axis=1),
        "tokens": ops.take_along_axis(found["tokens"], places[:, :, None], axis=1),
        "states": keras.tree.map_structure(lambda array: ops.take(array, rows, axis=0), states),
    }


def _penalty(length: Any, strength: float) -> Any:
    return ((5.0 + keras.ops.cast(length, "float32")) / 6.0) ** strength
