"""Attention and the recurrence that feeds on it, against their published equations."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.layers import AdditiveAttention, AttentionRNN, DotAttention

BATCH, STEPS, LENGTH, WIDTH, UNITS, STATES, KEYS = 2, 3, 5, 4, 6, 7, 8
LENGTHS = np.array([5, 3])


def softmax(scores: np.ndarray) -> np.ndarray:
    raised = np.exp(scores - scores.max())
    return raised / raised.sum()


@pytest.fixture
def drawn() -> dict[str, np.ndarray]:
    random = np.random.default_rng(2)

    def some(*shape: int) -> np.ndarray:
        return random.normal(size=shape).astype("float32")

    return {
        "sequence": some(BATCH, STEPS, WIDTH),
        "state": some(BATCH, UNITS),
        "keys": some(BATCH, LENGTH, KEYS),
        "memory": some(BATCH, LENGTH, STATES),
        "mask": np.arange(LENGTH) < LENGTHS[:, None],
    }


def test_dot_attention(drawn: dict[str, np.ndarray]) -> None:
    queries = np.random.default_rng(3).normal(size=(BATCH, STEPS, KEYS)).astype("float32")
    contexts, weights = DotAttention()(queries, drawn["keys"], drawn["memory"], drawn["mask"])
    for row, length in enumerate(LENGTHS):
        for step in range(STEPS):
            expected = softmax(drawn["keys"][row, :length] @ queries[row, step] / KEYS**0.5)
            found = keras.ops.convert_to_numpy(weights)[row, step]
            np.testing.assert_allclose(found[:length], expected, atol=1e-5)
            assert (found[length:] == 0).all()
            np.testing.assert_allclose(
                keras.ops.convert_to_numpy(contexts)[row, step],
                expected @ drawn["memory"][row, :length],
                atol=1e-5,
            )


def additive_weights(layer: AdditiveAttention, query: np.ndarray, keys: np.ndarray) -> np.ndarray:
    projection, score = (weight.numpy() for weight in layer.trainable_weights)
    return softmax((np.tanh(query @ projection + keys) @ score)[:, 0])


def test_additive_attention(drawn: dict[str, np.ndarray]) -> None:
    queries = np.random.default_rng(3).normal(size=(BATCH, STEPS, UNITS)).astype("float32")
    layer = AdditiveAttention(KEYS)
    _, weights = layer(queries, drawn["keys"], drawn["memory"], drawn["mask"])
    for row, length in enumerate(LENGTHS):
        for step in range(STEPS):
            expected = additive_weights(layer, queries[row, step], drawn["keys"][row, :length])
            found = keras.ops.convert_to_numpy(weights)[row, step]
            np.testing.assert_allclose(found[:length], expected, atol=1e-5)
            assert (found[length:] == 0).all()


@pytest.mark.parametrize("layer", [DotAttention(), AdditiveAttention(KEYS)], ids=str)
def test_rows_that_share_a_memory(layer: keras.Layer, drawn: dict[str, np.ndarray]) -> None:
    """Three hypotheses a text look into its memory as if each had one of its own."""
    given = [drawn[name] for name in ("keys", "memory", "mask")]
    queries = np.random.default_rng(3).normal(size=(3 * BATCH, 1, KEYS)).astype("float32")
    shared = layer(queries, *given)
    repeated = layer(queries, *(np.repeat(array, 3, axis=0) for array in given))
    for found, expected in zip(shared, repeated, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-6)


def run(layer: AttentionRNN, drawn: dict[str, np.ndarray], *fed: np.ndarray) -> list[np.ndarray]:
    keys = drawn["keys"][..., : layer.cell.units] if fed else drawn["keys"]
    outputs, states, weights = layer(
        drawn["sequence"], [drawn["state"], *fed], keys, drawn["memory"], drawn["mask"]
    )
    return [keras.ops.convert_to_numpy(array) for array in (outputs, *states, weights)]


def test_looking_before_the_step(drawn: dict[str, np.ndarray]) -> None:
    """Bahdanau et al. 2015, appendix A.2.2, with an Elman cell."""
    attention = AdditiveAttention(KEYS)
    layer = AttentionRNN([keras.layers.SimpleRNNCell(UNITS)], attention, 9, "before")
    outputs, state, weights = run(layer, drawn)
    kernel, recurrent, bias = (weight.numpy() for weight in layer.cell.cells[0].weights)
    combine = layer.cell.combine.kernel.numpy()
    for row, length in enumerate(LENGTHS):
        keys, memory = drawn["keys"][row, :length], drawn["memory"][row, :length]
        s = drawn["state"][row]
        for step in range(STEPS):
            alpha = additive_weights(attention, s, keys)
            np.testing.assert_allclose(weights[row, step, :length], alpha, atol=1e-5)
            c = alpha @ memory
            inputs = np.concatenate([drawn["sequence"][row, step], c])
            s = np.tanh(inputs @ kernel + s @ recurrent + bias)
            expected = np.tanh(np.concatenate([c, s]) @ combine)
            np.testing.assert_allclose(outputs[row, step], expected, atol=1e-5)
        np.testing.assert_allclose(state[row], s, atol=1e-5)


def test_looking_after_the_step_and_feeding_it_back(drawn: dict[str, np.ndarray]) -> None:
    """Luong et al. 2015, sections 3.1 and 3.3, scaled, with an Elman cell."""
    layer = AttentionRNN([keras.layers.SimpleRNNCell(UNITS)], DotAttention(), 9, "after")
    fed = np.random.default_rng(4).normal(size=(BATCH, 9)).astype("float32")
    outputs, state, last, weights = run(layer, drawn, fed)
    kernel, recurrent, bias = (weight.numpy() for weight in layer.cell.cells[0].weights)
    combine = layer.cell.combine.kernel.numpy()
    for row, length in enumerate(LENGTHS):
        keys, memory = drawn["keys"][row, :length, :UNITS], drawn["memory"][row, :length]
        s, attentional = drawn["state"][row], fed[row]
        for step in range(STEPS):
            inputs = np.concatenate([drawn["sequence"][row, step], attentional])
            s = np.tanh(inputs @ kernel + s @ recurrent + bias)
            alpha = softmax(keys @ s / UNITS**0.5)
            np.testing.assert_allclose(weights[row, step, :length], alpha, atol=1e-5)
            attentional = np.tanh(np.concatenate([alpha @ memory, s]) @ combine)
            np.testing.assert_allclose(outputs[row, step], attentional, atol=1e-5)
        np.testing.assert_allclose(state[row], s, atol=1e-5)
        np.testing.assert_allclose(last[row], attentional, atol=1e-5)
