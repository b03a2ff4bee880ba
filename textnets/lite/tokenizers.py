"""The tokenizers of :mod:`textnets.text.tokenizers` in Python, token by token the same.

Those are TensorFlow graphs of regular expressions (RE2) over classes of Unicode. Here each
character is first replaced by a letter for its kind, and the same rules are looked for among these
few letters.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from textnets.errors import RunError
from textnets.lite import unicode as kinds
from textnets.lite.protobuf import read_message
from textnets.lite.unicode import Unicode
from textnets.text.tokenizers import JOINER, JOINER_IN_TEXT, PIECE_BLANK

_LONGEST_WORD = 100  # bytes; tensorflow_text cuts no longer one into pieces
_PIECE_INSIDE = "##"
_UNKNOWN_PIECE = "[UNK]"


class LiteTokenizer(ABC):
    """Cuts a normalized text into tokens."""

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """The tokens of a text."""


class LiteWhitespace(LiteTokenizer):
    """Splits on Unicode white space."""

    def __init__(self, unicode: Unicode) -> None:
        self._token = re.compile(f"[^{as_class(unicode.ranges(kinds.SEPARATOR))}]+")

    def split(self, text: str) -> list[str]:
        return self._token.findall(text)


class LiteCharacters(LiteTokenizer):
    """One token a code point."""

    def split(self, text: str) -> list[str]:
        return list(text)


# --- Words ---

# Letters for what has a rule of its own.
_OWN = {"'": "q", "’": "Q", "\u200b": "z", "\u200c": "n", "\u200d": "j"}
# For what a rule has found: an apostrophe, a ZWNJ and a ZWJ that stay inside of a word or emoji.
_INSIDE = "aNM"
_FIRST_LETTER = 0x80  # of those for kinds: one for each set of the six bits below
_BITS = kinds.WORD | kinds.MARK | kinds.UNSPACED | kinds.INVISIBLE | kinds.PICTURE | kinds.SKIN


def _letters(has: Callable[[int], bool], own: str = "") -> str:
    """The inside of a class of letters: those of the kinds that have something, and others."""
    found = [chr(_FIRST_LETTER + bits) for bits in range(_BITS + 1) if has(bits)]
    return "".join(map(re.escape, [*found, *own]))


_WORDS = _letters(lambda bits: bool(bits & kinds.WORD))
_SCRIPTS = _letters(lambda bits: bool(bits & kinds.UNSPACED))
_PICTURES = _letters(lambda bits: bool(bits & (kinds.PICTURE | kinds.SKIN)))
_SYMBOLS = _letters(lambda bits: bool(bits & kinds.PICTURE))
_TONES = _letters(lambda bits: bool(bits & kinds.SKIN))
_UNSEEN = _letters(lambda bits: bool(bits & kinds.INVISIBLE), "znj")
_UNSEEN_NO_JOINERS = _letters(lambda bits: bool(bits & kinds.INVISIBLE), "z")
_AFTER_SIGN = _letters(lambda bits: bool(bits & (kinds.MARK | kinds.INVISIBLE | kinds.SKIN)), "znj")

_BETWEEN_SCRIPTS = re.compile(f"(?<=[{_SCRIPTS}])z+(?=[{_SCRIPTS}])")
_NONJOINERS = re.compile(f"(?<=[{_WORDS}])n+(?=[{_WORDS}])")
_JOINERS = re.compile(f"(?<=[{_WORDS}])j+(?=[{_WORDS}])")
_OF_PICTURES = re.compile(f"(?<=[{_PICTURES}])j(?=[{_SYMBOLS}])")
_APOSTROPHES = re.compile(f"(?<=[{_WORDS}])[qQ](?=[{_WORDS}])")


def _tokens(word: str, after: str) -> re.Pattern[str]:
    """Signs, each with what belongs to it, or words."""
    sign = f"[^{word} ]"
    more = f"(?:[{after}]|M{sign})*" if after else ""
    return re.compile(f"(?P<sign>{sign}{more})|[{word}]+")


_PLAIN = _tokens(f"{_WORDS}{_INSIDE}", _TONES)
_SEEING = _tokens(f"{_WORDS}{_INSIDE}", "")
_JOINED = _tokens(f"{_WORDS}{_INSIDE}{_UNSEEN}", _AFTER_SIGN)


class LiteWords(LiteTokenizer):
    """As :class:`textnets.text.tokenizers.WordTokenizer`."""

    def __init__(
        self, unicode: Unicode, *, with_joins: bool = False, sees_invisible: bool = False
    ) -> None:
        self._with_joins, self._sees_invisible = with_joins, sees_invisible
        self._letter = _LetterOf(unicode)
        self._pattern = _SEEING if sees_invisible else _JOINED if with_joins else _PLAIN

    def split(self, text: str) -> list[str]:
        if self._with_joins:
            text = text.replace(JOINER, JOINER_IN_TEXT)
        spelled = text.translate(self._letter)
        if not self._sees_invisible:
            spelled = _BETWEEN_SCRIPTS.sub(lambda found: " " * len(found[0]), spelled)
            if not self._with_joins:
                text, spelled = _without_invisible(text, spelled)
        if "q" in spelled or "Q" in spelled:
            text, spelled = self._with_apostrophes(text, spelled)
        found = self._pattern.finditer(spelled)
        if self._with_joins:
            return _with_joins(text, spelled, found)
        return [text[one.start() : one.end()] for one in found]

    def _with_apostrophes(self, text: str, spelled: str) -> tuple[str, str]:
        """Those inside of words are part of them, and all alike unless a text must come back."""
        marked = _APOSTROPHES.sub("a", spelled)
        if not self._with_joins and "’" in text and marked != spelled:
            text = "".join(
                "'" if letter == "a" and sign == "’" else sign
                for sign, letter in zip(text, marked, strict=True)
            )
        return text, marked


class _LetterOf(dict[int, str]):
    """For ``str.translate``: the letter of each code point, found once."""

    def __init__(self, unicode: Unicode) -> None:
        super().__init__({ord(sign): letter for sign, letter in _OWN.items()})
        self._unicode = unicode

    def __missing__(self, code: int) -> str:
        bits = self._unicode.kind(chr(code))
        found = " " if bits & kinds.BLANK else chr(_FIRST_LETTER + (bits & _BITS))
        self[code] = found
        return found


def _without_invisible(text: str, spelled: str) -> tuple[str, str]:
    """Without the signs that are not seen, but for a ZWNJ and a ZWJ inside of words and emoji."""
    if not (_ANY_UNSEEN.search(spelled)):
        return text, spelled
    text, spelled = _only(text, spelled, _ANY_UNSEEN_NO_JOINERS)
    spelled = _NONJOINERS.sub(_first("N"), spelled)
    spelled = _JOINERS.sub(_first("M"), spelled)
    spelled = _OF_PICTURES.sub("M", spelled)
    return _only(text, spelled, _LEFT_OVER)


_ANY_UNSEEN = re.compile(f"[{_UNSEEN}]")
_ANY_UNSEEN_NO_JOINERS = re.compile(f"[{_UNSEEN_NO_JOINERS}]")
_LEFT_OVER = re.compile("[nj]")


def _first(mark: str) -> Callable[[re.Match[str]], str]:
    """One mark for a run; the others of it are left over."""
    return lambda found: mark + "n" * (len(found[0]) - 1)


def _only(text: str, spelled: str, gone: re.Pattern[str]) -> tuple[str, str]:
    """Text and letters without what a pattern finds."""
    places = [found.start() for found in gone.finditer(spelled)]
    if not places:
        return text, spelled
    ends = [-1, *places, len(text)]
    kept = [slice(one + 1, two) for one, two in pairwise(ends)]
    return "".join(text[part] for part in kept), "".join(spelled[part] for part in kept)


def _with_joins(text: str, spelled: str, found: Iterator[re.Match[str]]) -> list[str]:
    """Tokens, signs with a joiner on each side where they touch a word; between two signs it is the
    second's."""
    matches = list(found)
    starts = {one.start() for one in matches if one["sign"] is not None}
    tokens = []
    for one in matches:
        token = text[one.start() : one.end()]
        if one["sign"] is not None:
            start, end = one.span()
            before = start > 0 and spelled[start - 1] != " "
            after = end < len(spelled) and spelled[end] != " " and end not in starts
            token = f"{JOINER if before else ''}{token}{JOINER if after else ''}"
        tokens.append(token)
    return tokens


