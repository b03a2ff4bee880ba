"""A pattern of RE2 as one of Python's, where both mean the same.

What they agree on is most of what patterns for tokens are made of. Classes of Unicode are spelled
out, as the RE2 inside of TensorFlow knows them. All else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from textnets.errors import InputError
from textnets.lite.tokenizers import as_class

# The classes of Perl in RE2, which are of ASCII; \s has no vertical tab there.
_PERL = {"d": "0-9", "w": "0-9A-Za-z_", "s": r"\t\n\f\r "}
_SAME = {*"tnrfv", *r".\+*?()|[]{}^$-/\"'!#%&,:;<=>@_`~ "}
_POSIX = {
    "alnum": "0-9A-Za-z", "alpha": "A-Za-z", "digit": "0-9", "lower": "a-z", "upper": "A-Z",
    "punct": r"!-/:-@\[-`{-~", "space": r"\t\n\v\f\r ", "blank": r"\t ", "xdigit": "0-9A-Fa-f",
    "word": "0-9A-Za-z_", "cntrl": r"\x00-\x1f\x7f", "graph": "!-~", "print": " -~",
    "ascii": r"\x00-\x7f",
}  # fmt: skip
_REPEAT = re.compile(r"\{\d+(,\d*)?\}")

#: The ranges of a class of RE2, such as ``\p{Lu}``.
Matching = Callable[[str], list[tuple[int, int]]]


def as_python(pattern: str, matching: Matching) -> str:
    r"""The same pattern for ``re.compile(..., re.ASCII)``.

    >>> as_python(r"\d+|[^\s\d]$", lambda _: [])
    '[0-9]+|[^\\t\\n\\f\\r 0-9]\\Z'

    Raises:
        InputError: it holds something that Python reads in another way; says what.
    """
    return _Reader(pattern, matching).read()


class _Reader:
    """Goes through a pattern once, from left to right."""

    def __init__(self, pattern: str, matching: Matching) -> None:
        self._text, self._place, self._matching = pattern, 0, matching

    def read(self) -> str:
        found = []
        while self._place < len(self._text):
            found.append(self._read_one())
        python = "".join(found)
        try:
            re.compile(python, re.ASCII)
        except re.error as error:
            raise self._refused(f"Python's re cannot read it ({error})") from None
        return python

    def _read_one(self) -> str:
        sign = self._next()
        if sign == "\\":
            return self._escaped(in_class=False)
        if sign == "[":
            return self._class()
        if sign == "(":
            return self._group()
        if sign == "$":
            return r"\Z"
        if sign == "^":
            return r"\A"
        if sign == "{":
            found = _REPEAT.match(self._text, self._place - 1)
            if found is None:
                return r"\{"
            self._place = found.end()
            return found[0] + self._lazy()
        if sign in "*+?":
            return sign + self._lazy()
        return sign if sign in ".|)" else re.escape(sign)

    def _lazy(self) -> str:
        """A question mark after a repetition; a plus there is an error in RE2."""
        if self._text[self._place : self._place + 1] == "?":
            self._place += 1
            return "?"
        return ""

    def _group(self) -> str:
        rest = self._text[self._place :]
        if not rest.startswith("?"):
            return "("
        for plain in ("?:",):
            if rest.startswith(plain):
                self._place += len(plain)
                return f"({plain}"
        named = re.match(r"\?P?<\w+>", rest)
        if named is not None:
            self._place += named.end()
            return "("  # whose name nobody asks for
        raise self._refused(f"'({rest[:3]}'")

    def _class(self) -> str:
        """``[...]``, spelled with ranges that both read alike."""
        is_not = self._text[self._place : self._place + 1] == "^"
        self._place += is_not
        inside, first = [], True
        while True:
            sign = self._next()
            if sign == "]" and not first:
                break
            first = False
            if sign == "[" and self._text[self._place : self._place + 1] == ":":
                inside.append(self._posix())
                continue
            low = self._escaped(in_class=True) if sign == "\\" else _in_class(sign)
            is_range = self._text[self._place : self._place + 1] == "-" and self._text[
                self._place + 1 : self._place + 2
            ] not in ("]", "")
            if is_range and len(low) <= 10:
                self._place += 1
                sign = self._next()
                high = self._escaped(in_class=True) if sign == "\\" else _in_class(sign)
                low = f"{low}-{high}"
            inside.append(low)
        found = "".join(inside)
        return f"[{'^' if is_not else ''}{found}]"

    def _posix(self) -> str:
        end = self._text.find(":]", self._place)
        name = self._text[self._place + 1 : end] if end >= 0 else ""
        if name not in _POSIX:
            raise self._refused(f"'[:{name}:]'")
        self._place = end + 2
        return _POSIX[name]

    def _escaped(self, *, in_class: bool) -> str:
        sign = self._next()
        if sign in _PERL:
            return _PERL[sign] if in_class else f"[{_PERL[sign]}]"
        if sign.lower() in _PERL and not in_class:
            return f"[^{_PERL[sign.lower()]}]"
        if sign in "pP":
            return self._unicode(sign, in_class=in_class)
        if sign == "x":
            return self._number()
        if sign in "bB" and not in_class:
            return f"\\{sign}"
        if sign in "Az" and not in_class:
            return r"\A" if sign == "A" else r"\Z"
        if sign in _SAME:
            return (
                f"\\{sign}" if sign in "tnrfv" else _in_class(sign) if in_class else re.escape(sign)
            )
        raise self._refused(f"'\\{sign}'{' inside of a class' if in_class else ''}")

    def _unicode(self, sign: str, *, in_class: bool) -> str:
        """``\\p{Lu}`` or ``\\pL``; with ``P`` all else."""
        found = re.match(r"\{\^?\w+\}|\w", self._text[self._place :])
        if found is None:
            raise self._refused(f"'\\{sign}'")
        self._place += found.end()
        spelled = as_class(self._matching(f"\\{sign}{found[0]}"))
        return spelled if in_class else f"[{spelled}]"

    def _number(self) -> str:
        found = re.match(r"\{([0-9A-Fa-f]{1,6})\}|([0-9A-Fa-f]{2})", self._text[self._place :])
        if found is None:
            raise self._refused(r"'\x'")
        self._place += found.end()
        return f"\\U{int(found[1] or found[2], 16):08x}"

    def _next(self) -> str:
        if self._place >= len(self._text):
            raise self._refused("its end")
        self._place += 1
        return self._text[self._place - 1]

    def _refused(self, what: str) -> InputError:
        return InputError(
            f"text.pattern: {what} is not read alike by TensorFlow and by Python, so this format "
            f"cannot hold it, was: {self._text!r}"
        )


def _in_class(sign: str) -> str:
    return f"\\{sign}" if sign in r"\]^[-&~|" else sign
