"""The one file: a zip archive of plain arrays, lists of texts and one description.

Nothing in it is compressed or pickled. Each part is named, with its sha256, in ``header.json``,
which comes first. Arrays are ``.npy`` and begin at multiples of 64 bytes. The file is mapped into
memory: a reader takes no more of it than it reads.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import mmap
import re
import struct
import zipfile
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from textnets.errors import RunError, TextnetsError

if TYPE_CHECKING:
    from collections.abc import Iterator

FORMAT = 1  # raised when an older reader could not read a file
SUFFIX = ".textnets"
MODEL_FILE = f"model{SUFFIX}"
_HEADER = "header.json"
_ALIGNED = 64  # bytes
_LARGEST_HEADER = 2**26  # bytes
_MOST_PARTS = 100_000
_LONGEST_ARRAY_HEADER = 4096  # bytes
_NAME = re.compile(r"(arrays|texts|raw)/[0-9a-z_.-]{1,80}")
_LOCAL = struct.Struct("<4s2B4HL2L2H")  # of a zip archive, before each part
_CHUNK = 2**20


# --- Written ---


class ContentsWriter:
    """Collects parts, then writes them."""

    def __init__(self) -> None:
        self._parts: dict[str, bytes] = {}

    def array(self, values: npt.NDArray[Any]) -> str:
        """Keep an array; returns its name."""
        written = io.BytesIO()
        np.save(written, np.ascontiguousarray(values), allow_pickle=False)
        return self._add("arrays", ".npy", written.getvalue())

    def texts(self, texts: Sequence[str]) -> str:
        """Keep a list of texts; returns its name."""
        return self._add("texts", ".json", json.dumps(list(texts), ensure_ascii=False).encode())

    def raw(self, content: bytes) -> str:
        """Keep bytes; returns their name."""
        return self._add("raw", ".bin", content)

    def _add(self, kind: str, suffix: str, content: bytes) -> str:
        known = next((name for name, other in self._parts.items() if other == content), None)
        if known is not None and known.startswith(kind):  # members often have the same texts
            return known
        name = f"{kind}/{len(self._parts):05d}{suffix}"
        self._parts[name] = content
        return name

    def write(self, file: IO[bytes], description: Mapping[str, Any]) -> None:
        """Write the archive: the same parts give the same bytes."""
        parts = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in self._parts.items()
        }
        header = {"textnets_lite": FORMAT, **description, "parts": parts}
        content = json.dumps(header, ensure_ascii=False, allow_nan=False).encode()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
            for name, part in {_HEADER: content, **self._parts}.items():
                member = zipfile.ZipInfo(name)  # of 1980
                member.create_system, member.external_attr = 3, 0o644 << 16
                start = file.tell() + _LOCAL.size + len(name.encode())
                room = -start % _ALIGNED
                if 0 < room < 4:
                    room += _ALIGNED
                if room:
                    member.extra = struct.pack("<2H", 0xFFFF, room - 4) + bytes(room - 4)
                archive.writestr(member, part)


# --- Read ---


@dataclass
class Contents:
    """A file that was opened, and is what was written.

    Attributes:
        path: of the file.
        header: its description.
    """

    path: Path
    header: Mapping[str, Any]
    _places: Mapping[str, tuple[int, int]]
    _mapped: mmap.mmap
    _texts: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path) -> Contents:
        """Open a file and check all of it.

        Raises:
            RunError: there is none, or it is not what was written.
        """
        try:
            if not path.is_file():
                raise RunError(f"{path}: no such file")
            with path.open("rb") as file:
                return cls._read(path, file)
        except RunError:
            raise
        except OSError as error:
            raise RunError(f"{path}: cannot be read: {error.strerror or error}") from None
        except (
            zipfile.BadZipFile,
            ValueError,
            RecursionError,
            KeyError,
            TypeError,
            struct.error,
            EOFError,
            NotImplementedError,
            AttributeError,
        ) as error:
            raise _damaged(path, str(error) or type(error).__name__) from None

    @classmethod
    def _read(cls, path: Path, file: IO[bytes]) -> Contents:
        size = path.stat().st_size
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if len(members) > _MOST_PARTS or not members:
                raise ValueError(f"it has {len(members):,} parts")
            if members[0].filename != _HEADER or members[0].file_size > _LARGEST_HEADER:
                raise ValueError("it does not begin with its description")
            header = json.loads(archive.read(_HEADER))
        version = header.get("textnets_lite") if isinstance(header, dict) else None
        if isinstance(version, int) and version > FORMAT:
            raise RunError(
                f"{path}: written by a newer textnets (format {version}; this one reads up to "
                f"format {FORMAT}); update textnets"
            )
        if version != FORMAT:
            raise ValueError("it does not say what it is")
        places = {}
        for member in members[1:]:
            name = member.filename
            if member.compress_type != zipfile.ZIP_STORED or not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} does not belong in it")
            places[name] = _place_of(file, member, size)
        parts = header["parts"]
        if places.keys() != parts.keys() or len(places) != len(members) - 1:
            raise ValueError("a part of it is missing, or there twice")
        for name, (start, length) in places.items():
            if _sha256(file, start, length) != parts[name]["sha256"]:
                raise ValueError(f"the sha256 of {name} differs")
        # The file may be replaced while the model is used: this one stays.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        return cls(path, header, places, mapped)

    def model(self, found: Mapping[str, Any]) -> Any:
        """One of the models that the description has."""
        from textnets.lite.graph import LiteModel  # which reads contents

        return LiteModel(found["graph"], self)

    def array(self, name: str) -> npt.NDArray[Any]:
        """An array, which is only read, never written; what nobody reads takes no memory."""
        start, length = self._place(name, "arrays")
        beginning = io.BytesIO(self._bytes_from(start, min(length, _LONGEST_ARRAY_HEADER)))
        if np.lib.format.read_magic(beginning) != (1, 0):
            raise _damaged(self.path, f"{name} is no array")
        shape, is_fortran, dtype = np.lib.format.read_array_header_1_0(beginning)
        inside = beginning.tell()
        count = math.prod(shape)
        is_plain = dtype.kind in "fiu" and not is_fortran and min(shape, default=0) >= 0
        if not is_plain or count * dtype.itemsize != length - inside:
            raise _damaged(self.path, f"{name} is no plain array")
        if count == 0:
            return np.zeros(shape, dtype)
        found: npt.NDArray[Any] = np.frombuffer(self._mapped, dtype, count, start + inside)
        return found.reshape(shape)

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        if name not in self._texts:
            found = json.loads(self._bytes(name, "texts"))
            if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
                raise _damaged(self.path, f"{name} is no list of texts")
            self._texts[name] = found
        return self._texts[name]

    def raw(self, name: str) -> bytes:
        """Bytes."""
        return self._bytes(name, "raw")

    def _bytes(self, name: str, kind: str) -> bytes:
        return self._bytes_from(*self._place(name, kind))

    def _bytes_from(self, start: int, length: int) -> bytes:
        return self._mapped[start : start + length]

    def _place(self, name: str, kind: str) -> tuple[int, int]:
        if name not in self._places or not name.startswith(kind):
            raise _damaged(self.path, f"there is no part {name!r}")
        return self._places[name]

    @contextmanager
    def being_read(self) -> Iterator[None]:
        """Tell what goes wrong in the block as one error: the description fits no model."""
        try:
            yield
        except RunError as error:
            message = str(error)
            raise RunError(
                message if message.startswith(str(self.path)) else f"{self.path}: {message}"
            ) from None
        except (TextnetsError, MemoryError):
            raise
        except Exception as error:  # whatever else a description that was changed leads to
            reason = str(error) or type(error).__name__
            raise _damaged(self.path, reason.splitlines()[0]) from None


def _place_of(file: IO[bytes], member: zipfile.ZipInfo, size: int) -> tuple[int, int]:
    """Where the bytes of a part lie in the file: start and length."""
    file.seek(member.header_offset)
    local = _LOCAL.unpack(file.read(_LOCAL.size))
    start = member.header_offset + _LOCAL.size + local[-2] + local[-1]
    if local[0] != b"PK\x03\x04" or start + member.file_size > size:
        raise ValueError(f"{member.filename!r} lies outside of it")
    if member.file_size != member.compress_size:
        raise ValueError(f"{member.filename!r} is compressed")
    return start, member.file_size


def _sha256(file: IO[bytes], start: int, length: int) -> str:
    digest = hashlib.sha256()
    file.seek(start)
    while length > 0:
        chunk = file.read(min(length, _CHUNK))
        if not chunk:
            break
        digest.update(chunk)
        length -= len(chunk)
    return digest.hexdigest()


def _damaged(path: Path, reason: str) -> RunError:
    return RunError(
        f"{path}: is no model of 'textnets export --to numpy', or damaged: {reason}; "
        "export it again"
    )
