"""A linear model on sets of features, by hand."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from textnets.layers import FeatureDropout, NgramBag, OneVersusRest

# Four texts of two classes; features 4, 5 and 6, of which 4 is in three texts.
IDS = np.array([4, 5, 4, 6, 4, 6], np.int32)
ROWS = np.array([0, 0, 1, 2, 3, 3])
TARGETS = np.array([[1.0], [1.0], [0.0], [0.0]], np.float32)
BATCH = np.array([[4, 5, 0], [6, 0, 0]], np.int32)


def bag(weighting="naive_bayes", outputs=1, targets=TARGETS) -> NgramBag:
    layer = NgramBag(7, outputs, weighting=weighting)
    layer.build((None, None))
    layer.adapt(IDS, ROWS, targets)
    return layer


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def naive_bayes_table():
    inside = 1.0 + np.array([0, 0, 0, 0, 2, 1, 0])
    outside = 1.0 + np.array([0, 0, 0, 0, 1, 0, 2])
    table = np.log(inside / inside.sum()) - np.log(outside / outside.sum())
    table[0] = 0.0
    return table


def test_it_begins_as_naive_bayes_does():
    table = naive_bayes_table()
    expected = [[0.1 * 0.2 * (table[4] + table[5])], [0.1 * 0.2 * table[6]]]
    np.testing.assert_allclose(numpy(bag()(BATCH)), expected, rtol=1e-5)


def test_of_two_outputs_each_is_one_class_against_the_other():
    both = np.concatenate([1.0 - TARGETS, TARGETS], axis=1)
    found = numpy(bag(outputs=2, targets=both)(BATCH))
    np.testing.assert_allclose(found[:, 0], -found[:, 1], rtol=1e-5)


def test_inverse_document_frequencies_have_length_one():
    layer = bag("idf")
    layer.kernel.assign(np.ones((7, 1), np.float32))
    of_four, of_five = 1 + np.log(5 / 4), 1 + np.log(5 / 2)
    expected = (of_four + of_five) / np.hypot(of_four, of_five)
    np.testing.assert_allclose(numpy(layer(BATCH)), [[expected], [1.0]], rtol=1e-5)


def test_words_and_characters_have_length_one_each():
    """Characters, which are many, do not outweigh words; a text may have only one of the two."""
    layer = NgramBag(7, 1, weighting="idf", num_word_ngrams=4)
    layer.build((None, None))
    layer.table.assign(np.array([[0], [1], [2], [2], [3], [4], [0.5]], np.float32))
    layer.kernel.assign(np.array([[9], [1], [1], [1], [10], [10], [10]], np.float32))
    ids = np.array([[1, 2, 3, 4, 5], [2, 0, 0, 0, 0], [6, 0, 0, 0, 0]], np.int32)
    expected = [[5 / 3 + 10 * 7 / 5], [1.0], [10.0]]
    np.testing.assert_allclose(numpy(layer(ids)), expected, rtol=1e-5)
    np.testing.assert_allclose(numpy(layer(np.zeros((1, 3), np.int32))), [[0.0]])


def test_without_weighting_padding_counts_for_nothing():
    layer = bag("none")
    layer.kernel.assign(np.arange(7, dtype=np.float32)[:, None] + 100.0)
    np.testing.assert_allclose(numpy(layer(BATCH)), [[20.9], [10.6]], rtol=1e-5)


@pytest.mark.parametrize("weighting", ["naive_bayes", "idf", "none"])
def test_the_amount_of_padding_does_not_change_the_answer(weighting):
    layer = bag(weighting)
    layer.kernel.assign(np.linspace(-1, 1, 7, dtype=np.float32)[:, None])
    longer = np.pad(BATCH, [(0, 0), (0, 5)])
    np.testing.assert_allclose(numpy(layer(longer)), numpy(layer(BATCH)), atol=1e-6)


def test_one_class_against_the_rest_gives_shares_of_the_sigmoids():
    found = numpy(OneVersusRest()(np.array([[0.0, 2.0, -30.0]], np.float32)))
    sigmoids = 1 / (1 + np.exp(-np.array([0.0, 2.0, -30.0])))
    np.testing.assert_allclose(found[0], sigmoids / sigmoids.sum(), rtol=1e-5)


def test_of_very_low_logits_the_shares_still_sum_to_one():
    found = numpy(OneVersusRest()(np.array([[-200.0, -201.0]], np.float32)))
    np.testing.assert_allclose(found.sum(), 1.0, rtol=1e-6)
    assert found[0, 0] > found[0, 1]


def test_features_are_dropped_in_training_only():
    ids = np.full((50, 40), 5, np.int32)
    layer = FeatureDropout(0.25, seed=1)
    assert (numpy(layer(ids)) == ids).all()
    share = (numpy(layer(ids, training=True)) == 0).mean()
    assert 0.2 < share < 0.3
