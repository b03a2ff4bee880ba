"""What TensorFlow's libraries know of Unicode, found by asking them about every character."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.lite import unicode as kinds
from textnets.lite.unicode import Unicode
from textnets.text import tokenizers

# The planes that have characters; in the others nothing is assigned, or it is anybody's own.
_PLANES = (0, 1, 2, 3, 14)
_KINDS = {
    kinds.WORD: f"[{tokenizers.WORD}]",
    kinds.MARK: r"\p{M}",
    kinds.UNSPACED: f"[{tokenizers.WITH_ZWSP}]",
    kinds.INVISIBLE: f"[{tokenizers.INVISIBLE}]",
    kinds.PICTURE: r"\p{So}",
    kinds.SKIN: f"[{tokenizers.SKIN_TONE}]",
    kinds.SEPARATOR: r"[\p{Z}\x{85}\t\n\v\f\r]",
    kinds.BLANK: tokenizers.BLANK.removesuffix("+"),
}
_FORMS = {"canonical": ("NFC", "NFD"), "compatible": ("NFKC", "NFKD")}


@functools.cache
def tensorflow_unicode() -> Unicode:
    """Of the TensorFlow that is installed."""
    import tensorflow as tf
    import tensorflow_text

    codes = _codes()
    characters = list(map(chr, codes.tolist()))
    texts = tf.constant([character.encode() for character in characters])
    bits = np.zeros(len(codes), np.int64)
    for bit, pattern in _KINDS.items():
        bits += bit * tf.strings.regex_full_match(texts, pattern).numpy()
    bits += _case_bits(texts)
    starts, of_starts = _stretches(codes, bits)

    lower = _changed(characters, texts, tf.strings.lower(texts, encoding="utf-8"))
    lower.pop("\0", None)  # the graph has a blank there
    apart: dict[str, dict[str, str]] = {}
    odd = {one for one in characters if unicodedata.category(one) == "Cn"}
    odd |= _differ(lower, {one: small for one in characters if (small := one.lower()) != one})
    for kind, forms in _FORMS.items():
        for form in forms:
            found = _changed(characters, texts, tensorflow_text.normalize_utf8(texts, form))
            odd |= _differ(found, _changed_by_python(characters, form))
        apart[kind] = found
    ordered = sorted(odd)
    decomposed = {
        kind: {one: found[one] for one in ordered if one in found} for kind, found in apart.items()
    }
    return Unicode(
        starts=starts,
        kinds=of_starts,
        odd=_ranges(list(map(ord, ordered))),
        lower={one: lower[one] for one in ordered if one in lower},
        decomposed=decomposed,  # type: ignore[arg-type]
        composed=_composed(ordered, decomposed["canonical"]),
        classes=_classes(ordered),
    )


def _case_bits(texts: Any) -> npt.NDArray[np.int64]:
    """Which characters have case, and which are overlooked: told by the small sigma that follows
    them, or that they follow, as the last letter of a word or as another."""
    import tensorflow as tf

    def has(words: Any, pattern: str) -> Any:
        small = tf.strings.lower(words, encoding="utf-8")
        return tf.strings.regex_full_match(small, f"(?s){pattern}").numpy()

    is_cased = has(tf.strings.join(["aΣ", texts]), "aσ.+")
    is_seen_through = has(tf.strings.join(["a", texts, "Σ"]), "a.+ς")
    found: npt.NDArray[np.int64] = (
        kinds.CASED * is_cased + kinds.OVERLOOKED * (is_seen_through & ~is_cased)
    ).astype(np.int64)
    return found


def _changed(characters: Sequence[str], before: Any, after: Any) -> dict[str, str]:
    """What TensorFlow made of the characters that it did not leave as they are."""
    found = after.numpy()
    places = np.flatnonzero(found != before.numpy()).tolist()
    return {characters[place]: found[place].decode() for place in places}


def _changed_by_python(characters: Sequence[str], form: Any) -> dict[str, str]:
    return {one: new for one in characters if (new := unicodedata.normalize(form, one)) != one}


def _differ(ours: dict[str, str], others: dict[str, str]) -> set[str]:
    """The characters that two know otherwise."""
    return {one for one in {*ours, *others} if ours.get(one) != others.get(one)}


@functools.cache
def matching(pattern: str) -> list[tuple[int, int]]:
    """The ranges of characters, of all planes, that a class of RE2 has."""
    import tensorflow as tf

    codes = np.concatenate([np.arange(0xD800), np.arange(0xE000, 0x110000)])
    texts = tf.constant([chr(code).encode() for code in codes.tolist()])
    return _ranges(codes[tf.strings.regex_full_match(texts, pattern).numpy()].tolist())


def _codes() -> npt.NDArray[np.int64]:
    """Every code point of those planes but the surrogates."""
    all_of = np.concatenate([np.arange(plane << 16, (plane + 1) << 16) for plane in _PLANES])
    return all_of[(all_of < 0xD800) | (all_of > 0xDFFF)]


def _stretches(
    codes: npt.NDArray[np.int64], bits: npt.NDArray[np.int64]
) -> tuple[list[int], list[int]]:
    """Where stretches of the same bits begin, and their bits; 0 where nobody was asked."""
    every = np.zeros(0x110000, np.int64)
    every[codes] = bits
    begins = np.concatenate([[0], np.flatnonzero(np.diff(every)) + 1])
    return begins.tolist(), every[begins].tolist()


def _ranges(codes: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending code points as ranges, both ends included."""
    found: list[tuple[int, int]] = []
    for code in codes:
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return found


