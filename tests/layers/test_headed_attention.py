"""Attention with several heads, caches and places: by hand, and against Keras's own."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from textnets.layers import (
    CachedAttention,
    CausalMask,
    HalvedByMaximum,
    LearnedPositions,
    MemoryAttention,
    SelfAttention,
    SinusoidalPositions,
)

BATCH, LENGTH, WIDTH, HEADS = 3, 5, 6, 2
RANDOM = np.random.default_rng(0)
MASK = np.arange(LENGTH) < np.array([5, 3, 1])[:, None]


def numbers(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape).astype("float32")


def as_numpy(found: Any) -> Any:
    return keras.tree.map_structure(keras.ops.convert_to_numpy, found)


def by_hand(
    queries: np.ndarray, keys: np.ndarray, values: np.ndarray, may_look: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """One row, in loops: ``[steps, width]``, ``[length, width]`` and ``<bool>[steps, length]`` to
    ``[steps, width]`` and ``[heads, steps, length]``."""
    size = queries.shape[-1] // HEADS
    found = np.zeros_like(queries)
    weights = np.zeros((HEADS, *may_look.shape))
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        for step, query in enumerate(queries):
            places = np.flatnonzero(may_look[step])
            scores = np.array([query[part] @ keys[place, part] for place in places])
            likely = np.exp(scores / size**0.5)
            weights[head, step, places] = likely / likely.sum()
            found[step, part] = weights[head, step] @ values[:, part]
    return found, weights


def test_every_token_looks_at_all_of_its_text() -> None:
    projected = numbers(BATCH, LENGTH, 3 * WIDTH)
    found = as_numpy(SelfAttention(HEADS)([projected, MASK]))
    for row, length in enumerate(MASK.sum(axis=1)):
        parts = np.split(projected[row, :length], 3, axis=-1)
        expected, _ = by_hand(*parts, np.ones((length, length), bool))
        np.testing.assert_allclose(found[row, :length], expected, atol=1e-5)


def test_it_is_the_attention_of_keras_between_projections() -> None:
    """With the weights of Keras's layer, whose masks it does not take."""
    theirs = keras.layers.MultiHeadAttention(HEADS, WIDTH // HEADS, use_bias=False)
    inputs = numbers(BATCH, LENGTH, WIDTH)
    expected = theirs(inputs, inputs, attention_mask=MASK[:, None, :])
    query, key, value, output = theirs.get_weights()
    projected = np.concatenate(
        [inputs @ kernel.reshape(WIDTH, WIDTH) for kernel in (query, key, value)], axis=-1
    )
    found = as_numpy(SelfAttention(HEADS)([projected, MASK])) @ output.reshape(WIDTH, WIDTH)
    np.testing.assert_allclose(found[MASK], as_numpy(expected)[MASK], atol=1e-5)


def test_a_memory_is_read_by_hypotheses_side_by_side() -> None:
    """Two rows of queries a text, each as if it were alone; the weights are the heads' mean."""
    keys, values = numbers(BATCH, LENGTH, WIDTH), numbers(BATCH, LENGTH, WIDTH)
    queries = numbers(2 * BATCH, 1, WIDTH)
    found, weights = as_numpy(MemoryAttention(HEADS)(queries, keys, values, MASK))
    assert (found.shape, weights.shape) == ((2 * BATCH, 1, WIDTH), (2 * BATCH, 1, LENGTH))
    for row in range(2 * BATCH):
        text = row // 2
        expected, shares = by_hand(queries[row], keys[text], values[text], MASK[text][None])
        np.testing.assert_allclose(found[row], expected, atol=1e-5)
        np.testing.assert_allclose(weights[row], shares.mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("flat", [True, False])
@pytest.mark.parametrize("rotary", [True, False])
def test_tokens_one_by_one_are_tokens_at_once(flat: bool, rotary: bool) -> None:
    """With room for all of them, and for fewer where no token looks further back."""
    projected = numbers(BATCH, LENGTH, 3 * WIDTH)
    mask, attend = CausalMask(banded=True), CachedAttention(HEADS, rotary=rotary)
    for room in (LENGTH, 2):

        def empty(room: int = room) -> list[Any]:
            shape = (BATCH, room * WIDTH) if flat else (BATCH, room, WIDTH)
            filled = np.zeros((BATCH, room) if flat else (BATCH, room, 1), "float32")
            return [filled, np.zeros(shape, "float32"), np.zeros(shape, "float32")]

        def read(part: Any, states: list[Any]) -> tuple[Any, list[Any]]:
            seen, _, filled = mask(part, states[0])
            found, *kept = attend(part, *states[1:], seen)
            return as_numpy(found), [filled, *kept]

        whole, after = read(projected, empty())
        states, steps = empty(), []
        for step in range(LENGTH):
            found, states = read(projected[:, step : step + 1], states)
            steps.append(found)
        np.testing.assert_allclose(np.concatenate(steps, axis=1), whole, atol=1e-5)
        for one, other in zip(states, after, strict=True):
            np.testing.assert_allclose(as_numpy(one), as_numpy(other), atol=1e-6)
        if not rotary:
            parts = np.split(projected[0], 3, axis=-1)
            places = np.arange(LENGTH)
            distance = places[:, None] - places[None, :]
            expected, _ = by_hand(*parts, (distance >= 0) & (distance <= room))
            np.testing.assert_allclose(whole[0], expected, atol=1e-5)


def test_turned_keys_tell_distances_and_nothing_else() -> None:
    """The same tokens after more or fewer others that nobody may look at."""
    attend = CachedAttention(1, rotary=True)
    one = np.tile(numbers(1, 1, 3 * WIDTH), (1, 4, 1))
    nothing, seen = np.zeros((1, 0, WIDTH), "float32"), np.tril(np.ones((1, 4, 4), bool))
    found, keys, values = attend(one, nothing, nothing, seen)
    assert keys.shape == values.shape == (1, 0, WIDTH)
    np.testing.assert_allclose(as_numpy(found)[0], np.tile(one[0, :1, 2 * WIDTH :], (4, 1)),
                               atol=1e-5)  # fmt: skip
    # Of two values the one whose key is as far away as the query asks for weighs more.
    query, key = np.array([1.0, 0.0]), np.array([np.cos(2.0), np.sin(2.0)])
    steps = np.zeros((1, 4, 6), "float32")
    steps[0, 3, :2] = 9 * query
    steps[0, :, 2:4] = 9 * key
    steps[0, :, 4] = np.arange(4)
    pair = np.zeros((1, 0, 2), "float32")
    found, _, _ = attend(steps, pair, pair, seen)
    # exp of cos(2 - distance) * 81 / sqrt(2), for the distances 3, 2, 1 and 0.
    likely = np.exp(81 / 2**0.5 * np.cos(np.array([3.0, 2.0, 1.0, 0.0]) - 2.0))
    expected = likely @ np.arange(4) / likely.sum()
    assert as_numpy(found)[0, 3, 0] == pytest.approx(expected, abs=1e-4)


def test_who_may_look_where() -> None:
    """Two places of room: one text has filled both, one the last, one none."""
    filled = np.array([[1, 1], [0, 1], [0, 0]], "float32")
    vectors = numbers(3, 2, WIDTH)
    seen, places, after = as_numpy(CausalMask()(vectors, filled))
    assert seen.astype(int).tolist() == [
        [[1, 1, 1, 0], [1, 1, 1, 1]],
        [[0, 1, 1, 0], [0, 1, 1, 1]],
        [[0, 0, 1, 0], [0, 0, 1, 1]],
    ]
    assert places.tolist() == [[2, 3], [1, 2], [0, 1]]
    assert after.tolist() == [[1, 1]] * 3
    banded, _, _ = as_numpy(CausalMask(banded=True)(vectors, filled))
    assert banded[0].astype(int).tolist() == [[1, 1, 1, 0], [0, 1, 1, 1]]


def test_waves_of_places() -> None:
    vectors = np.zeros((1, 3, 5), "float32")
    places = np.array([[0, 1, 300]], "int32")
    (row,) = as_numpy(SinusoidalPositions()(vectors, places))
    for place, found in zip(places[0], row, strict=True):
        angles = place / 10_000.0 ** (np.arange(3) / 3)
        np.testing.assert_allclose(found, [*np.sin(angles), *np.cos(angles)][:5], atol=1e-4)
    without = as_numpy(SinusoidalPositions()(vectors))
    np.testing.assert_allclose(without[0, :2], row[:2])


def test_places_beyond_the_table_share_its_last_row() -> None:
    layer = LearnedPositions(3)
    vectors = numbers(2, 5, 4)
    found = as_numpy(layer(vectors))
    (table,) = layer.get_weights()
    np.testing.assert_allclose(found, vectors + table[[0, 1, 2, 2, 2]], atol=1e-6)
    later = as_numpy(layer(vectors, np.array([[1, 2, 9, 0, 0]] * 2, "int32")))
    np.testing.assert_allclose(later, vectors + table[[1, 2, 2, 0, 0]], atol=1e-6)


def test_halves_by_hand() -> None:
    sequence = np.array([[[1, -9], [3, -8], [-5, 2], [9, 9]], [[-4, 1], [9, 9], [9, 9], [9, 9]]])
    mask = np.array([[True, True, True, False], [True, False, False, False]])
    for length in (4, 3):
        found, seen = as_numpy(
            HalvedByMaximum()([sequence[:, :length].astype("float32"), mask[:, :length]])
        )
        assert found.tolist() == [[[3, -8], [-5, 2]], [[-4, 1], [0, 0]]]
        assert seen.tolist() == [[True, True], [True, False]]
