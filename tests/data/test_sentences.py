"""Tagged sentences: what is read, what is skipped, and what is said of bad files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textnets.data.sentences import Sentence, SentenceLayout, read_sentences
from textnets.errors import DataError

CONLLU = """\
# sent_id = 1
# text = I don't _ know.
1\tI\tI\tPRON\tPRP\tCase=Nom|Number=Sing\t3\tnsubj\t_\t_
2-3\tdon't\t_\t_\t_\t_\t_\t_\t_\t_
2\tdo\tdo\tAUX\tVBP\t_\t4\taux\t_\t_
3\tn't\tnot\tPART\tRB\t_\t4\tadvmod\t_\t_
3.1\tmissing\tmiss\tVERB\tVB\t_\t_\t_\t_\t_
4\t_\t_\tPUNCT\tNFP\t_\t0\tpunct\t_\t_

# a comment alone

1\t10 000\t10 000\tNUM\tCD\t_\t0\troot\t_\t_
"""

CHUNKS = "He PRP B-NP\nreckons VBZ B-VP\n\n\n-DOCSTART- -X- O\n\n# # B-NP\n"


def found(path: Path, **layout: object) -> list[Sentence]:
    return list(read_sentences(path, SentenceLayout(**layout)))  # type: ignore[arg-type]


def refusal(path: Path, **layout: object) -> str:
    with pytest.raises(DataError) as caught:
        found(path, **layout)
    return str(caught.value).removeprefix(f"{path.parent}/")


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ("upos", ("PRON", "AUX", "PART", "PUNCT")),
        ("xpos", ("PRP", "VBP", "RB", "NFP")),
        ("feats", ("Case=Nom|Number=Sing", "_", "_", "_")),
    ],
)
def test_multiword_tokens_and_empty_nodes_are_no_words(
    tmp_path: Path, tags: str, expected: tuple[str, ...]
) -> None:
    first, second = found(write(tmp_path / "a.conllu", CONLLU), tags=tags)
    assert first == Sentence(("I", "do", "n't", "_"), expected)
    assert second.words == ("10 000",)


def test_gzip_carriage_returns_and_no_last_blank_line(tmp_path: Path) -> None:
    plain = found(write(tmp_path / "a.conllu", CONLLU))
    packed = gzip.compress(CONLLU.replace("\n", "\r\n").rstrip().encode())
    assert found(write(tmp_path / "b.conllu.gz", packed)) == plain


def test_columns_are_chosen_by_number(tmp_path: Path) -> None:
    path = write(tmp_path / "train.txt", CHUNKS)
    chunks = found(path, file_format="columns", tag_column=2)
    assert chunks == [
        Sentence(("He", "reckons"), ("B-NP", "B-VP")),
        Sentence(("#",), ("B-NP",)),  # the pound sign of CoNLL-2000, no comment
    ]
    turned = found(path, file_format="columns", word_column=1, tag_column=0)
    assert turned[0] == Sentence(("PRP", "VBZ"), ("He", "reckons"))


def test_between_tabs_a_cell_may_hold_blanks(tmp_path: Path) -> None:
    rows = "the\tDET\r\n10 000 \tNUM\r\nNew\u00a0York\tPROPN\r\n\r\na\tDET \r\n"
    assert found(write(tmp_path / "a.txt", rows), file_format="columns") == [
        Sentence(("the", "10 000", "New\u00a0York"), ("DET", "NUM", "PROPN")),
        Sentence(("a",), ("DET",)),
    ]


def test_only_the_row_that_marks_a_document_is_skipped(tmp_path: Path) -> None:
    rows = "-DOCSTART-\nEl DA O\nAbogado NC B-PER\n\n-DOCSTART- -X- -X- O\n\nGeneral AQ I-PER\n"
    sentences = found(write(tmp_path / "a.txt", rows), file_format="columns", tag_column=2)
    assert [sentence.words for sentence in sentences] == [("El", "Abogado"), ("General",)]
    assert sentences[0].where(1).endswith("a.txt:3")


CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\t\n\r\ufeff")
CELLS = (
    st.text(CHARACTERS, min_size=1)
    .map(lambda cell: cell.strip(" "))
    .filter(lambda cell: cell.strip() and cell != "-DOCSTART-")
)
WITHOUT_BLANKS = CELLS.filter(lambda cell: " " not in cell)


def tables(cells: st.SearchStrategy[str]) -> st.SearchStrategy[list[list[list[str]]]]:
    """Blocks of rows that are all of one width."""

    def of_width(width: int) -> st.SearchStrategy[list[list[list[str]]]]:
        row = st.lists(cells, min_size=width, max_size=width)
        return st.lists(st.lists(row, min_size=1, max_size=3), min_size=1, max_size=3)

    return st.integers(2, 4).flatmap(of_width)


def as_text(blocks: list[list[list[str]]], separator: str) -> str:
    return "\n\n".join("\n".join(map(separator.join, rows)) for rows in blocks) + "\n"


@given(st.data())
def test_columns_come_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    separator = data.draw(st.sampled_from(["\t", " ", "   "]))
    blocks = data.draw(tables(CELLS if separator == "\t" else WITHOUT_BLANKS))
    column = data.draw(st.integers(0, len(blocks[0][0]) - 1))
    path = write(tmp_path_factory.getbasetemp() / "columns.txt", as_text(blocks, separator))
    expected = [
        Sentence(tuple(row[0] for row in rows), tuple(row[column] for row in rows))
        for rows in blocks
    ]
    assert found(path, file_format="columns", tag_column=column) == expected


@given(st.data())
def test_a_row_that_is_not_like_the_others_is_refused_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Nothing that shifts columns is read: a cell less, one more, an empty one, or blanks
    between cells in the place of tabs."""
    blocks = data.draw(tables(WITHOUT_BLANKS))
    rows = [row for block in blocks for row in block]
    width = len(rows[0])
    place = data.draw(st.integers(0, len(rows)))
    other = data.draw(
        st.sampled_from(
            [
                "\t".join(["a"] * (width - 1)),
                "\t".join(["a"] * (width + 1)),
                "\t".join(["", *["a"] * (width - 1)]),
                "\t".join([*["a"] * (width - 1), " "]),
                "\t".join(["a"] * width) + "\t",
                " ".join(["a"] * width),
            ]
        )
    )
    lines = ["\t".join(row) for row in rows]
    lines.insert(place, other)
    path = write(tmp_path_factory.getbasetemp() / "odd.txt", "\n".join(lines) + "\n")
    said = refusal(path, file_format="columns", tag_column=0)
    # Where the odd row is the first, the one after it may be the one that differs.
    assert said.startswith(f"odd.txt:{place + 1}: ") or (
        place == 0 and said.startswith("odd.txt:2: ")
    )


