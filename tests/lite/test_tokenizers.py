"""What TensorFlow cuts a text into, Python does: of any text, and with every tokenizer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.text.conftest import SENTENCES, text_section
from tests.text.test_tokenizers import ANY_TEXT
from tests.text.test_tokenizers import PROPERTY as MANY
from textnets.errors import InputError, RunError
from textnets.export.numpy_format import describe_encoder
from textnets.export.patterns import as_python
from textnets.export.unicode_tables import matching, tensorflow_unicode
from textnets.lite.contents import Contents, ContentsWriter
from textnets.lite.encoders import LiteEncoder
from textnets.lite.tokenizers import LiteSentencepieces
from textnets.lite.unicode import Unicode
from textnets.text.encoder import RunningTextEncoder, TextEncoder
from textnets.text.tokenizers import WordpieceTokenizer, WordTokenizer

pytestmark = pytest.mark.heavy  # many texts

# Signs that some version of Unicode knows and another does not, marks, joiners, emoji, and letters
# whose small form has to do with their neighbors.
HARD_TEXT = st.one_of(
    ANY_TEXT,
    st.text(
        st.one_of(
            st.sampled_from("ΣσςİIß'’\u200d\u200c\u200b\u00ad\ufe0f👩👧👍🏽❤ខក្ไลน￭■_-. a"),
            st.sampled_from("\u0301\u0323\u0345\u0c3c\u08d1\U00016d67\U0001611e\U0001ccd6\u2c2f"),
            st.characters(categories=["M", "Cf", "Cn", "Lu", "Sk", "So"]),
        ),
        max_size=20,
    ),
)
ODD = r"\b\w|x*y|[[:punct:]]{2,3}?|[^\PLa]$"
UNIGRAMS: dict[str, Any] = {"tokenizer": "sentencepiece"}
#: The recipe's keys, and whether tokens say where they touched.
KINDS: dict[str, tuple[dict[str, Any], bool]] = {
    "whitespace": ({"tokenizer": "whitespace"}, False),
    "characters": ({"tokenizer": "characters", "normalize": "nfkc"}, False),
    "characters, cased": ({"tokenizer": "characters", "lowercase": False}, False),
    "words": ({"tokenizer": "words"}, False),
    "words, joined": ({"tokenizer": "words", "lowercase": False}, True),
    "wordpiece": ({"tokenizer": "wordpiece"}, False),
    "wordpiece, joined": ({"tokenizer": "wordpiece", "normalize": "none"}, True),
    "words of earlier versions": ({"tokenizer": "words"}, False),
    "wordpiece of earlier versions": ({"tokenizer": "wordpiece"}, False),
    "regex": ({"tokenizer": "regex"}, False),
    "regex, joined": ({"tokenizer": "regex", "pattern": r"\w+|[^\w\s]"}, True),
    "regex, odd": ({"tokenizer": "regex", "pattern": ODD}, False),
    "sentencepiece": (UNIGRAMS, False),
    "sentencepiece, cased": ({**UNIGRAMS, "lowercase": False, "normalize": "none"}, False),
}  # fmt: skip

PROPERTY = settings(MANY, max_examples=25)  # of lists of texts

Pair = tuple[TextEncoder, LiteEncoder]


def in_numpy(encoder: TextEncoder, folder: Path) -> LiteEncoder:
    """The encoder as a file has it."""
    writer = ContentsWriter()
    description = describe_encoder(encoder, writer)
    unicode = tensorflow_unicode().as_json()
    path = folder / "encoder.textnets"
    with path.open("wb") as file:
        writer.write(file, {"encoder": description, "unicode": unicode})
    contents = Contents.open(path)
    known = Unicode.of_json(contents.header["unicode"])
    return LiteEncoder.read(contents.header["encoder"], contents, known)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Pair]:
    """The name of a kind to its encoder, on TensorFlow and in NumPy."""
    made: dict[str, Pair] = {}

    def make(name: str) -> Pair:
        if name not in made:
            keys, with_joins = KINDS[name]
            section = text_section(**keys)
            kind = RunningTextEncoder if with_joins else TextEncoder
            encoder = kind.learn(section, lambda: SENTENCES * 3, with_joins=with_joins)
            if name.endswith("of earlier versions"):
                encoder = seeing_invisible(encoder)
            made[name] = (encoder, in_numpy(encoder, tmp_path_factory.mktemp("encoder")))
        return made[name]

    return make


def seeing_invisible(encoder: TextEncoder) -> TextEncoder:
    """As runs of earlier versions cut words."""
    is_words = isinstance(encoder.tokenizer, WordTokenizer)
    old = (
        WordTokenizer(sees_invisible=True)
        if is_words
        else WordpieceTokenizer(encoder.vocabulary, sees_invisible=True)
    )
    return TextEncoder(encoder.section, old, encoder.vocabulary)


def assert_same(pair: Pair, texts: list[str]) -> None:
    on_tensorflow, in_python = pair
    expected = [[tuple(vars(t).values()) for t in row] for row in on_tensorflow.tokens(texts)]
    assert [list(map(tuple, row)) for row in in_python.tokens(texts)] == expected
    assert in_python.encode(texts).ids.tolist() == on_tensorflow.encode(texts).ids.tolist()


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(texts=st.lists(HARD_TEXT, min_size=1, max_size=8))
@example(texts=["", " ", "\x00", "\ud800\udfff a", "Don't stop-me, it’s rock'n'roll! (100%)"])
@example(texts=["a ΣΑΣ' ΑΣ\u0c3c Σ ΣΣ", "\U0001ccd6 \U00016d63\U00016d67 a\u0897\u0323", "▁a ▁"])
def test_every_tokenizer(pair: Callable[[str], Pair], kind: str, texts: list[str]) -> None:
    assert_same(pair(kind), texts)


@pytest.mark.parametrize("truncate", ["start", "end"])
@pytest.mark.parametrize("frame", [{}, {"add_bos": True}, {"add_bos": True, "add_eos": True}])
def test_truncated_and_framed(truncate: str, frame: dict[str, bool], tmp_path: Path) -> None:
    section = text_section("words", max_length=4, truncate=truncate, **frame)
    encoder = TextEncoder.learn(section, lambda: SENTENCES)
    assert_same((encoder, in_numpy(encoder, tmp_path)), SENTENCES)


def test_long_words_and_many_pieces(pair: Callable[[str], Pair]) -> None:
    texts = ["a" * 100, "a" * 101, "é" * 50, "é" * 51, "the catsat " * 200, "日本語" * 40]
    for kind in ("wordpiece", "sentencepiece"):
        assert_same(pair(kind), texts)


# --- Patterns ---


@pytest.mark.parametrize(
    "pattern",
    [
        r"(?i)a", r"(?s).", r"(?m)^a", r"a\Cb", r"\Qa.b\E", r"\pZ\1", r"[\b]", r"\ba\Z",
    ],
)  # fmt: skip
def test_patterns_that_python_reads_otherwise_are_refused(pattern: str) -> None:
    with pytest.raises(InputError, match=r"text\.pattern: .* is not read alike"):
        as_python(pattern, matching)


SIGNS = st.sampled_from(list("ab1_ -]\n\t\x0bé日.\u2028 ^$|"))
PARTS = st.sampled_from(
    [r"\w", r"\s", r"\S", r"\d", r"\D", r"[^\s\d]", r"[]a-]", r"[^]a]", r"[a\-b]", r"\pL", r"\PL",
     r"[\p{Greek}\d]", r"\x{e9}", r"\x61", r"[[:alpha:]_]", r"[[:space:]]", ".", "^", "$", r"\b",
     r"\B", r"\A", r"\z", r"\.", r"\-", "a{2}", "b{1,}?", "{", "a+?", "(a|ab)", "(?:b|)",
     "(?P<n>a)"]
)  # fmt: skip


@PROPERTY
@given(parts=st.lists(PARTS, min_size=1, max_size=4), texts=st.lists(st.text(SIGNS, max_size=12)))
def test_patterns_mean_the_same(parts: list[str], texts: list[str]) -> None:
    from textnets.lite.tokenizers import LitePattern
    from textnets.text.tokenizers import RegexTokenizer, encode_strings

    pattern = "".join(parts)
    try:
        on_tensorflow = RegexTokenizer(pattern)
    except InputError:  # it matches the empty text, or RE2 refuses it
        return
    in_python = LitePattern(as_python(pattern, matching), tensorflow_unicode())
    rows = on_tensorflow.split(encode_strings(texts)).to_list() if texts else []
    expected = [[token.decode() for token in row] for row in rows]
    assert [in_python.split(text) for text in texts] == expected, pattern


# --- Sentencepiece models that are none ---


@pytest.mark.parametrize("content", [b"", b"\x0a", b"\x0a\xff\xff\xff\x7f", b"\x00" * 9, b"text"])
def test_a_damaged_sentencepiece_model_is_refused(content: bytes) -> None:
    with pytest.raises(RunError, match="sentencepiece model cannot be read"):
        LiteSentencepieces(content, Unicode([0], [0]))
