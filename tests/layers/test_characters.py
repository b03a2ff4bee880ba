"""Features of words: from their characters, and what dropping words does."""

from __future__ import annotations

import keras
import numpy as np

from textnets.layers import CharacterConvolution, RowsAsWords, WordDropout, WordsAsRows


def answer(layer: keras.layers.Layer, ids: np.ndarray, table: np.ndarray) -> np.ndarray:
    found: np.ndarray = keras.ops.convert_to_numpy(layer([table[ids], ids]))
    return found


def test_a_convolution_by_hand() -> None:
    layer = CharacterConvolution(2, 3)
    table = np.array([[9.0], [1.0], [2.0], [4.0]], np.float32)  # padding must not be seen
    ids = np.array([[[1, 2, 3, 0], [3, 0, 0, 0], [0, 0, 0, 0]]], np.int32)
    layer.build([(None, None, None, 1), (None, None, None)])
    kernel = np.array([[[1.0, 0.0]], [[1.0, -1.0]], [[1.0, 0.0]]], np.float32)
    layer.set_weights([kernel, np.array([0.5, 3.0], np.float32)])
    # Sums of three neighbors: 3, 7, 6 and 4, plus 0.5; 3 less the character: 2, 1, 0 and 0.
    expected = [[[7.5, 2.0], [4.5, 0.0], [0.0, 0.0]]]
    np.testing.assert_allclose(answer(layer, ids, table), expected)


def test_padding_changes_nothing() -> None:
    random = np.random.default_rng(0)
    table = random.normal(size=(9, 5)).astype("float32")
    ids = random.integers(1, 9, size=(2, 3, 4)).astype("int32")
    layer = CharacterConvolution(6, 3)
    expected = answer(layer, ids, table)
    padded = np.pad(ids, [(0, 0), (0, 2), (0, 7)])
    found = answer(layer, padded, table)
    np.testing.assert_allclose(found[:, :3], expected, atol=1e-6)
    np.testing.assert_array_equal(found[:, 3:], 0.0)


def test_words_become_rows_and_come_back() -> None:
    ids = np.array([[[1, 2, 0], [3, 0, 0]], [[4, 5, 6], [0, 0, 0]]], np.int32)
    vectors = np.stack([ids + 0.5, -ids - 0.5], axis=-1).astype("float32")
    words, mask = WordsAsRows()([vectors, ids])
    np.testing.assert_array_equal(
        mask,
        [[1, 1, 0], [1, 0, 0], [1, 1, 1], [1, 0, 0]],  # the padding's word: one zero
    )
    first = keras.ops.convert_to_numpy(words)[:, :, 0]
    np.testing.assert_array_equal(first, [[1.5, 2.5, 0], [3.5, 0, 0], [4.5, 5.5, 6.5], [0, 0, 0]])
    rows = np.arange(8, dtype=np.float32).reshape(4, 2) + 1
    back = RowsAsWords()([rows, ids])
    np.testing.assert_array_equal(back, [[[1, 2], [3, 4]], [[5, 6], [0, 0]]])


def test_word_dropout_spares_padding_and_acts_in_training_only() -> None:
    ids = np.where(np.arange(100) < 60, 7, 0)[None, :].repeat(50, axis=0).astype("int32")
    layer = WordDropout(0.25, seed=1)
    np.testing.assert_array_equal(layer(ids, training=False), ids)
    found = keras.ops.convert_to_numpy(layer(ids, training=True))
    np.testing.assert_array_equal(found[:, 60:], 0)
    assert set(np.unique(found[:, :60])) == {1, 7}
    assert 0.22 < (found[:, :60] == 1).mean() < 0.28
    again = keras.ops.convert_to_numpy(layer(ids, training=True))
    assert (again != found).any()
