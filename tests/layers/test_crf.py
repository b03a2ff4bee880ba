"""The conditional random field against brute force over all sequences of tags."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textnets.layers import LinearChainCRF
from textnets.layers.crf import viterbi

TAGS = 3


def crf_of(seed: int, tags: int = TAGS, scale: float = 2.0) -> LinearChainCRF:
    layer = LinearChainCRF(tags)
    layer.build([(None, None, tags), (None, None)])
    random = np.random.default_rng(seed)
    layer.set_weights([scale * random.normal(size=weight.shape) for weight in layer.weights])
    return layer


def batch_of(seed: int, lengths: list[int], more: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Emissions with noise where there is padding, and the mask."""
    width = max(lengths) + more
    emissions = np.random.default_rng(seed).normal(size=(len(lengths), width, TAGS)) * 3
    return emissions.astype("float32"), np.arange(width) < np.array(lengths)[:, None]


def all_scores(layer: LinearChainCRF, emissions: np.ndarray) -> dict[tuple[int, ...], float]:
    """The score of every sequence of tags of one sentence, by the definition."""
    transitions, start, end = (np.asarray(w, np.float64) for w in layer.get_weights())
    return {
        tags: start[tags[0]]
        + sum(emissions[place, tag] for place, tag in enumerate(tags))
        + sum(transitions[pair] for pair in itertools.pairwise(tags))
        + end[tags[-1]]
        for tags in itertools.product(range(TAGS), repeat=len(emissions))
    }


LENGTHS = st.lists(st.integers(1, 5), min_size=1, max_size=3)


@settings(deadline=None, max_examples=12)
@given(seed=st.integers(0, 10_000), lengths=LENGTHS, more=st.integers(0, 3))
def test_everything_equals_brute_force(seed: int, lengths: list[int], more: int) -> None:
    layer = crf_of(seed)
    emissions, mask = batch_of(seed, lengths, more)
    random = np.random.default_rng(seed + 1)
    tag_ids = random.integers(0, TAGS, size=mask.shape).astype("int32")
    losses = keras.ops.convert_to_numpy(layer.negative_log_likelihood(emissions, mask, tag_ids))
    marginals = keras.ops.convert_to_numpy(layer([emissions, mask]))
    transitions, start, end = layer.get_weights()
    best = keras.ops.convert_to_numpy(viterbi(emissions, mask, start, transitions, end))
    assert not best[~mask].any()
    for row, length in enumerate(lengths):
        scores = all_scores(layer, emissions[row, :length].astype(np.float64))
        sequences = np.array(list(scores))
        logs = np.array(list(scores.values()))
        logs -= np.logaddexp.reduce(logs)
        true = tuple(tag_ids[row, :length].tolist())
        assert losses[row] == pytest.approx(-logs[list(scores).index(true)], abs=2e-4)
        expected = np.array(
            [[np.exp(logs[sequences[:, t] == k]).sum() for k in range(TAGS)] for t in range(length)]
        )
        np.testing.assert_allclose(marginals[row, :length], expected, atol=1e-5)
        assert scores[tuple(best[row, :length].tolist())] == pytest.approx(max(scores.values()))


def gradients_of(
    layer: LinearChainCRF, emissions: np.ndarray, mask: np.ndarray, tag_ids: np.ndarray
) -> list[np.ndarray]:
    """Of the summed loss, by emissions, transitions, start and end."""
    tf = pytest.importorskip("tensorflow")
    given_emissions = tf.constant(emissions)
    with tf.GradientTape() as tape:
        tape.watch(given_emissions)
        loss = tf.reduce_sum(layer.negative_log_likelihood(given_emissions, mask, tag_ids))
    sources = [given_emissions, *(weight.value for weight in layer.weights)]
    return [np.asarray(found) for found in tape.gradient(loss, sources)]


def test_gradients_equal_differences() -> None:
    layer = crf_of(3, scale=1.0)
    emissions, mask = batch_of(4, [5, 1, 3], 1)
    tag_ids = np.random.default_rng(5).integers(0, TAGS, size=mask.shape)
    found = gradients_of(layer, emissions, mask, tag_ids)

    def loss(numbers: list[np.ndarray]) -> float:
        """In float64, by the definition."""
        layer.set_weights(numbers[1:])
        total = 0.0
        for row, length in enumerate((5, 1, 3)):
            scores = all_scores(layer, numbers[0][row, :length])
            true = scores[tuple(tag_ids[row, :length].tolist())]
            total += float(np.logaddexp.reduce(list(scores.values()))) - true
        return total

    values = [emissions.astype(np.float64), *layer.get_weights()]
    for which, gradient in enumerate(found):
        for place in itertools.islice(np.ndindex(*gradient.shape), 0, None, 4):
            sides = []
            for change in (0.03125, -0.03125):
                moved = [value.copy() for value in values]
                moved[which][place] += change
                sides.append(loss(moved))
            assert gradient[place] == pytest.approx((sides[0] - sides[1]) / 0.0625, abs=2e-3)
    assert not found[0][~mask].any()


@pytest.mark.parametrize("scale", [pytest.param(1.0, marks=pytest.mark.long), 1000.0])
def test_long_sequences_stay_finite(scale: float) -> None:
    layer = crf_of(1, tags=5, scale=min(scale, 20.0))
    random = np.random.default_rng(2)
    emissions = (scale * random.normal(size=(3, 150, 5))).astype("float32")
    mask = np.arange(150) < np.array([150, 1, 80])[:, None]
    tag_ids = random.integers(0, 5, size=mask.shape)
    losses = keras.ops.convert_to_numpy(layer.negative_log_likelihood(emissions, mask, tag_ids))
    assert np.isfinite(losses).all()
    assert (losses > 0).all()
    for gradient in gradients_of(layer, emissions, mask, tag_ids):
        assert np.isfinite(gradient).all()
    marginals = keras.ops.convert_to_numpy(layer([emissions, mask]))
    np.testing.assert_allclose(marginals.sum(axis=-1), 1.0, atol=1e-5)


def test_padding_changes_nothing() -> None:
    layer = crf_of(0)
    emissions, mask = batch_of(1, [4, 2, 1])
    wide = np.pad(emissions, [(0, 0), (0, 5), (0, 0)], constant_values=9.0)
    wide_mask = np.pad(mask, [(0, 0), (0, 5)])
    tag_ids = np.ones(mask.shape, np.int32)
    np.testing.assert_allclose(
        layer.negative_log_likelihood(emissions, mask, tag_ids),
        layer.negative_log_likelihood(wide, wide_mask, np.pad(tag_ids, [(0, 0), (0, 5)])),
        rtol=1e-6,
    )
    one, other = layer([emissions, mask]), layer([wide, wide_mask])
    np.testing.assert_allclose(np.asarray(one)[mask], np.asarray(other)[wide_mask], atol=1e-6)


def test_it_stays_in_float32_under_a_mixed_policy() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = crf_of(0)
        emissions, mask = batch_of(1, [4, 2])
        found = layer([keras.ops.cast(emissions, "bfloat16"), mask])
    finally:
        keras.config.set_dtype_policy(before)
    assert layer.transitions.dtype == "float32"
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
