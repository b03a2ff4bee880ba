"""Beam search over a step function, batched and in one loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras

from textnets.backend.picking import at_each, largest, rows_at
from textnets.decoding.repetition import repeating_tokens
from textnets.decoding.step import NO_SCORE, Step
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID, UNKNOWN_ID


def beam_search(
    step: Step,
    states: Any,
    limits: Any,
    max_length: Any,
    *,
    beam_size: int,
    length_penalty: float = 0.0,
    no_repeat_ngram: int = 0,
    writes_unknown: bool = False,
    reward: Callable[[Any], Any] | None = None,
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
        no_repeat_ngram: no sequence holds so many tokens in a row twice; 0 for whatever it holds.
        writes_unknown: whether ``[UNK]`` may be written.
        reward: what is added to a finished hypothesis, ``<float32>[rows]`` from the states after
            its last step.

    Returns:
        ``<int32>[batch, beam_size, max_length]`` tokens, ``[EOS]`` and then padding at their
        ends; their ``<float32>[batch, beam_size]`` scores, best first, and log-probabilities.
        Where fewer were found, the rest are empty, with a score below -1e29.
    """
    ops = keras.ops
    batch = ops.shape(limits)[0]
    every = ops.arange(batch, dtype="int32")[:, None]
    first_only = ops.where(ops.arange(beam_size) == 0, 0.0, NO_SCORE)
    alive = {
        "last": ops.full((batch * beam_size,), BOS_ID, dtype="int32"),
        "scores": ops.tile(first_only[None, :], (batch, 1)),
        "states": keras.tree.map_structure(
            lambda array: ops.repeat(array, beam_size, axis=0), states
        ),
    }
    if no_repeat_ngram:
        room = (batch * beam_size, max_length)
        alive["written"] = ops.full(room, PADDING_ID, dtype="int32")
    finished = {
        "scores": ops.full((batch, beam_size), NO_SCORE, dtype="float32"),
        "log_probabilities": ops.full((batch, beam_size), NO_SCORE, dtype="float32"),
        # Where to begin to read it backwards: the time of its [EOS], and the beam that it ended.
        "times": ops.full((batch, beam_size), -1, dtype="int32"),
        "beams": ops.zeros((batch, beam_size), dtype="int32"),
    }
    # What was written at each time, and by which beam of the time before.
    trail = {
        "tokens": ops.full((max_length, batch * beam_size), PADDING_ID, dtype="int32"),
        "beams": ops.zeros((max_length, batch * beam_size), dtype="int32"),
    }
    done = ops.zeros((batch,), dtype="bool")
    times = ops.arange(max_length, dtype="int32")[:, None]
    among_best = ops.arange(2 * beam_size) < beam_size

    def goes_on(time: Any, alive: Any, finished: Any, trail: Any, done: Any) -> Any:
        return ops.logical_and(time < max_length, ops.logical_not(ops.all(done)))

    def advance(time: Any, alive: Any, finished: Any, trail: Any, done: Any) -> Any:
        logits, after = step(alive["last"], alive["states"])
        must_end = time + 1 >= limits
        banned = None
        if no_repeat_ngram:
            size = logits.shape[-1]
            banned = repeating_tokens(alive["written"], time, no_repeat_ngram, size)
        found = _candidates(logits, alive["scores"], must_end, banned, writes_unknown)
        is_end = found["tokens"] == EOS_ID

        # --- What ends among the best, in rows that are not done, is set aside ---
        counts = ops.logical_and(
            ops.logical_and(is_end, among_best), ops.logical_not(done)[:, None]
        )
        counts = ops.logical_and(counts, found["scores"] > NO_SCORE / 2)
        penalty = _penalty(time + 1, length_penalty)
        ranked = found["scores"] / penalty
        if reward is not None:
            ranked += at_each(ops.reshape(reward(after), (-1, beam_size)), found["beams"])
        ended = {
            "scores": ops.where(counts, ranked, NO_SCORE),
            "log_probabilities": found["scores"],
            "times": ops.zeros_like(found["beams"]) + time,
            "beams": found["beams"],
        }
        together = {
            name: ops.concatenate([finished[name], ended[name]], axis=1) for name in finished
        }
        _, places = ops.top_k(together["scores"], beam_size)
        finished = {name: at_each(values, places) for name, values in together.items()}

        # --- The best of those that do not end go on ---
        scores, places = ops.top_k(ops.where(is_end, NO_SCORE, found["scores"]), beam_size)
        beams, tokens = (
            ops.reshape(at_each(found[name], places), (-1,)) for name in ("beams", "tokens")
        )
        rows = beams + ops.repeat(every[:, 0] * beam_size, beam_size)
        going_on = {
            "last": tokens,
            "scores": scores,
            "states": keras.tree.map_structure(lambda array: rows_at(array, rows), after),
        }
        now = times == time
        if no_repeat_ngram:
            written = rows_at(alive["written"], rows)
            going_on["written"] = ops.where(now[:, 0][None, :], tokens[:, None], written)
        trail = {
            "tokens": ops.where(now, tokens[None], trail["tokens"]),
            "beams": ops.where(now, rows[None], trail["beams"]),
        }
        count = ops.sum(ops.cast(finished["scores"] > NO_SCORE / 2, "int32"), axis=1)
        done = ops.logical_or(done, ops.logical_or(count >= beam_size, must_end))
        return time + 1, going_on, finished, trail, done

    start = (ops.zeros((), dtype="int32"), alive, finished, trail, done)
    _, _, finished, trail, _ = ops.while_loop(goes_on, advance, start)
    tokens = _read_backwards(finished, trail, every, max_length)
    return tokens, finished["scores"], finished["log_probabilities"]


