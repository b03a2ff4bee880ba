"""Losses of the next token, over all of the vocabulary or a sample."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from textnets.layers import (
    AdaptiveSoftmaxLoss,
    AdaptiveTokenTable,
    ReducedTokenTable,
    SampledSoftmaxLoss,
    TokenTable,
    token_losses,
)

V, WIDTH = 60, 4


@pytest.fixture(scope="module")
def table() -> TokenTable:
    keras.utils.set_random_seed(3)
    found = TokenTable(V, WIDTH, name="table")
    found(np.zeros((1, 1), np.int32))
    random = np.random.default_rng(0)
    found.set_weights([random.normal(size=(V, WIDTH)), random.normal(size=V)])
    return found


@pytest.fixture(scope="module")
def features() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(3, 5, WIDTH)).astype(np.float32) / 2


TARGETS = np.array([[1, 3, 4, 5, 6], [59, 58, 30, 4, 4], [7, 9, 3, 1, 40]], np.int32)


def test_the_full_loss_is_minus_the_log_of_the_softmax(
    table: TokenTable, features: np.ndarray
) -> None:
    vectors, biases = (weight.numpy().astype(np.float64) for weight in table.weights)
    logits = features.astype(np.float64) @ vectors.T + biases
    logits[..., [0, 2]] = -np.inf
    chosen = np.take_along_axis(logits, TARGETS[..., None], -1)[..., 0]
    expected = np.log(np.exp(logits).sum(-1)) - chosen
    found = token_losses(table(features, reverse=True), TARGETS)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_padding_has_a_finite_loss(table: TokenTable, features: np.ndarray) -> None:
    found = token_losses(table(features, reverse=True), np.zeros_like(TARGETS))
    assert (np.asarray(found) < 100).all()


def test_the_biases_start_at_zipfs_law() -> None:
    start = TokenTable(V, WIDTH)
    shares = np.asarray(keras.ops.softmax(start(np.zeros((1, 1, WIDTH)), reverse=True)))[0, 0]
    assert (shares[[0, 2]] == 0).all()
    ordered = shares[[3, 1, *range(4, V)]]  # [EOS], [UNK], then by rank
    assert (np.diff(ordered) < 0).all()
    np.testing.assert_allclose(ordered[0], np.log(2) / np.log(V - 1), rtol=1e-5)


@pytest.mark.parametrize(("num_sampled", "draws"), [(400, 60), (4000, 4)])
def test_the_sampled_sum_is_right_on_average(
    table: TokenTable, features: np.ndarray, num_sampled: int, draws: int
) -> None:
    full = np.asarray(token_losses(table(features, reverse=True), TARGETS))
    loss = SampledSoftmaxLoss(table, num_sampled, seed=5)
    found = np.array([np.asarray(loss([features, TARGETS])) for _ in range(draws)])
    # exp(loss) is the estimated sum over the target's own term, and that is what is unbiased.
    np.testing.assert_allclose(np.exp(found).mean(0), np.exp(full), rtol=0.12)
    assert found.mean() <= full.mean() + 0.02
    if num_sampled > 1000:
        np.testing.assert_allclose(found, np.broadcast_to(full, found.shape), atol=0.3)
        np.testing.assert_allclose(found.mean(), full.mean(), atol=0.02)


def test_draws_follow_the_ranks(table: TokenTable) -> None:
    loss = SampledSoftmaxLoss(table, 40_000, seed=2)
    counts = np.bincount(np.asarray(loss.draw()), minlength=V)
    assert counts[0] == counts[2] == 0  # padding and [BOS]
    order = [3, 1, *range(4, V)]  # [EOS], [UNK], then by rank
    ranks = np.arange(V - 2)
    expected = np.log((ranks + 2) / (ranks + 1)) / np.log(V - 1) * 40_000
    np.testing.assert_allclose(counts[order], expected, atol=6 * np.sqrt(expected.max()))
    weights = np.exp(np.asarray(loss._log_weights(np.array(order, np.int32))))
    np.testing.assert_allclose(weights, expected, rtol=1e-4)


def test_gradients_come_near_those_of_the_full_loss(
    table: TokenTable, features: np.ndarray
) -> None:
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow here")
    loss = SampledSoftmaxLoss(table, 20_000, seed=1)
    inputs, found = tf.constant(features), []
    for losses in (
        lambda: token_losses(table(inputs, reverse=True), TARGETS),
        lambda: loss([inputs, tf.constant(TARGETS)]),
    ):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(losses())
        gradients = tape.gradient(total, [inputs, table.embeddings.value, table.bias.value])
        found.append([tf.convert_to_tensor(gradient).numpy() for gradient in gradients])
    for full, sampled in zip(*found, strict=True):
        assert np.abs(full - sampled).max() < 0.15 * np.abs(full).max()


# --- Adaptive ---


@pytest.fixture(scope="module")
def adaptive() -> AdaptiveTokenTable:
    keras.utils.set_random_seed(4)
    found = AdaptiveTokenTable(V, WIDTH, cutoffs=[8, 30], name="adaptive")
    found(np.zeros((1, 1), np.int32))
    random = np.random.default_rng(2)
    found.set_weights([random.normal(size=weight.shape) for weight in found.weights])
    return found


def test_an_adaptive_softmax_by_hand(adaptive: AdaptiveTokenTable, features: np.ndarray) -> None:
    weights = {weight.name: weight.numpy().astype(np.float64) for weight in adaptive.weights}
    logits = features.astype(np.float64) @ weights["embeddings"].T + weights["bias"]
    of_groups = features.astype(np.float64) @ weights["group_vectors"].T + weights["group_bias"]
    logits[..., [0, 2]] = -np.inf
    first = np.concatenate([logits[..., :8], of_groups], axis=-1)
    first = np.exp(first) / np.exp(first).sum(-1, keepdims=True)
    parts = [first[..., :8]]
    for number, (start, end) in enumerate([(8, 30), (30, V)]):
        within = np.exp(logits[..., start:end])
        within /= within.sum(-1, keepdims=True)
        parts.append(first[..., 8 + number, None] * within)
    expected = np.concatenate(parts, axis=-1)
    found = np.exp(np.asarray(adaptive(features, reverse=True)))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)
    np.testing.assert_allclose(found.sum(-1), 1.0, rtol=1e-5)


@pytest.fixture(scope="module")
def reduced() -> ReducedTokenTable:
    keras.utils.set_random_seed(5)
    found = ReducedTokenTable(V, WIDTH, cutoffs=[8, 30], shrink=2, name="reduced")
    found(np.zeros((1, 1), np.int32))
    random = np.random.default_rng(3)
    found.set_weights([random.normal(size=weight.shape) for weight in found.weights])
    return found


def test_shorter_vectors_of_rare_tokens(reduced: ReducedTokenTable, features: np.ndarray) -> None:
    """As an adaptive table whose rows are the short ones times their projections."""
    weights = {weight.name: weight.numpy() for weight in reduced.weights}
    assert weights["embeddings"].shape == (8, WIDTH)
    assert weights["group_1_embeddings"].shape == (22, WIDTH // 2)
    assert weights["group_2_embeddings"].shape == (V - 30, max(1, WIDTH // 4))
    rows = np.concatenate(
        [
            weights["embeddings"],
            weights["group_1_embeddings"] @ weights["group_1_projection"],
            weights["group_2_embeddings"] @ weights["group_2_projection"],
        ]
    )
    np.testing.assert_allclose(np.asarray(reduced.vectors()), rows, atol=1e-6)
    ids = np.arange(V, dtype=np.int32).reshape(1, -1)
    np.testing.assert_allclose(np.asarray(reduced(ids))[0], rows, atol=1e-6)
    whole = AdaptiveTokenTable(V, WIDTH, cutoffs=[8, 30])
    whole(ids)
    for weight in whole.weights:
        weight.assign(rows if weight.name == "embeddings" else weights[weight.name])
    expected = np.asarray(whole(features, reverse=True))
    np.testing.assert_allclose(np.asarray(reduced(features, reverse=True)), expected, atol=2e-4)
    loss = np.asarray(AdaptiveSoftmaxLoss(reduced)([features, TARGETS]))
    wanted = -np.take_along_axis(expected, TARGETS[..., None], -1)[..., 0]
    np.testing.assert_allclose(loss, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "targets", [TARGETS, TARGETS % 7 + (TARGETS % 7 == 0), np.full_like(TARGETS, 59)]
)
def test_its_loss_is_the_whole_one(
    adaptive: AdaptiveTokenTable, features: np.ndarray, targets: np.ndarray
) -> None:
    """Where targets are of all groups, none of a rare one, all of a rare one."""
    logits = np.asarray(adaptive(features, reverse=True))
    expected = -np.take_along_axis(logits, targets[..., None], -1)[..., 0]
    found = np.asarray(AdaptiveSoftmaxLoss(adaptive)([features, targets]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_its_gradients_by_hand(adaptive: AdaptiveTokenTable, features: np.ndarray) -> None:
    tf = pytest.importorskip("tensorflow")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("gradients are taken with TensorFlow here")
    inputs, targets = tf.constant(features), tf.constant(TARGETS)
    weights = {weight.name: weight.value for weight in adaptive.weights}
    loss = AdaptiveSoftmaxLoss(adaptive)

    def by_hand() -> Any:
        logits = inputs @ tf.transpose(weights["embeddings"]) + weights["bias"]
        logits -= 1e9 * tf.reduce_sum(tf.one_hot([0, 2], V), axis=0)
        of_groups = inputs @ tf.transpose(weights["group_vectors"]) + weights["group_bias"]
        first = tf.nn.log_softmax(tf.concat([logits[..., :8], of_groups], -1))
        parts = [
            first[..., :8],
            first[..., 8:9] + tf.nn.log_softmax(logits[..., 8:30]),
            first[..., 9:10] + tf.nn.log_softmax(logits[..., 30:]),
        ]
        return -tf.gather(tf.concat(parts, -1), targets, batch_dims=2)

    found = []
    for losses in (by_hand, tf.function(lambda: loss([inputs, targets]), autograph=False)):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            total = tf.reduce_sum(losses())
        gradients = tape.gradient(total, [inputs, *weights.values()])
        found.append([tf.convert_to_tensor(gradient) for gradient in gradients])
    for expected, gradient in zip(*found, strict=True):
        assert np.abs(expected).max() > 0.1
        np.testing.assert_allclose(gradient, expected, atol=1e-4)


def test_padding_costs_a_finite_loss_there_too(
    adaptive: AdaptiveTokenTable, features: np.ndarray
) -> None:
    found = AdaptiveSoftmaxLoss(adaptive)([features, np.zeros_like(TARGETS)])
    assert (np.asarray(found) < 100).all()


def test_each_softmax_starts_at_zipfs_law() -> None:
    shares = [
        np.asarray(keras.ops.softmax(table(np.zeros((1, 1, WIDTH)), reverse=True)))[0, 0]
        for table in (TokenTable(V, WIDTH), AdaptiveTokenTable(V, WIDTH, cutoffs=[8, 30]))
    ]
    np.testing.assert_allclose(*shares, rtol=1e-4, atol=1e-9)
