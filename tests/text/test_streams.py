"""One running text as batches of contiguous streams."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from textnets.text.streams import StreamBatches


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 200), st.integers(1, 9), st.integers(1, 17))
def test_every_token_once_and_in_order(total, batch_size, window):
    ids = np.arange(4, total + 4, dtype=np.int32)
    batches = StreamBatches(ids, ids + 1, batch_size, window)
    assert (len(batches), batches.unit) == (total, "tokens")
    read, count = [[] for _ in range(batch_size)], 0
    for rows in batches.of_epoch(3):
        token_ids, targets, weights = batches.load(rows)
        assert token_ids.shape == targets.shape == weights.shape == (batch_size, window)
        assert (token_ids.dtype, targets.dtype, weights.dtype) == (np.int32, np.int32, np.float32)
        inside = weights > 0
        np.testing.assert_array_equal(targets[inside], token_ids[inside] + 1)
        assert not token_ids[~inside].any()
        assert not targets[~inside].any()
        assert weights.sum() == batches.count(rows)
        count += batches.count(rows)
        for stream, ids_of, mask in zip(read, token_ids, inside, strict=True):
            stream += ids_of[mask].tolist()
    assert count == total
    # Stream after stream is the text: row i goes on where row i ended.
    assert [one for stream in read for one in stream] == ids.tolist()


def test_each_epoch_is_the_same():
    ids = np.arange(50, dtype=np.int32)
    batches = StreamBatches(ids, ids, 3, 4)
    for one, other in zip(batches.of_epoch(0), batches.of_epoch(7), strict=True):
        np.testing.assert_array_equal(one, other)
