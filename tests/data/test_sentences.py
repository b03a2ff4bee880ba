"""Tagged sentences: what is read, what is skipped, and what is said of bad files."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

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


def test_jsonl_lists(tmp_path: Path) -> None:
    lines = [{"tokens": ["a", "10"], "tags": ["X", "Y"]}, {"tokens": [], "tags": []}]
    path = write(tmp_path / "a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    assert found(path) == [Sentence(("a", "10"), ("X", "Y"))]
    words_alone = list(read_sentences(path, SentenceLayout(tag_key="none"), with_tags=False))
    assert words_alone == [Sentence(("a", "10"), ())]


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
        ("a.conllu", b"# caf\xe9\n", {}, "a.conllu: not UTF-8 at byte offset 5 (line 1)"),
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
