"""The binary format of word2vec: what is written is read, and what lies is refused."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textnets.errors import DataError
from textnets.text.vectors import WordVectors, read_vectors
from textnets.text.vocabulary import Vocabulary

Rows = dict[str, list[float]]


def written(rows: Rows, *, ends: bytes = b"\n", header: bytes | None = None) -> bytes:
    """As word2vec writes it; others leave out the line break after a vector."""
    width = len(next(iter(rows.values())))
    first = f"{len(rows)} {width}\n".encode() if header is None else header
    return first + b"".join(
        word.encode() + b" " + struct.pack(f"<{len(values)}f", *values) + ends
        for word, values in rows.items()
    )


def read(tmp_path: Path, content: bytes, tokens: list[str]) -> WordVectors:
    path = tmp_path / "vectors.bin"
    path.write_bytes(content)
    return read_vectors(path, Vocabulary(tokens), seed=3)


# No word of a file of vectors has blanks, and none of word2vec's a NUL.
words = st.text(st.characters(codec="utf-8", exclude_characters=" \0\n"), min_size=1, max_size=12)
floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data(), zipped=st.booleans(), ends=st.sampled_from([b"", b"\n"]))
def test_what_is_written_is_read(tmp_path, data, zipped, ends):
    width = data.draw(st.integers(2, 9))
    known = data.draw(st.lists(words, unique=True, min_size=1, max_size=8))
    rows = {"first": [1.5] * width}  # with NULs, so that it is no text by chance
    for word in known:
        rows[word] = data.draw(st.lists(floats, min_size=width, max_size=width))
    content = written(rows, ends=ends)
    tokens = [*rows, "not in the file"]
    found = read(tmp_path, gzip.compress(content) if zipped else content, tokens)
    assert found.width == width
    assert found.known.tolist() == [False] * 4 + [True] * len(rows) + [False]
    np.testing.assert_array_equal(found.table[4:-1], np.array([*rows.values()], np.float32))


def test_only_the_vocabularys_rows_are_kept_and_the_first_counts(tmp_path):
    rows = {f"w{number}": [number, -number, 0.5] for number in range(5000)}
    content = written(rows) + b"w7 " + struct.pack("<3f", 9, 9, 9)
    content = content.replace(b"5000 3\n", b"5001 3\n", 1)
    found = read(tmp_path, content, ["w7", "other", "w4999"])
    assert found.table[4].tolist() == [7, -7, 0.5]
    assert found.table[6].tolist() == [4999, -4999, 0.5]
    assert found.covered_share == 2 / 3


def test_words_that_are_no_utf8_are_no_tokens(tmp_path):
    """word2vec cuts long words off after so many bytes."""
    cut = b"caf\xc3 " + struct.pack("<2f", 1, 2) + b"\n"
    content = written({"card": [3, 4], "nan": [float("nan"), 1]}, header=b"3 2\n") + cut
    found = read(tmp_path, content, ["card", "caf"])
    assert found.passed_over == 1
    assert found.table[4].tolist() == [3, 4]
    assert not found.known[5]


ROWS = {"card": [1.5, 2.5, -1.0], "lost": [0.25, 0.5, 0.125]}
GOOD = written(ROWS)
BOMB = b"99 99999\n" + b"".join(b"w%d " % number + bytes(4 * 99_999) for number in range(99))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (GOOD[:-5], "says that 2 vectors follow, and there are 1: the file is cut off"),
        (GOOD[:12], "says that 2 vectors follow, and there are 0: the file is cut off"),
        (written(ROWS, header=b"999999999999999 3\n"), "999,999,999,999,999 vectors follow, and"),
        (written(ROWS, header=b"2 999999999\n"), "are 999,999,999 wide, expected 1 to 100,000"),
        (written(ROWS, header=b"2 100000\n"), "2 vectors follow, and there are 0"),
        (written(ROWS, header=b"2 0\n"), "are 0 wide, expected 1 to 100,000"),
        (written(ROWS, header=b"1 3\n"), "goes on after the 1 vectors that its first line says"),
        (written(ROWS, header=b"2 2\n"), "expected a word before a blank, was: .* another width"),
        (written({"card": [1.5, float("nan")]}), "the vector of 'card' is not finite"),
        (written({"card": [1.5, float("inf")]}), "the vector of 'card' is not finite"),
        (b"2 2\n" + b"\1" * 200_000, "vector 1: expected a word before a blank"),
        (written({"Card": [1.5, 2]}), "for no token .*; its words have capitals, as 'Card'"),
        (b"\xba\x16\x4f\x2f\x0c\0\0\0", r"is a model of fastText, .* fetch the \.vec beside it"),
        (gzip.compress(GOOD * 50, mtime=0)[:-12], "the vectors cannot be read"),
        (gzip.compress(BOMB, 1, mtime=0), "unpacks to more than 200 times its size"),
        # Text with a first line, but in another encoding or damaged, stays text.
        ("2 2\ncaf\xe9 1 2\ncard 1 2\n".encode("latin-1"), r"bin:2: not UTF-8 text at byte 3"),
        (b"2 2\ncard 1\nlost 1 2\n", r"bin:2: expected a word and 2 numbers, was: 'card 1'"),
    ],
)
def test_a_file_that_lies_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, content, ["card"])
