"""Which texts are told to be mostly one token or [UNK], and which are not."""

from __future__ import annotations

import pytest

from textnets.text.segmentation import doubt

UNSEGMENTED = {
    "Chinese": "他们一直喜欢数学作业 ， 但是那个医生下个星期写完了 。",
    "Japanese": "昨日の夜先生は本を食べました 。",
    "katakana": "コンピュータープログラム と データベースシステム",
    "Thai": "ฉันชอบกินข้าวผัด เขาไปโรงเรียนทุกวัน",
    "English": "thisisatextwhosewordswerejoinedbyaccident",
    "proteins": "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVV",
}
SEGMENTED = {
    "Chinese": "他们 一直 喜欢 数学 作业 ， 但是 那个 医生 下 个 星期 写完 了 。",
    "Japanese": "昨日 の 夜 先生 は コンピューター を 買い まし た 。",
    "Thai": "ฉัน ชอบ กิน ข้าว ผัด เขา ไป โรงเรียน ทุก วัน",
    "Korean": "나는 어제 학교에서 친구들과 함께 공부했습니다 .",
    "German": "die Rindfleischetikettierungen ist ein langes Wort , kommt selten vor",
    "Finnish": "epäjärjestelmällisyydestään huolimatta hän onnistui kokouksessa hyvin",
    "addresses": "see https://example.org/a/page.html for what was said",
    "a lexicon": "crummy",
}


def said(line: str, tokenizer: str = "words", unknown: int = 0) -> str | None:
    tokens = line.split(" ")
    return doubt(
        "train",
        tokenizer,
        tokens=40 * len(tokens),
        unknown=unknown,
        sample=[[token.encode() for token in tokens]] * 40,
    )


@pytest.mark.parametrize("name", UNSEGMENTED)
@pytest.mark.parametrize("tokenizer", ["words", "whitespace", "regex"])
def test_text_without_blanks_is_told(name: str, tokenizer: str) -> None:
    found = said(UNSEGMENTED[name], tokenizer)
    assert found is not None
    assert found.startswith("train: has no blanks between its words: ")
    assert "set text.tokenizer to characters or sentencepiece" in found


@pytest.mark.parametrize("name", SEGMENTED)
def test_text_in_words_is_not_told(name: str) -> None:
    assert said(SEGMENTED[name]) is None


def test_other_tokenizers_cut_such_text() -> None:
    for tokenizer in ("characters", "sentencepiece", "wordpiece"):
        assert said(UNSEGMENTED["Chinese"], tokenizer) is None


def test_texts_that_are_mostly_unknown_are_told() -> None:
    assert said("crummy", unknown=20) is None
    found = said("crummy", unknown=21)
    assert found is not None
    assert found.startswith("train: 52% of the tokens are [UNK]")
    assert "blanks" not in found
    for_characters = said("crummy", "characters", unknown=21)
    assert for_characters is not None
    assert "sentencepiece" not in for_characters


def test_a_few_tokens_tell_nothing() -> None:
    for line in ("crummy", "我喜欢你们"):
        tokens = [line.encode()]
        assert doubt("test", "words", tokens=1, unknown=1, sample=[tokens]) is None
