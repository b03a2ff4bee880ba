"""The recurrent tagger: the five proofs, for every cell and both ways to see a word."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import build_rnn_tagger
from textnets.layers import CRFLoss
from textnets.training.losses import OutputAsLoss

BATCH, LENGTH, CHARACTERS, TAGS = 4, 7, 5, 6
LENGTHS = np.array([7, 4, 1, 6])
Inputs = np.ndarray | dict[str, np.ndarray]

CASES: list[dict[str, Any]] = [
    {"cell": cell, "bidirectional": both, "characters": characters}
    for cell, both, characters in itertools.product(
        ("simple", "lstm", "gru"), (True, False), ("none", "cnn")
    )
]
CASES += [
    {"cell": "gru", "bidirectional": True, "characters": "rnn"},
    {"cell": "lstm", "bidirectional": True, "characters": "rnn", "head": "crf"},
    {"cell": "gru", "bidirectional": False, "characters": "none", "head": "crf"},
]
CASES[11]["units"] = (8, 9)
CASES[0]["units"] = (8, 9)


def build(case: dict[str, Any], **more: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    return build_rnn_tagger(
        **{
            "vocabulary_size": 23,
            "num_tags": TAGS,
            "num_characters": 11,
            "embedding_width": 10,
            "character_width": 3,
            "character_maps": 12,
            "character_units": 5,
            "units": (8,),
            **case,
            **more,
        }
    )


def inputs_of(case: dict[str, Any]) -> Inputs:
    """<int32>[batch, length] ids, and <int32>[batch, length, characters] of them."""
    random = np.random.default_rng(3)
    real = np.arange(LENGTH) < LENGTHS[:, None]
    ids = np.where(real, random.integers(1, 20, size=real.shape), 0).astype("int32")
    if case["characters"] == "none":
        return ids
    sizes = random.integers(1, CHARACTERS + 1, size=(BATCH, LENGTH, 1))
    spelled = random.integers(1, 11, size=(BATCH, LENGTH, CHARACTERS))
    kept = (np.arange(CHARACTERS) < sizes) & real[:, :, None]
    return {"token_ids": ids, "character_ids": np.where(kept, spelled, 0).astype("int32")}


def padded(inputs: Inputs, more: int) -> Inputs:
    if isinstance(inputs, dict):
        return {name: padded(ids, more) for name, ids in inputs.items()}  # type: ignore[misc]
    return np.pad(inputs, [(0, 0)] + [(0, more)] * (inputs.ndim - 1))


def one_row(inputs: Inputs, row: int) -> Inputs:
    if isinstance(inputs, dict):
        return {name: one_row(ids, row) for name, ids in inputs.items()}  # type: ignore[misc]
    return inputs[row : row + 1, : LENGTHS[row]]


def answer(model: keras.Model, inputs: Inputs) -> np.ndarray:
    found: np.ndarray = keras.ops.convert_to_numpy(model(inputs, training=False))
    return found


# Of the plain ones every second is much like another: each cell is left with one direction and
# with two, and with either of the characters.
ALIKE = [case for number, case in enumerate(CASES[:12]) if number % 4 in (1, 2) and len(case) == 3]


@pytest.fixture(
    params=[
        pytest.param(case, marks=[pytest.mark.long] if case in ALIKE else []) for case in CASES
    ],
    ids=lambda case: "-".join(map(str, case.values())),
)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = request.param
    return found


def test_shape(case: dict[str, Any]) -> None:
    model = build(case)
    assert model.name == "rnn_tagger"
    assert model.output.shape == (None, None, TAGS)
    found = answer(model, inputs_of(case))
    assert found.shape == (BATCH, LENGTH, TAGS)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=2), 1.0, atol=1e-6)


@pytest.mark.heavy
def test_padding_changes_no_answer(case: dict[str, Any]) -> None:
    model, inputs = build(case), inputs_of(case)
    expected = answer(model, inputs)
    longer = answer(model, padded(inputs, 6))
    for row, length in enumerate(LENGTHS):
        alone = answer(model, one_row(inputs, row))[0]
        np.testing.assert_allclose(longer[row, :length], expected[row, :length], atol=1e-6)
        np.testing.assert_allclose(alone, expected[row, :length], atol=1e-6)


def test_one_step_moves_every_weight(case: dict[str, Any]) -> None:
    model, inputs = build(case), inputs_of(case)
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    targets = np.arange(BATCH * LENGTH).reshape(BATCH, LENGTH) % TAGS
    weights = (np.arange(LENGTH) < LENGTHS[:, None]).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    trained = model
    if case.get("head") == "crf":
        trained, loss, inputs = with_its_loss(model, inputs, targets)
    trained.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    trained.train_on_batch(inputs, targets, sample_weight=weights)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        assert (weight.numpy() != old).any(), weight.path


def with_its_loss(
    model: keras.Model, inputs: Inputs, targets: np.ndarray
) -> tuple[keras.Model, keras.losses.Loss, dict[str, np.ndarray]]:
    """A model around one with a CRF that is trained on the CRF's own loss, and its inputs."""
    crf = model.get_layer("probabilities")
    tag_ids = keras.Input((None,), dtype="int32", name="target_ids")
    losses = CRFLoss(crf)([*crf.input, tag_ids])
    named = {tensor.name: tensor for tensor in [*model.inputs, tag_ids]}
    given = inputs if isinstance(inputs, dict) else {"token_ids": inputs}
    return keras.Model(named, losses), OutputAsLoss(), {**given, "target_ids": targets}


@pytest.mark.heavy
def test_saved_and_loaded_it_answers_the_same(case: dict[str, Any], tmp_path: Path) -> None:
    model, inputs = build(case, word_dropout=0.1, dropout=0.2), inputs_of(case)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(answer(loaded, inputs), answer(model, inputs))


def test_a_value_by_hand() -> None:
    """A simple cell with one unit each way adds up what it has read."""
    model = build_rnn_tagger(
        vocabulary_size=6, num_tags=2, embedding_width=1, cell="simple", units=(1,)
    )
    one, zero = np.ones((1, 1), np.float32), np.zeros(1, np.float32)
    model.get_layer("embedding").set_weights([np.array([[9, 0, 0, 0, 0.5, -0.25]]).T])
    for way in ("forward", "backward"):
        model.get_layer(f"simple_1_{way}").set_weights([one, one, zero])
    model.get_layer("probabilities").set_weights([np.array([[1.0, 0.0], [0.0, 1.0]]), np.zeros(2)])
    first, second = np.tanh(0.5), np.tanh(-0.25)
    forward = [first, np.tanh(-0.25 + first)]
    backward = [np.tanh(0.5 + second), second]
    scores = np.exp(np.stack([forward, backward], axis=1))
    expected = scores / scores.sum(axis=1, keepdims=True)
    found = answer(model, np.array([[4, 5, 0]], np.int32))[0, :2]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_mixed_bfloat16_answers_in_float32() -> None:
    case = {"cell": "lstm", "bidirectional": True, "characters": "cnn"}
    expected = answer(build(case), inputs_of(case))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        found = answer(build(case), inputs_of(case))
    finally:
        keras.config.set_dtype_policy(before)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.05)
