"""From a prompt and the tokens that a model wrote after it to a text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textnets.text.vocabulary import EOS_ID


@dataclass(frozen=True)
class Continuation:
    """How a language model's tokens are joined to what stands before them.

    Attributes:
        decode: the token of an id.
        join: tokens to a text.
        tokens: a text to its tokens.
        has_characters: whether the tokens are characters.
        is_stream: whether the model writes one running text, and not sentences.
    """

    decode: Callable[[int], str]
    join: Callable[[Sequence[str]], str]
    tokens: Callable[[str], Sequence[str]]
    has_characters: bool
    is_stream: bool

    def text(self, prompt: str, token_ids: Sequence[int]) -> str:
        """The prompt and what was written after it; ``[EOS]`` ends a line."""
        lines: list[list[str]] = [[]]
        for token_id in token_ids:
            if token_id == EOS_ID:
                lines.append([])
            else:
                lines[-1].append(self.decode(token_id))
        first, *others = lines
        joined = "\n".join([prompt + self._after(prompt, first), *map(self.join, others)])
        return joined if self.is_stream else joined.removesuffix("\n")

    def _after(self, prompt: str, tokens: Sequence[str]) -> str:
        """Tokens as a text that goes on where the prompt ends: in a word, or after a blank."""
        known = self.tokens(prompt)
        start, whole = self.join(known), self.join([*known, *tokens])
        if not whole.startswith(start):
            return f" {self.join(tokens)}"
        rest = whole[len(start) :]
        goes_on = self.has_characters or not prompt[-1:].isspace()
        return rest if goes_on else rest.lstrip(" ")
