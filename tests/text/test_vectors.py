from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from textnets.errors import DataError
from textnets.text.vectors import read_vectors
from textnets.text.vocabulary import Vocabulary

VOCABULARY = Vocabulary(["cat", "dog", ". . .", "café", "7"])
GLOVE = "the 1 2 3\ncat 0.5 -1 2e-1\n. . . 4 5 6\ncafé 7 8 9\n"
ROWS = {4: [0.5, -1, 0.2], 6: [4, 5, 6], 7: [7, 8, 9]}


def read(tmp_path: Path, content: str | bytes, name: str = "v.txt"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_vectors(path, VOCABULARY, seed=3)


@pytest.mark.parametrize(
    "content",
    [
        GLOVE,
        f"4 3\n{GLOVE}",  # word2vec and fastText
        f"\ufeff{GLOVE}",
        GLOVE.replace("\n", "\r\n"),
        GLOVE.replace("\n", " \n"),  # fastText ends lines with a blank
        GLOVE.replace("\n", "\n\n"),
        GLOVE.rstrip("\n"),
        gzip.compress(GLOVE.encode(), mtime=0),
        GLOVE + "cat 9 9 9\n",  # the first counts
        GLOVE + "x\x85y 1 1 1\n\xa0 1 1 1\n",
        ". . . 4 5 6\ncat 0.5 -1 2e-1\ncafé 7 8 9\n",  # blanks in the first word
        GLOVE + "the nan 2 3\n",  # no one needs it
    ],
)
def test_the_rows_of_the_vocabulary_are_found(tmp_path, content):
    vectors = read(tmp_path, content)
    assert vectors.width == 3
    assert vectors.table.shape == (9, 3)
    assert vectors.table.dtype == np.float32
    assert np.flatnonzero(vectors.known).tolist() == sorted(ROWS)
    for row, values in ROWS.items():
        np.testing.assert_allclose(vectors.table[row], values, rtol=1e-6)
    assert vectors.covered_share == 3 / 5


def test_what_the_file_lacks_is_drawn_with_its_variance_and_padding_is_zero(tmp_path):
    vocabulary = Vocabulary([f"w{number}" for number in range(4000)])
    values = np.random.default_rng(0).normal(0, 0.3, (2000, 5))
    lines = [f"w{row} {' '.join(map(str, value))}\n" for row, value in enumerate(values)]
    (tmp_path / "v.txt").write_text("".join(lines))
    vectors = read_vectors(tmp_path / "v.txt", vocabulary, seed=3)
    assert vectors.covered_share == 0.5
    assert not vectors.table[0].any()
    assert vectors.table[1:4].all()
    drawn = vectors.table[2004:]
    assert drawn.var() == pytest.approx(values.var(), rel=0.05)
    assert abs(drawn.mean()) < 0.01
    again = read_vectors(tmp_path / "v.txt", vocabulary, seed=3)
    np.testing.assert_array_equal(again.table, vectors.table)
    assert (read_vectors(tmp_path / "v.txt", vocabulary, seed=4).table != vectors.table).any()


def test_a_number_may_be_a_word(tmp_path):
    vectors = read(tmp_path, "7 1 2 3\ncat 4 5 6\n")
    assert vectors.table[8].tolist() == [1, 2, 3]


def test_special_tokens_are_never_given_a_vector(tmp_path):
    vectors = read(tmp_path, "[UNK] 9 9\n[PAD] 9 9\ncat 1 2\n")
    assert np.flatnonzero(vectors.known).tolist() == [4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("cat 1 2 3\ndog 1 2\n", r"v\.txt:2: expected a word and 3 numbers, was: 'dog 1 2'"),
        (
            "cat 1 2 3\nsea 1 2 3 4\n",
            r"v\.txt:2: expected a word and 3 numbers, was: 'sea 1 2 3 4'",
        ),
        ("cat 1 2 3\n\ndog 1 x 3\n", r"v\.txt:3: expected a word and 3 numbers, was: 'dog 1 x 3'"),
        ("9 3\ncat 1 2\n", r"v\.txt:2: expected a word and 3 numbers, was: 'cat 1 2'"),
        ("cat\n", r"v\.txt:1: expected a word and numbers, was: 'cat'"),
        ("cat 1 nan 3\n", r"v\.txt:1: the vector of 'cat' is not finite"),
        ("dog 1 2 3\ncat 1 inf 3\n", r"v\.txt:2: the vector of 'cat' is not finite"),
        ("1 99999999999999999999\ncat 1 2\n", r"v\.txt:2: expected a word and"),
        ("² ³\ncat 1 2\n", r"v\.txt:1: expected a word and numbers"),
        ("the 1 2 3\nof 1 2 3\n", r"v\.txt: holds a vector for no token of the vocabulary"),
        ("", "holds a vector for no token"),
        ("3 3\n", r"v\.txt:1: says that 3 vectors follow, and there are 0: the file is cut off"),
        ("9 2\ncat 1 2\n", r"v\.txt:1: says that 9 vectors follow, and there are 1"),
        (b"cat 1 2\nd\xff\xfe 1 2\n", r"v\.txt:2: not UTF-8 text at byte 1 of the line"),
        (b"cat 1 2\n\xff\0\0 1 2\n", r"v\.txt:2: not UTF-8 .* must be converted first"),
        ("cat\t1\t2\n", r"v\.txt:1: expected a word and numbers, with one .* tabs separate them"),
        ("cat\t1 2\ndog\t1 2\n", r"v\.txt:1: expected .*; tabs separate them"),
        ("cat 1 2\ndog\t1\t2\n", r"v\.txt:2: expected a word and 2 numbers, .*; tabs separate"),
        ("cat  1 2\n", r"v\.txt:1: expected a word and numbers.*; several blanks separate"),
        ("dog 1 2\ncat 1  2\n", r"v\.txt:2: expected a word and 2 .*; several blanks separate"),
        ("cat,1,2\n", r"v\.txt:1: expected a word and numbers.*; commas separate"),
        ("cat 0,1 0,2\n", r"v\.txt:1: expected a word and numbers.*; a comma stands for the point"),
        ("CAT 1 2\nDog 1 2\n", r"no token of the vocabulary; its words have capitals, as 'CAT'"),
        (gzip.compress(GLOVE.encode() * 50, mtime=0)[:-20], "the vectors cannot be read"),
        (b"\x1f\x8bnot gzip at all", "the vectors cannot be read"),
        (
            gzip.compress(GLOVE.encode() * 50, mtime=0)[:30] + b"\xff" * 40,
            "the vectors cannot be read",
        ),
    ],
)
def test_a_bad_file_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, content)


def test_a_missing_file_or_a_folder(tmp_path):
    for path in (tmp_path / "none.txt", tmp_path):
        with pytest.raises(DataError, match="the vectors cannot be read"):
            read_vectors(path, VOCABULARY, seed=1)
