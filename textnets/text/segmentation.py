"""Whether texts were cut into tokens that a model can learn, or are mostly one token or [UNK].

Text without blanks between its words, such as Chinese, stays whole where tokens end at blanks: each
clause is a token of its own, hardly any comes twice, and a new text is mostly ``[UNK]``, which is
easy to guess. Perplexities over such tokens look better than they are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence

#: Tokenizers whose tokens end where words do, if the text shows where.
CUT_AT_WORDS = ("whitespace", "words", "regex")

_MOST = 0.5  # of a text's letters, or of its tokens
_FEWEST_LETTERS, _FEWEST_TOKENS = 50, 20  # with fewer, nothing is said
_LONGEST_WORD = 30  # letters; no language has half of its text in longer ones
# Letters of a token that is no word any more: a word has one to four Han characters, or a row of
# kana; Thai, Lao, Burmese and Khmer words are longer, vowel marks included.
_HAN, _KANA, _OTHERS = 5, 8, 12
_UNSPACED = {
    "CJK": _HAN,
    "HIRAGANA": _KANA,
    "KATAKANA": _KANA,
    "THAI": _OTHERS,
    "LAO": _OTHERS,
    "MYANMAR": _OTHERS,
    "KHMER": _OTHERS,
    "TIBETAN": _OTHERS,
}


def doubt(
    what: str,
    tokenizer: str,
    *,
    tokens: int,
    unknown: int,
    sample: Iterable[Sequence[bytes]],
) -> str | None:
    """What to warn of, and what to do; ``None`` where the tokens are as they should be.

    Args:
        what: the texts' name, such as ``validation``.
        tokenizer: of the recipe.
        tokens: how many there are.
        unknown: how many of those are ``[UNK]``.
        sample: the tokens of some of the texts, UTF-8; for :data:`CUT_AT_WORDS` only.
    """
    if tokenizer in CUT_AT_WORDS and (found := _unsegmented(sample)):
        share, longest = found
        return (
            f"{what}: has no blanks between its words: {share:.0%} of the letters stand in tokens "
            f"such as {longest!r}. Hardly any of those comes twice, so that new text is mostly "
            "[UNK], and a perplexity looks better than it is; set text.tokenizer to characters or "
            "sentencepiece"
        )
    if tokens >= _FEWEST_TOKENS and unknown > _MOST * tokens:
        smaller = ", or set text.tokenizer to characters or sentencepiece"
        return (
            f"{what}: {unknown / tokens:.0%} of the tokens are [UNK], so that a model knows little "
            "of the text, and a perplexity looks better than it is; lower text.min_count, raise "
            "text.max_tokens, train on more text like it"
            + (smaller if tokenizer not in ("characters", "sentencepiece") else "")
        )
    return None


def _unsegmented(sample: Iterable[Sequence[bytes]]) -> tuple[float, str] | None:
    """The share of letters in tokens that are more than a word, and one of those, where that is
    most of them."""
    letters = in_runs = 0
    example = ""
    for row in sample:
        for token in (raw.decode(errors="replace") for raw in row):
            count = sum(unicodedata.category(sign)[0] in "LMN" for sign in token)
            letters += count
            if count >= _HAN and count >= _longest_word(token):
                in_runs += count
                example = example or token
    if letters < _FEWEST_LETTERS or in_runs <= _MOST * letters:
        return None
    return in_runs / letters, example if len(example) <= 20 else f"{example[:20]}…"


def _longest_word(token: str) -> int:
    """From how many letters on a token is no word any more: by its script with the shortest."""
    if token.isascii():
        return _LONGEST_WORD + 1
    limits = {_UNSPACED.get(unicodedata.name(sign, "").split(" ")[0]) for sign in token}
    return min((limit for limit in limits if limit is not None), default=_LONGEST_WORD + 1)
