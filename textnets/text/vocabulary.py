"""Tokens and their ids.

Special ids are fixed: 0 padding, 1 ``[UNK]``, 2 ``[BOS]``, 3 ``[EOS]``. The other tokens
follow by falling count, ties by the token itself (code point order), so that the same
training split always gives the same ids.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from textnets.errors import DataError, RunError

PADDING_ID, UNKNOWN_ID, BOS_ID, EOS_ID = 0, 1, 2, 3
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[BOS]", "[EOS]")
VOCABULARY_FILE = "vocabulary.txt"  # in a run; of two vocabularies each has a prefix

_ESCAPES = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"))


class Vocabulary:
    """An ordered set of tokens; the position of a token is its id.

    Args:
        tokens: the ordinary tokens, without the special ones. A text that spells out
            ``[UNK]`` holds an ordinary token; it never becomes a special id.
    """

    def __init__(self, tokens: Iterable[str]) -> None:
        self._ordinary = tuple(tokens)
        self._ids = {
            token: index for index, token in enumerate(self._ordinary, len(SPECIAL_TOKENS))
        }
        if len(self._ids) != len(self._ordinary):
            raise DataError("a vocabulary holds each token once")

    def __len__(self) -> int:
        return len(SPECIAL_TOKENS) + len(self._ordinary)

    def __contains__(self, token: str) -> bool:
        """Whether it is one of the ordinary tokens."""
        return token in self._ids

    @property
    def ordinary_tokens(self) -> tuple[str, ...]:
        """All tokens but the special ones; the first has id 4."""
        return self._ordinary

    def encode_token(self, token: str) -> int:
        """The token's id, or that of ``[UNK]``."""
        return self._ids.get(token, UNKNOWN_ID)

    def decode_id(self, token_id: int) -> str:
        """The token with that id."""
        if token_id < len(SPECIAL_TOKENS):
            return SPECIAL_TOKENS[token_id]
        return self._ordinary[token_id - len(SPECIAL_TOKENS)]

    def save(self, path: Path) -> None:
        """Write one token a line; a line break or backslash in a token is escaped."""
        save_lines(path, (*SPECIAL_TOKENS, *self._ordinary))

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what :meth:`save` wrote.

        Raises:
            RunError: the file is missing or no vocabulary.
        """
        tokens = load_lines(path)
        if tuple(tokens[: len(SPECIAL_TOKENS)]) != SPECIAL_TOKENS:
            raise RunError(f"{path}: no vocabulary: the special tokens do not come first")
        try:
            return cls(tokens[len(SPECIAL_TOKENS) :])
        except DataError as error:
            raise RunError(f"{path}: no vocabulary: {error}") from None


def build_vocabulary(
    counts: Mapping[str, int],
    *,
    max_tokens: int | None,
    min_count: int,
    first: Sequence[str] = (),
) -> Vocabulary:
    """The most frequent tokens, ties by token.

    Args:
        counts: how often each token stands in the training split.
        max_tokens: size at most, the special tokens included; ``None`` for no limit.
        min_count: rarer tokens are left out.
        first: ordinary tokens that come before the others, however often they stand there.
    """
    frequent = [
        token for token, count in counts.items() if count >= min_count and token not in first
    ]
    frequent.sort(key=lambda token: (-counts[token], token))
    if max_tokens is not None:
        frequent = frequent[: max_tokens - len(SPECIAL_TOKENS) - len(first)]
    return Vocabulary([*first, *frequent])


def extended_vocabulary(known: Vocabulary, more: Vocabulary) -> Vocabulary:
    """A vocabulary with the ids that it has, and after them the tokens of another that it lacks,
    in their order."""
    new = [token for token in more.ordinary_tokens if token not in known]
    return Vocabulary([*known.ordinary_tokens, *new])


def save_lines(path: Path, names: Sequence[str]) -> None:
    """Write one name a line, line breaks and backslashes escaped; beside, then renamed."""
    temporary = path.with_name(path.name + ".new")
    content = "".join(_escape(name) + "\n" for name in names)
    temporary.write_text(content, encoding="utf-8", newline="\n")
    temporary.replace(path)


def load_lines(path: Path) -> list[str]:
    """Read what :func:`save_lines` wrote.

    Raises:
        RunError: the file is missing, not UTF-8 or cut off.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text = file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path}: cannot be read: {error}") from None
    if not text:
        return []
    if not text.endswith("\n"):
        raise RunError(f"{path}: the file is cut off")
    return [_unescape(line) for line in text[:-1].split("\n")]


def _escape(token: str) -> str:
    for plain, escaped in _ESCAPES:
        token = token.replace(plain, escaped)
    return token


def _unescape(line: str) -> str:
    if "\\" not in line:
        return line
    parts = line.split("\\\\")  # escaped backslashes first, so that "\\n" stays what it was
    return "\\".join(part.replace("\\n", "\n").replace("\\r", "\r") for part in parts)
