"""The bytes of a file, unpacked where it is gzip, within what vectors may unpack to."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from textnets.errors import DataError

_GZIP = b"\x1f\x8b"
_UNPACKED_SAFE = 2**24  # bytes that gzip data may always unpack to,
_LARGEST_RATIO = 200  # and beyond that in bytes a packed byte; numbers have 3, gzip at most 1,032


class Unpacked:
    """What :func:`unpacked` gives."""

    def __init__(self, path: Path, file: IO[bytes]) -> None:
        self._path, self._file = path, file
        self._is_packed = file.read(2) == _GZIP
        file.seek(0)
        self._stream = gzip.GzipFile(fileobj=file) if self._is_packed else file

    def read(self, size: int) -> bytes:
        """So many bytes; fewer only at the end of the file.

        Raises:
            DataError: the file unpacks to much more than it is.
        """
        return self._checked(self._stream.read(size))

    def readline(self, most: int) -> bytes:
        """The bytes up to the end of the line, or so many of them.

        Raises:
            DataError: see :meth:`read`.
        """
        return self._checked(self._stream.readline(most))

    def _checked(self, found: bytes) -> bytes:
        if self._is_packed and self._stream.tell() > max(
            _UNPACKED_SAFE, _LARGEST_RATIO * self._file.tell()
        ):
            raise DataError(
                f"{self._path}: unpacks to more than {_LARGEST_RATIO} times its size, as no "
                "vectors do: it is damaged or a gzip bomb"
            )
        return found


@contextmanager
def unpacked(path: Path) -> Iterator[Unpacked]:
    """A file of vectors, open while the block runs.

    Raises:
        DataError: it is no plain file.
        OSError: it cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path}: the vectors cannot be read: it is no plain file")
    with path.open("rb") as file:
        yield Unpacked(path, file)
