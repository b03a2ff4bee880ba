"""Greedy search: the most probable token at each step."""

from __future__ import annotations

from typing import Any

import keras

from textnets.backend.picking import at_each, place_of_largest
from textnets.decoding.step import Step
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID

_LEAST = 1e-30  # of a probability, before its logarithm is taken


def greedy_search(step: Step, states: Any, limits: Any, max_length: Any) -> tuple[Any, Any]:
    """Write the most probable token at each step, until ``[EOS]`` or a row's limit.

    Args:
        step: see :data:`textnets.decoding.step.Step`, one row a text.
        states: a nest of arrays, one row a text.
        limits: ``<int32>[batch]``, tokens at most, ``[EOS]`` included.
        max_length: the largest of them, a Python int or a scalar ``<int32>``.

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
        best, found, ending = _best_token(ops.cast(logits, "float32"))
        must_end = time + 1 >= limits
        sums = sums + ops.where(done, 0.0, ops.where(must_end, ending, found))
        best = ops.where(done, PADDING_ID, ops.where(must_end, EOS_ID, best))
        tokens = ops.where(columns == time, best[:, None], tokens)
        return time + 1, tokens, best, sums, ops.logical_or(done, best == EOS_ID), states

    _, tokens, _, sums, _, _ = ops.while_loop(goes_on, advance, start)
    return tokens, sums


def _best_token(logits: Any) -> tuple[Any, Any, Any]:
    """``<float32>[rows, vocabulary]`` to the most likely token that may be written,
    ``<int32>[rows]``, its log-probability and that of ``[EOS]``, ``<float32>[rows]``."""
    ops = keras.ops
    shares = ops.softmax(logits, axis=-1)
    token = place_of_largest(logits[:, EOS_ID:]) + EOS_ID  # before it stand those that never are
    share, logit = at_each(shares, token[:, None])[:, 0], at_each(logits, token[:, None])[:, 0]
    log_probability = ops.log(ops.maximum(share, _LEAST))
    return token, log_probability, logits[:, EOS_ID] - logit + log_probability
