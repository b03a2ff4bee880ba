"""The place that a run will take: whole or absent."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from textnets.errors import InterruptedTrainingError, RunError, StoppedError
from textnets.run.checkpoint_files import has_training, is_worth_keeping
from textnets.run.directory import (
    Run,
    is_run,
    looks_like_a_run,
    strangers_in_partial,
    strangers_in_run,
)
from textnets.run.files import read_object, sweep_unfinished
from textnets.run.integrity import hashes_of, write_environment
from textnets.run.layout import (
    ENVIRONMENT_FILE,
    EVALUATION_FILE,
    FORMAT,
    LOCK_FILE,
    PREDICTIONS_FOLDER,
    REPORT_FILE,
    partial_folder,
)
from textnets.run.places import (
    held,
    hidden_place,
    is_locked,
    put_back,
    real_place,
    sweep_beside,
    sync_folder,
    sync_tree,
    take_place,
)

_LONGEST_NOTE = 100  # bytes, in a lock


class RunTarget:
    """The place that a new run will take."""

    def __init__(self, output: Path, *, overwrite: bool = False) -> None:
        self._overwrite = overwrite
        # "." and ".." have no name that a folder beside them could be called after.
        place = output if output.name not in ("", "..") else output.resolve()
        self.output = real_place(place)
        if not self.output.name:
            raise RunError(f"{output}: is no place for a run; choose another --output DIR")
        self.partial = partial_folder(self.output)
        self._lock: IO[bytes] | None = None
        self._made: list[Path] = []  # parents that were not there, innermost first

    def check(self, *, resume: bool) -> None:
        """Refuse what would destroy something. Nothing is written yet.

        Raises:
            RunError: there is a run, or an unfinished one, and no flag that says what to do.
        """
        self._settle()
        if resume and (self.is_finished or self._continues_output()):
            self._overwrite = True  # by itself, with more epochs
        self._check_output()
        self._check_partial()
        if self.partial.exists() and not (resume or self._overwrite):
            raise RunError(
                f"{self.partial}: an unfinished run is there; --resume continues it, --overwrite "
                "starts again"
            )

    @property
    def is_finished(self) -> bool:
        """Whether a run stands there, whole, and none is being written in its place."""
        return is_run(self.output) and not self.partial.exists()

    def reopen(self) -> None:
        """Make an unfinished run of a finished one, which stays until the new one is whole.

        Raises:
            RunError: it cannot be written beside the finished one.
        """
        later = (LOCK_FILE, EVALUATION_FILE, REPORT_FILE, PREDICTIONS_FOLDER)
        copy = hidden_place(self.output, "reopened")
        try:
            copy.mkdir()
            with held(copy):
                ignored = shutil.ignore_patterns(*later)
                shutil.copytree(self.output, copy, ignore=ignored, dirs_exist_ok=True)
                sync_tree(copy)
                copy.rename(self.partial)
                sync_folder(self.partial.parent)
        except (OSError, shutil.Error) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"{self.partial}: cannot be written: {reason}") from None
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _continues_output(self) -> bool:
        """Whether the unfinished run is the finished one, trained on."""
        if not (is_run(self.output) and looks_like_a_run(self.partial)):
            return False
        begun = [read_object(f / ENVIRONMENT_FILE) for f in (self.output, self.partial)]
        return all(begun[0].get(key) == begun[1].get(key) for key in ("created", "command"))

    def begin(self, *, resume: bool) -> Path:
        """Make the partial folder, empty unless it is continued, and lock it.

        Only who holds the lock removes anything.

        Raises:
            RunError: another training writes there, or the place cannot be written.
        """
        self._made = [path for path in self.partial.parents if not path.exists()]
        is_new = not self.partial.exists()
        try:
            self.partial.mkdir(parents=True, exist_ok=True)
            self._take_lock()
        except OSError as error:
            self._remove_made_parents()
            raise RunError(f"{self.partial}: cannot be written: {error.strerror}") from None
        try:
            self._check_output()  # another training may have finished since the first look
            self._check_partial()
            if resume:
                sweep_unfinished(self.partial)
            else:
                _empty(self.partial)
            sync_folder(self.partial.parent)
        except (OSError, RunError):
            self.release()
            if is_new:
                shutil.rmtree(self.partial, ignore_errors=True)
            raise
        return self.partial

    @contextmanager
    def writing(self, *, resume: bool) -> Iterator[Path]:
        """The partial folder, locked while the block runs; see :meth:`begin`.

        A failure leaves it only if there is training to continue from.

        Raises:
            InterruptedTrainingError: Ctrl-C after the last epoch (before it, training sees to it).
            StoppedError: a file cannot be written; the last checkpoint is there.
        """
        folder = self.begin(resume=resume)
        try:
            yield folder
        except KeyboardInterrupt:
            if not self.can_continue:
                self.abandon()
                raise
            raise InterruptedTrainingError(signal.SIGINT) from None
        except OSError as error:
            if not folder.is_dir():
                raise RunError(
                    f"{folder}: is no longer there; if it was moved, move it back, and continue "
                    "with --resume from its last checkpoint"
                ) from None
            if not is_worth_keeping(folder):
                self.abandon()
                raise OSError(error.errno, error.strerror, error.filename or str(folder)) from None
            raise StoppedError(
                f"{error.filename or folder}: {error.strerror or error}; the last checkpoint in "
                f"{folder} is whole; when the place can be written again, continue with --resume"
            ) from None
        except StoppedError:
            raise
        except BaseException:
            self.abandon()
            raise
        finally:
            self.release()

    def finish(self, environment: Mapping[str, Any]) -> Run:
        """Write ``environment.json`` with the hashes and move the run into its place."""
        self._check_output()
        complete = {**environment, "format": FORMAT, "files": hashes_of(self.partial)}
        sync_tree(self.partial)
        write_environment(self.partial, complete)
        self._note_replaced()
        take_place(self.partial, self.output)
        with suppress(OSError):  # the run is whole: what is left is swept another time
            (self.output / LOCK_FILE).unlink(missing_ok=True)
        self.release()
        sweep_beside(self.output)
        return Run(self.output, complete)

    def _note_replaced(self) -> None:
        """Note in the lock which run is about to be replaced: see :meth:`_settle`."""
        if self._lock is not None and self.output.exists():
            self._lock.write(_digest_in(self.output).encode())
            self._lock.flush()
            os.fsync(self._lock.fileno())

    def _settle(self) -> None:
        """Finish, or undo, what a process was killed in the middle of; no other is at work."""
        if is_locked(self.output / LOCK_FILE) or is_locked(self.partial / LOCK_FILE):
            return
        with suppress(OSError):
            put_back(self.output)
            if self._is_replaced():
                self.partial.rename(hidden_place(self.output, "replaced"))
            if looks_like_a_run(self.output):
                (self.output / LOCK_FILE).unlink(missing_ok=True)
            sweep_beside(self.output)

    def _is_replaced(self) -> bool:
        """Whether what is called unfinished is the run that stood in the place before, which its
        successor had changed names with."""
        lock = self.output / LOCK_FILE
        if not (lock.is_file() and is_run(self.output) and is_run(self.partial)):
            return False
        noted = lock.read_bytes()[:_LONGEST_NOTE].decode(errors="replace")
        return bool(noted) and noted == _digest_in(self.partial)

    @property
    def can_continue(self) -> bool:
        """Whether there is training to continue from."""
        return has_training(self.partial)

    def abandon(self) -> None:
        """Remove what a failure left behind, unless training would be lost with it."""
        if not is_worth_keeping(self.partial):
            shutil.rmtree(self.partial, ignore_errors=True)
            self._remove_made_parents()

    def release(self) -> None:
        """Give the lock back; safe to call twice."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _check_output(self) -> None:
        if not self.output.exists():
            return
        stranger = next(strangers_in_run(self.output), None)
        if stranger not in (None, ENVIRONMENT_FILE) and looks_like_a_run(self.output):
            raise RunError(
                f"{self.output}: holds {stranger} besides a run, so it is left alone, even with "
                "--overwrite; move that away, or write somewhere else with --output DIR"
            )
        if not is_run(self.output):
            raise RunError(
                f"{self.output}: exists and is no run directory, so it is left alone, even with "
                "--overwrite; --output DIR writes somewhere else"
            )
        if not self._overwrite:
            raise RunError(
                f"{self.output}: exists already; --overwrite replaces it, --output DIR writes "
                "somewhere else"
            )

    def _check_partial(self) -> None:
        """Refuse to write where something else lies, or files of a user's own."""
        if not os.path.lexists(self.partial):
            return
        stranger = next(strangers_in_partial(self.partial), None)
        if stranger is not None:
            raise RunError(
                f"{self.partial}: stands where the run would be written, and is no unfinished "
                f"run, or holds more than one: {stranger}; move it away, or choose another "
                "--output DIR"
            )

    def _remove_made_parents(self) -> None:
        for parent in self._made:
            with suppress(OSError):  # not empty, or not made
                parent.rmdir()

    def _take_lock(self) -> None:
        lock = (self.partial / LOCK_FILE).open("wb")
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on Windows: two trainings are the user's care there
            pass
        except OSError:
            lock.close()
            raise RunError(
                f"{self.partial}: another training is writing there; choose another --output"
            ) from None
        self._lock = lock


def _digest_in(run: Path) -> str:
    """The digest of a run's record, by which two runs are told apart."""
    return str(read_object(run / ENVIRONMENT_FILE).get("digest", ""))


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == LOCK_FILE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
