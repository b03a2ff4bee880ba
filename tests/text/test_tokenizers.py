from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.warm import run_program
from textnets.errors import DataError, InputError, RunError
from textnets.recipe.sections import TextSection
from textnets.text.encoder import TextEncoder
from textnets.text.tokenizers import WORDS_FILE
from textnets.text.vocabulary import UNKNOWN_ID

# Every code point, and often the ones that break tokenizers.
ANY_TEXT = st.text(
    st.one_of(
        st.sampled_from(
            "a' ’\t\n\r\x00\x1f\x85\xa0\u200d\u2028\ufdd0\ufeff\ufffd\U0010ffff#▁[]\\é"
        ),
        st.sampled_from("\ud800\udfff\u0301日😀שا"),
        st.characters(),
    ),
    max_size=30,
)
PROPERTY = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
INVISIBLE = ["", " ", "\t\r\n", "\xa0\u3000\u2003\u2028", "\x85"]


# --- What each tokenizer does, by hand ---


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop-me, it’s rock'n'roll!", "don't stop - me , it's rock'n'roll !"),
        ("'quoted' 'tis dogs' x''y", "' quoted ' ' tis dogs ' x ' ' y"),
        ("e-mails_sent (100%) 3.5 1,024", "e - mails_sent ( 100 % ) 3 . 5 1 , 024"),
        ("a\x85b\xa0c\u3000d\u2028e\x00f\x1cg", "a b c d e f g"),
        ("Cafe\u0301 CAFÉ", "café café"),
        ("x\u0301\u0302y", "x\u0301\u0302y"),  # marks with no composed form stay on their letter
        ("日本語、テスト", "日本語 、 テスト"),
        ("hi😀😀", "hi 😀 😀"),
        ("👩\u200d👧 👍🏽 ❤️love", "👩\u200d👧 👍🏽 ❤ love"),
        ("می\u200cخواهم \u200cx\u200d", "می\u200cخواهم x"),
        ("co\u00adoperate \u200fשלום word\u200bhere", "cooperate שלום wordhere"),
        ("ភាសា\u200bខ្មែរ", "ភាសា ខ្មែរ"),  # where ZWSP stands between words
        ("שלום, עולם", "שלום , עולם"),
        ("İSTANBUL ΣΑΣ ẞ", "i̇stanbul σας ß"),
        ("<br />C++", "< br / > c + +"),
        ("a\ufdd0b", "a b"),
        ("\\1 \\0 $1", r"\ 1 \ 0 $ 1"),
    ],
)
def test_words(pieces, text, tokens):
    assert pieces("words", text) == tokens.split(" ")


def test_words_without_normalization_or_lower_case(pieces):
    assert pieces("words", "Ｃafe\u0301 ﬁn", normalize="nfkc", lowercase=False) == ["Café", "fin"]
    assert pieces("words", "Cafe\u0301", normalize="none", lowercase=False) == ["Cafe\u0301"]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Don't stop-me, it’s", ["don't", "stop-me,", "it’s"]),
        ("a\x85b\xa0c\u3000d\u2003e\u2028f\x0bg\r\nh", list("abcdefgh")),
        ("a\x00b a\u200bb", ["a", "b", "a\u200bb"]),
    ],
)
def test_whitespace(pieces, text, tokens):
    assert pieces("whitespace", text) == tokens


def test_characters(pieces):
    text = "A b\n\r\t\x85日😀"
    assert pieces("characters", text) == list("a b\n\r\t\x85日😀")
    assert pieces("characters", "a\x00b") == ["a", " ", "b"]


def test_regex(pieces):
    assert pieces("regex", "Ab12, c\u0301d+ef") == ["ab", "1", "2", "ćd", "ef"]
    assert pieces("regex", "x\ufdd0+y\ufdd0-z") == ["x", "y", "z"]
    assert pieces("regex", "+-+ 1+1") == ["1", "1"]