# --- Patterns ---


class LitePattern(LiteTokenizer):
    """Every match of a pattern is a token.

    Args:
        pattern: for Python, see :mod:`textnets.export.patterns`.
        unicode: what is a letter of a word.
        with_joins: mark where one match followed another at once.
    """

    def __init__(self, pattern: str, unicode: Unicode, *, with_joins: bool = False) -> None:
        try:
            self._pattern = re.compile(pattern, re.ASCII)
        except (re.error, RecursionError, OverflowError) as error:
            raise RunError(f"the pattern of its tokens is none: {error}") from None
        self._unicode, self._with_joins = unicode, with_joins

    def split(self, text: str) -> list[str]:
        text = text.replace("\ufdd0", " ")
        if self._with_joins:
            text = text.replace(JOINER, JOINER_IN_TEXT)
        spans = list(self._spans(text))
        if self._with_joins:
            return self._joined(text, spans)
        return [text[start:end] for start, end in spans if end > start]

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Matches as RE2's ``GlobalReplace`` finds them: none that is empty right after another."""
        place, last = 0, -1
        while place <= len(text) and (found := self._pattern.search(text, place)):
            start, end = found.span()
            if start == end == last:
                place = start + 1
                continue
            yield start, end
            place = last = end

    def _joined(self, text: str, spans: Sequence[tuple[int, int]]) -> list[str]:
        tokens = [text[start:end] for start, end in spans]
        for number in range(1, len(spans)):
            is_close = spans[number - 1][1] == spans[number][0]
            one, two = tokens[number - 1], tokens[number]
            if not is_close or not two:
                continue
            ends_in_sign = bool(one) and not self._is_word(one[-1])
            if self._is_word(text[spans[number][0]]) and ends_in_sign:
                tokens[number - 1] = one + JOINER
            else:
                tokens[number] = JOINER + two
        return [token for token in tokens if token]

    def _is_word(self, sign: str) -> bool:
        return bool(self._unicode.kind(sign) & kinds.WORD)


