from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from textnets.data.readers import CELL_LIMIT, FORMATS, Row, read_rows
from textnets.errors import DataError, MissingExtraError

# Hypothesis writes into the test's one folder again and again, which is what we want.
PROPERTY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
HARD_TEXT = st.text(
    st.one_of(
        st.sampled_from('"\n\r,\t \x00\x0b\x1c\x85\u2028\ufeff\x1a\\'),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=12,
)


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rows_of(path: Path, *columns: str, file_format: str = "auto") -> list[Row]:
    return list(read_rows(path, columns=columns or ("text", "label"), file_format=file_format))


def cells_of(path: Path, *columns: str, file_format: str = "auto") -> list[tuple[Any, ...]]:
    return [tuple(row.values.values()) for row in rows_of(path, *columns, file_format=file_format)]


def refusal(path: Path, *columns: str, file_format: str = "auto") -> str:
    with pytest.raises(DataError) as caught:
        rows_of(path, *columns, file_format=file_format)
    return str(caught.value)


# --------------------------------------------------------------------------------------
# csv
# --------------------------------------------------------------------------------------


def test_csv_keeps_what_is_in_quotes_and_counts_lines_after_it(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.csv",
        'text,label\n"one\ntwo",x\n\n"say ""hi"", then",y\nnext\x85line\u2028here,z\n,\n',
    )
    rows = rows_of(path)
    assert [row.values for row in rows] == [
        {"text": "one\ntwo", "label": "x"},
        {"text": 'say "hi", then', "label": "y"},
        {"text": "next\x85line\u2028here", "label": "z"},
        {"text": "", "label": ""},
    ]
    assert [row.line for row in rows] == [2, 5, 6, 7]
    assert rows[1].where == f"{path}:5"


def test_only_the_requested_columns_come_back(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "a,b,c\n1,2,3\n")
    assert rows_of(path, "c", "a")[0].values == {"c": "3", "a": "1"}
    assert rows_of(path, "b", "b")[0].values == {"b": "2"}


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_a_byte_order_mark_do_not_matter(
    tmp_path: Path, line_end: str, bom: bytes, last: bool
) -> None:
    text = line_end.join(["text,label", "one,a", '"two, three",b'])
    path = write(tmp_path / "a.csv", bom + text.encode() + line_end.encode() * last)
    assert cells_of(path) == [("one", "a"), ("two, three", "b")]
    assert [row.line for row in rows_of(path)] == [2, 3]


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    packed = gzip.compress(b"text,label\none,a\n")
    assert cells_of(write(tmp_path / "a.csv", packed)) == [("one", "a")]
    assert cells_of(write(tmp_path / "a.csv.gz", packed)) == [("one", "a")]
    assert cells_of(write(tmp_path / "b.csv.gz", "text,label\none,a\n")) == [("one", "a")]


@PROPERTY
@given(
    table=st.integers(1, 4).flatmap(
        lambda width: st.lists(
            st.lists(HARD_TEXT, min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    line_end=st.sampled_from(["\n", "\r\n"]),
)
@example(table=[['"'], ["\r"]], line_end="\n")
def test_any_table_that_is_written_as_csv_reads_back(
    tmp_path: Path, table: list[list[str]], line_end: str
) -> None:
    header = [f"column {i}" for i in range(len(table[0]))]
    text = io.StringIO(newline="")
    # With "\n" as its line end, Python 3.11's writer leaves a lone "\r" without quotes.
    if line_end == "\n":
        writer = csv.writer(text, lineterminator=line_end, quoting=csv.QUOTE_ALL)
    else:
        writer = csv.writer(text, lineterminator=line_end)
    writer.writerows([header, *table])
    path = write(tmp_path / "any.csv", text.getvalue())
    assert cells_of(path, *header) == [tuple(row) for row in table]


@PROPERTY
@given(content=st.binary(max_size=200), file_format=st.sampled_from(FORMATS[:-1]))
@example(content=b"\x1f\x8b\x08\x00", file_format="csv")
@example(content=gzip.compress(b"\xff" + b"x" * 3000, mtime=0)[:-9], file_format="csv")
@example(content=b"\xef\xbb", file_format="jsonl")
@example(content=b'{"text":' + b"[" * 100_000, file_format="jsonl")
@example(content=b'{"text":' + b"9" * 5_000 + b"}", file_format="jsonl")
def test_random_bytes_are_refused_or_read_but_never_crash(
    tmp_path: Path, content: bytes, file_format: str
) -> None:
    for prefix in (b"", b"text,label\n", b"text\tlabel\n", b'{"text":"a","label":"b"}\n'):
        path = write(tmp_path / "random", prefix + content)
        with suppress(DataError):
            for row in read_rows(path, columns=["text", "label"], file_format=file_format):
                assert set(row.values) == {"text", "label"}


def test_a_cell_may_be_larger_than_the_csv_module_allows(tmp_path: Path) -> None:
    long = "x " * 200_000
    assert cells_of(write(tmp_path / "a.csv", f'text,label\n"{long}",a\n')) == [(long, "a")]


def test_a_cell_beyond_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"text,label\none,a\n" + b"x" * (CELL_LIMIT + 1) + b",b\n")
    message = refusal(path)
    assert message.startswith(f"{path}:3: ")
    assert f"longer than {CELL_LIMIT:,} characters" in message


def test_a_gzip_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    with gzip.open(path, "wb", compresslevel=9) as stream:
        stream.write(b"text,label\none,a\n" + b"x" * 2**25 + b",b\n")
    assert "unpacks to more than 200 times its size" in refusal(path)


def test_an_unclosed_quote_is_named_where_it_began(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\none,a\n"two\nlines","open\nthree,b\nfour,c\n')
    assert refusal(path).startswith(f"{path}:4: a quoted cell begins here and is never closed")


def test_text_after_a_closing_quote_is_refused_and_not_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'text,label\n"so" he said,a\n')
    assert refusal(path).startswith(f"{path}:2: this record is not valid csv")


def test_quotes_inside_an_unquoted_cell_are_text(tmp_path: Path) -> None:
    assert cells_of(write(tmp_path / "a.csv", 'text,label\n6" nails,a\n')) == [('6" nails', "a")]


def test_a_missing_column_names_those_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "Text,label\none,a\n")
    message = refusal(path)
    assert message == (
        f"{path}:1: there is no column 'text'; the columns are 'Text', 'label'; "
        "did you mean 'Text'?"
    )
    assert "did you mean" not in refusal(path, "zzzzzzzz")


def test_repeated_column_names_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label,text\none,a,two\n")
    assert refusal(path).startswith(f"{path}:1: column names are repeated: 'text'")


def test_ragged_records_are_refused_with_their_line(tmp_path: Path) -> None:
    short = refusal(write(tmp_path / "a.csv", 'text,label\n"a\nb",x\none\n'))
    assert short.startswith(f"{tmp_path / 'a.csv'}:4: the header has 2 columns, this record has 1")
    assert "no cell for 'label'" in short
    long = refusal(write(tmp_path / "a.csv", "text,label\none, two,a\n"))
    assert long.startswith(f"{tmp_path / 'a.csv'}:2: the header has 2 columns, this record has 3")
    assert "comma must stand in quotes" in long


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_an_empty_file_is_refused(tmp_path: Path, name: str, content: str) -> None:
    path = write(tmp_path / name, content)
    assert refusal(path) in (f"{path}: the file is empty", f"{path}: there are no rows in it")


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n")
    assert refusal(path) == f"{path}: there are no rows in it"


def test_nul_bytes_are_text(tmp_path: Path) -> None:
    assert cells_of(write(tmp_path / "a.csv", "text,label\na\0b,x\n")) == [("a\0b", "x")]


# --------------------------------------------------------------------------------------
# Encodings and compression
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [0, 8191, 65534, 65535, 200_000])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_bytes_that_are_not_utf8_are_named_by_their_offset(
    tmp_path: Path, before: int, compress: Any
) -> None:
    good = b"text,label\n" + "é".encode() * before
    path = write(tmp_path / "a.csv", compress(good + b"caf\xe9,x\n"))
    message = refusal(path)
    assert f"not UTF-8 at byte offset {len(good) + 3}" in message
    assert message.startswith(f"{path}:2: ")
    assert "iconv -f WINDOWS-1252" in message


def test_a_character_cut_off_at_the_end_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"text": "é'.encode()[:-1])
    assert "not UTF-8 at byte offset 10" in refusal(path, "text")


def test_utf16_is_recognized(tmp_path: Path) -> None:
    assert "UTF-16" in refusal(write(tmp_path / "a.csv", "text,label\n".encode("utf-16")))


def test_a_truncated_or_damaged_gzip_is_refused(tmp_path: Path) -> None:
    packed = gzip.compress(b"text,label\n" + b"".join(b"row %d,a\n" % i for i in range(9000)))
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    for content in (packed[:-200], bytes(flipped), packed[:-8] + b"\0" * 8, packed[:12]):
        path = write(tmp_path / "a.csv.gz", content)
        assert refusal(path).startswith(f"{path}:")
    assert "damaged or cut short" in refusal(write(tmp_path / "a.csv.gz", packed[:-200]))


# --------------------------------------------------------------------------------------
# tsv
# --------------------------------------------------------------------------------------


def test_tsv_takes_quotes_as_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "sentence\tlabel\n\"open quote\t1\n\n``a'' \\ b\xa0\t0\r\n")
    rows = rows_of(path, "sentence", "label")
    assert [tuple(row.values.values()) for row in rows] == [
        ('"open quote', "1"),
        ("``a'' \\ b\xa0", "0"),
    ]
    assert [row.line for row in rows] == [2, 4]


