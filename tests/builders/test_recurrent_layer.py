"""Every cell against its published equations, in training and on JAX."""

from __future__ import annotations

import itertools
import typing
from importlib.util import find_spec

import keras
import numpy as np
import pytest

from tests.builders.cells_by_hand import STEPS, read_by_hand
from tests.warm import run_program
from textnets.builders.parameters import Cell
from textnets.builders.recurrent_layer import recurrent_layer
from textnets.errors import InputError
from textnets.layers import CELLS

BATCH, LENGTH, WIDTH, UNITS = 3, 5, 4, 6
ALL = typing.get_args(Cell)


def random_layer(cell, width=WIDTH, units=UNITS, **arguments):
    """A layer whose every weight is random, and its weights by name."""
    layer = recurrent_layer(cell, units, name=f"{cell}_1", **arguments)
    layer.build((None, None, width))
    rng = np.random.default_rng(5)
    for weight in layer.trainable_weights:
        weight.assign(rng.normal(size=weight.shape))
    return layer, {weight.name: weight.numpy() for weight in layer.trainable_weights}


def sequence_of(*shape):
    return np.random.default_rng(2).normal(size=shape).astype("float32")


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


@pytest.mark.parametrize("cell", ALL)
def test_equals_its_published_equations(cell):
    layer, weights = random_layer(cell)
    sequence = sequence_of(BATCH, LENGTH, WIDTH)
    expected = read_by_hand(cell, sequence, weights)
    assert expected.shape == (BATCH, LENGTH, UNITS)
    np.testing.assert_allclose(numpy(layer(sequence)), expected, rtol=0, atol=1e-5)
    assert layer.compute_output_shape((None, None, WIDTH)) == (None, None, UNITS)


def test_every_cell_has_an_equation_and_a_layer():
    assert set(STEPS) == set(ALL)
    assert set(CELLS) < set(ALL)


def test_an_unknown_cell_names_the_choices():
    with pytest.raises(InputError) as refusal:
        recurrent_layer("lsmt", UNITS, name="one")
    message = str(refusal.value)
    assert message.startswith("recurrent_layer: cell: ")
    assert message.endswith("was: 'lsmt'")
    assert all(f"'{cell}'" in message for cell in ALL)


# --- Training ---


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("scale", [0.0, 1e3])
def test_gradients_are_finite(cell, scale):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("takes gradients with TensorFlow")
    import tensorflow

    layer, _ = random_layer(cell)
    sequence = tensorflow.Variable(scale * sequence_of(BATCH, 20, WIDTH))
    with tensorflow.GradientTape() as tape:
        loss = tensorflow.reduce_mean(layer(sequence) ** 2)
    for gradient in tape.gradient(loss, [sequence, *layer.trainable_weights]):
        assert np.isfinite(gradient.numpy()).all()


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_keeps_its_own_mask_of_the_state_for_all_steps(cell):
    layer, weights = random_layer(cell, units=2, recurrent_dropout=0.5)
    sequence = np.repeat(sequence_of(1, LENGTH, WIDTH), 60, axis=0)
    without = read_by_hand(cell, sequence, weights)
    np.testing.assert_allclose(numpy(layer(sequence)), without, rtol=0, atol=1e-5)
    outputs = numpy(layer(sequence, training=True))
    # A row's answer must be that of one of the four masks, at every step.
    masks = [np.array(mask) for mask in itertools.product((0.0, 2.0), repeat=2)]
    answers = [read_by_hand(cell, sequence[:1], weights, h_mask=mask)[0] for mask in masks]
    matches = np.array([[np.allclose(row, one, atol=1e-5) for one in answers] for row in outputs])
    assert (matches.sum(axis=1) == 1).all()
    assert matches.any(axis=0).all()
    assert not np.array_equal(outputs, numpy(layer(sequence, training=True)))


@pytest.mark.parametrize("cell", CELLS)
def test_a_row_keeps_its_own_mask_of_the_inputs_for_all_steps(cell):
    layer = keras.layers.RNN(CELLS[cell](UNITS, dropout=0.5), return_sequences=True)
    sequence = np.repeat(sequence_of(1, LENGTH, 2), 60, axis=0)
    layer.build(sequence.shape)
    weights = {weight.name: weight.numpy() for weight in layer.trainable_weights}
    outputs = numpy(layer(sequence, training=True))
    masks = [np.array(mask) for mask in itertools.product((0.0, 2.0), repeat=2)]
    answers = [read_by_hand(cell, sequence[:1], weights, x_mask=mask)[0] for mask in masks]
    matches = np.array([[np.allclose(row, one, atol=1e-5) for one in answers] for row in outputs])
    assert (matches.sum(axis=1) == 1).all()
    assert matches.any(axis=0).all()


@pytest.mark.parametrize("cell", CELLS)
def test_penalties_are_on_all_weights_from_inputs_or_states(cell):
    layer, weights = random_layer(cell, l2=0.5)
    penalised = [value for name, value in weights.items() if name.endswith(("kernel", "peephole"))]
    assert len(penalised) == (5 if cell == "peephole_lstm" else 2)
    expected = 0.5 * sum((value**2).sum() for value in penalised)
    assert float(sum(layer.losses)) == pytest.approx(expected, rel=1e-5)


# --- On JAX ---

TRAIN = """
import sys
import numpy as np
import keras
import textnets.layers

folder = sys.argv[1]
model = keras.saving.load_model(f"{folder}/model.keras", safe_mode=True)
sequence = np.load(f"{folder}/sequence.npy")
model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
loss = model.train_on_batch(sequence, np.ones((*sequence.shape[:2], 6)))
np.savez(f"{folder}/jax.npz", loss, *(weight.numpy() for weight in model.trainable_weights))

# Dropout must leave no trace of a compiled step behind.
dropped = [keras.layers.RNN(cell(3, dropout=0.2, recurrent_dropout=0.2))(model.input)
           for cell in textnets.layers.CELLS.values()]
dropping = keras.Model(model.input, keras.layers.Add()(dropped))
dropping.compile("sgd", "mean_squared_error")
losses = [dropping.train_on_batch(sequence, np.ones((len(sequence), 3))) for _ in range(2)]
assert np.isfinite(losses).all()
"""


@pytest.mark.heavy
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
@pytest.mark.long
def test_saved_cells_learn_the_same_on_jax(tmp_path):
    inputs = keras.Input((LENGTH, WIDTH))
    layers = [random_layer(cell)[0] for cell in CELLS]
    model = keras.Model(inputs, keras.layers.Add()([layer(inputs) for layer in layers]))
    model.save(tmp_path / "model.keras")
    sequence = sequence_of(BATCH, LENGTH, WIDTH)
    np.save(tmp_path / "sequence.npy", sequence)
    run_program(TRAIN, tmp_path, backend="jax")
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error", jit_compile=False)
    loss = model.train_on_batch(sequence, np.ones((BATCH, LENGTH, UNITS)))
    with np.load(tmp_path / "jax.npz") as archive:
        loss_on_jax, *weights_on_jax = archive.values()
    assert loss == pytest.approx(float(loss_on_jax), abs=1e-5)
    for weight, on_jax in zip(model.trainable_weights, weights_on_jax, strict=True):
        np.testing.assert_allclose(weight.numpy(), on_jax, rtol=0, atol=1e-5)