@pytest.mark.parametrize(
    ("pattern", "text", "tokens"),
    [
        (r"(a)(b)|c", "abcaab", ["ab", "c", "ab"]),
        (r"(?i)CAT|dog", "cat dog", ["cat", "dog"]),
        (r"\bcat\b", "cat cats cat", ["cat", "cat"]),
        (r"(?s).+", "a\nb", ["a\nb"]),
        (r"\S+", "a+b -c", ["a+b", "-c"]),
        (r"[\\]", "\\ x \\", ["\\", "\\"]),
    ],
)
def test_regex_patterns(pattern, text, tokens):
    section = TextSection(tokenizer="regex", pattern=pattern)
    encoder = TextEncoder.learn(section, lambda: [text])
    assert [token.text for token in encoder.tokens([text])[0]] == tokens


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", r"text\.pattern is no RE2 pattern: missing \): \(, was: '\('"),
        (r"(a)\1", r"no RE2 pattern: invalid escape sequence: \\1"),
        ("a(?=b)", r"no RE2 pattern: invalid perl operator: \(\?="),
        ("a)|(b", "no RE2 pattern: unexpected "),
        ("[a", r"no RE2 pattern: missing \]"),
        ("a*", r"text\.pattern matches the empty text, so it cuts no tokens, was: 'a\*'"),
        ("", "matches the empty text"),
        ("a|$", "matches the empty text"),
    ],
)
def test_a_bad_pattern_is_refused(pattern, message):
    section = TextSection(tokenizer="regex", pattern=pattern)
    with pytest.raises(InputError, match=message):
        TextEncoder.learn(section, lambda: ["a b"])


def test_a_pattern_without_matches_is_refused():
    for pattern in (r"\b", "zzz"):
        section = TextSection(tokenizer="regex", pattern=pattern)
        with pytest.raises(DataError, match="holds no token"):
            TextEncoder.learn(section, lambda: ["a b"])


def test_wordpieces_are_the_longest_known_from_the_left(learned, pieces):
    known = set(learned("wordpiece").vocabulary.ordinary_tokens)
    assert {"the", "s", "##s"} <= known
    cut = pieces("wordpiece", "the thecat")
    assert cut[:2] == ["the", "the"]
    assert "".join(piece.removeprefix("##") for piece in cut) == "thethecat"
    assert set(cut) <= known
    assert all(piece.startswith("##") for piece in cut[2:])


def test_sentencepieces_keep_blanks_as_a_sign(pieces):
    cut = pieces("sentencepiece", " the \n\t cat\xa0sat ")
    assert "".join(cut) == "▁the▁cat▁sat"


@pytest.mark.parametrize("text", INVISIBLE)
def test_an_empty_or_blank_text_is_one_unknown_token(learned, kind, text):
    if kind == "characters" and text:
        pytest.skip("a blank is a character")
    assert learned(kind).encode([text]).ids.tolist() == [UNKNOWN_ID]


# --- Whatever the text ---


@PROPERTY
@given(texts=st.lists(ANY_TEXT, min_size=1, max_size=4))
@example(texts=["\ud800", "a\x00b", "\ufdd0+", "[UNK] [PAD]", "a" * 500])
def test_any_text_gives_ids_that_do_not_depend_on_its_batch(learned, kind, texts):
    encoder = learned(kind)
    together = encoder.encode(texts)
    assert len(together) == len(texts)
    assert together.lengths.min() >= 1
    assert together.ids.min() >= 1
    assert together.ids.max() < len(encoder.vocabulary)
    for index, text in enumerate(texts):
        assert encoder.encode([text]).ids.tolist() == together.row(index).tolist()
    assert [[token.id for token in row] for row in encoder.tokens(texts)] == [
        together.row(index).tolist() for index in range(len(texts))
    ]


@PROPERTY
@given(text=st.text(st.sampled_from("the cat sé😀日\n.")))
def test_characters_decode_to_the_text(learned, text):
    encoder = learned("characters")
    ids = encoder.encode([text]).ids.tolist()
    decoded = "".join(encoder.vocabulary.decode_id(token_id) for token_id in ids)
    assert decoded == (text or "[UNK]")