def test_tsv_with_a_tab_too_many_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.tsv", "text\tlabel\na\tb\tc\n")
    assert "a tab inside a cell cannot be written in tsv" in refusal(path)


@PROPERTY
@given(table=st.lists(st.tuples(HARD_TEXT, st.just("x")), min_size=1, max_size=6))
def test_any_text_without_tabs_and_line_breaks_reads_back_from_tsv(
    tmp_path: Path, table: list[tuple[str, str]]
) -> None:
    table = [(a.translate(dict.fromkeys(map(ord, "\t\r\n"))), b) for a, b in table]
    path = write(tmp_path / "a.tsv", "".join(f"{a}\t{b}\n" for a, b in [("text", "label"), *table]))
    assert cells_of(path) == table


# --------------------------------------------------------------------------------------
# jsonl
# --------------------------------------------------------------------------------------


def test_jsonl_values_become_text_as_the_file_spells_them(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.jsonl",
        '\ufeff{"text": "a\\nb\x85c", "label": 1.10, "more": {}}\r\n\n'
        '{"text": ["two", "", "10"], "label": true}\n{"label": -3e5, "text": ""}',
    )
    rows = rows_of(path)
    assert [tuple(row.values.values()) for row in rows] == [
        ("a\nb\x85c", "1.10"),
        (("two", "", "10"), "true"),
        ("", "-3e5"),
    ]
    assert [row.line for row in rows] == [1, 3, 4]
    assert all(type(row.values["label"]) is str for row in rows)


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ('{"text": "a", }', ":2:15: not valid JSON"),
        ('{"text": "a" "b"}', ":2:14: not valid JSON"),
        ('{"text": NaN, "label": "x"}', ":2:1: not usable JSON: NaN is not a JSON value"),
        ("[1, 2]", ":2: each line must be a JSON object, was: [1, 2]"),
        ('{"text": "a"}', ":2: there is no column 'label'; the columns are 'text'"),
        ('{"text": "a", "labels": "x"}', "did you mean 'labels'?"),
        ("{}", ":2: there is no column 'text'; the columns are none"),
        ('{"text": null, "label": "x"}', ":2: there is no value for 'text' (null)"),
        ('{"text": {"a": 1}, "label": "x"}', ":2: 'text' must be a string, a number,"),
        ('{"text": ["a", 1], "label": "x"}', ":2: 'text' is a list; its items must all be"),
        ('{"text": "\\ud83d", "label": "x"}', ":2: 'text' holds half of a surrogate pair"),
    ],
)
def test_jsonl_mistakes_are_refused_with_their_place(
    tmp_path: Path, line: str, wanted: str
) -> None:
    path = write(tmp_path / "a.jsonl", f'{{"text": "fine", "label": "x"}}\n{line}\n')
    message = refusal(path)
    assert message.startswith(f"{path}:2:")
    assert wanted in message


