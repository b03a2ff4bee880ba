"""What has been written of a file, so that a process that is killed can be gone on from.

Beside ``out.jsonl`` stand, until it is whole, ``out.jsonl.partial`` with what there is of it and
``out.jsonl.journal``, which says how many bytes of that count, and what they are of.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from textnets.bulk.formats import Format, Segment
from textnets.bulk.windows import Window
from textnets.errors import InputError, RunError
from textnets.run.files import checked, read_object, write_json
from textnets.run.places import is_locked, sync_folder

_FORMAT = 1  # of the journal
_SYNC_SECONDS = 1.0  # between two syncs; what a kill costs
_BLOCK = 2**20


@dataclass(frozen=True)
class Written:
    """How far a file is.

    Attributes:
        rows: of the input, those that could not be read too.
        skipped: rows that could not be read.
        size: bytes that count of the partial file.
        skipped_size: bytes that count of the file of skipped rows.
    """

    rows: int = 0
    skipped: int = 0
    size: int = 0
    skipped_size: int = 0


@dataclass(frozen=True)
class _Journal:
    """The content of a journal."""

    format: int
    begun_with: dict[str, Any]
    written: Written


def partial_file(output: Path) -> Path:
    """What there is of a file until it is whole."""
    return output.with_name(output.name + ".partial")


def journal_file(output: Path) -> Path:
    """How much of that counts."""
    return output.with_name(output.name + ".journal")


def skipped_file(output: Path) -> Path:
    """The rows that could not be read, one a line."""
    return output.with_name(output.name + ".skipped")


class Output:
    """A file that grows by segments, and is whole or continued.

    Args:
        place: of the file.
        begun_with: what it is made from; the same when it is continued.
        form: how it is written.
    """

    def __init__(self, place: Path, begun_with: Mapping[str, Any], form: Format) -> None:
        self.place, self._begun_with, self._form = place, dict(begun_with), form
        self.written = Written()
        self._file: IO[bytes]
        self._skipped: IO[bytes]
        self._last_sync = time.monotonic()
        self._is_finished = False

    def open(self, *, resume: bool) -> None:
        """Begin, or go on from what the journal says.

        Raises:
            RunError: another process writes it, or what is there is not what the journal says.
            InputError: it was begun with something else.
        """
        partial, skipped = partial_file(self.place), skipped_file(self.place)
        if is_locked(partial):
            raise RunError(f"{partial}: another process writes it; wait for it, or stop it")
        if resume and journal_file(self.place).exists():
            self.written = self._continued()
        else:
            journal_file(self.place).unlink(missing_ok=True)
            for path in (partial, skipped):
                path.write_bytes(b"")
        self._file, self._skipped = partial.open("r+b"), skipped.open("r+b")
        with suppress(OSError, ImportError):  # where there are no locks
            import fcntl

            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for file, size in (
            (self._file, self.written.size),
            (self._skipped, self.written.skipped_size),
        ):
            file.truncate(size)
            file.seek(size)

    def _continued(self) -> Written:
        path = journal_file(self.place)
        journal: _Journal = checked(_Journal, read_object(path), path)
        if journal.format != _FORMAT:
            raise RunError(f"{path}: written by another version of textnets; begin again")
        for name, value in journal.begun_with.items():
            if (name, value) == ("on_error", "stop"):
                continue  # nothing was skipped so far
            if self._begun_with.get(name) != value:
                raise InputError(
                    f"{partial_file(self.place)}: was begun with another {name}: {value}, now: "
                    f"{self._begun_with.get(name)}; --overwrite begins again"
                )
        written = journal.written
        sizes = {partial_file(self.place): written.size}
        if written.skipped_size:
            sizes[skipped_file(self.place)] = written.skipped_size
        elif not skipped_file(self.place).exists():
            skipped_file(self.place).write_bytes(b"")
        for file, size in sizes.items():
            if not file.is_file() or file.stat().st_size < size:
                raise RunError(f"{file}: is shorter than {path} says; --overwrite begins again")
        return written

    def append(self, window: Window, segment: Segment) -> None:
        """A window's rows."""
        for file, content in (
            (self._file, b"" if self.written.size else segment.header),
            (self._file, segment.body),
            (self._skipped, b"".join(f"{line!s}\n".encode() for line in window.refused)),
        ):
            file.write(content)
        self.written = Written(
            self.written.rows + window.rows,
            self.written.skipped + len(window.refused),
            self._file.tell(),
            self._skipped.tell(),
        )
        if time.monotonic() - self._last_sync > _SYNC_SECONDS:
            self.sync()

    def sync(self) -> None:
        """From here on a kill, or a power cut, costs nothing of what is written."""
        for file in (self._file, self._skipped):
            file.flush()
            os.fsync(file.fileno())
        journal = _Journal(_FORMAT, self._begun_with, self.written)
        write_json(journal_file(self.place), asdict(journal))
        self._last_sync = time.monotonic()

    def finish(self) -> None:
        """All is written: the file takes its place."""
        self.sync()
        self._is_finished = True
        partial, new = partial_file(self.place), self.place.with_name(self.place.name + ".new")
        new.unlink(missing_ok=True)
        try:
            if self._form.finish(partial, new):
                with new.open("rb") as file:
                    os.fsync(file.fileno())
                new.replace(self.place)
                partial.unlink()
            else:
                partial.replace(self.place)
        finally:
            new.unlink(missing_ok=True)
        if not self.written.skipped:
            skipped_file(self.place).unlink()
        sync_folder(self.place.parent)
        journal_file(self.place).unlink()

    def close(self) -> None:
        """Nothing is written any more; where nothing was, nothing stays."""
        if self.written.rows and not self._is_finished:
            with suppress(OSError):  # a full disk: what was synced before counts
                self.sync()
        self._file.close()
        self._skipped.close()
        if not self.written.rows:
            for path in (partial_file, journal_file, skipped_file):
                path(self.place).unlink(missing_ok=True)


def fingerprint_of(path: Path) -> dict[str, Any]:
    """Which file, or folder of files, it is: the size, and the sha256 of the content; of a folder
    of the names and sizes.

    Raises:
        InputError: there is none.
    """
    try:
        if path.is_dir():
            files = [one for one in sorted(path.rglob("*")) if one.is_file()]
            named = [f"{one.relative_to(path)}\0{one.stat().st_size}\n" for one in files]
            digest = hashlib.sha256("".join(named).encode("utf-8", "surrogateescape"))
            return {"size": len(files), "sha256": digest.hexdigest()}
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return {"size": file.tell(), "sha256": digest.hexdigest()}
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
