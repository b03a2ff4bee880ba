"""The largest of each row, as NumPy finds them."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textnets.backend.picking import at_each, largest, place_of_largest


@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(1, 4),
    columns=st.integers(1, 3000),
    share=st.floats(0.0, 1.0),
    distinct=st.sampled_from([3, 10**6]),
)
@settings(max_examples=60, deadline=None)
def test_the_largest_are_those_of_a_sort(
    seed: int, rows: int, columns: int, share: float, distinct: int
) -> None:
    """Whatever divides the number of columns, and where many values are equal."""
    count = max(1, min(columns, int(share * 12)))
    random = np.random.default_rng(seed)
    values = random.integers(-distinct, distinct, size=(rows, columns)).astype("float32")
    found, places = map(keras.ops.convert_to_numpy, largest(keras.ops.array(values), count))
    np.testing.assert_array_equal(found, -np.sort(-values, axis=1)[:, :count])
    np.testing.assert_array_equal(np.take_along_axis(values, places, axis=1), found)
    assert all(len(set(row.tolist())) == count for row in places)


@pytest.mark.parametrize("columns", [6000, 5903])  # in groups of 60; no divisor that would do
def test_groups_hide_nothing(columns: int) -> None:
    values = np.zeros((2, columns), "float32")
    values[0, -13:] = np.arange(1, 14)  # all in the last group, or after it
    values[1, :: columns // 12] = 1.0 + np.arange(len(values[1, :: columns // 12]))
    found, places = map(keras.ops.convert_to_numpy, largest(keras.ops.array(values), 13))
    np.testing.assert_array_equal(places[0], np.arange(columns - 1, columns - 14, -1))
    np.testing.assert_array_equal(found, -np.sort(-values, axis=1)[:, :13])


def test_values_at_places() -> None:
    values = np.arange(12.0).reshape(3, 4)
    places = np.array([[0, 3], [2, 2], [1, 0]], "int32")
    found = at_each(keras.ops.array(values), keras.ops.array(places))
    np.testing.assert_array_equal(found, np.take_along_axis(values, places, axis=1))


def test_the_first_of_equal_ones() -> None:
    values = keras.ops.array([[1.0, 5.0, 5.0], [-0.0, 0.0, -1.0]])
    np.testing.assert_array_equal(place_of_largest(values), [1, 0])