@PROPERTY
@given(texts=st.lists(HARD_TEXT, min_size=1, max_size=6), ascii_only=st.booleans())
def test_any_text_reads_back_from_jsonl(tmp_path: Path, texts: list[str], ascii_only: bool) -> None:
    lines = (json.dumps({"text": text}, ensure_ascii=ascii_only) + "\n" for text in texts)
    path = write(tmp_path / "a.ndjson", "".join(lines))
    assert cells_of(path, "text") == [(text,) for text in texts]


# --------------------------------------------------------------------------------------
# parquet
# --------------------------------------------------------------------------------------


def parquet_file(path: Path, columns: dict[str, list[Any]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.table(columns), path)
    return path


def test_parquet_gives_the_same_rows(tmp_path: Path) -> None:
    path = parquet_file(
        tmp_path / "a.parquet",
        {"text": ["a\nb", ""], "label": [3, 4], "tags": [["x", "y"], []], "ok": [True, False]},
    )
    rows = rows_of(path, "tags", "text", "label", "ok")
    assert [tuple(row.values.values()) for row in rows] == [
        (("x", "y"), "a\nb", "3", "true"),
        ((), "", "4", "false"),
    ]
    assert [row.line for row in rows] == [1, 2]


def test_parquet_mistakes_are_refused(tmp_path: Path) -> None:
    path = parquet_file(tmp_path / "a.parquet", {"text": ["a", None], "score": [1.0, float("nan")]})
    assert f"{path}: row 2: there is no value for 'text'" in refusal(path, "text")
    assert f"{path}: row 2: there is no value for 'score'" in refusal(path, "score")
    assert "did you mean 'text'?" in refusal(path, "texts")
    empty = parquet_file(tmp_path / "b.parquet", {"text": []})
    assert refusal(empty, "text") == f"{empty}: there are no rows in it"


def test_parquet_without_pyarrow_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"textnets\[parquet\]"):
        rows_of(write(tmp_path / "a.parquet", "PAR1"))


