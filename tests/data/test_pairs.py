"""Readers of sentence pairs."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from textnets.data.pairs import Pair, PairLayout, read_pairs, read_parallel
from textnets.errors import DataError


def layout(file_format: str = "auto", source_column: int = 0, target_column: int = 1) -> PairLayout:
    return PairLayout(file_format, "en", "de", source_column, target_column)


def write(path: Path, text: str) -> Path:
    content = text.encode("utf-8")
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def test_parallel_lines_stay_aligned(tmp_path: Path) -> None:
    """An empty line, odd blanks and line separators of Unicode move nothing."""
    source = write(tmp_path / "a.en.gz", "one\n\nthree \u2028 four\r\nfive\x85\n")
    target = write(tmp_path / "a.de", "eins\nzwei\n drei\u00a0\nf\u00fcnf")
    assert list(read_parallel(source, target)) == [
        Pair("one", "eins"),
        Pair("", "zwei"),
        Pair("three \u2028 four", " drei\u00a0"),
        Pair("five\x85", "f\u00fcnf"),
    ]


@pytest.mark.parametrize(("ours", "theirs"), [("a\nb\n", "a\n"), ("a\n", "a\nb\n")])
def test_files_of_different_lengths_are_refused(tmp_path: Path, ours: str, theirs: str) -> None:
    source, target = write(tmp_path / "x.en", ours), write(tmp_path / "x.de", theirs)
    with pytest.raises(DataError, match=r"ends after 1 lines, but .* goes on"):
        list(read_parallel(source, target))


def test_tab_separated_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "fra.txt.gz", 'Go.\tVa !\tCC-BY\n\n"Hi"\tSalut "toi"\n')
    assert list(read_pairs(path, layout())) == [
        Pair("Go.", "Va !"),
        Pair('"Hi"', 'Salut "toi"'),
    ]
    turned = layout(source_column=1, target_column=0)
    assert next(read_pairs(path, turned)) == Pair("Va !", "Go.")
    only_sources = write(tmp_path / "texts.tsv", "a\nb\n")
    found = list(read_pairs(only_sources, layout(), with_target=False))
    assert found == [Pair("a", ""), Pair("b", "")]
    with pytest.raises(DataError, match=r"texts\.tsv:1: there is no column 1 .*this line has 1"):
        list(read_pairs(only_sources, layout()))


def test_jsonl(tmp_path: Path) -> None:
    path = write(tmp_path / "x.jsonl", '{"en": "one\\ntwo", "de": "eins"}\n')
    assert list(read_pairs(path, layout())) == [Pair("one\ntwo", "eins")]
    write(path, '{"en": ["one"], "de": "eins"}\n')
    with pytest.raises(DataError, match=r"x\.jsonl:1: 'en' must be a text"):
        list(read_pairs(path, layout()))


def test_the_name_tells_the_format() -> None:
    names = {
        "train.{side}.gz": "lines",
        "a.TSV.gz": "tsv",
        "b.txt": "tsv",
        "c.jsonl": "jsonl",
        "d.csv": "csv",
    }
    assert {name: layout().format_of(name) for name in names} == names
    assert layout().sides_of("train.{side}.gz") == ("train.en.gz", "train.de.gz")
    with pytest.raises(DataError, match="does not tell how the pairs are written"):
        layout().format_of("train.xml")
    with pytest.raises(DataError, match="must stand where the names of the two files differ"):
        layout("lines").sides_of("train.gz")
