from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textnets.text.batches import (
    ExampleBatches,
    TargetsAsInput,
    prediction_batches,
    training_batches,
)
from textnets.text.encoded import EncodedSplit, join_rows, padded_width

LENGTHS = st.lists(st.integers(1, 400), max_size=300).map(lambda drawn: np.array(drawn, np.int64))


def batches_of(lengths, *, batch_size=32, bucket_width=16, seed=7, epoch=0):
    return training_batches(
        lengths, batch_size=batch_size, bucket_width=bucket_width, seed=seed, epoch=epoch
    )


def flat(batches) -> list[int]:
    return [row for batch in batches for row in batch.tolist()]


def padding_share(batches, lengths, bucket_width=16) -> float:
    cells = sum(
        len(rows) * padded_width(int(lengths[rows].max()), bucket_width) for rows in batches
    )
    return 1 - lengths.sum() / cells


@pytest.fixture(scope="module")
def review_lengths() -> np.ndarray:
    """Lengths as of film reviews: median 210, long tail, cut at 400."""
    drawn = np.random.default_rng(5).lognormal(5.35, 0.6, 20_000)
    return np.clip(drawn, 5, 400).astype(np.int64)


@settings(deadline=None)
@given(lengths=LENGTHS, batch_size=st.integers(1, 40), bucket_width=st.integers(1, 50))
def test_every_example_once_in_full_batches(lengths, batch_size, bucket_width):
    batches = batches_of(lengths, batch_size=batch_size, bucket_width=bucket_width)
    assert sorted(flat(batches)) == list(range(len(lengths)))
    sizes = [len(rows) for rows in batches]
    assert len(sizes) == -(-len(lengths) // batch_size)
    assert all(size == batch_size for size in sorted(sizes)[1:])
    assert min(sizes, default=1) >= 1


def test_the_order_is_a_pure_function_of_seed_and_epoch(review_lengths):
    def order(**keys):
        return [rows.tolist() for rows in batches_of(review_lengths[:3000], **keys)]

    np.random.seed(1)
    first = order(seed=7, epoch=3)
    np.random.seed(2)
    assert order(seed=7, epoch=3) == first
    others = [order(seed=7, epoch=4), order(seed=8, epoch=3), order(seed=3, epoch=7)]
    assert all(other != first for other in others)
    # Other batches, not only another order of the same ones.
    kept = {frozenset(rows) for rows in first} & {frozenset(rows) for rows in others[0]}
    assert len(kept) < len(first) / 10


def test_the_order_stays_what_it_was():
    """A run that is continued by a later version must go on with the same batches."""
    lengths = np.arange(1, 11)
    found = [rows.tolist() for rows in batches_of(lengths, batch_size=4, bucket_width=4)]
    assert found == [[7, 6, 4, 5], [8, 9], [0, 1, 3, 2]]


def test_little_is_padding_and_little_of_the_randomness_is_lost(review_lengths):
    batches = batches_of(review_lengths)
    assert padding_share(batches, review_lengths) < 0.10
    shuffled = np.array_split(np.random.default_rng(0).permutation(20_000), len(batches))
    assert padding_share(shuffled, review_lengths) > 0.35  # what it would be without buckets
    means = [review_lengths[rows].mean() for rows in batches]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.15  # no drift from short to long


def test_prediction_batches_cover_all_once_from_short_to_long(review_lengths):
    batches = prediction_batches(review_lengths, batch_size=300)
    assert sorted(flat(batches)) == list(range(len(review_lengths)))
    assert (np.diff(review_lengths[flat(batches)]) >= 0).all()
    assert [len(rows) for rows in batches] == [300] * 66 + [200]
    assert prediction_batches(np.zeros(0, np.int64), batch_size=4) == []


def test_no_examples_no_batches():
    assert batches_of(np.zeros(0, np.int64)) == []


@pytest.mark.parametrize(
    ("longest", "bucket_width", "width"),
    [(0, 16, 16), (1, 16, 16), (16, 16, 16), (17, 16, 32), (400, 16, 400), (7, 1, 7), (5, 8, 8)],
)
def test_padded_width(longest, bucket_width, width):
    assert padded_width(longest, bucket_width) == width


def test_targets_become_an_input_and_stay_targets():
    ids, tags = join_rows([[4, 5, 6], [7]]), join_rows([[1, 0, 2], [3]])
    plain = ExampleBatches(EncodedSplit({"token_ids": ids}, tags), 2, 4, seed=1)
    wrapped = TargetsAsInput(plain)
    assert (len(wrapped), wrapped.unit) == (2, "examples")
    (rows,), (same,) = wrapped.of_epoch(0), plain.of_epoch(0)
    assert rows.tolist() == same.tolist()
    assert wrapped.count(rows) == 2
    inputs, targets, weights = wrapped.load(np.array([0, 1]))
    np.testing.assert_array_equal(inputs["token_ids"], [[4, 5, 6, 0], [7, 0, 0, 0]])
    np.testing.assert_array_equal(inputs["target_ids"], [[1, 0, 2, 0], [3, 0, 0, 0]])
    np.testing.assert_array_equal(targets, inputs["target_ids"])
    np.testing.assert_array_equal(weights, [[1, 1, 1, 0], [1, 0, 0, 0]])
    two = EncodedSplit({"token_ids": ids, "character_ids": ids}, tags)
    inputs, _, _ = TargetsAsInput(ExampleBatches(two, 2, 4, seed=1), "y").load(rows)
    assert set(inputs) == {"token_ids", "character_ids", "y"}