def test_jsonl_lists(tmp_path: Path) -> None:
    lines = [{"tokens": ["a", "10"], "tags": ["X", "Y"]}, {"tokens": [], "tags": []}]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert found(path) == [Sentence(("a", "10"), ("X", "Y"))]
    words_alone = list(read_sentences(path, SentenceLayout(tag_key="none"), with_tags=False))
    assert words_alone == [Sentence(("a", "10"), ()), Sentence((), ())]  # a line for each row


WORD = "1\tI\tI\tPRON\tPRP\t_\t0\troot\t_\t_\n"


@pytest.mark.parametrize(
    ("name", "content", "layout", "said"),
    [
        ("a.conllu", "", {}, "a.conllu: there are no sentences in it"),
        ("a.conllu", "# only a comment\n", {}, "a.conllu: there are no sentences in it"),
        ("a.conllu", WORD + "2\tb\n", {}, "a.conllu:2: expected the 10 tab-separated fields"),
        ("a.conllu", WORD + WORD, {}, "a.conllu:2: expected the word number 2, was: '1'"),
        ("a.conllu", WORD.replace("1", "x"), {}, "a.conllu:1: expected the word number 1"),
        ("a.conllu", WORD.replace("PRON", ""), {}, "a.conllu:1: the upos is empty"),
        ("a.conllu", b"# caf\xe9\n", {}, "a.conllu:1: not UTF-8 at byte offset 5"),
        (
            "a.conllu.gz",
            gzip.compress(WORD.encode(), mtime=0)[:-9],
            {},
            "a.conllu.gz: the gzip data is",
        ),
        ("a.txt", "a X\n", {}, "a.txt: the suffix does not tell the format"),
        (
            "a.txt",
            "a X\nb\n",
            {"file_format": "columns"},
            "a.txt:2: there is no column 1 (data.tag_column, counted from 0); this line has 1",
        ),
        (
            "a.txt",
            "the\tX\nNew York\n",
            {"file_format": "columns"},
            "a.txt:2: this line has no tab, and line 1 has one, was: 'New York'; put tabs",
        ),
        (
            "a.txt",
            "the X\nNew York\tY\n",
            {"file_format": "columns"},
            "a.txt:2: this line has a tab, and line 1 has none, was: 'New York\\tY'",
        ),
        (
            "a.txt",
            "the X\n\nNew York Y\n",
            {"file_format": "columns"},
            "a.txt:3: every line needs as many cells as line 1, which has 2 between blanks, was: "
            "3, 'New York Y'; where a word holds a blank, put tabs between the cells",
        ),
        (
            "a.txt",
            "went\tV\tO\nhome\t\tB-LOC\n",
            {"file_format": "columns", "tag_column": 2},
            "a.txt:2: cell 1 (counted from 0) is empty, was: 'home\\t\\tB-LOC'; '_' stands",
        ),
        (
            "a.txt",
            "went\tV\t\n",
            {"file_format": "columns"},
            "a.txt:1: cell 2 (counted from 0) is empty, was: 'went\\tV\\t'; the line ends in a tab",
        ),
        (
            "a.txt",
            "\u00a0\tV\n",
            {"file_format": "columns"},
            "a.txt:1: cell 0 (counted from 0) is empty",
        ),
        (
            "a.txt",
            "went\u00a0V\n",
            {"file_format": "columns"},
            "a.txt:1: there is no column 1 (data.tag_column, counted from 0); this line has 1 "
            "between blanks, was: 'went\\xa0V'; U+00A0 in it ends no cell",
        ),
        (
            "a.jsonl.gz",
            gzip.compress(b'{"tokens": ["a"], "tags": ["X"]}\n', mtime=0),
            {"file_format": "columns"},
            "a.jsonl.gz: a .jsonl file is not in columns; remove data.format: columns",
        ),
        ("a.jsonl", '{"tokens": ["a"]}\n', {}, "a.jsonl:1: there is no column 'tags'"),
        (
            "a.jsonl",
            '{"tokens": ["a"], "tags": ["X"]}\n{"tokens": ["a", "b"], "tags": ["X"]}\n',
            {},
            "a.jsonl:2: each token needs a tag, was: 2 in 'tokens' and 1 in 'tags'",
        ),
        ("a.jsonl", '{"tokens": "a b", "tags": ["X"]}\n', {}, "a.jsonl:1: 'tokens' must be a list"),
        ("a.jsonl", '{"tokens": [""], "tags": ["X"]}\n', {}, "a.jsonl:1: 'tokens' holds an empty"),
    ],
)
def test_bad_files_are_one_clear_error(
    tmp_path: Path, name: str, content: str | bytes, layout: dict[str, object], said: str
) -> None:
    assert refusal(write(tmp_path / name, content), **layout).startswith(said)


def test_missing_files_and_folders_are_told(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.conllu") == "none.conllu: there is no such file"
    assert "this is a folder" in refusal(tmp_path)