def test_half_a_surrogate_pair_becomes_replacement_characters(pieces):
    assert set(pieces("words", "\ud800")) == {"\ufffd"}


# --- Learning ---


def test_only_the_given_texts_are_learned(learned, kind):
    encoder = learned(kind)
    assert not any("q" in token for token in encoder.vocabulary.ordinary_tokens)
    assert UNKNOWN_ID in encoder.encode(["qqq q"]).ids or kind == "regex"
    assert UNKNOWN_ID in encoder.encode(["qqq"]).ids


def test_max_tokens_counts_the_special_ones(sentences, kind):
    keys = {"pattern": r"\w"} if kind == "regex" else {}
    for most in (60, 200):
        section = TextSection(tokenizer=kind, max_tokens=most, **keys)
        try:
            encoder = TextEncoder.learn(section, lambda: sentences)
        except DataError:
            assert (kind, most) == ("sentencepiece", 60)  # which needs all characters
            continue
        assert 4 < len(encoder.vocabulary) <= most


def test_min_count_leaves_rare_tokens_out():
    section = TextSection(tokenizer="words", min_count=2)
    encoder = TextEncoder.learn(section, lambda: ["a b a", "b c"])
    assert encoder.vocabulary.ordinary_tokens == ("a", "b")
    assert encoder.encode(["c a"]).ids.tolist() == [UNKNOWN_ID, 4]


def test_a_min_count_that_leaves_nothing_is_refused():
    section = TextSection(tokenizer="words", min_count=9)
    with pytest.raises(DataError, match=r"seen 9 times or more; lower text\.min_count"):
        TextEncoder.learn(section, lambda: ["a b"])


def test_too_few_tokens_for_sentencepiece_says_how_many_it_needs(sentences):
    section = TextSection(tokenizer="sentencepiece", max_tokens=60)
    with pytest.raises(
        DataError, match=r"set text\.max_tokens to (\d+) or more, was: 60"
    ) as caught:
        TextEncoder.learn(section, lambda: sentences)
    needed = int(str(caught.value).split(" or more")[0].split()[-1])
    enough = section.model_copy(update={"max_tokens": needed})
    assert len(TextEncoder.learn(enough, lambda: sentences).vocabulary) <= needed


@pytest.mark.parametrize("texts", [[], [""], ["  ", "\n"]])
def test_texts_without_a_token_are_refused(kind, texts):
    if kind == "characters" and any(texts):
        pytest.skip("a blank is a character")
    section = TextSection(tokenizer=kind, **({"pattern": "a"} if kind == "regex" else {}))
    with pytest.raises(DataError, match="the training split holds no token"):
        TextEncoder.learn(section, lambda: texts)


def test_a_text_that_spells_a_special_token_never_becomes_one():
    section = TextSection(tokenizer="whitespace", lowercase=False)
    encoder = TextEncoder.learn(section, lambda: ["[UNK] [PAD] [UNK] x"])
    assert encoder.vocabulary.ordinary_tokens == ("[UNK]", "[PAD]", "x")
    assert encoder.encode(["[PAD] [UNK] [EOS]"]).ids.tolist() == [5, 4, UNKNOWN_ID]


# --- Saved and loaded ---

CODE = """
import json, sys
from pathlib import Path
from textnets.recipe.sections import TextSection
from textnets.text.encoder import TextEncoder
texts = json.loads(sys.argv[2])
for folder in sorted(Path(sys.argv[1]).iterdir()):
    section = TextSection.model_validate_json((folder / "section.json").read_text())
    ids = TextEncoder.load(section, folder).encode(texts)
    print(json.dumps([folder.name, ids.ids.tolist(), ids.lengths.tolist()]))
"""


@pytest.mark.heavy
def test_a_fresh_process_gives_the_same_ids(learned, tmp_path: Path, sentences):
    import json

    expected = []
    for kind in ("characters", "regex", "sentencepiece", "whitespace", "wordpiece", "words"):
        encoder = learned(kind)
        folder = tmp_path / "runs" / kind
        folder.mkdir(parents=True)
        encoder.save(folder)
        (folder / "section.json").write_text(encoder.section.model_dump_json())
        ids = encoder.encode(sentences)
        expected.append([kind, ids.ids.tolist(), ids.lengths.tolist()])
    written = run_program(CODE, tmp_path / "runs", json.dumps(sentences))
    assert [json.loads(line) for line in written.splitlines()] == expected


