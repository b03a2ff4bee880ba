"""The run directory: one artefact, plain files, written whole.

A run is written into ``NAME.partial`` beside its place and renamed when it is complete.
``environment.json`` comes last and holds the sha256 of every file that a prediction rests
on, so that a damaged run is noticed when it is opened.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TextIO

from textnets.errors import RunError, StoppedError
from textnets.recipe import Recipe
from textnets.training.checkpoints import check_checkpoint, has_checkpoint, has_progress
from textnets.training.interrupts import InterruptedTrainingError

FORMAT = 1  # of the directory; raised when an older textnets could not read it

RECIPE_FILE = "recipe.yaml"
ENVIRONMENT_FILE = "environment.json"
MODEL_FILE = "model.keras"
HISTORY_FILE = "history.jsonl"
EVALUATION_FILE = "evaluation.json"
REPORT_FILE = "report.html"
PREDICTIONS_FOLDER = "predictions"
CHECKPOINT_FOLDER = "checkpoint"
_LOCK_FILE = ".lock"

# Not hashed: the file that holds the hashes, and what only a continued run needs.
_NOT_HASHED = (ENVIRONMENT_FILE, CHECKPOINT_FOLDER, _LOCK_FILE)
# What a run has before it is trained: the same from then on.
_WRITTEN_LATER = (MODEL_FILE, HISTORY_FILE, EVALUATION_FILE, REPORT_FILE, PREDICTIONS_FOLDER)
# Hashed, but checked only by who reads them: a prediction rests on none of them.
_NOT_NEEDED = (EVALUATION_FILE, REPORT_FILE, PREDICTIONS_FOLDER)


@dataclass(frozen=True)
class Run:
    """A complete run directory.

    Attributes:
        folder: where it lies.
        environment: the content of ``environment.json``.
    """

    folder: Path
    environment: Mapping[str, Any]

    @property
    def model_path(self) -> Path:
        """The model with its best weights."""
        return self.folder / MODEL_FILE

    def history(self) -> list[dict[str, float]]:
        """One record an epoch."""
        path = self.folder / HISTORY_FILE
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from None

    def evaluation(self) -> dict[str, Any]:
        """The content of ``evaluation.json``.

        Raises:
            RunError: the file is missing or not what was written.
        """
        _check_file(self.folder, EVALUATION_FILE, self.environment["files"].get(EVALUATION_FILE))
        return _read_object(self.folder / EVALUATION_FILE)


def open_run(folder: Path) -> Run:
    """Open a finished run and check that it is whole.

    Raises:
        RunError: it is missing, unfinished, from a newer version, or a file of it is missing or
            not what was written.
    """
    if not folder.is_dir():
        if partial_folder(folder).is_dir():
            raise RunError(
                f"{folder}: training has not finished; continue with 'textnets train ... --resume'"
            )
        if folder.exists():
            raise RunError(f"{folder}: is a file, expected a run directory")
        raise RunError(f"{folder}: no such run directory")
    if not (folder / ENVIRONMENT_FILE).is_file():
        what = "the run is incomplete" if _looks_like_a_run(folder) else "is no run directory"
        raise RunError(f"{folder}: {what}: {ENVIRONMENT_FILE} is missing")
    environment = _read_object(folder / ENVIRONMENT_FILE)
    version = environment.get("format")
    if version is None:
        raise RunError(
            f"{folder}: training has not finished; continue with 'textnets train ... --resume'"
        )
    if not isinstance(version, int) or version > FORMAT:
        raise RunError(
            f"{folder}: written by a newer textnets (format {version}, textnets "
            f"{environment.get('textnets')}; this one reads up to format {FORMAT}); update textnets"
        )
    _check_digest(folder, environment)
    files = environment.get("files")
    if not isinstance(files, dict) or not isinstance(environment.get("data"), dict):
        raise RunError(f"{folder / ENVIRONMENT_FILE}: is not what was written: keys are missing")
    for name, digest in files.items():
        if name.split("/")[0] not in _NOT_NEEDED:
            _check_file(folder, name, digest)
    return Run(folder, environment)


def _check_file(folder: Path, name: str, digest: str | None) -> None:
    """Refuse a file that is missing, not what was written, or none of the run's own."""
    if ".." in name.split("/") or Path(name).is_absolute():
        raise RunError(f"{folder / ENVIRONMENT_FILE}: names a file outside of the run: {name}")
    if not (folder / name).is_file():
        raise RunError(
            f"{folder}: the run is incomplete: {name} is missing; copy the run again, or "
            "train it again"
        )
    if _sha256(folder / name) != digest:
        raise RunError(
            f"{folder}: {name} is not the file that was written (its hash differs); copy the "
            "run again, or train it again"
        )


