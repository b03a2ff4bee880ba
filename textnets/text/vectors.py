"""Pretrained word vectors in the text formats of GloVe, word2vec and fastText."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError
from textnets.text.vocabulary import SPECIAL_TOKENS, Vocabulary

_GZIP = b"\x1f\x8b"
_MAX_WIDTH = 100_000
_LONGEST_LINE = 2**24  # bytes: a vector as wide as that, in long numbers, takes less
_UNPACKED_SAFE = 2**24  # bytes that gzip data may always unpack to,
_LARGEST_RATIO = 200  # and beyond that in bytes a packed byte; numbers have 3, gzip at most 1,032


@dataclass(frozen=True)
class WordVectors:
    """The rows of a vector file that a vocabulary has a use for.

    Attributes:
        table: ``<float32>[vocabulary_size, width]``. Tokens that the file lacks have values
            drawn uniformly with the variance of those it has (Kim 2014); padding is zero.
        known: ``<bool>[vocabulary_size]``, the rows that come from the file.
    """

    table: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]

    @property
    def width(self) -> int:
        """Components a vector."""
        return int(self.table.shape[1])

    @property
    def covered_share(self) -> float:
        """Share of the ordinary tokens of the vocabulary that the file has."""
        return float(self.known[len(SPECIAL_TOKENS) :].mean()) if len(self.known) > 4 else 0.0


def read_vectors(path: Path, vocabulary: Vocabulary, *, seed: int) -> WordVectors:
    """Read a vector file, plain or gzip; a first line ``COUNT WIDTH`` is allowed.

    Raises:
        DataError: the file is missing, not UTF-8, or a line does not have the width of the
            others; with file and line.
    """
    try:
        lines = _numbered_lines(path)
        width, found = _collect(path, lines, vocabulary)
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: not UTF-8 text ({error.reason}); a binary file must be converted first"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the vectors cannot be read: {error}") from None
    if not found:
        raise DataError(f"{path}: holds a vector for no token of the vocabulary")
    return _fill(vocabulary, width, found, seed)


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    if not path.is_file():
        raise DataError(f"{path}: the vectors cannot be read: it is no plain file")
    with path.open("rb") as file:
        zipped = file.read(2) == _GZIP
        file.seek(0)
        stream = gzip.GzipFile(fileobj=file) if zipped else file
        number = 0
        while line := stream.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise DataError(
                    f"{path}:{number}: a line of more than {_LONGEST_LINE:,} bytes, which is no "
                    "word with its vector"
                )
            if zipped and stream.tell() > max(_UNPACKED_SAFE, _LARGEST_RATIO * file.tell()):
                raise DataError(
                    f"{path}: unpacks to more than {_LARGEST_RATIO} times its size, as no vectors "
                    "do: it is damaged or a gzip bomb"
                )
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n ")
            if text:
                yield number, text


def _collect(
    path: Path, lines: Iterator[tuple[int, str]], vocabulary: Vocabulary
) -> tuple[int, dict[int, npt.NDArray[np.float32]]]:
    width = 0
    found: dict[int, npt.NDArray[np.float32]] = {}
    for number, line in lines:
        if not width:
            header = line.split(" ")
            if len(header) == 2 and all(part.isdecimal() for part in header):
                width = min(int(header[1][:9]), _MAX_WIDTH)
                continue
            width = _count_numbers(line)
        word, values = _cut(path, number, line, width)
        token_id = vocabulary.encode_token(word)
        if token_id < len(SPECIAL_TOKENS) or token_id in found:
            continue  # not in the vocabulary, or given twice: the first, more frequent, counts
        try:
            vector = np.array(values, dtype=np.float32)
        except ValueError:
            raise _malformed(path, number, line, width) from None
        if not np.isfinite(vector).all():
            raise DataError(f"{path}:{number}: the vector of {word!r} is not finite")
        found[token_id] = vector
    return width, found


def _count_numbers(line: str) -> int:
    """How many numbers stand after the word; the word itself may be one, or have blanks."""
    parts = line.rsplit(" ", _MAX_WIDTH)
    count = 0
    while count < len(parts) - 1 and _is_number(parts[-1 - count]):
        count += 1
    return max(count, 1)


def _cut(path: Path, number: int, line: str, width: int) -> tuple[str, list[str]]:
    # From the right: GloVe 840B has words with blanks in them.
    word, *values = line.rsplit(" ", width)
    last = word.rpartition(" ")[2]  # a word with blanks may end in "nan", in no number
    too_many = last != word and _is_number(last) and any(sign.isdigit() for sign in last)
    if len(values) != width or too_many:
        raise _malformed(path, number, line, width)
    return word, values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _malformed(path: Path, number: int, line: str, width: int) -> DataError:
    return DataError(f"{path}:{number}: expected a word and {width} numbers, was: {line[:60]!r}")


def _fill(
    vocabulary: Vocabulary, width: int, found: dict[int, npt.NDArray[np.float32]], seed: int
) -> WordVectors:
    rows = np.array(sorted(found))
    vectors = np.stack([found[int(row)] for row in rows])
    with np.errstate(over="ignore", invalid="ignore"):
        variance = float(vectors.var())
    if not np.isfinite(variance):
        variance = float(vectors.var(dtype=np.float64))
    # A uniform [-a, a] has the variance a² / 3.
    limit = min(float(np.sqrt(3.0 * variance)), float(np.finfo(np.float32).max))
    random = np.random.default_rng([seed, 0x76656373])
    table = random.uniform(-limit, limit, (len(vocabulary), width)).astype(np.float32)
    table[0] = 0.0
    table[rows] = vectors
    known = np.zeros(len(vocabulary), dtype=np.bool_)
    known[rows] = True
    return WordVectors(table, known)
