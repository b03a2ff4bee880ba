"""A small real corpus and an encoder of every kind, learned once."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from textnets.recipe.sections import TextSection
from textnets.text.encoder import TextEncoder

SENTENCES = [
    "The cat sat on the mat, and the dog sat on the log.",
    "Don't stop-me: it’s rock'n'roll!",
    "Café, naïve, Ångström; 1,024 e-mails_sent (100%).",
    "שלום עולם — مرحبا بالعالم",
    "日本語のテスト 中文",
    "the best of the worst, the worst of the best 😀",
    "",
    " \t\n",
]

PATTERN = r"[\p{L}\p{M}]+|\d"
KINDS = ("whitespace", "words", "characters", "regex", "wordpiece", "sentencepiece")

Encoders = Callable[..., TextEncoder]


def text_section(tokenizer: str, **keys: object) -> TextSection:
    if tokenizer == "regex":
        keys.setdefault("pattern", PATTERN)
    return TextSection.model_validate({"tokenizer": tokenizer, "max_tokens": 300, **keys})


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    return SENTENCES


@pytest.fixture(scope="session")
def learned() -> Encoders:
    """(tokenizer, **text keys) to an encoder; one of each is learned in a session."""
    made: dict[tuple[object, ...], TextEncoder] = {}

    def encoder(tokenizer: str, **keys: object) -> TextEncoder:
        key = (tokenizer, *sorted(keys.items()))
        if key not in made:
            section = text_section(tokenizer, **keys)
            made[key] = TextEncoder.learn(section, lambda: SENTENCES * 3)
        return made[key]

    return encoder


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def pieces(learned: Encoders) -> Callable[..., list[str]]:
    """The tokens that one text is cut into."""

    def cut(tokenizer: str, text: str, **keys: object) -> list[str]:
        return [token.text for token in learned(tokenizer, **keys).tokens([text])[0]]

    return cut
