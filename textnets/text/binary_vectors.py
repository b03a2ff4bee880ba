"""The binary format of word2vec: a line with the number of vectors and their width, then for each
its word, a blank and its numbers, 32 bits each, the lowest byte first (Mikolov et al. 2013)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError
from textnets.text.unpacked import Unpacked, unpacked

_HEADER = re.compile(rb"(\d{1,18}) (\d{1,9})[ \r]*\n")
_LONGEST_HEADER = 64  # bytes
_SAMPLE = 2**16  # bytes of which some are no text, in a file of numbers
_LONGEST_WORD = 2**16  # bytes; word2vec itself cuts words off at 100
_BLOCK = 2**20
MAX_WIDTH = 100_000
_FASTTEXT = b"\xba\x16\x4f\x2f"  # how a model of fastText begins


def is_binary(path: Path) -> bool:
    """Whether a file of vectors is binary: it has word2vec's first line, and what follows is no
    line of numbers, nor text at all.

    Raises:
        DataError: it is a model of fastText, which holds more than vectors; or no plain file.
        OSError: it cannot be read.
    """
    with unpacked(path) as stream:
        header = stream.readline(_LONGEST_HEADER)
        sample = stream.read(_SAMPLE)
    if header.startswith(_FASTTEXT):
        raise DataError(
            f"{path}: is a model of fastText, not its vectors; fetch the .vec beside it, or write "
            "its vectors as text"
        )
    found = _HEADER.fullmatch(header)
    if found is None or not sample:
        return False
    first = sample.partition(b"\n")[0].rstrip(b" \r").rsplit(b" ", min(int(found[2]), MAX_WIDTH))
    return not _are_numbers(first[1:]) and not _is_text(sample)


def read_binary(
    path: Path, wanted: dict[bytes, int]
) -> tuple[int, dict[int, npt.NDArray[np.float32]], int]:
    """The vectors of some words.

    Args:
        path: of a file that :func:`is_binary`.
        wanted: the words, as UTF-8, and what to call each.

    Returns:
        The width of the vectors; those of the words by what they are called, ``<float32>[width]``
        each, the first of a word that is there twice; and how many words of the file are no UTF-8,
        which is what word2vec makes of long words.

    Raises:
        DataError: the file is cut off or not what its first line says, or a vector of the words
            is not finite.
        OSError: it cannot be read.
    """
    found: dict[int, npt.NDArray[np.float32]] = {}
    passed_over = 0
    with unpacked(path) as stream:
        header = _HEADER.fullmatch(stream.readline(_LONGEST_HEADER))
        if header is None:
            raise DataError(f"{path}: has no first line with the number of vectors and their width")
        count, width = int(header[1]), int(header[2])
        if not 0 < width <= MAX_WIDTH:
            raise DataError(
                f"{path}: says that its vectors are {width:,} wide, expected 1 to {MAX_WIDTH:,}; "
                "it is damaged, fetch it again"
            )
        for word, numbers in _entries(path, stream, count, 4 * width):
            name = wanted.get(word)
            if name is None:
                passed_over += not _is_utf8(word)
                continue
            if name in found:
                continue
            vector = np.frombuffer(numbers, dtype="<f4").astype(np.float32)
            if not np.isfinite(vector).all():
                raise DataError(f"{path}: the vector of {word.decode()!r} is not finite")
            found[name] = vector
    return width, found, passed_over


def binary_words(path: Path, most: int) -> list[str]:
    """The first words of a binary file, so many at most."""
    with unpacked(path) as stream:
        header = _HEADER.fullmatch(stream.readline(_LONGEST_HEADER))
        if header is None:
            return []
        entries = _entries(path, stream, min(most, int(header[1])), 4 * int(header[2]), ends=False)
        return [word.decode(errors="replace") for word, _ in entries]


def _entries(
    path: Path, stream: Unpacked, count: int, size: int, *, ends: bool = True
) -> Iterator[tuple[bytes, bytes]]:
    """Each word and the bytes of its vector.

    Args:
        path: for messages.
        stream: after its first line.
        count: how many there must be.
        size: bytes of a vector.
        ends: whether the file must end after them.
    """
    held, at = b"", 0
    for number in range(1, count + 1):
        while (blank := held.find(b" ", at, at + _LONGEST_WORD + 1)) < 0:
            if len(held) - at > _LONGEST_WORD:
                raise _no_word(path, number, held[at:])
            held, at = _more(path, stream, held, at, number, count), 0
        end = blank + 1 + size
        if end > len(held):
            # Block by block: what a first line says of a short file takes no memory.
            held, at, blank, end = held[at:], 0, blank - at, end - at
            parts, length = [held], len(held)
            while length < end:
                parts.append(stream.read(_BLOCK))
                length += len(parts[-1])
                if not parts[-1]:
                    raise _cut_off(path, number, count)
            held = b"".join(parts)
        word = held[at:blank].lstrip(b"\n")  # word2vec ends a vector with a line break, others not
        if not word or b"\0" in word or b"\n" in word:
            raise _no_word(path, number, held[at:blank])
        yield word, held[blank + 1 : end]
        at = end
    if ends and (held[at : at + _BLOCK] + stream.read(_LONGEST_HEADER)).strip(b"\r\n"):
        raise DataError(
            f"{path}: goes on after the {count:,} vectors that its first line says; it is damaged, "
            "fetch it again"
        )


def _more(path: Path, stream: Unpacked, held: bytes, at: int, number: int, count: int) -> bytes:
    block = stream.read(_BLOCK)
    if not block:
        raise _cut_off(path, number, count)
    return held[at:] + block


def _cut_off(path: Path, number: int, count: int) -> DataError:
    return DataError(
        f"{path}: says that {count:,} vectors follow, and there are {number - 1:,}: the file is "
        "cut off, fetch it again"
    )


def _no_word(path: Path, number: int, found: bytes) -> DataError:
    return DataError(
        f"{path}: vector {number:,}: expected a word before a blank, was: {found[:30]!r}; the file "
        "is damaged, or its first line says another width than its vectors have"
    )


def _is_utf8(word: bytes) -> bool:
    try:
        word.decode()
    except UnicodeDecodeError:
        return False
    return True


def _are_numbers(parts: list[bytes]) -> bool:
    try:
        return bool(parts) and all(part.isascii() and float(part) is not None for part in parts)
    except ValueError:
        return False


def _is_text(sample: bytes) -> bool:
    """Whether bytes are UTF-8 without control characters; the end may be cut."""
    if any(sign in sample for sign in range(9)):
        return False
    try:
        sample.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(sample) - 4 and error.end == len(sample)
    return True