# --- Pieces of words ---


class LiteWordpieces(LiteTokenizer):
    """Words cut into the longest known pieces from the left.

    Args:
        words: cuts texts into words.
        pieces: the vocabulary's ordinary tokens.
    """

    def __init__(self, words: LiteWords, pieces: Sequence[str]) -> None:
        self._words, self._pieces = words, {*pieces, _UNKNOWN_PIECE}
        self._longest = max(map(len, self._pieces))
        self._cut: dict[str, list[str]] = {}

    def split(self, text: str) -> list[str]:
        return [piece for word in self._words.split(text) for piece in self._of_word(word)]

    def _of_word(self, word: str) -> list[str]:
        found = self._cut.get(word)
        if found is None:
            found = self._cut_word(word)
            if len(self._cut) < 100_000:
                self._cut[word] = found
        return found

    def _cut_word(self, word: str) -> list[str]:
        if len(word.encode()) > _LONGEST_WORD:
            return [_UNKNOWN_PIECE]
        found, start, mark = list[str](), 0, ""
        while start < len(word):
            end = min(len(word), start + self._longest)
            while end > start and mark + word[start:end] not in self._pieces:
                end -= 1
            if end == start:
                return [_UNKNOWN_PIECE]
            found.append(mark + word[start:end])
            start, mark = end, _PIECE_INSIDE
        return found


