"""Running text: lines, tails, and what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from textnets.data.running_text import cut_long_lines, cut_tail, read_lines
from textnets.errors import DataError


def test_lines_end_in_line_feeds_only(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("one\x85two\u2028three\r\n\n  \nlast".encode())
    assert read_lines(path) == ["one\x85two\u2028three", "", "  ", "last"]
    kept = read_lines(path, keep_ends=True)
    assert kept == ["one\x85two\u2028three\n", "\n", "  \n", "last"]
    assert read_lines(path, limit=1) == ["one\x85two\u2028three"]


def test_gzip_under_any_name(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(gzip.compress(b"a\nb\n"))
    assert read_lines(path) == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no such file"),
        (b"", "there is no text in it"),
        (b" \n\n\t\n", "there is no text in it"),
        (b"fine\n\xff\n", "not UTF-8"),
        (gzip.compress(b"a\n" * 999, mtime=0)[:-9], "damaged or cut short"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_lines(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="this is a folder"):
        read_lines(tmp_path)


def test_long_lines_are_cut_behind_blanks_and_nothing_is_lost() -> None:
    line = "a" * 30 + " " + "b" * 5 + " " + "c" * 40
    pieces = cut_long_lines([line, "short", ""], longest=10)
    assert pieces == ["a" * 30 + " ", "b" * 5 + " " + "c" * 40, "short", ""]


def test_tails_are_shares_of_the_characters() -> None:
    lines = ["x" * 9 + "\n"] * 10
    assert cut_tail(lines, 0.1, "test") == 9
    assert cut_tail(lines, 0.15, "validation") == 9  # cut between lines, the smaller tail
    assert cut_tail(lines, 0.25, "test") == 8
    assert cut_tail(["x" * 70, "y" * 30], 0.3, "test") == 1


@pytest.mark.parametrize("lines", [["only one line"], ["a", "b" * 100]])
def test_a_tail_that_leaves_one_side_empty_is_refused(lines: list[str]) -> None:
    with pytest.raises(DataError, match=r"test: a tail of 0.1 of .* leaves one side empty"):
        cut_tail(lines, 0.1, "test")