def partial_folder(output: Path) -> Path:
    """Where a run is written until it is complete."""
    return output.with_name(output.name + ".partial")


class RunTarget:
    """The place that a new run will take."""

    def __init__(self, output: Path, *, overwrite: bool = False) -> None:
        self._overwrite = overwrite
        # "." and ".." have no name that a folder beside them could be called after.
        self.output = output if output.name not in ("", "..") else output.resolve()
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
        if resume and (self.is_finished or self._continues_output()):
            self._overwrite = True  # by itself, with more epochs
        self._check_output()
        if self.partial.exists() and not _is_partial(self.partial):
            raise RunError(
                f"{self.partial}: stands where the run would be written, and is no unfinished "
                "run; move it away, or choose another --output DIR"
            )
        if self.partial.exists() and not (resume or self._overwrite):
            raise RunError(
                f"{self.partial}: an unfinished run is there; --resume continues it, --overwrite "
                "starts again"
            )

    @property
    def is_finished(self) -> bool:
        """Whether a run stands there, whole, and none is being written in its place."""
        return _is_run(self.output) and not self.partial.exists()

    def reopen(self) -> None:
        """Make an unfinished run of a finished one, which stays until the new one is whole.

        Raises:
            RunError: it cannot be written beside the finished one.
        """
        later = (_LOCK_FILE, EVALUATION_FILE, REPORT_FILE, PREDICTIONS_FOLDER)
        copy = self.output.with_name(f".{self.output.name}.reopened-{os.getpid()}")
        try:
            shutil.copytree(self.output, copy, ignore=shutil.ignore_patterns(*later))
            copy.rename(self.partial)
        except OSError as error:
            raise RunError(f"{self.partial}: cannot be written: {error.strerror}") from None
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    def _continues_output(self) -> bool:
        """Whether the unfinished run is the finished one, trained on."""
        if not (_is_run(self.output) and _looks_like_a_run(self.partial)):
            return False
        begun = [_read_object(f / ENVIRONMENT_FILE) for f in (self.output, self.partial)]
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
            if not resume:
                _empty(self.partial)
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
            if not has_progress(folder / CHECKPOINT_FOLDER):
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
        complete = {**environment, "format": FORMAT, "files": _hashes(self.partial)}
        write_environment(self.partial, complete)
        replaced = self.output.with_name(f".{self.output.name}.replaced-{os.getpid()}")
        for left in self.output.parent.glob(f".{self.output.name}.replaced-*"):
            shutil.rmtree(left)  # by a run that was killed between the renames below
        replaces = self.output.exists()
        if replaces:
            self.output.rename(replaced)
        self.partial.rename(self.output)
        self.release()
        (self.output / _LOCK_FILE).unlink(missing_ok=True)
        if replaces:
            shutil.rmtree(replaced)
        return Run(self.output, complete)

    @property
    def can_continue(self) -> bool:
        """Whether there is training to continue from."""
        return has_checkpoint(self.partial / CHECKPOINT_FOLDER)

    def abandon(self) -> None:
        """Remove what a failure left behind, unless training would be lost with it."""
        if not has_progress(self.partial / CHECKPOINT_FOLDER):
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
        if not _is_run(self.output):
            raise RunError(
                f"{self.output}: exists and is no run directory, so it is left alone, even with "
                "--overwrite; --output DIR writes somewhere else"
            )
        if not self._overwrite:
            raise RunError(
                f"{self.output}: exists already; --overwrite replaces it, --output DIR writes "
                "somewhere else"
            )

    def _remove_made_parents(self) -> None:
        for parent in self._made:
            with suppress(OSError):  # not empty, or not made
                parent.rmdir()

    def _take_lock(self) -> None:
        lock = (self.partial / _LOCK_FILE).open("wb")
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


