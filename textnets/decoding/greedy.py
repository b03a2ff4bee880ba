"""Greedy search: the most probable token at each step."""

from __future__ import annotations

from typing import Any

import keras

from textnets.backend.picking import at_each, place_of_largest
from textnets.decoding.beam_search import never_written
from textnets.decoding.repetition import repeating_tokens
from textnets.decoding.step import NO_SCORE, Step
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID

_LEAST = 1e-30  # of a probability, before its logarithm is taken


def greedy_search(
    step: Step,
    states: Any,
    limits: Any,
    max_length: Any,
    *,
    no_repeat_ngram: int = 0,
    writes_unknown: bool = False,
) -> tuple[Any, Any]:
    """Write the most probable token at each step, until ``[EOS]`` or a row's limit.

    Args:
        step: see :data:`textnets.decoding.step.Step`, one row a text.
        states: a nest of arrays, one row a text.
        limits: ``<int32>[batch]``, tokens at most, ``[EOS]`` included.
        max_length: the largest of them, a Python int or a scalar ``<int32>``.
        no_repeat_ngram, writes_unknown: as for
            :func:`textnets.decoding.beam_search.beam_search`.

    Returns:
        ``<int32>[batch, max_length]`` tokens, ``[EOS]`` and then padding at their ends, and
        their ``<float32>[batch]`` log-probabilities.
    """
    ops = keras.ops
    batch = ops.shape(limits)[0]
    columns = ops.arange(max_length, dtype="int32")[None, :]
    start = (
        ops.zeros((), dtype="int32"),
        ops.full((batch, max_length), PADDING_ID, dtype="int32"),
        ops.full((batch,), BOS_ID, dtype="int32"),
        ops.zeros((batch,), dtype="float32"),
        ops.zeros((batch,), dtype="bool"),
        states,
    )

    def goes_on(time: Any, tokens: Any, last: Any, sums: Any, done: Any, states: Any) -> Any:
        return ops.logical_and(time < max_length, ops.logical_not(ops.all(done)))

    def advance(time: Any, tokens: Any, last: Any, sums: Any, done: Any, states: Any) -> Any:
        logits, states = step(last, states)
        logits = ops.cast(logits, "float32")
        if no_repeat_ngram or writes_unknown:
            out = never_written(ops.arange(logits.shape[-1]), writes_unknown)[None, :]
            if no_repeat_ngram:
                size = logits.shape[-1]
                out = ops.logical_or(out, repeating_tokens(tokens, time, no_repeat_ngram, size))
            token = place_of_largest(ops.where(out, NO_SCORE, logits))
        else:  # before [EOS] stand those that never are
            token = place_of_largest(logits[:, EOS_ID:]) + EOS_ID
        found, ending = _log_probabilities(logits, token)
        must_end = time + 1 >= limits
        sums = sums + ops.where(done, 0.0, ops.where(must_end, ending, found))
        best = ops.where(done, PADDING_ID, ops.where(must_end, EOS_ID, token))
        tokens = ops.where(columns == time, best[:, None], tokens)
        return time + 1, tokens, best, sums, ops.logical_or(done, best == EOS_ID), states

    _, tokens, _, sums, _, _ = ops.while_loop(goes_on, advance, start)
    return tokens, sums


def _log_probabilities(logits: Any, token: Any) -> tuple[Any, Any]:
    """``<float32>[rows, vocabulary]`` and a token each, ``<int32>[rows]``, to the log-probability
    of that token and of ``[EOS]``, ``<float32>[rows]``."""
    ops = keras.ops
    shares = ops.softmax(logits, axis=-1)
    share, logit = at_each(shares, token[:, None])[:, 0], at_each(logits, token[:, None])[:, 0]
    log_probability = ops.log(ops.maximum(share, _LEAST))
    return log_probability, logits[:, EOS_ID] - logit + log_probability
