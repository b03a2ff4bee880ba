"""How much a normalizer may grow a text: never less than the tokenizers library makes of it."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models

from textnets.text.encoder_tokens import EncoderSettings, EncoderTokens
from textnets.text.text_growth import growth_of

LETTERS = "ab文ﷺ "


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def in_turn(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "normalizers": list(rules)}


def with_normalizer(rules: dict[str, Any]) -> str:
    plain = Tokenizer(models.WordLevel({"a": 0, "?": 1}, unk_token="?"))
    return json.dumps({**json.loads(plain.to_str()), "normalizer": rules})


# No expression that is found where nothing is: the library panics at those, which is one error.
RULES = st.one_of(
    st.builds(
        replace,
        st.fixed_dictionaries({"String": st.text(LETTERS, min_size=1, max_size=2)}),
        st.text(LETTERS, max_size=3),
    ),
    st.builds(
        replace,
        st.sampled_from([{"Regex": one} for one in ("a+", "a|b", r"\s+", "[ab]", "b")]),
        st.text(LETTERS, max_size=2),
    ),
    st.sampled_from([{"type": one} for one in ("NFC", "NFKC", "NFKD", "Lowercase", "ByteLevel")]),
    st.just({"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
             "strip_accents": None, "lowercase": True}),
)  # fmt: skip


@given(rules=st.lists(RULES, max_size=4), text=st.text(LETTERS, max_size=6))
def test_no_text_grows_more_than_it_is_said_to(rules, text):
    chained = in_turn(*rules)
    normalizer = Tokenizer.from_str(with_normalizer(chained)).normalizer
    assert len(normalizer.normalize_str(text)) <= growth_of(chained) * len(text)


def test_by_hand():
    assert growth_of(None) == 1
    assert growth_of(in_turn(*[replace({"String": "a"}, "aa")] * 14)) == 2**14
    turned = [replace({"String": "a"}, "b"), replace({"String": "b"}, "ccc")]
    assert growth_of(in_turn(*turned)) == 3
    assert growth_of(in_turn(*reversed(turned))) == 3
    marks = [replace({"String": mark}, f" {mark} ") for mark in "!#$%&()*+,-./:;<=>?@[]^_{|}~"]
    blanks = replace({"Regex": r"\s+"}, " ")
    assert growth_of(in_turn(*marks, blanks)) == 6
    table = base64.b64encode((4).to_bytes(4, "little") + b"trie" + b"a\0\xe2\x96\x81bc\0").decode()
    assert growth_of({"type": "Precompiled", "precompiled_charsmap": table}) == 5


@pytest.mark.parametrize(
    "rules",
    [
        in_turn(*[replace({"String": "a"}, "aa")] * 60),
        in_turn(*[replace({"Regex": ""}, "ab")] * 20),
        in_turn(in_turn(*[{"type": "ByteLevel"}] * 30)),
    ],
)
def test_a_tokenizer_that_would_make_texts_endless_is_refused_at_once(rules):
    with pytest.raises(ValueError, match="may make a text more than 10,000 times as long"):
        EncoderTokens(with_normalizer(rules).encode(), EncoderSettings(512, True, 2, ""))
