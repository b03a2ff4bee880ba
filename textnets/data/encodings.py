"""Which encoding a text may be in that is not in the one that was named."""

from __future__ import annotations

import codecs
import unicodedata
from itertools import pairwise

# In the order in which they are tried; those of several bytes refuse most of what is not theirs.
_SCRIPTS = {
    "euc_jp": ("HIRAGANA", "KATAKANA", "CJK"),
    "shift_jis": ("HIRAGANA", "KATAKANA", "CJK"),
    "euc_kr": ("HANGUL",),
    "gb18030": ("CJK",),
    "big5": ("CJK",),
}
_CYRILLIC = ("windows-1251", "koi8-r")


def reading_name(name: str) -> str:
    """The codec that reads an encoding's files: a byte order mark is no text."""
    return "utf-8-sig" if codecs.lookup(name).name == "utf-8" else name


def likely_encoding(sample: bytes) -> str:
    """The likeliest encoding of bytes that are not UTF-8: a guess, for a message."""
    if sample[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if len(sample) > 3 and sample.count(0) > len(sample) // 4:
        return "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
    if _is_mostly_utf8(sample):  # with a stray byte
        return "windows-1252"
    for name, scripts in _SCRIPTS.items():
        if _share_of(sample, name, scripts) > 0.95 and _has_its_letters(sample, name):
            return name
    for name in _CYRILLIC:
        if _looks_cyrillic(sample, name):
            return name
    return "windows-1252" if _decoded(sample, "windows-1252") is not None else "latin-1"


def _is_mostly_utf8(sample: bytes) -> bool:
    text = sample.decode("utf-8", "surrogateescape")
    foreign = [sign for sign in text if ord(sign) > 127]
    return sum("\udc80" <= sign <= "\udcff" for sign in foreign) * 2 < len(foreign)


def _decoded(sample: bytes, name: str) -> str | None:
    """The text; the last bytes may be half a character."""
    decoder = codecs.getincrementaldecoder(name)("strict")
    try:
        return decoder.decode(sample)
    except UnicodeDecodeError:
        return None


def _foreign(sample: bytes, name: str) -> list[str]:
    """The letters beyond ASCII, by their Unicode names."""
    text = _decoded(sample, name) or ""
    return [unicodedata.name(sign, "") for sign in text if ord(sign) > 127 and sign.isalpha()]


def _share_of(sample: bytes, name: str, scripts: tuple[str, ...]) -> float:
    letters = _foreign(sample, name)
    return sum(letter.startswith(scripts) for letter in letters) / max(len(letters), 1)


def _has_its_letters(sample: bytes, name: str) -> bool:
    """Two bytes of Western text may be one rare character: those of a script stand in rows."""
    text = _decoded(sample, name) or ""
    foreign = [ord(sign) > 127 for sign in text]
    in_rows = sum(one and other for one, other in pairwise(foreign))
    names = ("HIRAGANA", "KATAKANA")
    kana = sum(unicodedata.name(sign, "").startswith(names) for sign in text)
    is_japanese = name in ("euc_jp", "shift_jis")
    return in_rows * 2 > sum(foreign) and (not is_japanese or kana * 10 > sum(foreign))


def _looks_cyrillic(sample: bytes, name: str) -> bool:
    """Mostly small Cyrillic letters, which the other encoding makes capitals."""
    text = _decoded(sample, name) or ""
    letters = [sign for sign in text if ord(sign) > 127 and sign.isalpha()]
    found = [sign for sign in letters if unicodedata.name(sign, "").startswith("CYRILLIC")]
    small = sum(sign.islower() for sign in found)
    in_rows = sum(one > "\x7f" and other > "\x7f" for one, other in pairwise(text))
    return (
        len(found) > 0.9 * len(letters) > 0
        and small > 0.6 * len(found)
        and (in_rows * 2 > len(letters))
    )
