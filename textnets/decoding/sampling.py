"""Writing texts: greedy, or drawn from a model's probabilities.

One compiled loop writes all tokens of all rows. Its chance comes in as numbers that were drawn
before, so that a row's text depends on its seed alone, on no other row and on no backend.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textnets.decoding.step import Step
from textnets.errors import InputError

_IMPOSSIBLE = -1e9


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: logits are divided by it; 0 takes the most likely token (greedy).
        top_k: only the k most likely tokens are drawn from; ``None`` for all.
        top_p: only the fewest most likely tokens that together have this probability (nucleus
            sampling, Holtzman et al. 2020), after ``temperature`` and ``top_k``.

    Raises:
        InputError: if a value is out of its range.
    """

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature < float("inf"):
            raise InputError(f"temperature: expected 0 or more, was: {self.temperature}")
        if self.top_k is not None and self.top_k < 1:
            raise InputError(f"top_k: expected 1 or more, was: {self.top_k}")
        if not 0.0 < self.top_p <= 1.0:
            raise InputError(f"top_p: expected more than 0 and at most 1, was: {self.top_p}")


def write_tokens(
    step: Step,
    prompts: Any,
    lengths: Any,
    states: Any,
    noise: Any,
    allowed: Any,
    temperature: Any,
    top_k: Any,
    top_p: Any,
    *,
    end_id: int,
    num_alternatives: int,
) -> dict[str, Any]:
    """Read each row's prompt and write on; in ``keras.ops``, to be compiled.

    Args:
        step: the model's.
        prompts: ``<int32>[rows, width]``, padded on the right.
        lengths: ``<int32>[rows]``, of the prompts, 1 or more.
        states: before the prompts.
        noise: ``<float32>[rows, new]``, uniform in [0, 1): what chance says at each new token.
        allowed: ``<bool>[vocabulary]``: tokens that may be written.
        temperature, top_p: ``<float32>[]``.
        top_k: ``<int32>[]``.
        end_id: after it a row writes nothing more; -1 for none.
        num_alternatives: how many of the most likely tokens to tell at each place, 1 or more.

    Returns:
        ``token_ids``, ``<int32>[rows, new]``, 0 after the end; their ``log_probabilities``,
        ``<float32>[rows, new]``, by the model itself, whatever the temperature;
        ``alternative_ids`` and ``alternative_probabilities``,
        ``[rows, new, num_alternatives]``, most likely first; and the ``states`` after the token
        before the last, with which the last one is the prompt that goes on.
    """
    from keras import ops

    rows, width = ops.shape(prompts)
    new = ops.shape(noise)[1]
    columns = ops.arange(new, dtype="int32")

    def body(time: Any, last: Any, done: Any, states: Any, written: Any) -> Any:
        given = ops.take(prompts, ops.minimum(time, width - 1), axis=1)
        fed = ops.where(time < lengths, given, last)
        logits, states = step(fed, states)
        places = time - (lengths - 1)  # of what is written now, negative inside a prompt
        here = ops.logical_and(columns[None, :] == places[:, None], ops.logical_not(done)[:, None])
        number = ops.sum(ops.where(here, noise, 0.0), axis=1)
        chosen = _choose(logits, number, allowed, temperature, top_k, top_p)
        log_probabilities = ops.log_softmax(logits, axis=-1)
        found = {
            "token_ids": chosen,
            "log_probabilities": _pick(log_probabilities, chosen),
        }
        best, best_ids = ops.top_k(log_probabilities, num_alternatives)
        found["alternative_ids"] = ops.cast(best_ids, "int32")
        found["alternative_probabilities"] = ops.exp(best)
        written = {
            name: ops.where(
                ops.reshape(here, (rows, new, *(1 for _ in values.shape[1:]))),
                ops.expand_dims(values, 1),
                written[name],
            )
            for name, values in found.items()
        }
        ended = ops.logical_and(places >= 0, chosen == end_id)
        done = ops.logical_or(done, ops.logical_or(ended, places >= new - 1))
        return time + 1, chosen, done, states, written

    start = (
        ops.zeros((), "int32"),
        ops.zeros((rows,), "int32"),
        ops.zeros((rows,), "bool"),
        states,
        {
            "token_ids": ops.zeros((rows, new), "int32"),
            "log_probabilities": ops.zeros((rows, new), "float32"),
            "alternative_ids": ops.zeros((rows, new, num_alternatives), "int32"),
            "alternative_probabilities": ops.zeros((rows, new, num_alternatives), "float32"),
        },
    )
    _, _, _, states, written = ops.while_loop(
        lambda time, last, done, states, written: ops.logical_not(ops.all(done)), body, start
    )
    return {**written, "states": states}


def _choose(
    logits: Any, number: Any, allowed: Any, temperature: Any, top_k: Any, top_p: Any
) -> Any:
    """``<int32>[rows]``: the token at which the sum of probabilities, most likely first,
    passes the number."""
    from keras import ops

    cool = ops.where(temperature > 0.0, temperature, 1.0)
    logits = ops.where(allowed[None, :], logits / cool, _IMPOSSIBLE)
    values, ids = ops.top_k(logits, logits.shape[-1])
    probabilities = ops.softmax(values, axis=-1)
    ranks = ops.arange(logits.shape[-1], dtype="int32")[None, :]
    before = ops.cumsum(probabilities, axis=-1) - probabilities
    # The first always stays, whatever rounding does.
    kept = ops.logical_or(ranks == 0, ops.logical_and(ranks < top_k, before < top_p))
    total = ops.cumsum(ops.where(kept, probabilities, 0.0), axis=-1)
    passed = ops.sum(ops.cast(total <= number[:, None] * total[:, -1:], "int32"), axis=-1)
    place = ops.minimum(passed, ops.sum(ops.cast(kept, "int32"), axis=-1) - 1)
    place = ops.where(temperature > 0.0, place, 0)
    return _pick(ops.cast(ids, "int32"), place)


def _pick(values: Any, places: Any) -> Any:
    """Each row's value at its place: ``[rows, columns]`` and ``<int32>[rows]`` to ``[rows]``."""
    from keras import ops

    return ops.take_along_axis(values, places[:, None], axis=1)[:, 0]
