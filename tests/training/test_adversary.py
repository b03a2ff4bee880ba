"""Virtual adversarial training: the worst move, by hand, and what it is not there for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.test_averaging import Watched
from tests.training.test_fitting import plan, toy_split, weights_bytes
from textnets.backend.accumulation import parted_step
from textnets.backend.steps import train_step
from textnets.builders import build_mlp_classifier, build_rnn_tagger
from textnets.errors import InputError
from textnets.recipe.sections import VirtualAdversarialSection
from textnets.text.batches import ExampleBatches
from textnets.training import fitting
from textnets.training.adversary import with_adversary
from textnets.training.losses import SmoothedCrossEntropy
from textnets.training.optimizers import build_optimizer
from textnets.training.setup import TrainingSetup

EPSILON, WEIGHT = 0.3, 2.0
IDS = np.array([[5], [7], [9], [5]], np.int32)  # texts of one token, whose vector is all there is
LABELS = np.array([0, 1, 1, 0], np.int32)


def setup_of(model: Any, loss: Any = None) -> TrainingSetup:
    batches = ExampleBatches(toy_split(), 8, 16, seed=11)
    setup = TrainingSetup(model, loss or keras.losses.BinaryCrossentropy(), batches)
    section = VirtualAdversarialSection(epsilon=EPSILON, weight=WEIGHT)
    return with_adversary(setup, section, seed=6)


def logistic() -> Any:
    """Probability of class 1: a sigmoid of a product with the token's vector."""
    keras.utils.set_random_seed(3)
    model = build_mlp_classifier(
        vocabulary_size=20, num_classes=2, embedding_width=3, dense_units=[], dropout=0.0,
        pooling="mean",
    )  # fmt: skip
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(len(variable.path)).normal(size=variable.shape))
    return model


def divergence(p: Any, q: Any) -> Any:
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def check_the_worst_move() -> None:
    """Along the kernel, whose scalar product with the vector is all that the answer rests on."""
    model = logistic()
    setup = setup_of(model)
    setup.model.compile(keras.optimizers.SGD(0.0), setup.loss, jit_compile=False)
    batch = (IDS, LABELS, None)
    table = np.asarray(model.get_layer("embedding").embeddings)
    kernel, bias = (np.asarray(one) for one in model.get_layer("probabilities").weights)
    vectors = table[IDS[:, 0]].astype("float64")
    sums = (vectors @ kernel + bias)[:, 0]
    reach = EPSILON * np.linalg.norm(vectors, axis=1) * np.linalg.norm(kernel)
    here = 1 / (1 + np.exp(-sums))
    either = [divergence(here, 1 / (1 + np.exp(-(sums + sign * reach)))) for sign in (1, -1)]
    plain = float(keras.losses.BinaryCrossentropy()(LABELS, model(IDS)))
    low, high = (
        plain + WEIGHT * np.mean(bound)
        for bound in (np.min(either, axis=0), np.max(either, axis=0))
    )
    for run in (train_step(setup.model, *batch), None):
        found = run(*batch) if run else parted_step(setup.model)(*batch, 2)
        assert low - 1e-3 < found["loss"] < high + 1e-3
        assert found["loss"] > plain + 0.5 * (low - plain)
    np.testing.assert_array_equal(np.asarray(setup.model(IDS)), np.asarray(model(IDS)))


def test_the_worst_move_by_hand() -> None:
    check_the_worst_move()


def test_a_tagger_answers_for_each_word_and_padding_counts_nothing() -> None:
    keras.utils.set_random_seed(3)
    model = build_rnn_tagger(
        vocabulary_size=20, num_tags=3, embedding_width=4, cell="simple", units=[4], dropout=0.3
    )
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    adversary = setup_of(model, loss).model.get_layer("virtual_adversary")
    found = []
    for width in (3, 7):
        ids = np.zeros((2, width), np.int32)
        ids[:, :3] = [[5, 6, 7], [8, 9, 0]]
        adversary.seed_generator.state.assign([1, 2])
        # The draws of other widths are others, so let there be but one way to go.
        adversary.epsilon = 1e-4
        found.append(float(adversary.divergence({"token_ids": keras.ops.convert_to_tensor(ids)})))
    assert all(np.isfinite(found))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    adversary.epsilon = 0.5
    one = keras.ops.convert_to_tensor(np.array([[5, 6, 7]], np.int32))
    assert float(adversary.divergence({"token_ids": one})) > 1e-5


def test_a_continued_run_equals_one_that_was_never_interrupted(tmp_path: Path) -> None:
    the_plan = plan(epochs=2, checkpoint_every=5)

    def trained(folder: Path, *, stop: int | None = None, resume: bool = False) -> Any:
        model = logistic()
        setup = setup_of(model)
        setup.model.compile(build_optimizer(the_plan.section), setup.loss, jit_compile=False)
        fitting.fit(
            setup.model, setup.batches, the_plan, folder=folder, resume=resume,
            progress=Watched(setup.model, stop),
        )  # fmt: skip
        return model

    whole = trained(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        trained(tmp_path / "broken", stop=18)
    assert weights_bytes(trained(tmp_path / "broken", resume=True)) == weights_bytes(whole)


def test_what_it_is_not_there_for() -> None:
    ids = keras.Input((None,), dtype="int32", name="token_ids")
    bag = keras.layers.Embedding(20, 2, name="table")
    pooled = keras.layers.GlobalAveragePooling1D()(bag(ids))
    other = keras.Model(ids, keras.layers.Dense(1, activation="sigmoid")(pooled))
    with pytest.raises(InputError, match=r"virtual_adversarial: .* no layer 'embedding'"):
        setup_of(other)
    with pytest.raises(InputError, match=r"virtual_adversarial: .* loss smoothed_cross"):
        setup_of(logistic(), SmoothedCrossEntropy())