def test_the_vocabulary_in_the_file_is_that_of_the_encoder(learned, kind, tmp_path: Path):
    encoder = learned(kind)
    encoder.save(tmp_path)
    loaded = TextEncoder.load(encoder.section, tmp_path)
    assert loaded.vocabulary.ordinary_tokens == encoder.vocabulary.ordinary_tokens


def test_a_missing_or_damaged_sentencepiece_model_is_an_error_of_the_run(learned, tmp_path: Path):
    encoder = learned("sentencepiece")
    encoder.save(tmp_path)
    model = tmp_path / "tokenizer.model"
    for content in (b"", b"no model", model.read_bytes()[:100]):
        model.write_bytes(content)
        with pytest.raises(RunError, match=r"tokenizer\.model: no sentencepiece model"):
            TextEncoder.load(encoder.section, tmp_path)
    model.unlink()
    with pytest.raises(RunError, match=r"tokenizer\.model: cannot be read"):
        TextEncoder.load(encoder.section, tmp_path)


def test_the_graph_inside_a_saved_model_gives_the_same_ids(
    learned, kind, tmp_path: Path, sentences
):
    import tensorflow as tf

    encoder = learned(kind)

    class Ids(tf.Module):
        def __init__(self) -> None:
            super().__init__()
            self.resources = encoder.resources

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
        def ids(self, texts):
            return encoder.encode_graph(texts).to_tensor()

    tf.saved_model.save(Ids(), str(tmp_path / "model"))
    loaded = tf.saved_model.load(str(tmp_path / "model"))
    expected = encoder.encode(sentences)
    padded = expected.pad(np.arange(len(sentences)), int(expected.lengths.max()))
    np.testing.assert_array_equal(loaded.ids(tf.constant(sentences)).numpy(), padded)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("whitespace", "two dogs , one cat"),
        ("words", "Two dogs, one cat (asleep)! It's 5% off; why?"),
        ("characters", "two  dogs,\n one cat"),
        ("wordpiece", "two dogs, one cat."),
        ("sentencepiece", "two dogs, one cat."),
    ],
)
def test_tokens_are_joined_to_the_text_again(name: str, text: str) -> None:
    section = TextSection(tokenizer=name, lowercase=False, max_tokens=60)
    encoder = TextEncoder.learn(section, lambda: [text] * 20)
    (tokens,) = encoder.tokens([text])
    assert encoder.tokenizer.join([token.text for token in tokens]) == text


def test_seeding_takes_no_tokenizer_away(learned, kind, sentences):
    """Every training seeds, and so does whoever wants the same numbers twice. TensorFlow drops its
    kernels then, and with them what belongs to a kernel."""
    import keras

    encoder = learned(kind)
    before = encoder.encode(sentences).ids.tolist(), encoder.tokens(sentences)
    keras.utils.set_random_seed(1)
    assert (encoder.encode(sentences).ids.tolist(), encoder.tokens(sentences)) == before


def test_a_run_of_before_cuts_at_what_is_not_seen_as_it_did(tmp_path):
    """Its folder has no file that says otherwise."""
    text = "می\u200cخواهم ❤️love"
    found = TextEncoder.learn(TextSection(), lambda: [text])
    assert [token.text for token in found.tokens([text])[0]] == ["می\u200cخواهم", "❤", "love"]
    found.save(tmp_path)
    again = TextEncoder.load(TextSection(), tmp_path)
    assert again.tokens([text]) == found.tokens([text])
    (tmp_path / WORDS_FILE).unlink()
    before = TextEncoder.load(TextSection(), tmp_path)
    assert [token.text for token in before.tokens([text])[0]] == [
        "می", "\u200c", "خواهم", "❤", "\ufe0flove",
    ]  # fmt: skip
