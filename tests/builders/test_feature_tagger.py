"""The tagger by features: the five proofs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import build_feature_tagger
from textnets.layers import CRFLoss, FeatureScores
from textnets.training.losses import OutputAsLoss

BATCH, LENGTH, COLUMNS, FEATURES, TAGS = 4, 7, 5, 23, 6
LENGTHS = np.array([7, 4, 1, 6])
REAL = np.arange(LENGTH) < LENGTHS[:, None]


def build() -> keras.Model:
    """With weights that are not zero, as they are at the start."""
    model = build_feature_tagger(num_features=FEATURES, num_tags=TAGS)
    random = np.random.default_rng(7)
    model.set_weights([random.normal(size=weight.shape) for weight in model.get_weights()])
    return model


def inputs() -> dict[str, np.ndarray]:
    """Ids of words and of their features, some of which are not there; one word has none."""
    random = np.random.default_rng(3)
    feature_ids = random.integers(0, FEATURES, size=(BATCH, LENGTH, COLUMNS))
    feature_ids[0, 2] = 0
    return {
        "token_ids": np.where(REAL, random.integers(1, 20, size=REAL.shape), 0).astype("int32"),
        "feature_ids": np.where(REAL[:, :, None], feature_ids, 0).astype("int32"),
    }


def answer(model: keras.Model, given: dict[str, np.ndarray]) -> np.ndarray:
    found: np.ndarray = keras.ops.convert_to_numpy(model(given, training=False))
    return found


def test_shape() -> None:
    model = build()
    assert model.name == "feature_tagger"
    assert {tensor.name: tensor.shape for tensor in model.inputs} == {
        "token_ids": (None, None),
        "feature_ids": (None, None, None),
    }
    assert model.layers[-1].name == "probabilities"
    assert model.output.shape == (None, None, TAGS)
    found = answer(model, inputs())
    assert found.shape == (BATCH, LENGTH, TAGS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=2), 1.0, atol=1e-6)


def test_a_value_by_hand() -> None:
    """Weights add up to scores; of one word the field is a softmax of them and of its edges."""
    model = build_feature_tagger(num_features=4, num_tags=2)
    weights = np.array([[9.0, 9.0], [1.0, 0.0], [0.0, 3.0], [0.5, 0.25]])
    bias, start, end = np.array([0.125, 0.0]), np.array([0.0, 1.0]), np.array([0.5, 0.0])
    model.get_layer("emissions").set_weights([weights, bias])
    model.get_layer("probabilities").set_weights([np.zeros((2, 2)), start, end])
    given = {"token_ids": np.array([[1]]), "feature_ids": np.array([[[1, 0, 3]]])}
    scores = weights[1] + weights[3] + bias + start + end
    expected = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(answer(model, given)[0, 0], expected, atol=1e-6)


def test_scores_are_those_of_a_dense_layer_over_indicators() -> None:
    layer = FeatureScores(FEATURES, TAGS)
    feature_ids = inputs()["feature_ids"]
    layer(feature_ids)
    random = np.random.default_rng(5)
    table, bias = random.normal(size=(FEATURES, TAGS)), random.normal(size=TAGS)
    layer.set_weights([table, bias])
    indicators = (feature_ids[..., None] == np.arange(FEATURES)).sum(axis=2)
    indicators[..., 0] = 0
    found = keras.ops.convert_to_numpy(layer(feature_ids))
    np.testing.assert_allclose(found, indicators @ table + bias, atol=1e-5)
    again = FeatureScores.from_config(layer.get_config())
    assert (again.num_features, again.num_outputs) == (FEATURES, TAGS)


@pytest.mark.heavy
def test_padding_changes_no_answer() -> None:
    model, given = build(), inputs()
    expected = answer(model, given)
    wider = {
        name: np.pad(ids, [(0, 0), (0, 6)] + [(0, 0)] * (ids.ndim - 2))
        for name, ids in given.items()
    }
    wider["feature_ids"] = np.pad(wider["feature_ids"], [(0, 0), (0, 0), (0, 2)])
    longer = answer(model, wider)
    for row, length in enumerate(LENGTHS):
        one = {name: ids[row : row + 1, :length] for name, ids in given.items()}
        alone = answer(model, one)[0]
        np.testing.assert_allclose(longer[row, :length], expected[row, :length], atol=1e-6)
        np.testing.assert_allclose(alone, expected[row, :length], atol=1e-6)


def trainer(model: keras.Model) -> keras.Model:
    """A model around it that computes its loss."""
    tag_ids = keras.Input((None,), dtype="int32", name="target_ids")
    losses = CRFLoss(model.get_layer("probabilities"))(
        [*model.get_layer("probabilities").input, tag_ids]
    )
    return keras.Model({tensor.name: tensor for tensor in [*model.inputs, tag_ids]}, losses)


def test_one_step_moves_every_weight() -> None:
    model = build_feature_tagger(num_features=FEATURES, num_tags=TAGS)
    assert not any(weight.any() for weight in model.get_weights())
    targets = np.arange(BATCH * LENGTH).reshape(BATCH, LENGTH) % TAGS
    trained, given = trainer(model), inputs()
    trained.compile(keras.optimizers.SGD(1.0), OutputAsLoss(), run_eagerly=True)
    trained.train_on_batch(
        {**given, "target_ids": targets}, targets, sample_weight=REAL.astype("float32")
    )
    named: dict[str, Any] = {weight.path: weight.numpy() for weight in model.weights}
    assert all(weight.any() for weight in named.values())
    table = named["emissions/embeddings"]
    seen = np.isin(np.arange(FEATURES), inputs()["feature_ids"][REAL]) & (np.arange(FEATURES) > 0)
    # The features that were there, and no others: neither 0, nor what stands at no word.
    np.testing.assert_array_equal(table.any(axis=1), seen)


@pytest.mark.heavy
def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    model, given = build(), inputs()
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(answer(loaded, given), answer(model, given))


def test_mixed_bfloat16_changes_nothing() -> None:
    expected = answer(build(), inputs())
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = answer(build(), inputs())
    finally:
        keras.config.set_dtype_policy(before)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
