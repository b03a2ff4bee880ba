"""Messages of Protocol Buffers, as far as a sentencepiece model needs them."""

from __future__ import annotations

from typing import Any


def read_message(content: bytes) -> dict[int, list[Any]]:
    """Fields by their number: whole numbers, or bytes.

    Raises:
        ValueError: it ends in the middle of one, or is something else.
    """
    found: dict[int, list[Any]] = {}
    place = 0
    while place < len(content):
        tag, place = _read_number(content, place)
        number, kind = tag >> 3, tag & 7
        value: Any
        if kind == 0:
            value, place = _read_number(content, place)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                size, place = _read_number(content, place)
            if size is None or place + size > len(content):
                raise ValueError("it is no message, or cut off")
            value, place = content[place : place + size], place + size
        found.setdefault(number, []).append(value)
    return found


def _read_number(content: bytes, place: int) -> tuple[int, int]:
    """A varint, and where the next thing begins."""
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(content):
            break
        byte = content[place]
        value |= (byte & 0x7F) << shift
        place += 1
        if byte < 0x80:
            return value, place
    raise ValueError("it is no message, or cut off")
