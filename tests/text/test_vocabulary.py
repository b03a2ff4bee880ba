from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from textnets.errors import DataError, RunError
from textnets.text.vocabulary import Vocabulary, build_vocabulary, load_lines, save_lines

TOKENS = st.lists(
    st.one_of(
        st.text(st.sampled_from("\\nr\n\r\x85\u2028 a"), max_size=6),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    ),
    unique=True,
    max_size=8,
)


def test_falling_count_then_the_token_by_code_point():
    counts = {"b": 2, "a": 2, "Z": 2, "é": 2, "c": 3, "d": 1}
    vocabulary = build_vocabulary(counts, max_tokens=None, min_count=1)
    assert vocabulary.ordinary_tokens == ("c", "Z", "a", "b", "é", "d")
    assert [vocabulary.encode_token(token) for token in ("c", "d", "x")] == [4, 9, 1]
    assert [vocabulary.decode_id(index) for index in (0, 1, 2, 3, 4, 9)] == [
        "[PAD]", "[UNK]", "[BOS]", "[EOS]", "c", "d",
    ]  # fmt: skip


def test_max_tokens_counts_the_special_ones_and_min_count_the_occurrences():
    counts = {"a": 5, "b": 4, "c": 4, "d": 1}
    assert len(build_vocabulary(counts, max_tokens=6, min_count=1)) == 6
    assert build_vocabulary(counts, max_tokens=6, min_count=1).ordinary_tokens == ("a", "b")
    assert build_vocabulary(counts, max_tokens=99, min_count=4).ordinary_tokens == ("a", "b", "c")


def test_a_token_twice_is_refused():
    with pytest.raises(DataError, match="each token once"):
        Vocabulary(["a", "b", "a"])


def test_a_token_that_spells_a_special_one_is_an_ordinary_one(tmp_path: Path):
    Vocabulary(["[UNK]", "[PAD]"]).save(tmp_path / "vocabulary.txt")
    loaded = Vocabulary.load(tmp_path / "vocabulary.txt")
    assert loaded.encode_token("[UNK]") == 4
    assert loaded.encode_token("[BOS]") == 1


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tokens=TOKENS)
@example(tokens=["\\", "\\n", "\n", "\\\n", "\\\\n", "", " ", "\r\n", "\x85", "\\r", "\ufeff"])
def test_saved_and_loaded(tmp_path: Path, tokens: list[str]):
    path = tmp_path / "vocabulary.txt"
    Vocabulary(tokens).save(path)
    assert Vocabulary.load(path).ordinary_tokens == tuple(tokens)
    assert path.read_bytes().count(b"\n") == 4 + len(tokens)  # one token a line
    assert b"\r" not in path.read_bytes()
    save_lines(path, tokens)
    assert load_lines(path) == tokens


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the special tokens do not come first"),
        (b"[PAD]\n[UNK]\n[BOS]\n[EOS]\ncat\ndo", "cut off"),
        (b"cat\ndog\n", "the special tokens do not come first"),
        (b"[PAD]\n[UNK]\n[BOS]\n", "the special tokens do not come first"),
        (b"[PAD]\n[UNK]\n[BOS]\n[EOS]\ncat\ncat\n", "each token once"),
        (b"[PAD]\n[UNK]\n[BOS]\n[EOS]\n\xff\n", "cannot be read"),
    ],
)
def test_a_damaged_file_is_an_error_of_the_run(tmp_path: Path, content: bytes, message: str):
    path = tmp_path / "vocabulary.txt"
    path.write_bytes(content)
    with pytest.raises(RunError, match=message) as caught:
        Vocabulary.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_an_error_of_the_run(tmp_path: Path):
    with pytest.raises(RunError, match="cannot be read"):
        Vocabulary.load(tmp_path / "vocabulary.txt")
