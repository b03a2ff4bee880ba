"""From a file of texts to a file of predictions."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from textnets.bulk.formats import Format, Segment, format_of
from textnets.bulk.journal import (
    Output,
    fingerprint_of,
    journal_file,
    partial_file,
    skipped_file,
)
from textnets.bulk.stages import ahead, in_processes
from textnets.bulk.windows import OnError, Window, read_windows
from textnets.data.counts import RowCount
from textnets.errors import DataError, InputError
from textnets.progress import Progress
from textnets.run.directory import open_run
from textnets.tasks import Predictor, read_run

#: Texts that can be read once only, such as standard input.
Lines = Callable[[RowCount], Iterable[str]]


@dataclass(frozen=True)
class Predicted:
    """What has become of a file.

    Attributes:
        output: the file of predictions.
        rows: rows of the input.
        skipped: those of them that could not be read; they are named in ``skipped_file``.
        seconds: that it took, from the first row of this process.
        rows_now: of this process.
    """

    output: Path
    rows: int
    skipped: int
    seconds: float
    rows_now: int

    @property
    def skipped_file(self) -> Path:
        """Names the rows that could not be read, one a line."""
        return skipped_file(self.output)


@dataclass(frozen=True)
class _How:
    """All that a process must know to answer."""

    run: str
    overrides: tuple[str, ...]
    device: str
    allow_builders: tuple[str, ...]
    form: Format
    details: bool

    def predictor(self) -> Predictor:
        return Predictor.load(
            self.run,
            overrides=self.overrides,
            device=self.device,
            allow_builders=self.allow_builders,
            for_many=True,
        )


class _Worker:
    """What a process of several holds."""

    predictor: ClassVar[Predictor]
    how: ClassVar[_How]

    @classmethod
    def prepare(cls, how: _How) -> None:
        cls.how, cls.predictor = how, how.predictor()

    @classmethod
    def answer(cls, window: Window) -> Segment:
        encoded = cls.predictor.preprocessor.encode_inputs(window.texts) if window.texts else None
        return _segment(cls.predictor, window, encoded, cls.how)


def predict_file(
    run: str | Path,
    source: str | Path | Lines,
    output: str | Path,
    *,
    file_format: str | None = None,
    details: bool = False,
    on_error: OnError = "stop",
    resume: bool = False,
    overwrite: bool = False,
    workers: int = 1,
    overrides: Sequence[str] = (),
    device: str = "auto",
    allow_builders: Sequence[str] = (),
    progress: Progress | None = None,
) -> Predicted:
    """Predict every text of a file, and write the predictions into another.

    Memory does not grow with the file. A process that is killed loses at most what it did since
    the last second: ``resume`` goes on, and no row is lost or there twice.

    Args:
        run: the run directory.
        source: a file as ``textnets predict`` reads it, or what gives texts.
        output: ``.jsonl``, ``.csv``, each also with ``.gz``, or ``.parquet``.
        file_format: one of those, whatever the name says.
        details: also write what there is one of for each class or token.
        on_error: what becomes of a row that cannot be read: ``stop``, or ``skip``, which names it
            in ``OUTPUT.skipped``.
        resume: go on where a process was stopped.
        overwrite: replace what is there.
        workers: processes, each with the model.
        overrides, device, allow_builders: as :meth:`textnets.Predictor.load`.
        progress: where to show it.

    Raises:
        InputError: the output is there, or was begun with something else.
        RunError: no such run, or another process writes the same file.
        DataError: a row cannot be read, naming it.
    """
    place, progress = Path(output), progress or Progress()
    form = format_of(place, file_format)
    opened = open_run(Path(run))
    how = _How(str(run), tuple(overrides), device, tuple(allow_builders), form, details)
    _refuse_place(place, source, resume=resume, overwrite=overwrite)
    if resume and place.exists() and not partial_file(place).exists():
        journal_file(place).unlink(missing_ok=True)
        progress.say(f"{place}: is complete")
        return Predicted(place, 0, 0, 0.0, 0)
    begun_with = {
        "input": None if callable(source) else fingerprint_of(Path(source)),
        "run": opened.environment.get("digest"),
        "settings": {
            "format": type(form).__name__,
            "details": details,
            "overrides": list(overrides),
        },
        "on_error": on_error,
    }
    task = read_run(opened.folder, overrides, allow_builders=allow_builders)
    read = source if callable(source) else functools.partial(task.input_texts, Path(source))
    result = Output(place, begun_with, form)
    predictor = how.predictor() if workers == 1 else None
    result.open(resume=resume)
    try:
        windows = read_windows(read, on_error, result.written.rows)
        answered = (
            in_processes(
                _Worker.answer,
                ahead(windows),
                prepare=functools.partial(_Worker.prepare, how),
                workers=workers,
            )
            if predictor is None
            else _on_threads(predictor, windows, how)
        )
        return _write(result, answered, progress)
    except DataError as error:
        if result.written.rows:
            raise DataError(
                f"{error}; {result.written.rows:,} rows before it are written: --resume with "
                "--on-error skip goes on after it"
            ) from None
        raise
    except KeyboardInterrupt:
        progress.say(f"{result.written.rows:,} rows are written; --resume goes on after them")
        raise
    finally:
        result.close()


def _refuse_place(place: Path, source: Any, *, resume: bool, overwrite: bool) -> None:
    if resume and overwrite:
        raise InputError("--resume goes on with what is there, --overwrite replaces it")
    if place.is_dir() or (place.exists() and not place.is_file()):
        raise InputError(f"{place}: is no plain file")
    if not place.parent.is_dir():
        raise InputError(f"{place}: there is no folder {place.parent}")
    if not callable(source) and Path(source).resolve() == place.resolve():
        raise InputError(f"{place}: is the input; choose another name")
    if callable(source) and resume:
        raise InputError("standard input cannot be read again; --resume needs a file")
    if resume or overwrite:
        return
    if place.exists():
        raise InputError(f"{place}: is there already; --overwrite replaces it")
    if journal_file(place).exists():
        raise InputError(
            f"{partial_file(place)}: is of a prediction that was stopped; --resume goes on, "
            "--overwrite begins again"
        )


def _on_threads(
    predictor: Predictor, windows: Iterable[Window], how: _How
) -> Iterator[tuple[Window, Segment]]:
    """One thread reads and cuts texts into ids, one asks the model, and this one writes."""

    def encoded() -> Iterator[tuple[Window, Any]]:
        for window in windows:
            texts = window.texts
            yield window, predictor.preprocessor.encode_inputs(texts) if texts else None

    def columns() -> Iterator[tuple[Window, Any]]:
        for window, split in ahead(encoded()):
            yield window, _columns(predictor, window, split, how)

    for window, found in ahead(columns()):
        yield window, how.form.segment(found)


def _columns(predictor: Predictor, window: Window, split: Any, how: _How) -> Any:
    if not window.texts:
        return {}
    return predictor.columns(window.texts, split, flat=how.form.flat, details=how.details)


def _segment(predictor: Predictor, window: Window, split: Any, how: _How) -> Segment:
    return how.form.segment(_columns(predictor, window, split, how))


def _write(
    result: Output, answered: Iterable[tuple[Window, Segment]], progress: Progress
) -> Predicted:
    started, before = time.monotonic(), result.written
    with progress.steps("predicting", None, "rows") as step:
        for window, segment in answered:
            result.append(window, segment)
            done = result.written.rows - before.rows
            if window.share > 0.0:
                # Rows of this process only: of those before it knows the number, not the time.
                step.expect(int(max(result.written.rows / window.share - before.rows, done)))
            step.advance(window.rows)
    result.finish()
    written = result.written
    seconds, rows = time.monotonic() - started, written.rows - before.rows
    if written.skipped:
        progress.warn(
            f"{written.skipped:,} of {written.rows:,} rows could not be read; they are named in "
            f"{skipped_file(result.place)}"
        )
    progress.say(
        f"{result.place}: {written.rows - written.skipped:,} predictions, "
        f"{rows / max(seconds, 1e-9):,.0f} rows/s"
    )
    return Predicted(result.place, written.rows, written.skipped, seconds, rows)
