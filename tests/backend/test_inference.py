"""Memory runs out while a model answers: the batch is read in halves, the answers are the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from textnets.backend.inference import predict_all
from textnets.errors import TrainingError
from textnets.text.encoded import RaggedOutputs, join_rows

RANDOM = np.random.default_rng(0)
IDS = join_rows([RANDOM.integers(4, 20, size=n) for n in RANDOM.integers(1, 40, 60)])


def each(ids: np.ndarray) -> np.ndarray:
    """One answer a text."""
    return np.stack([ids.sum(axis=1), (ids > 0).sum(axis=1)], axis=1).astype(np.float32)


def every(ids: np.ndarray) -> np.ndarray:
    """One answer a token."""
    return np.stack([ids, 2 * ids], axis=2).astype(np.float32)


def with_room_for(rows: int, answer: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Raises what TensorFlow raises where its allocator finds no memory."""
    sizes = []

    def forward(ids: np.ndarray) -> np.ndarray:
        sizes.append(len(ids))
        if len(ids) > rows:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
        return answer(ids)

    forward.sizes = sizes  # type: ignore[attr-defined]
    return forward


@pytest.mark.parametrize("rows", [1, 7])
def test_the_answers_are_those_of_whole_batches(rows: int) -> None:
    forward = with_room_for(rows, each)
    assert np.array_equal(predict_all(forward, {"token_ids": IDS}), predict_all(each, {"ids": IDS}))
    assert max(forward.sizes) > rows  # type: ignore[attr-defined]


def test_answers_at_every_token_too() -> None:
    found = predict_all(with_room_for(3, every), {"token_ids": IDS})
    expected = predict_all(every, {"token_ids": IDS})
    assert isinstance(found, RaggedOutputs)
    assert isinstance(expected, RaggedOutputs)
    assert np.array_equal(found.values, expected.values)


def test_one_text_that_is_too_long_is_named() -> None:
    with pytest.raises(TrainingError, match=r"even with one example of \d+ tokens; shorten"):
        predict_all(with_room_for(0, each), {"token_ids": IDS})


def test_other_errors_stay_what_they_are() -> None:
    def broken(ids: Any) -> Any:
        raise ValueError("of another kind")

    with pytest.raises(ValueError, match="of another kind"):
        predict_all(broken, {"token_ids": IDS})
