"""What outlives a power cut, and how a folder takes the place of another: at once, or not at all.

A rename alone is no promise: after a power cut a file that was renamed in time may be empty. So
files are synced, then their folders, before anything says that they are there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from textnets.errors import RunError

_HERE = -100  # AT_FDCWD: paths are relative to the current folder
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
_CANNOT = {errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM}
_KINDS = ("replaced", "reopened", "written")


def real_place(path: Path) -> Path:
    """Where something would really be written: what a link leads to.

    Raises:
        RunError: it leads nowhere.
    """
    if not path.is_symlink():
        return path
    if not path.exists():
        raise RunError(
            f"{path}: is a link to {path.readlink()}, which is not there; remove the link, or "
            "choose another folder"
        )
    return path.resolve()


# --- Synced ---


def sync_folder(folder: Path) -> None:
    """Make the names in a folder outlive a power cut; where it cannot be opened (Windows), they
    do."""
    with suppress(PermissionError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def sync_tree(folder: Path) -> None:
    """Make everything in a folder outlive a power cut: the files, then the folders."""
    for place, _, names in os.walk(folder, topdown=False):
        for path in (Path(place) / name for name in names):
            if path.is_file() and not path.is_symlink():
                number = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
                try:
                    os.fsync(number)
                finally:
                    os.close(number)
        sync_folder(Path(place))


# --- In its place ---


def take_place(new: Path, place: Path) -> None:
    """Let a folder, which was synced, have the name ``place``; what has it is removed after that.

    There is a whole folder of that name at every moment, where the system can exchange two (Linux
    and macOS on most file systems). Elsewhere what was there stays beside it, under a hidden name,
    until the new one is in place, and is put back where that fails.

    Raises:
        OSError: it cannot be renamed; all is as it was.
    """
    if not place.exists():
        new.rename(place)
        sync_folder(place.parent)
        return
    aside = hidden_place(place, "replaced")
    if _exchange(new, place):
        with suppress(OSError):  # it is in its place; what is left is swept another time
            sync_folder(place.parent)
            new.rename(aside)
    else:
        place.rename(aside)
        try:
            new.rename(place)
        except BaseException:
            with suppress(OSError):
                aside.rename(place)
            raise
        with suppress(OSError):
            sync_folder(place.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Let two folders have one another's names in one step; False where that cannot be done."""
    call = _exchanging_call()
    if call is None:
        return False
    sys.audit("os.rename", str(one), str(other), -1, -1)  # as every other rename is told
    if sys.platform == "darwin":
        failed = call(os.fsencode(one), os.fsencode(other), _EXCHANGE)
    else:
        failed = call(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE)
    if not failed:
        return True
    number = ctypes.get_errno()
    if number in _CANNOT:
        return False
    raise OSError(number, os.strerror(number), str(one))


def _exchanging_call() -> ctypes._NamedFuncPointer | None:
    name = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    return getattr(ctypes.CDLL(None, use_errno=True), name, None) if name else None


# --- Beside it ---


def hidden_place(place: Path, kind: str) -> Path:
    """A name beside a place that nothing has: ``replaced``, ``reopened`` or ``written``."""
    return place.with_name(f".{place.name}.{kind}-{os.getpid()}-{secrets.token_hex(3)}")


def hidden_places(place: Path, *kinds: str) -> list[Path]:
    """What processes that were killed left beside a place, and what one that lives has there."""
    if not place.parent.is_dir():
        return []
    pattern = rf"\.{re.escape(place.name)}\.({'|'.join(kinds)})-\d+(-[0-9a-f]+)?"
    return [path for path in sorted(place.parent.iterdir()) if re.fullmatch(pattern, path.name)]


def sweep_beside(place: Path) -> None:
    """Remove what processes that were killed left beside a place."""
    for path in hidden_places(place, *_KINDS):
        if path.is_dir() and not path.is_symlink() and not is_locked(path):
            shutil.rmtree(path, ignore_errors=True)


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Say that somebody is at work in a folder, while the block runs."""
    number = -1
    with suppress(OSError, ImportError):  # where there are no locks, nothing is swept
        import fcntl

        number = os.open(folder, os.O_RDONLY)
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield
    finally:
        if number >= 0:
            os.close(number)


def is_locked(path: Path) -> bool:
    """Whether another process, or another place in this one, holds the lock of a file or folder.

    False where there is nothing of that name, true where that cannot be known.
    """
    try:
        import fcntl

        number = os.open(path, os.O_RDONLY)
    except ImportError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(number)
    return False


@contextmanager
def written_beside(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``folder`` when the block ends well: whole or absent.

    Raises:
        RunError: it cannot be written.
    """
    place = real_place(folder)
    # Not NAME.partial: that may be an unfinished run.
    beside = hidden_place(place, "written")
    made = [path for path in place.parents if not path.exists()]
    try:
        put_back(place)
        beside.mkdir(parents=True)
        with held(beside):
            yield beside
            sync_tree(beside)
            take_place(beside, place)
        sweep_beside(place)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
        for parent in made:
            with suppress(OSError):  # not empty: it was written
                parent.rmdir()


def put_back(place: Path) -> None:
    """Undo half of a replacement: a process was killed where two folders cannot be exchanged."""
    left = hidden_places(place, "replaced")
    if left and not os.path.lexists(place):
        left[-1].rename(place)