# --------------------------------------------------------------------------------------
# Folders
# --------------------------------------------------------------------------------------


def text_folder(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write(root / name, content)
    return root


def test_a_folder_gives_its_texts_by_class_and_name(tmp_path: Path) -> None:
    root = text_folder(
        tmp_path / "reviews",
        {
            "pos/b.txt": "\ufefftwo\r\n",
            "pos/a.txt": "one\x85",
            "neg/c.txt": "",
            "neg/notes.md": "no",
            "neg/.hidden.txt": "no",
            ".git/x.txt": "no",
            "readme.txt": "no",
        },
    )
    rows = rows_of(root)
    assert [tuple(row.values.values()) for row in rows] == [
        ("", "neg"),
        ("one\x85", "pos"),
        ("two\r\n", "pos"),
    ]
    assert rows[1].where == f"{root / 'pos' / 'a.txt'}:1"
    assert cells_of(root, "label") == [("neg",), ("pos",), ("pos",)]


def test_folder_mistakes_are_refused(tmp_path: Path) -> None:
    assert "one folder a class" in refusal(tmp_path)
    root = text_folder(tmp_path / "reviews", {"pos/a.txt": b"ok \xff"})
    assert f"{root / 'pos' / 'a.txt'}:1: not UTF-8 at byte offset 3" in refusal(root)
    assert "the columns are 'text', 'label'" in refusal(root, "sentence")


# --------------------------------------------------------------------------------------
# Formats
# --------------------------------------------------------------------------------------


def test_an_unknown_suffix_says_how_to_name_the_format(tmp_path: Path) -> None:
    for name in ("a.txt", "a", "a.parquet.gz", "a.gz"):
        message = refusal(write(tmp_path / name, "text,label\n1,2\n"))
        assert "data.format (csv, tsv, jsonl, parquet, fasttext, folder)" in message
    assert cells_of(tmp_path / "a.txt", file_format="csv") == [("1", "2")]


def test_formats_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n1,2\n")
    assert "did you mean 'jsonl'?" in refusal(path, file_format="json")
    assert "needs a folder" in refusal(path, file_format="folder")
    assert "this is a folder, not a csv file" in refusal(tmp_path, file_format="csv")
    missing = tmp_path / "missing.csv"
    assert refusal(missing) == f"{missing}: there is no such file"


def test_a_file_that_is_left_half_read_is_closed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "text,label\n" + "one,a\n" * 9)
    rows = read_rows(path, columns=["text"])
    next(rows)
    rows.close()  # type: ignore[attr-defined]  # warnings, an unclosed file too, are errors
    with pytest.raises(StopIteration):
        next(rows)
