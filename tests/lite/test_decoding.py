"""Searches and writers in NumPy find what those on TensorFlow find."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textnets.decoding.beam_search import NO_SCORE, beam_search
from textnets.decoding.greedy import greedy_search
from textnets.decoding.sampling import write_tokens
from textnets.lite import decoding as lite

pytestmark = pytest.mark.heavy  # loops on TensorFlow

SIZE = 9
FEW = settings(max_examples=12, deadline=None)


def random_steps(seed: int) -> tuple[Any, Any]:
    """A model that writes by the last token and by how often which token was read before: in NumPy
    and on TensorFlow."""
    random = np.random.default_rng(seed)
    table = random.normal(0, 2, (SIZE, SIZE)).astype("float32")
    mixes = random.normal(0, 0.3, (SIZE, SIZE)).astype("float32")

    def in_numpy(token_ids: Any, states: Any) -> Any:
        counts = states[0] + np.eye(SIZE, dtype="float32")[token_ids]
        return table[token_ids] + counts @ mixes, [counts]

    def on_tensorflow(token_ids: Any, states: Any) -> Any:
        counts = states[0] + keras.ops.one_hot(token_ids, SIZE, dtype="float32")
        return keras.ops.take(table, token_ids, axis=0) + keras.ops.matmul(counts, mixes), [counts]

    return in_numpy, on_tensorflow


def starts(rows: int) -> list[Any]:
    return [np.zeros((rows, SIZE), "float32")]


def tensors(states: list[Any]) -> list[Any]:
    return [keras.ops.convert_to_tensor(state) for state in states]


@FEW
@given(
    seed=st.integers(0, 10**6),
    limits=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    beam_size=st.integers(1, 4),
    penalty=st.sampled_from([0.0, 0.6, 1.0]),
    ngram=st.sampled_from([0, 0, 1, 2, 3]),
    unknown=st.booleans(),
    is_rewarded=st.booleans(),
)
def test_searches(
    seed: int,
    limits: list[int],
    beam_size: int,
    penalty: float,
    ngram: int,
    unknown: bool,
    is_rewarded: bool,
) -> None:
    (step, known_step), most = random_steps(seed), np.array(limits, "int32")
    room = max(limits) + 2
    rules: dict[str, Any] = {"no_repeat_ngram": ngram, "writes_unknown": unknown}
    rewards = [lambda states: states[0][:, 5] * 0.5] * 2 if is_rewarded else [None, None]
    known = [
        np.asarray(one)
        for one in beam_search(
            known_step, tensors(starts(len(limits))), most, room, beam_size=beam_size,
            length_penalty=penalty, reward=rewards[0], **rules,
        )
    ]  # fmt: skip
    found = lite.beam_search(
        step, starts(len(limits)), most, room, beam_size=beam_size, length_penalty=penalty,
        reward=rewards[1], **rules,
    )  # fmt: skip
    is_found = known[1] > NO_SCORE / 2
    np.testing.assert_array_equal(found[1] > NO_SCORE / 2, is_found)
    np.testing.assert_array_equal(found[0][is_found], known[0][is_found])
    for one, other in zip(found[1:], known[1:], strict=True):
        np.testing.assert_allclose(one[is_found], other[is_found], rtol=1e-5)
    ids, sums = greedy_search(known_step, tensors(starts(len(limits))), most, room, **rules)
    greedy_ids, greedy_sums = lite.greedy_search(step, starts(len(limits)), most, room, **rules)
    np.testing.assert_array_equal(greedy_ids, np.asarray(ids))
    np.testing.assert_allclose(greedy_sums, np.asarray(sums), rtol=1e-5)


@FEW
@given(
    seed=st.integers(0, 10**6),
    lengths=st.lists(st.integers(1, 4), min_size=1, max_size=3),
    temperature=st.sampled_from([0.0, 0.5, 1.0, 2.0]),
    top_k=st.sampled_from([1, 3, 2**30]),
    top_p=st.sampled_from([0.3, 0.9, 2.0]),
    end_id=st.sampled_from([-1, 3]),
)
def test_writing(
    seed: int, lengths: list[int], temperature: float, top_k: int, top_p: float, end_id: int
) -> None:
    random = np.random.default_rng(seed)
    prompts = random.integers(2, SIZE, (len(lengths), max(lengths))).astype("int32")
    noise = random.random((len(lengths), 6)).astype("float32")
    given_arrays = (
        prompts, np.array(lengths, "int32"), starts(len(lengths)), noise,
        ~np.isin(np.arange(SIZE), [0, 1, 2]),
        np.float32(temperature), np.int32(top_k), np.float32(top_p),
    )  # fmt: skip
    step, known_step = random_steps(seed)
    more = {"end_id": end_id, "num_alternatives": 3}
    on_tensorflow = (*map(keras.ops.convert_to_tensor, given_arrays[:2]), tensors(given_arrays[2]))
    known = write_tokens(
        known_step, *on_tensorflow, *map(keras.ops.convert_to_tensor, given_arrays[3:]),
        **more,
    )  # fmt: skip
    del known["states"]  # with which a stream goes on; NumPy's has its own
    found = lite.write_tokens(step, *given_arrays, **more)
    for name, values in known.items():
        np.testing.assert_allclose(found[name], np.asarray(values), rtol=1e-4, atol=1e-6)
