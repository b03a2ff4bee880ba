"""Features of words: what they are by hand, that any text has some, and their file."""

from __future__ import annotations

import subprocess
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textnets.errors import RunError
from textnets.text.word_features import SLOTS, TEMPLATES, Template, WordFeatures, describe

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).map(str.split)
SENTENCES = st.lists(WORDS.filter(bool), min_size=1, max_size=5)


def described(word: str) -> dict[str, str]:
    return dict(zip(SLOTS, describe(word), strict=True))


def test_a_word_by_hand() -> None:
    found = described("McCarthy-77")
    assert found["word"] == "mccarthy-77"
    assert found["written"] == "McCarthy-77"
    assert found["shape"] == "XxXxxxxx-99"
    assert found["outline"] == "XxXx-9"
    assert [found[f"prefix{size}"] for size in (1, 2, 3, 4)] == ["m", "mc", "mcc", "mcca"]
    assert [found[f"suffix{size}"] for size in (1, 2, 5)] == ["7", "77", "hy-77"]
    short = described("to")
    assert (short["prefix2"], short["suffix2"]) == ("to", "to")
    assert (short["prefix3"], short["suffix3"], short["suffix5"]) == ("", "", "")


@pytest.mark.parametrize(
    ("word", "outline"),
    [
        ("Él", "Xx"),
        (unicodedata.normalize("NFD", "Él"), "Xx"),  # a mark is no letter of its own
        ("ЖКХ", "X"),
        ("٣٫١٤", "9٫9"),  # the digits of every script
        ("کتاب", "a"),  # without case: Arabic
        ("東京タワー", "ck"),  # CJK, Katakana
        ("हिन्दी", "d"),
        ("ǅ", "X"),
        ("C++", "X+"),
        ("\u0301", ""),
    ],
)
def test_shapes_of_all_scripts(word: str, outline: str) -> None:
    assert described(word)["outline"] == outline


def test_ids_by_hand() -> None:
    """Templates in their order, values in that of their code points, 0 for what is unknown."""
    templates = (
        Template((("word", 0),)),
        Template((("suffix3", -1),)),
        Template((("word", 0), ("word", 1)), min_count=2),
    )
    sentences = [["The", "dog"], ["the", "dog"], ["a", "dog"]]
    features = WordFeatures.learn(sentences, templates)
    # 1 a, 2 dog, 3 the; 4 beyond the sentence, 5 the; 6 dog and the end, 7 the dog.
    assert len(features) == 8
    found = features.encode([["THE", "dog"], ["dog"], ["cat", "a", "of", "dog"]])
    assert found.offsets.tolist() == [0, 2, 3, 7]
    assert found.ids.dtype == np.int32
    assert found.ids.tolist() == [
        [3, 4, 7], [2, 5, 6],
        [2, 4, 6],
        [0, 4, 0], [1, 0, 0], [0, 0, 0], [2, 0, 6],
    ]  # fmt: skip


@settings(deadline=None, max_examples=60)
@given(train=SENTENCES, other=st.lists(WORDS, max_size=4))
def test_any_text_has_features(train: list[list[str]], other: list[list[str]]) -> None:
    features = WordFeatures.learn(train)
    own = features.encode(train)
    assert (own.ids[:, 0] > 0).all()  # each word of training is known
    assert own.ids.max() < len(features)
    columns = [set(column[column > 0].tolist()) for column in own.ids.T]
    assert set().union(*columns) == set(range(1, len(features)))  # nothing is left over
    found = features.encode(other)
    assert found.lengths.tolist() == [len(words) for words in other]
    for column, ids in enumerate(found.ids.T):
        assert set(ids.tolist()) <= columns[column] | {0}
    again = [features.encode([words]).ids.tolist() for words in other]
    assert [row for rows in again for row in rows] == found.ids.tolist()


@settings(
    deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(train=SENTENCES, other=st.lists(WORDS, max_size=4))
def test_the_file_gives_the_same_features(
    train: list[list[str]], other: list[list[str]], tmp_path: Path
) -> None:
    features = WordFeatures.learn(train)
    features.save(tmp_path / "features.txt")
    loaded = WordFeatures.load(tmp_path / "features.txt")
    assert len(loaded) == len(features)
    sentences = [*train, *other]
    np.testing.assert_array_equal(loaded.encode(sentences).ids, features.encode(sentences).ids)
    before = (tmp_path / "features.txt").read_bytes()
    loaded.save(tmp_path / "features.txt")
    assert (tmp_path / "features.txt").read_bytes() == before
    WordFeatures.learn(train[::-1]).save(tmp_path / "features.txt")
    assert (tmp_path / "features.txt").read_bytes() == before


def test_other_templates_of_a_file_are_kept(tmp_path: Path) -> None:
    """A version that chose other templates reads what this one wrote."""
    few = TEMPLATES[3:6]
    features = WordFeatures.learn([["One", "word"], ["or", "two"]], few)
    features.save(tmp_path / "features.txt")
    loaded = WordFeatures.load(tmp_path / "features.txt")
    assert [template.name for template in loaded.templates] == [one.name for one in few]
    assert loaded.encode([["One"]]).ids.shape == (1, 3)


@pytest.mark.heavy
def test_another_process_finds_the_same(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from textnets.text.word_features import WordFeatures\n"
        "words = [text.split() for text in ('Zwei Wörter', 'zwei 東京 Wege', 'a b c d e f g')]\n"
        "WordFeatures.learn(words).save(Path(sys.argv[1]))\n"
    )
    for seed in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / seed)],
            env={"PYTHONHASHSEED": seed},
            check=True,
        )
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("word+0\n\tthe", "the file is cut off"),
        ("\tthe\n", r"no list of features: '\\tthe'"),
        ("wrod+0\n\tthe\n", "no list of features: 'wrod[+]0'"),
        ("word+3\n\tthe\n", "no list of features: 'word[+]3'"),
        ("word\n", "no list of features: 'word'"),
        ("word+0\nword+1\tthe\n", "no list of features"),
        ("word+0\n\tthe\tdog\n", "no list of features"),
        ("word+0\n\tthe\n\tdog\n", r"word[+]0 is out of order"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "features.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=said) as refusal:
        WordFeatures.load(path)
    assert str(path) in str(refusal.value)
