"""The language model: the five proofs, and what goes from piece to piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.warm import run_program
from textnets.builders import build_rnn_language_model
from textnets.builders.loss_model import build_loss_model
from textnets.errors import InputError
from textnets.layers import recurrent_kernel
from textnets.training.losses import OutputAsLoss

V, WIDTH, BATCH, LENGTH, UNITS = 23, 5, 4, 7, (6, 8)
CELLS = {"simple": 1, "lstm": 2, "gru": 1, "peephole_lstm": 2, "prototype_lstm": 1,
         "layer_norm_lstm": 2}  # fmt: skip
CASES = [
    *({"cell": cell, "tie_embeddings": number % 2 == 0} for number, cell in enumerate(CELLS)),
    {"cell": "gru", "tie_embeddings": True, "embedding_width": UNITS[-1]},
    {"cell": "gru", "tie_embeddings": True, "adaptive_softmax": (6, 12)},
    {"cell": "simple", "tie_embeddings": False, "adaptive_softmax": (20,)},
    {"cell": "simple", "tie_embeddings": True, "adaptive_softmax": (6, 12), "adaptive_shrink": 2},
]


def build(**arguments: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    given = {"embedding_width": WIDTH, "units": UNITS, **arguments}
    return build_rnn_language_model(vocabulary_size=V, **given)


def zeros(model: keras.Model, rows: int) -> list[np.ndarray]:
    return [np.zeros((rows, state.shape[1]), np.float32) for state in model.input["states"]]


def read(model: keras.Model, ids: np.ndarray, states: Any = None) -> tuple[np.ndarray, list[Any]]:
    found = model(
        {"token_ids": ids, "states": zeros(model, len(ids)) if states is None else states},
        training=False,
    )
    logits, *states = map(keras.ops.convert_to_numpy, [found["logits"], *found["states"]])
    return logits, states


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case.values())))
def model(request: pytest.FixtureRequest) -> keras.Model:
    return build(**request.param)


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    return np.random.default_rng(1).integers(1, V, (BATCH, LENGTH)).astype(np.int32)


def test_shapes(model: keras.Model, ids: np.ndarray) -> None:
    logits, states = read(model, ids)
    assert (logits.shape, logits.dtype) == ((BATCH, LENGTH, V), np.float32)
    cell = model.input["states"][0].name.removesuffix("_1_state_1")
    sizes = [size for size in UNITS for _ in range(CELLS[cell])]
    assert [tuple(state.shape) for state in states] == [(BATCH, size) for size in sizes]
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert (probabilities[..., [0, 2]] == 0).all()  # padding and [BOS] follow nothing
    assert (probabilities[..., [1, 3]] > 0).all()


def test_neither_padding_nor_the_other_rows_change_the_answer(
    model: keras.Model, ids: np.ndarray
) -> None:
    expected, _ = read(model, ids)
    longer, _ = read(model, np.pad(ids, [(0, 0), (0, 5)]))
    np.testing.assert_allclose(longer[:, :LENGTH], expected, atol=1e-5)
    alone, _ = read(model, ids[2:3, :4])
    np.testing.assert_allclose(alone[0], expected[2, :4], atol=1e-5)


def test_a_text_read_in_pieces_is_the_text_read_at_once(
    model: keras.Model, ids: np.ndarray
) -> None:
    expected, behind = read(model, ids)
    first, states = read(model, ids[:, :3])
    second, states = read(model, ids[:, 3:], states)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), expected, atol=1e-5)
    for one, other in zip(states, behind, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("case", "num_sampled"),
    [(case, num_sampled) for case in CASES[1:3] for num_sampled in (None, 6)]
    + [(case, None) for case in CASES if "adaptive_softmax" in case],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else None,
)
def test_one_step_moves_every_weight(
    case: dict[str, Any], num_sampled: int | None, ids: np.ndarray
) -> None:
    core = build(**case)
    trained = build_loss_model(core, streams=BATCH, num_sampled=num_sampled, seed=1).model
    assert {id(weight) for weight in trained.trainable_weights} == {
        id(weight) for weight in core.trainable_weights
    }
    before = [weight.numpy().copy() for weight in core.trainable_weights]
    trained.compile(keras.optimizers.SGD(100.0), OutputAsLoss(), run_eagerly=True)
    targets = np.roll(ids, -1, axis=1)
    trained.train_on_batch(
        {"token_ids": ids, "target_ids": targets},
        targets,
        sample_weight=np.ones(ids.shape, np.float32),
    )
    for weight, old in zip(core.trainable_weights, before, strict=True):
        moved = weight.numpy() != old
        assert np.isfinite(weight.numpy()).all()
        if "embeddings" in weight.path or weight.path.endswith("table/bias"):
            assert (
                moved.any()
                if "group" in weight.path
                else moved[targets[targets < len(moved)]].any()
            )
        elif weight.path != "embedding/bias":
            assert moved.mean() > 0.9, weight.path


@pytest.mark.parametrize("cutoffs", [(6, 6), (12, 6), (6, V)])
def test_cutoffs_must_rise_and_lie_in_the_vocabulary(cutoffs: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=f"below the vocabulary's size, {V}, was: "):
        build(adaptive_softmax=cutoffs)


def test_only_groups_can_shrink() -> None:
    with pytest.raises(InputError, match="set adaptive_softmax"):
        build(adaptive_shrink=4)


PROGRAM = """
import sys, numpy as np, keras, textnets.layers
folder = sys.argv[1]
model = keras.saving.load_model(f"{folder}/model.keras", safe_mode=True)
given = dict(np.load(f"{folder}/given.npz"))
states = [given[f"state_{i}"] for i in range(len(given) - 1)]
found = model({"token_ids": given["token_ids"], "states": states}, training=False)
assert "textnets.builders" not in sys.modules
np.save(f"{folder}/found.npy", keras.ops.convert_to_numpy(found["logits"]))
"""


@pytest.mark.heavy
def test_saved_and_loaded_in_a_fresh_process_it_answers_the_same(
    ids: np.ndarray, tmp_path: Path
) -> None:
    model = build(
        cell="peephole_lstm",
        tie_embeddings=True,
        adaptive_softmax=(9, 12),
        dropout=0.2,
        embedding_dropout=0.1,
        variational_dropout=True,
    )
    random = np.random.default_rng(0)
    states = [random.normal(size=s.shape).astype(np.float32) for s in zeros(model, BATCH)]
    model.save(tmp_path / "model.keras")
    named = {f"state_{i}": state for i, state in enumerate(states)}
    np.savez(tmp_path / "given.npz", token_ids=ids, **named)
    run_program(PROGRAM, tmp_path)
    expected, _ = read(model, ids, states)
    np.testing.assert_array_equal(np.load(tmp_path / "found.npy"), expected)


def test_a_value_by_hand() -> None:
    model = build(cell="simple", units=(1,), embedding_width=1, tie_embeddings=True)
    kernel, recurrent, bias = 0.5, 0.25, 0.1
    model.get_layer("simple_1").set_weights(
        [np.array([[kernel]]), np.array([[recurrent]]), np.array([bias])]
    )
    table, biases = np.linspace(-1, 1, V)[:, None], np.linspace(0, 2, V)
    model.get_layer("embedding").set_weights([table, biases])
    found, _ = read(model, np.array([[5, 9]], np.int32))
    state = np.tanh(kernel * table[5, 0] + bias)
    state = np.tanh(kernel * table[9, 0] + recurrent * state + bias)
    expected = state * table[:, 0] + biases
    np.testing.assert_allclose(np.delete(found[0, 1], [0, 2]), np.delete(expected, [0, 2]), 1e-5)


def test_variational_dropout_drops_the_same_at_every_place() -> None:
    ids = np.full((1, 50), 5, np.int32)  # the same vector everywhere
    for variational in (True, False):
        model = build(embedding_width=64, embedding_dropout=0.5, variational_dropout=variational)
        dropped = keras.Model(model.input, model.get_layer("embedding_dropout").output)
        vectors = dropped({"token_ids": ids, "states": zeros(model, 1)}, training=True)
        is_zero = keras.ops.convert_to_numpy(vectors)[0] == 0
        assert bool((is_zero == is_zero[0]).all()) is variational


def test_lstm_and_gru_keep_to_the_fused_kernels_conditions() -> None:
    assert recurrent_kernel(build(cell="lstm", dropout=0.5), "jax").fused
    assert recurrent_kernel(build(cell="gru", dropout=0.5), "tensorflow").fused
    assert not recurrent_kernel(build(recurrent_dropout=0.1), "tensorflow").fused
