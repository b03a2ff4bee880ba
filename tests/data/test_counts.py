"""Each row of a file is read, or left out for a reason, and they add up."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from textnets.data.counts import RowCount
from textnets.data.dialect import Dialect
from textnets.data.encodings import likely_encoding
from textnets.data.readers import read_rows
from textnets.errors import DataError


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(
    path: Path, *columns: str, file_format: str = "auto", **dialect: object
) -> tuple[list[tuple[object, ...]], dict[str, tuple[int, str]]]:
    """The cells of a file, and what was left out: how many rows, and the place of the first."""
    count = RowCount()
    found = read_rows(
        path,
        columns=columns or ("text", "label"),
        file_format=file_format,
        dialect=Dialect(**dialect),  # type: ignore[arg-type]
        count=count,
    )
    cells = [tuple(row.values.values()) for row in found]
    left = {why: (one.rows, one.first) for why, one in count.left_out.items()}
    return cells, left


def refusal(path: Path, *columns: str, file_format: str = "auto", **dialect: object) -> str:
    with pytest.raises(DataError) as caught:
        read(path, *columns, file_format=file_format, **dialect)
    return str(caught.value)


# --- Tables ---


def test_blank_lines_comments_and_a_second_header_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n\n#one,x\none,x\ntext,label\n"#two\n#",y\n')
    cells, left = read(path, comment="#")
    assert cells == [("one", "x"), ("#two\n#", "y")]  # a cell in quotes is no comment
    assert left == {
        "a blank line": (1, f"{path}:2"),
        "a comment": (1, f"{path}:3"),
        "repeats the names of the columns": (1, f"{path}:5"),
    }


def test_columns_that_nobody_asks_for_need_no_name(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label,,,x,x\na,b,,,1,2\n")
    assert read(path)[0] == [("a", "b")]
    assert "names are repeated: 'x'" in refusal(path, "text", "x")


@pytest.mark.parametrize("sign", [";", "\t", "|"])
def test_another_delimiter_is_named_and_read(tmp_path: Path, sign: str) -> None:
    path = write(tmp_path / "a.csv", f'text{sign}label\n"a{sign}b"{sign}x\n')
    assert "set data.delimiter: " in refusal(path)
    assert read(path, delimiter=sign)[0] == [(f"a{sign}b", "x")]


def test_a_line_that_names_the_separator_is_no_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "sep=;\ntext;label\na;x\n")
    assert refusal(path) == (
        f"{path}:1: says that ';' separates the cells: set data.delimiter: \";\""
    )
    assert read(path, delimiter=";") == ([("a", "x")], {})
    assert read(write(tmp_path / "b.csv", "SEP=,\ntext,label\na,x\n"))[0] == [("a", "x")]


def test_a_table_without_a_header(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "0,first\n4,second\n")
    assert "set data.header to their names" in refusal(path)
    names = ("label", "text")
    assert read(path, header=names)[0] == [("first", "0"), ("second", "4")]
    assert read(path, "1", "0", header=False)[0] == [("first", "0"), ("second", "4")]
    assert refusal(path, header=("label", "text", "more")).startswith(f"{path}:1: ")


def test_a_blank_before_a_quote_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'label,text\ngood, "lovely lamp"\n')
    assert refusal(path).startswith(f"{path}:2: a blank stands before the quote")
    comma = write(tmp_path / "b.csv", 'label,text\ngood, "lovely, bright"\n')
    assert refusal(comma).startswith(f"{comma}:2: a blank stands before the quote")
    kept = write(tmp_path / "c.csv", 'label,text\ngood," ""so"" he said"\nbad,"a ""b"""\n')
    assert read(kept)[0] == [(' "so" he said', "good"), ('a "b"', "bad")]


def test_a_key_that_a_json_object_has_twice_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text":"a","label":"x","label":"y"}\n')
    assert refusal(path) == f"{path}:1: the key 'label' stands there more than once"
    inner = write(tmp_path / "b.jsonl", '{"text":"a","label":"x","o":{"label":1,"label":2}}\n')
    assert read(inner)[0] == [("a", "x")]


# --- Encodings ---


def test_an_encoding_is_read_and_guessed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\ncafé,x\n".encode("latin-1"))
    assert refusal(path) == (
        f"{path}:2: not UTF-8 at byte offset 14; it may be windows-1252: set data.encoding: "
        "windows-1252, or convert it with iconv -f WINDOWS-1252 -t UTF-8"
    )
    assert read(path, encoding="latin-1")[0] == [("café", "x")]
    wide = write(tmp_path / "b.csv", "text,label\ncafé,x\n".encode("utf-16"))
    assert "set data.encoding: utf-16" in refusal(wide)
    assert read(wide, encoding="utf-16")[0] == [("café", "x")]
    assert "not ascii" in refusal(path, encoding="ascii")


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Les élèves étaient déjà là, café crème", "windows-1252"),
        ("Съешь ещё этих мягких французских булок", "windows-1251"),
        ("Съешь ещё этих мягких французских булок", "koi8-r"),
        ("今日はとても暑いですね。明日も暑いでしょう。", "shift_jis"),
        ("今日はとても暑いですね。明日も暑いでしょう。", "euc_jp"),
        ("오늘은 날씨가 아주 좋습니다", "euc_kr"),
        ("我今天早上去了学校，他没有来", "gb18030"),
        ("plain text in wide characters", "utf-16-le"),
    ],
)
def test_the_likely_encoding(text: str, encoding: str) -> None:
    assert likely_encoding(text.encode(encoding) * 4) == encoding


# --- fastText ---


def test_fasttext_lines(tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "__label__x  one two\r\n\n__label__y __label__z end\nnone\n")
    assert "set data.format: fasttext" in refusal(path)
    cells, left = read(path, file_format="fasttext")
    assert cells == [("one two", "x"), ("end", ("y", "z")), ("none", ())]
    assert left == {"a blank line": (1, f"{path}:2")}
    assert "no label stands" in refusal(
        write(tmp_path / "b.txt", "__label__ a\n"), file_format="fasttext"
    )


# --- Folders ---


def test_a_folder_reads_all_its_texts_and_counts_the_rest(tmp_path: Path) -> None:
    root = tmp_path / "train"
    for name in ("good/1.txt", "good/2.TXT", "good/deep/3.text", "bad/51060", "bad/1.2.9"):
        write(root / name, name)
    write(root / "bad" / "z.txt.gz", gzip.compress(b"packed"))
    for name in ("bad/x.png", "bad/x.html", "bad/.hidden", "README.md", ".DS_Store"):
        write(root / name, "no text")
    cells, left = read(root)
    assert sorted(cells) == [
        ("bad/1.2.9", "bad"),
        ("bad/51060", "bad"),
        ("good/1.txt", "good"),
        ("good/2.TXT", "good"),
        ("good/deep/3.text", "good"),
        ("packed", "bad"),
    ]
    passed = "not a text file (.txt, .text or no suffix, each also with .gz)"
    assert left == {
        "in no class's folder": (2, str(root / ".DS_Store")),
        "a hidden file": (1, str(root / "bad" / ".hidden")),
        passed: (2, str(root / "bad" / "x.html")),
    }
