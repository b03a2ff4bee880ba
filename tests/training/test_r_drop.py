"""R-Drop: two answers to each example, and what they differ by, in the loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest

from tests.training.test_fitting import toy_split
from textnets.backend.accumulation import parted_step
from textnets.backend.steps import train_step
from textnets.builders import (
    build_mlp_classifier,
    build_rnn_classifier,
    build_rnn_language_model,
)
from textnets.builders.loss_model import build_loss_model
from textnets.errors import InputError
from textnets.layers import divergence_of_answers, divergence_of_logits, divergence_of_probabilities
from textnets.text.batches import ExampleBatches, RowsTwice
from textnets.text.streams import StreamBatches
from textnets.training.losses import (
    OneVersusRestCrossEntropy,
    OutputAsLoss,
    PairedLoss,
    SmoothedCrossEntropy,
)
from textnets.training.r_drop import has_dropout, with_r_drop
from textnets.training.setup import TrainingSetup

Floats = npt.NDArray[np.float64]
RANDOM = np.random.default_rng(8)
LOGITS = RANDOM.normal(0, 2, (6, 5)).astype("float32")
CLASSES = np.repeat([1, 4, 0], 2)
WEIGHT = 0.7


def softmax(logits: Floats) -> Floats:
    shares: Floats = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    return shares


def sigmoid(logits: Floats) -> Floats:
    found: Floats = 1 / (1 + np.exp(-logits))
    return found


def divergence(one: Floats, other: Floats) -> float:
    return float((one * np.log(one / other)).sum())


def both_ways(one: Floats, other: Floats) -> float:
    return (divergence(one, other) + divergence(other, one)) / 2


def of_answers(one: Floats, other: Floats) -> Floats:
    """Of each yes-or-no question by itself."""
    pairs = zip(one, other, strict=True)
    return np.array([both_ways(np.array([p, 1 - p]), np.array([q, 1 - q])) for p, q in pairs])


def test_divergences_by_hand() -> None:
    shares = softmax(LOGITS.astype("float64"))
    wanted = np.repeat([both_ways(shares[i], shares[i + 1]) for i in (0, 2, 4)], 2)
    for found in (divergence_of_logits(LOGITS), divergence_of_probabilities(np.float32(shares))):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(found), wanted, rtol=1e-4)
    yes = sigmoid(LOGITS.astype("float64"))
    each = np.repeat([of_answers(yes[i], yes[i + 1]) for i in (0, 2, 4)], 2, axis=0)
    found = keras.ops.convert_to_numpy(divergence_of_answers(np.float32(yes)))
    np.testing.assert_allclose(found, each, rtol=1e-4)


def gradient_of(function: Callable[[Any], Any]) -> npt.NDArray[np.float32]:
    if keras.config.backend() == "jax":
        import jax

        return np.asarray(jax.grad(function)(LOGITS))
    import tensorflow as tf

    logits = tf.constant(LOGITS)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = function(logits)
    return np.asarray(tape.gradient(value, logits))


def check_the_gradient_of_logits() -> None:
    """Beside small moves of each logit, in float64; each pair weighs otherwise."""
    counts = np.array([1.0, 3.0, 0.5])

    def total(logits: Floats) -> float:
        shares = softmax(logits)
        return float(counts @ [both_ways(shares[i], shares[i + 1]) for i in (0, 2, 4)])

    found = gradient_of(
        lambda logits: keras.ops.sum(divergence_of_logits(logits)[::2] * np.float32(counts))
    )
    for place in np.ndindex(LOGITS.shape):
        step = np.zeros(LOGITS.shape)
        step[place] = 1e-5
        wanted = (total(LOGITS + step) - total(LOGITS - step)) / 2e-5
        assert found[place] == pytest.approx(wanted, abs=1e-5)


def test_the_gradient_of_logits() -> None:
    check_the_gradient_of_logits()


def losses() -> list[tuple[str, Any, Any, Any, Callable[[int], float]]]:
    """The loss, targets, outputs, and the divergence of a pair as that loss sums or means it."""
    shares, yes = softmax(LOGITS.astype("float64")), sigmoid(LOGITS.astype("float64"))
    labels = (RANDOM.random((3, 5)) > 0.5).astype("float32").repeat(2, axis=0)
    cross = keras.losses.SparseCategoricalCrossentropy()
    return [
        ("classes", cross, CLASSES, np.float32(shares),
         lambda i: both_ways(shares[i], shares[i + 1])),
        ("labels", keras.losses.BinaryCrossentropy(), labels, np.float32(yes),
         lambda i: float(of_answers(yes[i], yes[i + 1]).mean())),
        ("one versus rest", OneVersusRestCrossEntropy(), CLASSES, LOGITS,
         lambda i: float(of_answers(yes[i], yes[i + 1]).sum())),
        ("smoothed", SmoothedCrossEntropy(0.1), CLASSES[:, None], LOGITS[:, None],
         lambda i: both_ways(shares[i], shares[i + 1])),
    ]  # fmt: skip


@pytest.mark.parametrize("case", losses(), ids=lambda case: case[0])
def test_what_is_added_to_a_loss(case: tuple[str, Any, Any, Any, Callable[[int], float]]) -> None:
    _, loss, targets, outputs, of_pair = case
    plain = float(loss(targets, outputs))
    paired = float(PairedLoss(loss, WEIGHT)(targets, outputs))
    assert paired == pytest.approx(
        plain + WEIGHT * np.mean([of_pair(i) for i in (0, 2, 4)]), rel=1e-4
    )
    weights = np.repeat(np.array([2.0, 0.0, 0.0], np.float32), 2)
    alone = PairedLoss(loss, WEIGHT)(targets[:2], outputs[:2])
    # A weight counts for the divergence as for the loss: 0 for all of an example.
    shape = weights if targets.ndim == 1 or outputs.ndim == 2 else weights[:, None]
    weighted = float(PairedLoss(loss, WEIGHT)(targets, outputs, sample_weight=shape))
    by_weight = loss.reduction == "mean_with_sample_weight"
    assert weighted == pytest.approx(float(alone) * (1.0 if by_weight else 4 / 6), rel=1e-4)


def setup_of(model: Any, weight: float | None = None) -> TrainingSetup:
    batches = ExampleBatches(toy_split(), 8, 16, seed=3)
    loss = keras.losses.BinaryCrossentropy()
    return with_r_drop(TrainingSetup(model, loss, batches), weight)


def classifier(**arguments: Any) -> Any:
    keras.utils.set_random_seed(4)
    return build_mlp_classifier(
        vocabulary_size=20, num_classes=2, embedding_width=4, dense_units=[4], **arguments
    )


def test_each_row_stands_twice_and_is_counted_once() -> None:
    setup = setup_of(classifier(dropout=0.4), 0.5)
    rows = setup.batches.of_epoch(0)[0]
    inputs, targets, weights = setup.batches.load(rows)
    once, once_targets, _ = ExampleBatches(toy_split(), 8, 16, seed=3).load(rows)
    np.testing.assert_array_equal(inputs[::2], once)
    np.testing.assert_array_equal(inputs[1::2], once)
    np.testing.assert_array_equal(targets[1::2], once_targets)
    assert weights is None
    assert setup.batches.count(rows) == len(rows) == 8
    assert setup_of(classifier(dropout=0.4)).batches.rows_together == 1


def test_two_dropouts_of_one_step_differ_and_without_one_nothing_is_added() -> None:
    """With a dropout that does next to nothing the loss is the plain one; with more it is not."""
    found = {}
    for rate in (1e-6, 0.5):
        setup = setup_of(classifier(dropout=rate), 100.0)
        setup.model.compile("sgd", setup.loss, jit_compile=False)
        batch = setup.batches.load(setup.batches.of_epoch(0)[0])
        plain = float(keras.losses.BinaryCrossentropy()(batch[1], setup.model(batch[0])))
        found[rate] = train_step(setup.model, *batch)(*batch)["loss"] - plain
    assert abs(found[1e-6]) < 1e-4
    assert found[0.5] > 1e-3


def test_a_pair_stays_in_one_part_where_memory_is_short() -> None:
    setup = setup_of(classifier(dropout=0.0, word_dropout=0.0), None)
    setup = replace(
        setup,
        loss=PairedLoss(setup.loss, WEIGHT),
        batches=RowsTwice(setup.batches),
    )
    setup.model.compile(keras.optimizers.SGD(0.0), setup.loss, jit_compile=False)
    batch = setup.batches.load(setup.batches.of_epoch(0)[0])
    whole = train_step(setup.model, *batch)(*batch)["loss"]
    for parts in (3, 16):
        step = parted_step(setup.model, rows_together=setup.batches.rows_together)
        assert step(*batch, parts)["loss"] == pytest.approx(whole, rel=1e-5)


def test_a_language_model_carries_the_states_of_both_readings() -> None:
    text = np.random.default_rng(0).integers(4, 15, 200).astype(np.int32)
    keras.utils.set_random_seed(2)
    core = build_rnn_language_model(
        vocabulary_size=15, cell="simple", units=(6,), embedding_width=4, dropout=0.5
    )
    streams = RowsTwice(StreamBatches(text[:-1], text[1:], 3, window=5))
    found = build_loss_model(core, streams=6, num_sampled=None, seed=9, r_drop=WEIGHT)
    found.model.compile(keras.optimizers.SGD(0.0), OutputAsLoss(), jit_compile=False)
    inputs, targets, weights = streams.load(streams.of_epoch(0)[0])
    data = ({"token_ids": inputs, "target_ids": targets}, targets, weights)
    loss = train_step(found.model, *data)(*data)["loss"]
    plain = build_loss_model(core, streams=None, num_sampled=None, seed=9)
    each = keras.ops.convert_to_numpy(plain.model(data[0], training=False))
    assert loss > (each * weights).sum() / weights.sum()
    states = next(v for v in found.model.variables if v.path.endswith("state_1"))
    np.testing.assert_allclose(states.numpy()[::2], states.numpy()[1::2], atol=1e-6)
    assert np.abs(states.numpy()).max() > 0


def test_what_it_is_not_there_for() -> None:
    assert not has_dropout(classifier(dropout=0.0, word_dropout=0.0))
    assert has_dropout(classifier(dropout=0.0, word_dropout=0.1))
    with pytest.raises(InputError, match=r"training.r_drop: compares what two dropouts"):
        setup_of(classifier(dropout=0.0, word_dropout=0.0), 0.5)
    # Both rows of a pair are read with the same weights and the same words.
    for_a_batch = build_rnn_classifier(
        vocabulary_size=9, num_classes=2, embedding_width=2, units=[2], cell="simple", dropout=0.0,
        embedding_dropout=0.0, recurrent_dropout=0.0, weight_dropout=0.5, vocabulary_dropout=0.5,
    )  # fmt: skip
    with pytest.raises(InputError, match=r"training.r_drop: .*none that differs within a batch"):
        setup_of(for_a_batch, 0.5)
    own = replace(setup_of(classifier(dropout=0.5)), loss=OutputAsLoss())
    with pytest.raises(InputError, match=r"training.r_drop: .*its own loss, was: .*output_as_loss"):
        with_r_drop(own, 0.5)
    core = build_rnn_language_model(
        vocabulary_size=15, cell="simple", units=(6,), embedding_width=4, adaptive_softmax=(6,)
    )
    with pytest.raises(InputError, match=r"training.r_drop: .*adaptive"):
        build_loss_model(core, streams=None, num_sampled=None, seed=9, r_drop=1.0)
