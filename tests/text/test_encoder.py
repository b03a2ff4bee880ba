from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textnets.text.vocabulary import BOS_ID, EOS_ID, UNKNOWN_ID

TEXT = "the cat sat on the mat"


@pytest.mark.parametrize(
    ("keys", "tokens"),
    [
        ({}, "the cat sat on the mat"),
        ({"max_length": 6}, "the cat sat on the mat"),
        ({"max_length": 3}, "the cat sat"),
        ({"max_length": 3, "truncate": "start"}, "on the mat"),
        ({"max_length": 1, "truncate": "start"}, "mat"),
        ({"add_bos": True}, "[BOS] the cat sat on the mat"),
        ({"add_eos": True}, "the cat sat on the mat [EOS]"),
        ({"add_bos": True, "add_eos": True, "max_length": 4}, "[BOS] the cat [EOS]"),
        ({"add_eos": True, "max_length": 3, "truncate": "start"}, "the mat [EOS]"),
        ({"add_bos": True, "add_eos": True, "max_length": 3}, "[BOS] the [EOS]"),
    ],
)
def test_truncated_and_framed(learned, keys, tokens):
    encoder = learned("words", **keys)
    (found,) = encoder.tokens([TEXT])
    assert [token.text for token in found] == tokens.split(" ")
    ids = encoder.encode([TEXT]).ids.tolist()
    assert ids == [token.id for token in found]
    assert (ids[0] == BOS_ID) == keys.get("add_bos", False)
    assert (ids[-1] == EOS_ID) == keys.get("add_eos", False)


def test_an_empty_text_is_framed_too(learned):
    encoder = learned("words", add_bos=True, add_eos=True, max_length=3)
    assert encoder.encode([""]).ids.tolist() == [BOS_ID, UNKNOWN_ID, EOS_ID]
    assert [token.text for token in encoder.tokens([""])[0]] == ["[BOS]", "", "[EOS]"]
    assert [token.unknown for token in encoder.tokens([""])[0]] == [False, True, False]


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(texts=st.lists(st.text("a the.\n", max_size=40), max_size=5))
def test_no_row_is_longer_than_max_length(learned, texts):
    encoder = learned("words", max_length=5, add_bos=True, add_eos=True)
    ids, coverage = encoder.encode_measured(texts)
    assert all(3 <= length <= 5 for length in ids.lengths)
    assert coverage.texts == len(ids) == len(texts)


def test_coverage_counts_by_hand(learned):
    texts = ["the cat sat on", "the zebra", "", "zebra the the cat on zebra", " \n"]
    encoder = learned("words", max_length=4)
    _, coverage = encoder.encode_measured(texts)
    assert (coverage.texts, coverage.tokens, coverage.unknown) == (5, 12, 3)
    assert (coverage.truncated, coverage.empty, coverage.longest) == (1, 2, 6)
    assert coverage.unknown_share == 3 / 12
    assert coverage.truncated_share == 1 / 5


def test_bos_and_eos_are_no_tokens_of_the_coverage_but_count_into_the_length(learned):
    encoder = learned("words", max_length=4, add_bos=True, add_eos=True)
    _, coverage = encoder.encode_measured(["the cat", "the cat sat"])
    assert (coverage.tokens, coverage.truncated, coverage.longest) == (5, 1, 3)


def test_no_texts_at_all(learned):
    ids, coverage = learned("words").encode_measured([])
    assert len(ids) == 0
    assert coverage.unknown_share == coverage.truncated_share == 0.0
    assert learned("words").tokens([]) == []


def test_more_texts_than_a_chunk_keep_their_order(learned):
    texts = [word for number in range(700) for word in ("cat", "the dog", "sat " * (number % 5))]
    encoder = learned("words")
    ids, coverage = encoder.encode_measured(iter(texts))
    assert coverage.texts == len(ids) == 2100
    for index in (0, 1, 2, 1023, 1024, 1025, 2047, 2048, 2099):
        assert ids.row(index).tolist() == encoder.encode([texts[index]]).ids.tolist()
