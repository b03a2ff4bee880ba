"""Recurrent layers trained fast: what Keras's own loops compute, gradients and all."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from textnets.backend.recurrence import take_single_steps, train_recurrence_fast
from textnets.layers.cells import PeepholeLSTMCell


def model_of(layer: Any, *, states: int = 0) -> keras.Model:
    sequence = keras.Input((None, 5), name="sequence")
    given = [keras.Input((7,), name=f"state_{number}") for number in range(states)]
    found = layer(sequence, initial_state=given) if given else layer(sequence)
    return keras.Model([sequence, *given], found)


def trained(model: keras.Model, inputs: list[np.ndarray]) -> list[np.ndarray]:
    """Outputs in training, and the gradients by all weights and inputs of a sum that weighs each
    output differently."""

    @tf.function
    def run(inputs: list[Any]) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = keras.tree.flatten(model(inputs, training=True))
            total = sum(
                tf.reduce_sum(
                    tf.sin(3.0 * tf.range(tf.size(found), dtype=tf.float32))
                    * tf.reshape(found, (-1,))
                )
                for found in outputs
            )
        sources = [weight.value for weight in model.trainable_variables]
        return outputs, tape.gradient(total, [*sources, *inputs])

    outputs, gradients = run([tf.constant(array) for array in inputs])
    return [np.array(array) for array in (*outputs, *gradients)]


LAYERS = {
    "lstm": lambda **given: keras.layers.LSTM(7, **given),
    "gru": lambda **given: keras.layers.GRU(7, **given),
}


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("steps", [1, 3, 4, 13])
@pytest.mark.parametrize("states", [False, True])
def test_outputs_and_gradients_are_those_of_keras(cell: str, steps: int, states: bool) -> None:
    keras.utils.set_random_seed(1)
    given = {"return_sequences": True, "return_state": states, "bias_initializer": "normal"}
    if cell == "lstm":
        given["unit_forget_bias"] = False  # which fixes the rest of the bias
    number = {"lstm": 2, "gru": 1}[cell] if states else 0
    models = [model_of(LAYERS[cell](**given, name="layer"), states=number) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    random = np.random.default_rng(2)
    inputs = [
        random.normal(size=(3, steps, 5)),
        *(random.normal(size=(3, 7)) for _ in range(number)),
    ]
    inputs = [array.astype("float32") for array in inputs]
    expected = trained(models[0], inputs)
    assert train_recurrence_fast(models[1]) == ["layer"]
    for found, wanted in zip(trained(models[1], inputs), expected, strict=True):
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, atol=2e-6 * max(1.0, np.abs(wanted).max()))


@pytest.mark.parametrize("cell", LAYERS)
@pytest.mark.parametrize("given", [{}, {"go_backwards": True, "return_sequences": True}], ids=str)
def test_the_last_output_and_the_other_direction(cell: str, given: dict[str, Any]) -> None:
    keras.utils.set_random_seed(1)
    models = [model_of(LAYERS[cell](name="layer", **given)) for _ in range(2)]
    models[1].set_weights(models[0].get_weights())
    inputs = [np.random.default_rng(2).normal(size=(3, 9, 5)).astype("float32")]
    expected = trained(models[0], inputs)
    train_recurrence_fast(models[1])
    for found, wanted in zip(trained(models[1], inputs), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=2e-6 * max(1.0, np.abs(wanted).max()))


def test_without_training_it_is_keras_own_loop() -> None:
    keras.utils.set_random_seed(1)
    model = model_of(keras.layers.GRU(7, return_sequences=True))
    inputs = np.random.default_rng(2).normal(size=(3, 9, 5)).astype("float32")
    before = np.array(model([inputs], training=False))
    train_recurrence_fast(model)
    assert np.array(model([inputs], training=False)).tobytes() == before.tobytes()


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(7, recurrent_dropout=0.1),
        keras.layers.LSTM(7, dropout=0.1),
        keras.layers.LSTM(7, activation="relu"),
        keras.layers.LSTM(7, use_bias=False),
        keras.layers.LSTM(7, unroll=True),
        keras.layers.LSTM(7, dtype="mixed_bfloat16"),
        keras.layers.GRU(7, reset_after=False),
        keras.layers.SimpleRNN(7),
        keras.layers.RNN(keras.layers.LSTMCell(7)),
    ],
    ids=str,
)
def test_other_layers_stay_as_they_are(layer: Any) -> None:
    assert train_recurrence_fast(model_of(layer)) == []


def test_layers_inside_of_models_and_wrappers_are_found() -> None:
    inner = keras.Sequential(
        [keras.Input((None, 5)), keras.layers.Bidirectional(keras.layers.LSTM(3, name="one"))]
    )
    assert train_recurrence_fast(model_of(inner)) == ["backward_one", "forward_one"]


def test_a_mask_is_heeded() -> None:
    keras.utils.set_random_seed(1)
    models = [
        keras.Sequential(
            [
                keras.Input((None,), dtype="int32"),
                keras.layers.Embedding(9, 4, mask_zero=True),
                keras.layers.LSTM(3, return_sequences=True),
            ]
        )
        for _ in range(2)
    ]
    models[1].set_weights(models[0].get_weights())
    assert len(train_recurrence_fast(models[1])) == 1
    ids = np.array([[3, 4, 5, 0], [6, 0, 0, 0]])
    one, two = (np.array(model(ids, training=True)) for model in models)
    assert one.tobytes() == two.tobytes()


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(7, return_sequences=True, return_state=True),
        keras.layers.GRU(7, return_sequences=True, return_state=True),
        keras.layers.GRU(7, reset_after=False, return_sequences=True, return_state=True),
        keras.layers.SimpleRNN(7, return_sequences=True, return_state=True),
        keras.layers.RNN(PeepholeLSTMCell(7), return_sequences=True, return_state=True),
    ],
    ids=str,
)
def test_a_single_step_is_that_of_the_loop(layer: Any) -> None:
    """To the byte, in a graph without a loop; other lengths go on as before."""
    keras.utils.set_random_seed(1)
    model = model_of(layer, states=len(keras.tree.flatten(layer.cell.state_size)))
    random = np.random.default_rng(2)
    states = [random.normal(size=(3, 7)).astype("float32") for _ in model.inputs[1:]]

    def answers(steps: int) -> tuple[list[bytes], bool]:
        sequence = random.normal(size=(3, steps, 5)).astype("float32")
        run = tf.function(lambda *inputs: model(list(inputs), training=False), autograph=False)
        arguments = [tf.constant(array) for array in (sequence, *states)]
        graph = run.get_concrete_function(*arguments).graph.as_graph_def()
        has_loop = any("While" in node.op for node in graph.node)
        return [np.array(array).tobytes() for array in run(*arguments)], has_loop

    expected = {}
    for steps in (1, 3):
        random = np.random.default_rng(3)
        expected[steps], has_loop = answers(steps)
        assert has_loop
    take_single_steps(model)
    take_single_steps(model)  # a second time changes nothing
    for steps in (1, 3):
        random = np.random.default_rng(3)
        found, has_loop = answers(steps)
        assert found == expected[steps]
        assert has_loop == (steps == 3)
