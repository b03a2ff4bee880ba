"""A step on a batch of repeated tokens is dense arithmetic, whatever the optimizer and backend."""

from __future__ import annotations

import itertools
import json

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.training import dense_steps
from tests.training.dense_steps import (
    CLIPS,
    IDS,
    OPTIMIZERS,
    RATE,
    REDUCED,
    TARGETS,
    TOKENS,
    WAYS,
    WIDTH,
    by_hand,
    by_textnets,
    distance,
    model_of,
    moves_in_reduced_precision,
    section_of,
    start,
)
from tests.warm import run_program
from textnets.backend.steps import train_step
from textnets.builders import build_rnn_language_model, build_rnn_tagger
from textnets.training.optimizers import build_optimizer, token_tables

CLOSE = 1e-6

ON_JAX = f"""
import runpy, sys
sys.path.insert(0, sys.argv[1])
runpy.run_module({dense_steps.__name__!r}, run_name="__main__")
"""


@pytest.mark.parametrize(
    ("name", "way", "clip"), list(itertools.product(OPTIMIZERS, WAYS, CLIPS)), ids=str
)
def test_a_step_is_dense_arithmetic(name, way, clip):
    section = section_of(name, **clip)
    expected = by_hand(section, IDS, TARGETS, 1)
    assert distance(expected, start()) > 1e-3
    assert distance(by_textnets(section, IDS, TARGETS, 1, way), expected) < CLOSE


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_steps_after_steps_are_dense_arithmetic(name):
    section = section_of(name, clip_norm=2.0)
    ours, expected = (by(section, IDS, TARGETS, 4) for by in (by_textnets, by_hand))
    assert distance(ours, expected) < 4 * CLOSE * (10 if name.startswith("adam") else 1)


def test_the_same_on_jax():
    """Every optimizer, whole, in parts and clipped; and sums in full precision. One process."""
    pytest.importorskip("jax")
    found = json.loads(run_program(ON_JAX, ROOT, backend="jax").splitlines()[-1])
    assert len(found["distances"]) == len(OPTIMIZERS) * len(WAYS) * len(CLIPS)
    assert {case: far for case, far in found["distances"].items() if far >= CLOSE} == {}
    for recipe in REDUCED:
        check_moves(*found["moves"][recipe])


@pytest.mark.parametrize("name", ["sgd", "adagrad", "adam"])
def test_steps_that_xla_compiles_are_the_same(name):
    section = section_of(name, clip_norm=0.5, xla=True)
    expected = by_hand(section, IDS, TARGETS, 2)
    assert distance(by_textnets(section, IDS, TARGETS, 2), expected) < CLOSE


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("way", WAYS)
def test_token_vectors_may_learn_at_a_rate_of_their_own(name, way):
    section = section_of(name, embedding_rate=0.25)
    expected = by_hand(section, IDS, TARGETS, 2)
    assert distance(expected, by_hand(section_of(name), IDS, TARGETS, 2)) > 1e-3
    assert distance(by_textnets(section, IDS, TARGETS, 2, way), expected) < CLOSE


@settings(max_examples=12, deadline=None)
@given(
    rows=st.lists(
        st.lists(st.integers(0, TOKENS - 1), min_size=4, max_size=4), min_size=1, max_size=6
    ),
    clip=st.sampled_from(CLIPS),
)
def test_any_batch_is_dense_arithmetic(rows, clip):
    ids = np.array(rows, np.int32)
    targets = np.linspace(-1.0, 2.0, len(rows), dtype=np.float32)[:, None]
    section = section_of("adagrad", **clip)
    expected = by_hand(section, ids, targets, 1)
    assert distance(by_textnets(section, ids, targets, 1), expected) < CLOSE


def test_a_first_step_of_adam_is_one_rate_at_most():
    moved = np.abs(by_textnets(section_of("adam"), IDS, TARGETS, 1)[0] - start()[0])
    assert moved.max() == pytest.approx(RATE, rel=1e-4)


def test_keras_still_has_the_fault():
    """When this fails, Keras adds repeated rows up itself: ``SummedRows`` can then lose its
    ``apply``, and docs/questions.md the section about it."""
    model = model_of(keras.optimizers.Adam(RATE))
    model.train_on_batch(IDS, TARGETS)
    moved = np.abs(model.get_weights()[0] - start()[0])
    assert moved.max() > 1.5 * RATE, "Keras has mended its optimizers; see this test's docstring"


