"""Picking a few of many values, as a decoder does at each step: what ``keras.ops`` does, in fewer
and faster operations."""

from __future__ import annotations

from typing import Any

_GROUPS = range(64, 15, -1)  # sizes to try
_USUAL_GROUP = 32


def rows_at(array: Any, places: Any) -> Any:
    """``array[places]`` along the first axis.

    ``keras.ops.take`` looks for negative places first, on TensorFlow by five operations more.

    Args:
        array: ``[rows, ...]``.
        places: ``<int32>[...]``, none of them negative.
    """
    import keras

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.gather(array, places)
    return keras.ops.take(array, places, axis=0)


def at_each(values: Any, places: Any) -> Any:
    """Each row's values at its places: ``[rows, n]`` and ``<int32>[rows, k]`` to ``[rows, k]``."""
    import keras

    ops = keras.ops
    rows = ops.arange(ops.shape(places)[0], dtype="int32")[:, None]
    flat = ops.reshape(values, (-1,))
    return rows_at(flat, rows * values.shape[1] + ops.cast(places, "int32"))


def place_of_largest(values: Any) -> Any:
    """``<float>[rows, n]`` to ``<int32>[rows]``; the first of equal ones.

    ``keras.ops.argmax`` tells -0 from 0 on TensorFlow, which takes longer than the search.
    """
    import keras

    if keras.config.backend() == "tensorflow":
        import tensorflow as tf

        return tf.argmax(values, axis=-1, output_type=tf.int32)
    return keras.ops.cast(keras.ops.argmax(values, axis=-1), "int32")


def largest(values: Any, count: int) -> tuple[Any, Any]:
    """The ``count`` largest values of each row, and where they stand.

    A search for a few among thousands takes longer than the product that made them. So the largest
    of each group are looked at first: what is among the ``count`` largest stands in one of the
    ``count`` groups whose own largest are the largest.

    Args:
        values: ``<float32>[rows, columns]``; the number of columns is known.
        count: at most as many as there are columns.

    Returns:
        ``<float32>[rows, count]``, the largest first, and ``<int32>[rows, count]``.
    """
    import keras

    ops = keras.ops
    columns = values.shape[1]
    size = next((size for size in _GROUPS if columns % size == 0), _USUAL_GROUP)
    groups = columns // size
    if groups < 4 * count:  # little would be left out
        found, places = ops.top_k(values, count)
        return found, ops.cast(places, "int32")
    whole = groups * size
    grouped = ops.reshape(values if whole == columns else values[:, :whole], (-1, groups, size))
    _, best_groups = ops.top_k(ops.max(grouped, axis=-1), count)
    best_groups = ops.cast(best_groups, "int32")
    rows = ops.arange(ops.shape(values)[0], dtype="int32")[:, None]
    among = rows_at(ops.reshape(grouped, (-1, size)), rows * groups + best_groups)
    among = ops.reshape(among, (-1, count * size))
    if whole < columns:
        among = ops.concatenate([among, values[:, whole:]], axis=1)
    found, within = ops.top_k(among, count)
    within = ops.cast(within, "int32")
    group = ops.minimum(within // size, count - 1)
    places = at_each(best_groups, group) * size + within % size
    if whole < columns:
        places = ops.where(within < count * size, places, within - count * size + whole)
    return found, places
