"""Greedy search: the most probable token at each step."""

from __future__ import annotations

from typing import Any

import keras

from textnets.decoding.beam_search import never_written
from textnets.decoding.step import NO_SCORE, Step
from textnets.text.vocabulary import BOS_ID, EOS_ID, PADDING_ID


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
        scores = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        token = ops.arange(ops.shape(scores)[-1])
        must_end = ops.logical_and((time + 1 >= limits)[:, None], token != EOS_ID)
        closed = ops.logical_or(never_written(token)[None, :], must_end)
        scores = ops.where(closed, NO_SCORE, scores)
        best = ops.cast(ops.argmax(scores, axis=-1), "int32")
        sums = sums + ops.where(done, 0.0, ops.max(scores, axis=-1))
        best = ops.where(done, PADDING_ID, best)
        now = ops.arange(max_length) == time
        tokens = ops.where(now[None, :], best[:, None], tokens)
        return time + 1, tokens, best, sums, ops.logical_or(done, best == EOS_ID), states

    _, tokens, _, sums, _, _ = ops.while_loop(goes_on, advance, start)
    return tokens, sums
