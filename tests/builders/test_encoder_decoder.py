"""The encoder-decoder: the five proofs, for every attention, and its steps one by one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import build_encoder_decoder
from textnets.decoding.encoder_decoder import EncoderDecoder
from textnets.errors import InputError
from textnets.layers import recurrent_kernel

SOURCES, TARGETS = 13, 11
TIED: dict[str, Any] = {"tie_embeddings": True, "share_embeddings": True}

CASES: list[dict[str, Any]] = [
    {"attention": "none", "cell": "lstm"},
    {"attention": "none", "cell": "simple", "bidirectional": False, **TIED},
    {"attention": "luong_dot", "cell": "gru", "units": (5, 4)},
    {"attention": "luong_general", "cell": "gru", **TIED},
    {"attention": "luong_general", "cell": "lstm", "input_feeding": True, "units": (5, 4)},
    {"attention": "luong_dot", "cell": "gru", "input_feeding": True, **TIED},
    {"attention": "bahdanau", "cell": "gru", "units": (5, 4), "bidirectional": False},
    {"attention": "bahdanau", "cell": "peephole_lstm", **TIED},
]


def name_of(case: dict[str, Any]) -> str:
    return "-".join(str(value) for value in case.values())


def build(case: dict[str, Any], **more: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    given = {"units": (6,), **case, **more}
    if case["attention"] == "luong_dot":
        given["decoder_units"] = (3, 2 * given["units"][-1])
    return build_encoder_decoder(
        source_vocabulary_size=TARGETS if case.get("share_embeddings") else SOURCES,
        target_vocabulary_size=TARGETS,
        embedding_width=10,
        attention_width=7,
        **given,
    )


def inputs() -> dict[str, np.ndarray]:
    return {
        "source_ids": np.array([[5, 6, 7, 8, 9], [4, 10, 0, 0, 0], [1, 0, 0, 0, 0]], "int32"),
        "target_ids": np.array([[2, 5, 6, 4], [2, 7, 0, 0], [2, 0, 0, 0]], "int32"),
    }


def answer(model: keras.Model, given: dict[str, np.ndarray]) -> np.ndarray:
    return keras.ops.convert_to_numpy(model(given, training=False))


@pytest.fixture(params=CASES, ids=name_of)
def case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_shape_and_padding(case: dict[str, Any]) -> None:
    model, given = build(case), inputs()
    found = answer(model, given)
    assert found.shape == (3, 4, TARGETS)
    assert found.dtype == np.float32
    wider = {name: np.pad(ids, [(0, 0), (0, 3)]) for name, ids in given.items()}
    np.testing.assert_allclose(answer(model, wider)[:, :4], found, atol=1e-6)
    alone = {"source_ids": given["source_ids"][1:2, :2], "target_ids": given["target_ids"][1:2, :2]}
    np.testing.assert_allclose(answer(model, alone)[0], found[1, :2], atol=1e-6)


def test_one_step_moves_every_weight(case: dict[str, Any]) -> None:
    model, given = build(case), inputs()
    random = np.random.default_rng(4)
    for weight in model.trainable_weights:  # large ones: no gradient is lost in the digits
        weight.assign(random.normal(scale=0.5, size=weight.shape))
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    targets = np.random.default_rng(1).integers(4, TARGETS, size=(3, 4))
    assert np.isfinite(model.train_on_batch(given, targets))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        moved = weight.numpy() != old
        assert moved.any(), weight.path
        if "embedding" not in weight.path:  # rows that no token has stay
            assert moved.mean() > 0.9, weight.path


@pytest.mark.heavy
def test_saved_and_loaded_it_writes_the_same_step_by_step(
    case: dict[str, Any], tmp_path: Path
) -> None:
    """What is loaded is taken apart, and fed its own tokens one at a time."""
    given = inputs()
    expected = answer(model := build(case), given)
    model.save(tmp_path / "x.keras")
    loaded = keras.saving.load_model(tmp_path / "x.keras", safe_mode=True)
    np.testing.assert_array_equal(answer(loaded, given), expected)
    parts = EncoderDecoder(loaded)
    encoded = parts.encode(keras.ops.convert_to_tensor(given["source_ids"]))
    for time in range(4):
        tokens = keras.ops.convert_to_tensor(given["target_ids"][:, time : time + 1])
        logits, encoded["states"], weights = parts.decode(tokens, encoded)
        found = keras.ops.convert_to_numpy(logits)[:, 0]
        np.testing.assert_allclose(found, expected[:, time], atol=1e-6)
        assert (weights is None) == (case["attention"] == "none")
        if weights is not None:
            shares = keras.ops.convert_to_numpy(weights)
            np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-6)
            assert (shares[given["source_ids"][:, None] == 0] == 0).all()


def test_by_hand() -> None:
    """One Elman cell a side, no attention: tanh of sums, worked out here."""
    model = build({"attention": "none", "cell": "simple", "bidirectional": False, "units": (6,)})
    given = {"source_ids": np.array([[5, 6]]), "target_ids": np.array([[2, 7]])}
    weights = {weight.path: weight.numpy() for weight in model.weights}
    tables = (model.get_layer(f"{side}_embedding").embeddings for side in ("source", "target"))
    source, target = (table.numpy() * table.shape[1] ** 0.5 for table in tables)

    def step(prefix: str, vector: np.ndarray, state: np.ndarray) -> np.ndarray:
        kernel = weights[f"{prefix}/simple_rnn_cell/kernel"]
        recurrent = weights[f"{prefix}/simple_rnn_cell/recurrent_kernel"]
        return np.tanh(vector @ kernel + state @ recurrent)  # the bias starts at zero

    state = np.zeros(6, "float32")
    for token in (5, 6):
        state = step("simple_1_forward", source[token], state)
    state = np.tanh(state @ weights["bridge_1/kernel"])
    logits = model.get_layer("logits").kernel.numpy()
    for time, token in enumerate((2, 7)):
        state = step("decoder_simple_1", target[token], state)
        np.testing.assert_allclose(answer(model, given)[0, time], state @ logits, atol=1e-5)


def test_shared_and_tied_vectors_are_one_table() -> None:
    apart = build(CASES[3] | {"tie_embeddings": False, "share_embeddings": False})
    tied = build(CASES[3])
    tables = [weight for weight in tied.weights if TARGETS in weight.shape]
    assert len(tables) == 1
    assert apart.count_params() > tied.count_params()


def test_what_does_not_go_together_is_refused() -> None:
    sizes = {"source_vocabulary_size": 9, "target_vocabulary_size": 8}
    with pytest.raises(InputError, match="luong_dot multiplies"):
        build_encoder_decoder(**sizes, attention="luong_dot", units=[4], decoder_units=[4])
    with pytest.raises(InputError, match="input_feeding: goes with attention luong"):
        build_encoder_decoder(**sizes, attention="bahdanau", input_feeding=True)
    with pytest.raises(InputError, match="needs one vocabulary"):
        build_encoder_decoder(**sizes, share_embeddings=True)


def test_which_kernels_it_can_use() -> None:
    plain = recurrent_kernel(build(CASES[3]), "tensorflow")
    assert plain.fused
    looking = recurrent_kernel(build(CASES[6]), "tensorflow")
    assert not looking.fused
    assert "looks into a memory" in looking.reason


def test_dropout_only_while_training() -> None:
    model, given = build(CASES[3], dropout=0.5, embedding_dropout=0.3), inputs()
    np.testing.assert_array_equal(answer(model, given), answer(model, given))
    noisy = keras.ops.convert_to_numpy(model(given, training=True))
    assert np.abs(noisy - answer(model, given)).max() > 1e-3
