"""What one request may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """What one request may ask for, and how many may wait.

    Attributes:
        body: bytes of a request.
        texts: of a request.
        characters: of a text.
        tokens: that a language model writes.
        waiting: texts that wait for the model, of all requests; more are told to come again.
        seconds: to send a request in; a slow client has no longer.
        batch: texts that the model is given at once.
    """

    body: int = 2**20
    texts: int = 256
    characters: int = 20_000
    tokens: int = 500
    waiting: int = 10_000
    seconds: float = 30.0
    batch: int = 64
