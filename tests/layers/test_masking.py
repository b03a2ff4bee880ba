"""Masks, zeros at the padding, and rows reversed within their length."""

from __future__ import annotations

import hypothesis
import keras
import numpy as np
import pytest
from hypothesis import strategies

from textnets.layers import MaskedInputs, PaddingMask, ReverseSequence

TOKEN_IDS = np.array([[7, 8, 9, 5], [6, 0, 0, 0], [4, 1, 5, 0]], dtype="int32")


def numpy(tensor):
    return keras.ops.convert_to_numpy(tensor)


def some_sequence(batch, length, width, seed=0):
    return np.random.default_rng(seed).normal(size=(batch, length, width)).astype("float32")


def test_padding_mask_is_true_at_tokens():
    mask = numpy(PaddingMask()(TOKEN_IDS))
    assert mask.dtype == bool
    assert mask.tolist() == [
        [True, True, True, True],
        [True, False, False, False],
        [True, True, True, False],
    ]


def test_masked_inputs_are_zero_at_the_padding_even_where_they_were_not_finite():
    sequence = some_sequence(3, 4, 2)
    sequence[1, 1:] = np.nan
    masked = numpy(MaskedInputs()([sequence, TOKEN_IDS != 0]))
    np.testing.assert_array_equal(masked[0], sequence[0])
    np.testing.assert_array_equal(masked[1, 0], sequence[1, 0])
    assert not masked[1, 1:].any()
    assert not masked[2, 3].any()


def test_each_row_is_reversed_within_its_length():
    sequence = TOKEN_IDS[:, :, None].astype("float32")
    reversed_ids = numpy(ReverseSequence()([sequence, TOKEN_IDS != 0]))[:, :, 0]
    assert reversed_ids.tolist() == [[5, 9, 8, 7], [6, 0, 0, 0], [5, 1, 4, 0]]


@hypothesis.settings(max_examples=40, deadline=None, derandomize=True)
@hypothesis.given(
    lengths=strategies.lists(strategies.integers(1, 6), min_size=1, max_size=4),
    padding=strategies.integers(0, 3),
    width=strategies.integers(1, 3),
)
def test_reversed_is_numpy_s_reversal_and_twice_is_the_identity(lengths, padding, width):
    length = max(lengths) + padding
    sequence = some_sequence(len(lengths), length, width, seed=length)
    mask = np.arange(length) < np.array(lengths)[:, None]
    once = numpy(ReverseSequence()([sequence, mask]))
    for row, tokens in enumerate(lengths):
        np.testing.assert_array_equal(once[row, :tokens], sequence[row, :tokens][::-1])
    np.testing.assert_array_equal(numpy(ReverseSequence()([once, mask])), sequence)


@pytest.mark.parametrize("layer_class", [MaskedInputs, ReverseSequence])
def test_shape_and_dtype_are_known_before_the_call(layer_class):
    sequence = keras.KerasTensor((None, None, 5), dtype="float32")
    mask = PaddingMask()(keras.KerasTensor((None, None), dtype="int32"))
    assert (mask.shape, mask.dtype) == ((None, None), "bool")
    answer = layer_class(dtype="bfloat16")([sequence, mask])
    assert (answer.shape, answer.dtype) == ((None, None, 5), "bfloat16")


@pytest.mark.parametrize("layer_class", [PaddingMask, MaskedInputs, ReverseSequence])
def test_configs_round_trip(layer_class):
    layer = layer_class(name="a_name")
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(copy) is layer_class
    assert copy.get_config() == layer.get_config()
    assert keras.saving.get_registered_name(layer_class) == f"textnets>{layer_class.__name__}"