def _composed(odd: Sequence[str], decomposed: dict[str, str]) -> dict[str, str]:
    """Pairs that are one of the odd characters."""
    import tensorflow as tf
    import tensorflow_text

    of_two = [one for one in odd if len(decomposed.get(one, "")) >= 2]
    if not of_two:
        return {}
    # Of three signs the first two are a character by themselves.
    inner = _normalized([decomposed[one][:-1] for one in of_two], "NFC")
    pairs = [first + decomposed[one][-1] for first, one in zip(inner, of_two, strict=True)]
    together = _decoded(
        tensorflow_text.normalize_utf8(tf.constant([p.encode() for p in pairs]), "NFC")
    )
    return {
        pair: one
        for pair, one, found in zip(pairs, of_two, together, strict=True)
        if found == one and len(pair) == 2
    }


def _classes(odd: Sequence[str]) -> dict[str, int]:
    """Canonical combining classes, told by which marks change places with which."""
    known: dict[int, str] = {}
    is_odd = set(odd)
    for code in range(0x20000):
        if (number := unicodedata.combining(chr(code))) and chr(code) not in is_odd:
            known.setdefault(number, chr(code))
    below = known[240]
    moved = _normalized([f"a{below}{one}" for one in odd], "NFD")
    candidates = [
        one
        for one, found in zip(odd, moved, strict=True)
        if found != f"a{below}{one}" and len(found) == 3
    ]
    classes: dict[str, int] = {}
    for number, mark in sorted(known.items()):
        stays = _normalized([f"a{one}{mark}" for one in candidates], "NFD")
        for one, found in zip(candidates, stays, strict=True):
            if found == f"a{one}{mark}":  # its class is that of the mark, or lower
                classes.setdefault(one, number)
    return classes


def _normalized(texts: Sequence[str], form: str) -> list[str]:
    import tensorflow as tf
    import tensorflow_text

    if not texts:
        return []
    return _decoded(
        tensorflow_text.normalize_utf8(tf.constant([text.encode() for text in texts]), form)
    )


def _decoded(texts: Any) -> list[str]:
    found: Iterable[bytes] = texts.numpy().tolist()
    return [text.decode() for text in found]
