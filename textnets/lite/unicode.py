"""Unicode as TensorFlow knows it: kinds of characters, lower case and normal forms.

Python and the three libraries inside of TensorFlow have each their own version of Unicode. A file
holds where they differ, so that the same text gets the same tokens with every Python.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

#: Kinds of characters, as bits: letters, marks, digits and underscore; marks alone; scripts in
#: which U+200B stands between words; signs that are not seen; pictures; skin tones; white space;
#: what is no part of a word nor a sign, controls among it; letters with case; and signs that are
#: overlooked between such.
WORD, MARK, UNSPACED, INVISIBLE, PICTURE, SKIN, SEPARATOR, BLANK, CASED, OVERLOOKED = (
    1 << bit for bit in range(10)
)
_SIGMA = "Σ"

Ranges = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Unicode:
    """What TensorFlow knows of characters.

    Attributes:
        starts: the first code point of each stretch of one kind, ascending from 0.
        kinds: of the stretches, see the bits above.
        odd: code points, in ranges with both ends, whose lower case or normal form may differ
            from that of some Python.
        lower: of those that have one.
        decomposed: of those that have one, by whether compatible characters count as the same.
        composed: pairs that are one character.
        classes: canonical combining classes that are not 0.
    """

    starts: Sequence[int]
    kinds: Sequence[int]
    odd: Ranges = ()
    lower: Mapping[str, str] = field(default_factory=dict)
    decomposed: Mapping[Literal["canonical", "compatible"], Mapping[str, str]] = field(
        default_factory=dict
    )
    composed: Mapping[str, str] = field(default_factory=dict)
    classes: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_odd", _Kept(self._find_odd))
        object.__setattr__(self, "_kinds", _Kept(self._find_kind))

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> Unicode:
        """What :meth:`as_json` gave."""
        return cls(**{**content, "odd": [(start, end) for start, end in content["odd"]]})

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    # --- Kinds ---

    def kind(self, character: str) -> int:
        """The bits of a character."""
        found: int = self._kinds[character]  # type: ignore[attr-defined]
        return found

    def _find_kind(self, character: str) -> int:
        return self.kinds[bisect_right(self.starts, ord(character)) - 1]

    def ranges(self, bits: int) -> Ranges:
        """The stretches that have one of these bits, both ends included."""
        ends = [*self.starts[1:], 0x110000]
        return [
            (start, end - 1)
            for start, end, kind in zip(self.starts, ends, self.kinds, strict=True)
            if kind & bits
        ]

    # --- Lower case ---

    def to_lower(self, text: str) -> str:
        """As ``tf.strings.lower`` in UTF-8."""
        if text.isascii():
            return text.lower()
        if _SIGMA in text:
            text = self._with_sigmas(text)
        parts = self._parts(text)
        if parts is None:
            return text.lower()
        return "".join(self.lower.get(part, part) if odd else part.lower() for part, odd in parts)

    def _with_sigmas(self, text: str) -> str:
        """Each capital sigma as a small one, which has another form at the end of a word."""
        found = list(text)
        for place, sign in enumerate(text):
            if sign == _SIGMA:
                is_last = self._meets_case(text, range(place - 1, -1, -1))
                is_last = is_last and not self._meets_case(text, range(place + 1, len(text)))
                found[place] = "ς" if is_last else "σ"
        return "".join(found)

    def _meets_case(self, text: str, places: range) -> bool:
        """Whether the first sign there that is not overlooked is a letter with case."""
        for place in places:
            bits = self.kind(text[place])
            if not bits & OVERLOOKED:
                return bool(bits & CASED)
        return False

    def _parts(self, text: str) -> list[tuple[str, bool]] | None:
        """Stretches of characters that every Python knows, and the others one by one; ``None``
        where there are only the first."""
        odd: _Kept = self._odd  # type: ignore[attr-defined]
        if not any(map(odd.__getitem__, set(text))):
            return None
        parts, start = [], 0
        for place, character in enumerate(text):
            if odd[character]:
                parts += [(text[start:place], False), (character, True)]
                start = place + 1
        return [*parts, (text[start:], False)]

    def _find_odd(self, character: str) -> bool:
        code = ord(character)
        place = bisect_right(self.odd, (code, 0x110000)) - 1
        return place >= 0 and code <= self.odd[place][1]

    # --- Normal forms (Unicode Standard Annex 15) ---

    def normalized(self, form: str, text: str) -> str:
        """As ``tensorflow_text.normalize_utf8``.

        Args:
            form: ``NFC`` or ``NFKC``.
            text: any.
        """
        python: Literal["NFC", "NFKC"] = "NFKC" if form == "NFKC" else "NFC"
        if text.isascii():
            return text
        parts = self._parts(text)
        if parts is None:
            return unicodedata.normalize(python, text)
        kind: Literal["canonical", "compatible"] = "compatible" if form == "NFKC" else "canonical"
        own = self.decomposed.get(kind, {})
        apart: Literal["NFD", "NFKD"] = "NFKD" if form == "NFKC" else "NFD"
        signs = "".join(
            own.get(part, part) if odd else unicodedata.normalize(apart, part)
            for part, odd in parts
        )
        return self._composed(self._ordered(signs))

    def _class(self, character: str) -> int:
        if self._odd[character]:  # type: ignore[attr-defined]
            return self.classes.get(character, 0)
        return unicodedata.combining(character)

    def _ordered(self, text: str) -> list[str]:
        """Marks in the order of their classes."""
        found: list[str] = []
        marks: list[str] = []
        for character in text:
            if self._class(character):
                marks.append(character)
                continue
            found += sorted(marks, key=self._class)
            found.append(character)
            marks = []
        return found + sorted(marks, key=self._class)

    def _composed(self, signs: Sequence[str]) -> str:
        """Pairs that are one character as that."""
        found: list[str] = []
        starter, before = -1, 0
        for sign in signs:
            here = self._class(sign)
            is_free = starter >= 0 and (
                before < here if before else len(found) == starter + 1 or here > 0
            )
            pair = self._pair(found[starter], sign) if is_free else None
            if pair is not None:
                found[starter] = pair
                continue
            found.append(sign)
            before = here
            if here == 0:
                starter = len(found) - 1
        return "".join(found)

    def _pair(self, one: str, two: str) -> str | None:
        if one + two in self.composed:
            return self.composed[one + two]
        is_odd = self._odd[one] or self._odd[two]  # type: ignore[attr-defined]
        if is_odd:
            return None
        together = unicodedata.normalize("NFC", one + two)
        return together if len(together) == 1 else None


class _Kept(dict[str, Any]):
    """What was found of each character, found once."""

    def __init__(self, find: Callable[[str], Any]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, character: str) -> Any:
        found = self[character] = self._find(character)
        return found


def as_utf8(text: str) -> str:
    """A text as TensorFlow reads its bytes: halves of surrogate pairs become U+FFFD, three of
    them for each, one a byte; U+0000 becomes a blank."""
    try:
        text.encode()
    except UnicodeEncodeError:
        text = text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    return text.replace("\x00", " ")
