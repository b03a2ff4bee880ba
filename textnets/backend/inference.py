"""A model over many encoded examples, without an order that shows in the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from textnets.backend.accumulation import is_out_of_memory
from textnets.backend.steps import Forward
from textnets.errors import TrainingError
from textnets.progress import Progress
from textnets.text.batches import prediction_batches
from textnets.text.encoded import RaggedIds, RaggedOutputs, pad_inputs, padded_width

Rows = npt.NDArray[np.int64]
#: From ``<int64>[examples]`` lengths to the rows of each batch.
Batching = Callable[[npt.NDArray[np.int64]], list[Rows]]
_Answer = TypeVar("_Answer")

# Fewer than this many tokens a batch leave the machine idle; many more only cost memory.
_TOKENS_PER_BATCH = 64 * 256


def predict_all(
    forward: Forward,
    inputs: Mapping[str, RaggedIds],
    *,
    bucket_width: int = 16,
    progress: Progress | None = None,
    label: str = "predicting",
    batches: Batching | None = None,
) -> npt.NDArray[np.float32] | RaggedOutputs:
    """The model's output for each example, in the order of the examples.

    Args:
        forward: a model's, see :func:`textnets.backend.steps.forward`.
        inputs: ragged ids by input name; an answer a place is one for each place of the first.
        bucket_width: batches are padded to a multiple of this.
        batches: from the lengths to which examples are read together; by default about as many
            tokens each.

    Returns:
        ``<float32>[examples, width]`` of a model that gives a vector an example; of one that
        gives a vector (or more) a place, ``<float>[batch, length, width, ...]``, the rows
        without their padding.

    Raises:
        TrainingError: an output is not finite, or memory ends with a single example.
    """
    first = next(iter(inputs.values()))
    lengths = first.lengths
    ends = np.cumsum(lengths)
    outputs: npt.NDArray[np.float32] | None = None
    is_ragged = False
    with (progress or Progress()).steps(label, len(first), "examples") as step:
        for rows, answer in answers_in_batches(
            lengths,
            bucket_width,
            lambda rows: forward(pad_inputs(inputs, rows, bucket_width)),
            batches=batches,
        ):
            found = answer.astype(np.float32, copy=False)
            if not np.isfinite(found).all():
                raise TrainingError(
                    "the model's outputs are no longer finite numbers: its weights have diverged. "
                    "Try a lower training.learning_rate, or training.clip_norm: 1.0"
                )
            is_ragged = found.ndim > 2
            if outputs is None:
                size = (
                    (int(ends[-1]), *found.shape[2:])
                    if is_ragged
                    else (len(first), *found.shape[1:])
                )
                outputs = np.empty(size, np.float32)
            if is_ragged:
                for row, of_row in zip(rows.tolist(), found, strict=True):
                    outputs[ends[row] - lengths[row] : ends[row]] = of_row[: lengths[row]]
            else:
                outputs[rows] = found
            step.advance(len(rows))
    if outputs is None:
        raise ValueError("there are no examples to predict")
    if is_ragged:
        return RaggedOutputs(outputs, np.concatenate([np.zeros(1, np.int64), ends]))
    return outputs


def input_names(model: Any) -> list[str]:
    """Which of a split's inputs a model takes."""
    return [tensor.name for tensor in model.inputs]


def answers_in_batches(
    lengths: npt.NDArray[np.int64],
    bucket_width: int,
    answer: Callable[[Rows], _Answer],
    *,
    tokens: int = _TOKENS_PER_BATCH,
    batches: Batching | None = None,
) -> Iterator[tuple[Rows, _Answer]]:
    """What a model says of batches of similar length; where memory ends, of their halves.

    Args:
        lengths: of each example, ``<int64>[examples]``.
        bucket_width: batches are padded to a multiple of this.
        answer: from the rows of a batch to what the model says of them.
        tokens: about how many a batch has.
        batches: what to read together instead.

    Yields:
        Rows, and the answer for them.

    Raises:
        TrainingError: memory ends with a single example.
    """
    found_batches = batches(lengths) if batches else _even_batches(lengths, bucket_width, tokens)
    waiting = found_batches[::-1]
    while waiting:
        rows = waiting.pop()
        try:
            found = answer(rows)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            if len(rows) == 1:
                raise TrainingError(
                    f"out of memory, even with one example of {int(lengths[rows[0]]):,} tokens; "
                    "shorten the texts (text.max_length)"
                ) from error
            half = len(rows) // 2
            waiting += [rows[half:], rows[:half]]
            continue
        yield rows, found


def _even_batches(lengths: npt.NDArray[np.int64], bucket_width: int, tokens: int) -> list[Rows]:
    """Batches of similar length and of about ``tokens`` tokens each."""
    batches = []
    for rows in prediction_batches(lengths, batch_size=1024):
        width = padded_width(int(lengths[rows].max()), bucket_width)
        size = int(np.clip(tokens // width, 1, len(rows)))
        batches += [rows[i : i + size] for i in range(0, len(rows), size)]
    return batches