@pytest.mark.parametrize("regularizer", ["L2", "L1"])
def test_a_penalty_on_the_table_is_added_to_its_rows(regularizer):
    """A penalty's gradient is dense, a batch's has rows: TensorFlow joins them to repeated rows."""
    model = model_of("sgd")
    table = model.get_layer("embedding")
    table.embeddings_regularizer = getattr(keras.regularizers, regularizer)(0.1)
    table.embeddings.regularizer = table.embeddings_regularizer
    model.compile(build_optimizer(section_of("sgd", clip_norm=0.5)), "mean_squared_error")
    train_step(model, IDS, TARGETS, None)(IDS, TARGETS, None)
    found = dense_steps.gradients(start(), IDS, TARGETS)
    old = start()[0]
    found[0] = found[0] + (0.2 * old if regularizer == "L2" else 0.1 * np.sign(old))
    expected = old - RATE * dense_steps.clipped(found, section_of("sgd", clip_norm=0.5))[0]
    np.testing.assert_allclose(model.get_weights()[0], expected, atol=CLOSE)


def test_a_bound_on_the_vectors_holds_after_a_step():
    model = model_of("sgd")
    table = model.get_layer("embedding").embeddings
    table.constraint = keras.constraints.MaxNorm(0.5, axis=1)
    model.compile(build_optimizer(section_of("adam")), "mean_squared_error")
    train_step(model, IDS, TARGETS, None)(IDS, TARGETS, None)
    stepped = by_hand(section_of("adam"), IDS, TARGETS, 1)[0]
    norms = np.linalg.norm(stepped, axis=1, keepdims=True)
    expected = stepped * np.clip(norms, 0.0, 0.5) / (1e-7 + norms)
    np.testing.assert_allclose(model.get_weights()[0], expected, atol=CLOSE)


def test_the_tables_of_a_model_are_found_wherever_they_stand():
    tagger = build_rnn_tagger(
        vocabulary_size=9, num_tags=3, characters="cnn", num_characters=7, units=(4,)
    )
    assert sorted(table.shape[0] for table in token_tables(tagger)) == [7, 9]
    writer = build_rnn_language_model(vocabulary_size=11, units=(4,), embedding_width=3)
    shapes = [tuple(table.shape) for table in token_tables(writer)]
    assert shapes == [(11, 3), (11, 4)]  # read and written; the biases are none
    inputs = keras.Input((None,), dtype="int32")
    outer = keras.Model(inputs, model_of("sgd")(inputs))
    assert [tuple(table.shape) for table in token_tables(outer)] == [(TOKENS, 3)]
    outer.layers[-1].get_layer("embedding").trainable = False
    assert token_tables(outer) == []


class OneHotTable(keras.layers.ReversibleEmbedding):  # type: ignore[misc]  # untyped
    """The same table, looked up by a product: its gradient is dense from the beginning."""

    def call(self, inputs, reverse=False):
        if reverse:
            return super().call(inputs, reverse=True)
        return keras.ops.matmul(keras.ops.one_hot(inputs, self.input_dim), self.embeddings)


def used_twice(table, token_ids):
    return keras.layers.Add()([table(token_ids), 0.5 * table(token_ids[:, ::-1])])


def tied(table, token_ids):
    return table(table(token_ids), reverse=True)


def nested(table, token_ids):
    inner = keras.Input((4,), dtype="int32")
    return keras.Sequential([keras.Model(inner, table(inner))])(token_ids)


@pytest.mark.parametrize("name", ["adamw", "adagrad"])
@pytest.mark.parametrize("use", [used_twice, tied, nested], ids=lambda use: use.__name__)
def test_wherever_the_gradient_of_a_table_comes_from(use, name):
    section = section_of(name, clip_norm=0.3, embedding_rate=0.5)
    ends = []
    for kind in (keras.layers.ReversibleEmbedding, OneHotTable):
        keras.utils.set_random_seed(2)
        token_ids = keras.Input((4,), dtype="int32", name="token_ids")
        features = keras.layers.GlobalAveragePooling1D()(use(kind(TOKENS, WIDTH), token_ids))
        model = keras.Model(token_ids, keras.layers.Dense(1)(features))
        model.compile(build_optimizer(section, token_tables(model)), "mse")
        step = train_step(model, IDS, TARGETS, None)
        for _ in range(2):
            step(IDS, TARGETS, None)
        ends.append(model.get_weights())
    assert distance(*ends) < CLOSE


def check_moves(moved: float, other: float) -> None:
    assert moved == pytest.approx(740.0, rel=0.01)
    assert other == 0.0


@pytest.mark.parametrize("recipe", REDUCED)
def test_gradients_of_a_token_are_added_up_in_full_precision(recipe):
    check_moves(*moves_in_reduced_precision(recipe))
