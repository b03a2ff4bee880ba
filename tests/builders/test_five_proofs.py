"""Every model is proved in the same five ways (DESIGN.md, section 4).

Here are four of them for all builders; the values by hand are in each builder's own test.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.warm import run_program

# Few, because JAX compiles each of them; together they use every layer of textnets.
TO_PROVE_ON_JAX = (
    "rnn-binary-lstm-last-tanh-8x9-10",
    "rnn-softmax-gru-attention-tanh-8x9-10",
    "cnn-binary-2x3-8-tanh",
    "mlp-binary-8-tanh",
    "cnn-softmax-2x3-2-12-tanh-mean",
    "transformer-softmax-6-1-maxxattention-learned-7-10-2-9-tanh",
)

# What a program that only predicts would do.
LOAD_AND_ANSWER = """
import sys
import numpy as np
import keras
import textnets.layers

folder, *names = sys.argv[1:]
token_ids = np.load(f"{folder}/token_ids.npy")
answers = {}
for name in names:
    model = keras.saving.load_model(f"{folder}/{name}.keras", safe_mode=True)
    if keras.backend.backend() == "tensorflow":
        answers[name] = keras.ops.convert_to_numpy(model(token_ids, training=False))
    else:  # JAX compiles one program sooner than the many small ones of an eager call
        answers[name] = model.predict_on_batch(token_ids)
assert "textnets.builders" not in sys.modules
np.savez(f"{folder}/{keras.backend.backend()}.npz", **answers)
"""


def answers_of_a_fresh_process(
    folder: Path, backend: str, cases: list[Any]
) -> dict[str, np.ndarray]:
    run_program(LOAD_AND_ANSWER, folder, *(case.name for case in cases), backend=backend)
    with np.load(folder / f"{backend}.npz") as archive:
        return dict(archive)


@pytest.fixture(scope="module")
def saved(cases, built, token_ids, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("saved")
    for case in cases:
        built(case).save(folder / f"{case.name}.keras")
    np.save(folder / "token_ids.npy", token_ids)
    return folder


@pytest.fixture(scope="module")
def loaded(cases, saved) -> dict[str, np.ndarray]:
    return answers_of_a_fresh_process(saved, keras.backend.backend(), cases)


def test_shape(case, built, token_ids, answer):
    model = built(case)
    assert model.name == case.builder
    assert model.input.name == "token_ids"
    assert (model.input.shape, model.input.dtype) == ((None, None), "int32")
    assert model.layers[-1].name == "probabilities"
    assert (model.output.shape, model.output.dtype) == ((None, case.num_outputs), "float32")
    probabilities = answer(model, token_ids)
    assert probabilities.shape == (len(token_ids), case.num_outputs)
    assert probabilities.dtype == np.float32
    assert ((probabilities > 0) & (probabilities < 1)).all()
    if case.head == "softmax":
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.heavy
def test_the_amount_of_padding_does_not_change_the_answer(case, built, token_ids, answer):
    model = built(case)
    expected = answer(model, token_ids)
    longer = np.pad(token_ids, [(0, 0), (0, 6)])
    np.testing.assert_allclose(answer(model, longer), expected, rtol=0, atol=1e-6)
    for row, ids in enumerate(token_ids):
        alone = ids[ids != 0][None, :]
        np.testing.assert_allclose(answer(model, alone)[0], expected[row], rtol=0, atol=1e-6)


@pytest.mark.heavy
def test_one_step_moves_every_weight(case, token_ids):
    model = case.build(dropout=0.0)
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    model.compile(keras.optimizers.SGD(1.0), case.loss, run_eagerly=True)
    loss = model.train_on_batch(token_ids, case.targets())
    assert np.isfinite(loss)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        moved = weight.numpy() != old
        assert np.isfinite(weight.numpy()).all(), weight.path
        if weight.path == "embedding/embeddings":
            used = np.isin(np.arange(len(old)), token_ids[token_ids != 0])
            assert moved[used].any(axis=1).all()
            assert not moved[~used].any()  # the row of the padding among them
        else:
            assert moved.mean() > 0.9, weight.path


@pytest.mark.heavy
def test_saved_and_loaded_in_a_fresh_process_it_answers_the_same(
    case, built, token_ids, answer, loaded
):
    np.testing.assert_array_equal(loaded[case.name], answer(built(case), token_ids))


@pytest.mark.heavy
@pytest.mark.skipif(find_spec("jax") is None, reason="JAX is not installed")
def test_a_saved_model_answers_the_same_on_jax(cases, built, token_ids, answer, saved):
    few = [case for case in cases if case.name in TO_PROVE_ON_JAX]
    assert len(few) == len(TO_PROVE_ON_JAX)
    answers = answers_of_a_fresh_process(saved, "jax", few)
    for case in few:
        expected = answer(built(case), token_ids)
        np.testing.assert_allclose(answers[case.name], expected, atol=1e-6, err_msg=case.name)


def test_names_are_the_same_in_every_model_of_a_process(case, built):
    # Checkpoints are matched by path, so a second model must not count on.
    again = case.build()
    assert [weight.path for weight in again.weights] == [
        weight.path for weight in built(case).weights
    ]
    assert [layer.name for layer in again.layers] == [layer.name for layer in built(case).layers]


@pytest.mark.heavy
def test_mixed_bfloat16_answers_in_float32(case, built, token_ids, answer, policy):
    expected = answer(built(case), token_ids)
    policy("mixed_bfloat16")
    model = case.build()
    model.set_weights(built(case).get_weights())
    assert model.get_layer("embedding").compute_dtype == "bfloat16"
    probabilities = answer(model, token_ids)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, expected, atol=0.03)