class LiteSentencepieces(LiteTokenizer):
    """The most probable pieces of a text (Kudo 2018), by Viterbi's algorithm.

    Args:
        model: a file of sentencepiece.
        unicode: what is a blank.

    Raises:
        RunError: it is none, or of another kind than textnets trains.
    """

    def __init__(self, model: bytes, unicode: Unicode) -> None:
        self._scores = _unigrams(model)
        self._longest = max(map(len, self._scores))
        self._unknown = np.float32(min(self._scores.values()) - np.float32(10.0))
        self._blanks = re.compile(f"[{as_class(unicode.ranges(kinds.BLANK))}]+")

    def split(self, text: str) -> list[str]:
        text = self._blanks.sub(" ", text).strip(" ")
        if not text:
            return []
        text = (PIECE_BLANK + text.replace(" ", PIECE_BLANK)).rstrip(PIECE_BLANK)
        return self._best(text)

    def _best(self, text: str) -> list[str]:
        scores, longest, unknown = self._scores, self._longest, self._unknown
        size = len(text)
        # What ends at each place: how good, where it begins, whether it is a piece.
        best = [np.float32(0.0)] * (size + 1)
        begins = [-1] * (size + 1)
        known = [True] * (size + 1)
        for start in range(size):
            so_far, has_one = best[start], False
            for end in range(start + 1, min(size, start + longest) + 1):
                score = scores.get(text[start:end])
                if score is None:
                    continue
                has_one = has_one or end == start + 1
                candidate = score + so_far
                if begins[end] < 0 or candidate > best[end]:
                    best[end], begins[end], known[end] = candidate, start, True
            if not has_one:
                candidate = unknown + so_far
                if begins[start + 1] < 0 or candidate > best[start + 1]:
                    best[start + 1], begins[start + 1], known[start + 1] = candidate, start, False
        return self._read_back(text, begins, known)

    @staticmethod
    def _read_back(text: str, begins: Sequence[int], known: Sequence[bool]) -> list[str]:
        """The pieces; unknown characters beside one another are one."""
        found, end, is_open = list[str](), len(text), False
        while end > 0:
            start = begins[end]
            if not known[end] and is_open:
                found[-1] = text[start:end] + found[-1]
            else:
                found.append(text[start:end])
            is_open = not known[end]
            end = start
        return found[::-1]


# Of sentencepiece_model.proto.
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_PIECE, _SCORE, _TYPE = 1, 2, 3
_NORMAL, _UNKNOWN_TYPE, _UNUSED = 1, 2, 5
_MODEL_TYPE, _UNIGRAM = 3, 1


def _unigrams(model: bytes) -> Mapping[str, np.float32]:
    """The logarithm of each piece's probability."""
    try:
        whole = read_message(model)
        trainer = read_message(whole[_TRAINER][0])
        if trainer.get(_MODEL_TYPE, [_UNIGRAM])[0] != _UNIGRAM:
            raise ValueError("it is no unigram model")
        scores = {}
        for one in map(read_message, whole[_PIECES]):
            kind = one.get(_TYPE, [_NORMAL])[0]
            if kind == _NORMAL:
                scores[one[_PIECE][0].decode()] = np.frombuffer(one[_SCORE][0], "<f4")[0]
            elif kind != _UNKNOWN_TYPE:
                raise ValueError(f"it has a piece of the kind {kind}")
        if not scores:
            raise ValueError("it has no pieces")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise RunError(f"its sentencepiece model cannot be read: {error}") from None
    return scores


def as_class(ranges: kinds.Ranges) -> str:
    """Ranges of code points as the inside of a class of Python's ``re``."""
    return "".join(
        f"\\U{start:08x}" if start == end else f"\\U{start:08x}-\\U{end:08x}"
        for start, end in ranges
    )