@contextmanager
def written_beside(folder: Path) -> Iterator[Path]:
    """A new folder that takes the place of ``folder`` when the block ends well: whole or absent.

    Raises:
        RunError: it cannot be written.
    """
    # Not NAME.partial: that may be an unfinished run.
    beside = folder.with_name(f".{folder.name}.written-{os.getpid()}")
    try:
        beside.mkdir(parents=True)
        yield beside
        if folder.exists():
            shutil.rmtree(folder)
        beside.rename(folder)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a resolved recipe whole: every key with its value; beside, then renamed."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        dump_sections(recipe.as_sections(), file)
    temporary.replace(path)


def dump_sections(sections: Mapping[str, Any], file: TextIO) -> None:
    """Write plain data as YAML that reads back to the same data."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.add_representer(str, _represent_text)
    yaml.dump(sections, file)


def _represent_text(representer: Any, text: str) -> Any:
    # YAML reads U+0085, U+2028 and U+2029 as line breaks; ruamel leaves them unescaped unless
    # it is told to quote.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def write_json(path: Path, content: Any) -> None:
    """Write JSON whole: beside, then renamed."""
    temporary = path.with_name(path.name + ".new")
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def write_lines(path: Path, records: list[dict[str, Any]]) -> None:
    """Write JSON Lines whole: one record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".new")
    with temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
    temporary.replace(path)


def prepared_files(folder: Path) -> dict[str, str]:
    """The sha256 of what a run has before its training begins: recipe and vocabularies."""
    return {
        name: digest
        for name, digest in _hashes(folder).items()
        if name.split("/")[0] not in _WRITTEN_LATER
    }


def check_prepared(folder: Path) -> None:
    """Refuse to continue a run whose recipe, vocabularies or checkpoint are not what was written.

    Raises:
        RunError: naming the file.
    """
    for name, digest in read_started(folder).get("prepared", {}).items():
        _check_file(folder, name, digest)
    check_checkpoint(folder / CHECKPOINT_FOLDER)


def read_started(folder: Path) -> dict[str, Any]:
    """What an unfinished run wrote of itself when it began.

    Raises:
        RunError: the file is missing or damaged.
    """
    environment = _read_object(folder / ENVIRONMENT_FILE)
    _check_digest(folder, environment)
    return environment


def write_environment(folder: Path, environment: Mapping[str, Any]) -> None:
    """Write ``environment.json`` with a digest of its own content."""
    content = {**environment, "digest": _digest_of(environment)}
    write_json(folder / ENVIRONMENT_FILE, content)


def _digest_of(environment: Mapping[str, Any]) -> str:
    content = {key: value for key, value in environment.items() if key != "digest"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _check_digest(folder: Path, environment: Mapping[str, Any]) -> None:
    if environment.get("digest") != _digest_of(environment):
        raise RunError(
            f"{folder / ENVIRONMENT_FILE}: is not the file that was written (its digest "
            "differs); copy the run again, or train it again"
        )


def _read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: is not what was written")
    return content


def _unreadable(path: Path, error: OSError | ValueError) -> RunError:
    if isinstance(error, FileNotFoundError):
        return RunError(f"{path.parent}: the run is incomplete: {path.name} is missing")
    reason = error.strerror if isinstance(error, OSError) else error
    return RunError(f"{path}: is damaged and cannot be read: {reason}")


def _looks_like_a_run(folder: Path) -> bool:
    return folder.is_dir() and (folder / RECIPE_FILE).is_file()


def _is_run(folder: Path) -> bool:
    """Whether a folder holds a run and nothing else, so that it may be replaced: a user's own
    folder with a recipe.yaml in it is not ours to remove."""
    if not _looks_like_a_run(folder) or not (folder / ENVIRONMENT_FILE).is_file():
        return False
    written = {
        path.split("/")[0] for path in _read_object(folder / ENVIRONMENT_FILE).get("files", ())
    }
    return {path.name for path in folder.iterdir()} <= written | set(_NOT_HASHED)


def _is_partial(folder: Path) -> bool:
    """Whether a folder is an unfinished run, or one that was stopped before its first file."""
    if not folder.is_dir():
        return False
    names = {path.name for path in folder.iterdir()}
    begun = {ENVIRONMENT_FILE, CHECKPOINT_FOLDER} <= names  # its recipe may have been lost
    return _looks_like_a_run(folder) or begun or names <= {_LOCK_FILE}


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == _LOCK_FILE:
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): _sha256(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in _NOT_HASHED
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
