"""What TensorFlow's libraries know of Unicode, found by asking them about every character."""

from __future__ import annotations

import functools
import operator
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
    # Told by which sigma follows, or is followed by them, as the last letter of a word.
    before, after = (
        np.array([small in one for one in _decoded(tf.strings.lower(words, encoding="utf-8"))])
        for words, small in (
            (tf.strings.join(["aΣ", texts]), "σ"),
            (tf.strings.join(["a", texts, "Σ"]), "ς"),
        )
    )
    is_sigma = np.isin(codes, [ord(sign) for sign in "Σσς"])
    before, after = before | is_sigma, after | is_sigma
    bits += kinds.CASED * before + kinds.OVERLOOKED * (after & ~before)
    starts, of_starts = _stretches(codes, bits)

    lowered = _decoded(tf.strings.lower(texts, encoding="utf-8"))
    is_odd = np.array([unicodedata.category(character) == "Cn" for character in characters])
    is_odd |= _differ(lowered, [one.lower() for one in characters])
    apart: dict[str, list[str]] = {}
    for kind, forms in _FORMS.items():
        for form in forms:
            found = _decoded(tensorflow_text.normalize_utf8(texts, form))
            known = [unicodedata.normalize(form, one) for one in characters]  # type: ignore[arg-type]
            is_odd |= _differ(found, known)
        apart[kind] = found
    is_odd[codes == 0] = False  # the graph has a blank there
    odd = [characters[place] for place in np.flatnonzero(is_odd).tolist()]
    place_of = {character: place for place, character in enumerate(characters)}
    decomposed = {
        kind: {one: found[place_of[one]] for one in odd if found[place_of[one]] != one}
        for kind, found in apart.items()
    }
    return Unicode(
        starts=starts,
        kinds=of_starts,
        odd=_ranges(codes[is_odd].tolist()),
        lower={one: lowered[place_of[one]] for one in odd if lowered[place_of[one]] != one},
        decomposed=decomposed,  # type: ignore[arg-type]
        composed=_composed(odd, decomposed["canonical"]),
        classes=_classes(odd),
    )


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


def _differ(ones: Sequence[str], others: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array(list(map(operator.ne, ones, others)))


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
