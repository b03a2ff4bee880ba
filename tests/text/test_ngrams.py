"""Sets of n-grams: which there are, their ids, and what comes back from a run's files."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textnets.errors import DataError, RunError
from textnets.recipe.sections import NgramSection, TextSection
from textnets.text.ngrams import NgramEncoder, Ngrams, character_ngrams

TEXTS = ["no good film", "a good film", "good good no", "Film noir"]


def learn(texts=TEXTS, **keys) -> NgramEncoder:
    chosen = {"words": 2, "characters": None, "min_texts": 1} | keys
    return NgramEncoder.learn(TextSection(), NgramSection(**chosen), texts)


def features(encoder: NgramEncoder, text: str) -> list[str]:
    return [token.text for token in encoder.tokens([text])[0]]


def test_each_word_and_pair_of_words_counts_once():
    encoder = learn()
    assert features(encoder, "good good film") == ["film", "good", "good film", "good good"]


def test_words_are_by_falling_number_of_texts():
    assert learn().vocabulary.ordinary_tokens == ("film", "good", "no", "a", "noir")


def test_three_words_in_a_row():
    assert features(learn(words=3), "a good film") == [
        "film", "good", "a", "good film", "a good", "a good film",
    ]  # fmt: skip


def test_an_unknown_word_is_no_feature_and_cuts_what_is_longer():
    assert features(learn(), "good unheard film") == ["film", "good"]


def test_a_text_without_features_is_one_unknown():
    encoder = learn()
    assert encoder.encode(["", "unheard of", "film"]).ids.tolist() == [1, 1, 4]


def test_characters_stand_between_blanks_and_serve_unknown_words():
    encoder = learn(["good"], words=1, characters=(2, 3))
    assert features(encoder, "goods") == ["# g", "# go", "#go", "#goo", "#od", "#oo", "#ood"]


def test_characters_of_a_short_word():
    assert character_ngrams("no", range(2, 6)) == [" n", "no", "o ", " no", "no ", " no "]
    assert character_ngrams("a", range(5, 6)) == [" a "]


def test_what_is_in_too_few_texts_is_left_out():
    encoder = learn(min_texts=2)
    assert features(encoder, "a good film noir") == ["film", "good", "good film"]


def test_at_most_so_many_and_what_is_as_rare_goes_together():
    counts = Counter(word for text in TEXTS for word in set(text.lower().split()))
    assert sorted(counts.values()) == [1, 1, 2, 3, 3]
    assert features(learn(words=1, max_features=4), "a good film no") == ["film", "good", "no"]


def test_where_no_ngram_is_frequent_enough_it_says_so():
    with pytest.raises(DataError, match=r"lower text\.ngrams\.min_texts"):
        learn(min_texts=5)
    with pytest.raises(DataError, match="holds no token"):
        learn(["", " "])


def test_long_texts_have_longer_ngrams_of_words_and_short_ones_of_characters():
    short = NgramEncoder.learn(TextSection(), NgramSection(), TEXTS).ngrams
    assert short.characters
    assert "no good" in map(short.name, range(4, len(short)))
    words = " ".join(f"word{i}" for i in range(150))
    long = NgramEncoder.learn(TextSection(), NgramSection(), [words, f"{words} {words}"]).ngrams
    assert not long.characters
    assert "word0 word1 word2" in map(long.name, range(4, len(long)))


def test_truncation_comes_before_the_ngrams():
    section = TextSection(max_length=2, truncate="start")
    encoder = NgramEncoder.learn(section, NgramSection(words=2, characters=None), ["a b c", "b c"])
    assert features(encoder, "a b c") == ["b", "c", "b c"]
    assert encoder.encode_measured(["a b c", "b"])[1].truncated == 1


@settings(max_examples=30, deadline=None)  # each makes a graph of its own
@given(st.lists(st.text(st.sampled_from("ab cdé\n"), max_size=12), min_size=1, max_size=6))
def test_ids_are_those_of_a_plain_count(texts):
    """Against sets of strings; a pair of words cannot be taken for another."""
    expected = [_plain(text) for text in texts]
    if not any(expected):
        return
    encoder = learn(texts, characters=(2, 3))
    for text, found in zip(texts, expected, strict=True):
        assert set(features(encoder, text)) == (found or {"[UNK]"})


def _plain(text: str) -> set[str]:
    words = text.split()
    pairs = {f"{one} {two}" for one, two in pairwise(words)}
    spelled = {f"#{part}" for word in words for part in character_ngrams(word, range(2, 4))}
    return {*words, *pairs, *spelled}


def test_saved_and_loaded_it_gives_the_same_ids(tmp_path):
    encoder = learn(words=3, characters=(2, 4))
    encoder.save(tmp_path)
    again = NgramEncoder(encoder.section, Ngrams.load(tmp_path))
    for one, two in zip(
        (encoder.encode(TEXTS).ids, encoder.encode(TEXTS).offsets),
        (again.encode(TEXTS).ids, again.encode(TEXTS).offsets),
        strict=True,
    ):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    "rows",
    [
        [[99, 4]],  # begins with what comes later
        [[4, 99]],  # a word that there is not
        [[0, 4]],  # padding
        [[5, 4], [4, 5]],  # not sorted
        [[4, 5], [4, 5]],  # twice
    ],
)
def test_a_damaged_file_is_one_error(tmp_path, rows):
    learn().save(tmp_path)
    np.save(tmp_path / "ngrams.npy", np.array(rows, np.int32))
    with pytest.raises(RunError, match=r"ngrams\.npy: holds no n-grams"):
        Ngrams.load(tmp_path)


def test_a_missing_file_is_one_error(tmp_path):
    learn().save(tmp_path)
    (tmp_path / "ngrams.npy").write_bytes(b"")
    with pytest.raises(RunError, match=r"ngrams\.npy: cannot be read"):
        Ngrams.load(tmp_path)
