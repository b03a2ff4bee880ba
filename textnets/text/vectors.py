"""Pretrained word vectors: the text formats of GloVe, word2vec and fastText, and word2vec's binary
one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError
from textnets.text.binary_vectors import MAX_WIDTH, binary_words, is_binary, read_binary
from textnets.text.unpacked import unpacked
from textnets.text.vocabulary import SPECIAL_TOKENS, Vocabulary

_DECIMAL_COMMAS = re.compile(r"\S+( -?\d+,\d+)+")
_LONGEST_LINE = 2**24  # bytes: a vector as wide as that, in long numbers, takes less
_HINTED = 1000  # words that are looked at
_LONGEST_SHOWN = 100_000  # bytes; a longer line without UTF-8 is of a binary file


@dataclass(frozen=True)
class WordVectors:
    """The rows of a vector file that a vocabulary has a use for.

    Attributes:
        table: ``<float32>[vocabulary_size, width]``. Tokens that the file lacks have values
            drawn uniformly with the variance of those it has (Kim 2014); padding is zero.
        known: ``<bool>[vocabulary_size]``, the rows that come from the file.
        passed_over: words of a binary file that are no UTF-8, and so no token.
    """

    table: npt.NDArray[np.float32]
    known: npt.NDArray[np.bool_]
    passed_over: int = 0

    @property
    def width(self) -> int:
        """Components a vector."""
        return int(self.table.shape[1])

    @property
    def covered_share(self) -> float:
        """Share of the ordinary tokens of the vocabulary that the file has."""
        return float(self.known[len(SPECIAL_TOKENS) :].mean()) if len(self.known) > 4 else 0.0


def read_vectors(path: Path, vocabulary: Vocabulary, *, seed: int) -> WordVectors:
    """Read a vector file, plain or gzip: text, where a first line ``COUNT WIDTH`` is allowed, or
    word2vec's binary format, which has one.

    Raises:
        DataError: the file is missing, not UTF-8, cut short, or a line does not have the width of
            the others; with file and line.
    """
    passed_over = 0
    try:
        if is_binary(path):
            ids = {
                token.encode(errors="surrogatepass"): number
                for number, token in enumerate(vocabulary.ordinary_tokens, len(SPECIAL_TOKENS))
            }
            width, found, passed_over = read_binary(path, ids)
        else:
            width, found = _collect(path, _numbered_lines(path), vocabulary)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path}: the vectors cannot be read: {error}") from None
    if not found:
        raise DataError(f"{path}: holds a vector for no token of the vocabulary{_hint(path)}")
    return replace(_fill(vocabulary, width, found, seed), passed_over=passed_over)


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    with unpacked(path) as stream:
        number = 0
        while line := stream.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise DataError(
                    f"{path}:{number}: a line of more than {_LONGEST_LINE:,} bytes, which is no "
                    "word with its vector"
                )
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n ")
            except UnicodeDecodeError as error:
                raise _undecodable(path, number, line, error) from None
            if text:
                yield number, text


def _undecodable(path: Path, number: int, line: bytes, error: UnicodeDecodeError) -> DataError:
    where = f"{path}:{number}: not UTF-8 text at byte {error.start} of the line ({error.reason})"
    if b"\0" in line or len(line) > _LONGEST_SHOWN or sum(byte < 9 for byte in line) > 2:
        return DataError(
            f"{where}; a binary file other than word2vec's must be "
            "converted first, into its text format"
        )
    return DataError(f"{where}, was: {line[:60]!r}; mend the line or remove it")


def _collect(
    path: Path, lines: Iterator[tuple[int, str]], vocabulary: Vocabulary
) -> tuple[int, dict[int, npt.NDArray[np.float32]]]:
    width, said, vectors = 0, 0, 0
    found: dict[int, npt.NDArray[np.float32]] = {}
    for number, line in lines:
        if not width:
            header = line.split(" ")
            if len(header) == 2 and all(part.isdecimal() for part in header):
                said, width = int(header[0][:18]), min(int(header[1][:9]), MAX_WIDTH)
                continue
            width = _count_numbers(path, number, line)
        word, values = _cut(path, number, line, width)
        vectors += 1
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
    if said > vectors:
        raise DataError(
            f"{path}:1: says that {said:,} vectors follow, and there are {vectors:,}: the file is "
            "cut off, fetch it again; or mend the number"
        )
    return width, found


def _count_numbers(path: Path, number: int, line: str) -> int:
    """How many numbers stand after the word; the word itself may be one, or have blanks."""
    parts = line.rsplit(" ", MAX_WIDTH)
    count = 0
    while count < len(parts) - 1 and _is_number(parts[-1 - count]):
        count += 1
    if count == 0 or _other_separator(line):
        raise _malformed(path, number, line, None)
    return count


def _cut(path: Path, number: int, line: str, width: int) -> tuple[str, list[str]]:
    # From the right: GloVe 840B has words with blanks in them.
    word, *values = line.rsplit(" ", width)
    last = word.rpartition(" ")[2]  # a word with blanks may end in "nan", in no number
    too_many = last != word and _is_number(last) and any(sign.isdigit() for sign in last)
    if len(values) != width or too_many or "" in values or word[-1:] in ("", " ", "\t"):
        raise _malformed(path, number, line, width)
    return word, values


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


_SEPARATORS = {"\t": "tabs", ", ": "commas", ",": "commas", ";": "semicolons"}


def _other_separator(line: str) -> str:
    """What separates word and numbers, or their digits, where it is no single blank."""
    if _DECIMAL_COMMAS.fullmatch(line):
        return "a comma stands for the point of a number"
    for sign, name in _SEPARATORS.items():
        word, *values = line.split(sign)
        numbers = [part for value in values for part in value.split(" ") if part]
        if word and numbers and all(map(_is_number, numbers)) and word != line:
            return f"{name} separate them"
    parts = line.split(" ")
    if "" in parts[1:] and sum(map(_is_number, parts)) >= 1:
        return "several blanks separate them"
    return ""


def _malformed(path: Path, number: int, line: str, width: int | None) -> DataError:
    wanted = "numbers" if width is None else f"{width} numbers"
    where = f"{path}:{number}: expected a word and {wanted}"
    shown = repr(line[:60])
    if name := _other_separator(line):
        return DataError(f"{where}, with one blank between them, was: {shown}; {name}")
    return DataError(f"{where}, was: {shown}")


def _hint(path: Path) -> str:
    """Whether case may be why a file has none of the words."""
    words = (
        binary_words(path, _HINTED)
        if is_binary(path)
        else [line.split(" ")[0] for _, line in islice(_numbered_lines(path), _HINTED)]
    )
    shown = ", ".join(map(repr, words[:3]))
    if any(word != word.lower() for word in words):
        return f"; its words have capitals, as {shown}: see text.lowercase"
    return f"; it begins with {shown}: see text.tokenizer, text.normalize and text.lowercase"


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