def never_written(token_ids: Any, writes_unknown: bool = False) -> Any:
    """Padding, ``[UNK]`` and ``[BOS]`` stand for no text, so no decoder writes them, but for
    ``[UNK]`` where ``writes_unknown``: something else is put in its place."""
    never = token_ids < EOS_ID  # special ids are fixed, and these come first
    return keras.ops.logical_and(never, token_ids != UNKNOWN_ID) if writes_unknown else never


def _candidates(
    logits: Any, alive: Any, must_end: Any, banned: Any, writes_unknown: bool
) -> dict[str, Any]:
    """The ``2 * beam_size`` best ways to go on, best first, so that half of them can end.

    They are looked for among the best of each hypothesis, which are few: nothing but the softmax
    and a search goes over the whole vocabulary.

    Args:
        logits: ``<float>[batch * beam_size, vocabulary]``.
        alive: ``<float32>[batch, beam_size]``, log-probabilities so far.
        must_end: ``<bool>[batch]``: of these rows only ``[EOS]`` may come.
        banned: ``<bool>[batch * beam_size, vocabulary]``: what may not come; ``None`` for nothing.
        writes_unknown: whether ``[UNK]`` may.

    Returns:
        ``scores``, ``beams`` and ``tokens``, each ``[batch, 2 * beam_size]``.
    """
    ops = keras.ops
    batch, beam_size = ops.shape(alive)[0], alive.shape[1]
    count = min(2 * beam_size + EOS_ID, logits.shape[-1])  # as many as may be never written
    best, tokens, ending = best_tokens(logits, count, banned)
    best = ops.where(never_written(tokens, writes_unknown), NO_SCORE, best)
    must_end = ops.repeat(must_end, beam_size)[:, None]
    is_first = (ops.arange(count) == 0)[None, :]
    best = ops.where(must_end, ops.where(is_first, ending[:, None], NO_SCORE), best)
    tokens = ops.where(must_end, EOS_ID, tokens)
    total = ops.reshape(best, (batch, beam_size, count)) + alive[:, :, None]
    total = ops.maximum(ops.reshape(total, (batch, beam_size * count)), NO_SCORE)
    found, places = ops.top_k(total, 2 * beam_size)
    places = ops.cast(places, "int32")
    tokens = at_each(ops.reshape(tokens, (batch, beam_size * count)), places)
    return {"scores": found, "beams": places // count, "tokens": tokens}


def best_tokens(logits: Any, count: int, banned: Any = None) -> tuple[Any, Any, Any]:
    """The most likely tokens of each row.

    A logarithm is taken of what it is needed for, and not of the whole softmax.

    Args:
        logits: ``<float>[rows, vocabulary]``.
        count: how many.
        banned: ``<bool>[rows, vocabulary]``: these are not looked for, and keep their share of the
            probability; ``None`` for none.

    Returns:
        Their log-probabilities, ``<float32>[rows, count]``, the highest first, the tokens,
        ``<int32>[rows, count]``, and the log-probability of ``[EOS]``, ``<float32>[rows]``.
    """
    ops = keras.ops
    logits = ops.cast(logits, "float32")
    if banned is not None:
        best, tokens = largest(ops.where(banned, NO_SCORE, logits), count)
        whole = ops.logsumexp(logits, axis=-1)
        return best - whole[:, None], tokens, logits[:, EOS_ID] - whole
    best, tokens = largest(logits, count)
    shares = at_each(ops.softmax(logits, axis=-1), tokens[:, :1])
    total = best[:, :1] - ops.log(shares)
    return best - total, tokens, logits[:, EOS_ID] - total[:, 0]


def _read_backwards(
    finished: dict[str, Any], trail: dict[str, Any], every: Any, max_length: Any
) -> Any:
    """The tokens of finished hypotheses: ``<int32>[batch, beam_size, max_length]``."""
    ops = keras.ops
    batch, beam_size = ops.shape(every)[0], finished["beams"].shape[1]
    ends = ops.reshape(finished["times"], (-1,))
    columns = ops.arange(max_length, dtype="int32")[None, :]
    rows = ops.reshape(finished["beams"] + every * beam_size, (-1,))
    tokens = ops.where(columns == ends[:, None], EOS_ID, PADDING_ID)

    def before(time: Any, rows: Any, tokens: Any) -> Any:
        is_inside = time < ends
        written = rows_at(rows_at(trail["tokens"], time), rows)
        here = ops.logical_and(columns == time, is_inside[:, None])
        tokens = ops.where(here, written[:, None], tokens)
        rows = ops.where(is_inside, rows_at(rows_at(trail["beams"], time), rows), rows)
        return time - 1, rows, tokens

    start = (ops.max(ends) - 1, rows, ops.cast(tokens, "int32"))
    _, _, tokens = ops.while_loop(lambda time, rows, tokens: time >= 0, before, start)
    return ops.reshape(tokens, (batch, beam_size, max_length))


def _penalty(length: Any, strength: float) -> Any:
    return ((5.0 + keras.ops.cast(length, "float32")) / 6.0) ** strength
