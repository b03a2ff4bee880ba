"""Texts in, predictions and tokens out."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import click

from textnets.bulk.formats import one_line_json
from textnets.data.readers import CELL_LIMIT
from textnets.errors import DataError
from textnets.predictions import Prediction
from textnets.progress import is_terminal, printable, terminal_progress
from textnets.run.directory import open_run
from textnets.tasks import AnyTask
from textnets.text.encoder import Coverage, Token

_CHUNK = 256


def check_source(file: str | None, texts: Sequence[str]) -> None:
    """Refuse two sources of texts at once, and texts that are none."""
    if texts and file is not None:
        raise click.UsageError(f"--text and {file!r} are two sources of texts; give one of them.")
    for text in texts:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise click.UsageError(f"--text {text!a} is not UTF-8.") from None


def read_texts(
    file: str | None, texts: Sequence[str], task: AnyTask, *, quiet: bool = False
) -> Iterable[str]:
    """Texts from ``--text``, a file with columns, a file with one text a line, or standard
    input; typed-in texts are asked for on a terminal."""
    if texts:
        return texts
    if file is None or file == "-":
        if sys.stdin is None:
            raise DataError("standard input is closed; give FILE or --text")
        if is_terminal(sys.stdin):
            return _TypedTexts(quiet)
        return _lines(sys.stdin.buffer, "standard input")
    return task.input_texts(Path(file))


def write_predictions(
    predict: Callable[[Iterable[str]], Iterator[Prediction]],
    texts: Iterable[str],
    output_format: str,
) -> None:
    """One prediction a line on standard output."""
    if not isinstance(texts, _TypedTexts):
        _write_all(predict(texts), output_format)
        return
    for index, text in enumerate(texts):  # answer each at once
        _write_all(predict([text]), output_format, first=index == 0)


def write_file(
    run: str,
    file: str | None,
    texts: Sequence[str],
    output: str,
    *,
    is_translator: bool,
    file_format: str | None,
    quiet: bool,
    **settings: Any,
) -> None:
    """Predictions in a file; see :func:`textnets.bulk.predict_file`."""
    from textnets.bulk import predict_file
    from textnets.tasks import read_run
    from textnets.tasks.translation import TranslationPredictor

    if file_format == "text":
        raise click.UsageError("--format text is for a terminal; give jsonl, csv or parquet.")
    builders = settings["allow_builders"]
    task = read_run(open_run(Path(run)).folder, allow_builders=builders)
    if is_translator:
        TranslationPredictor.check_kind(task, run)
    typed = read_texts(file, texts, task, quiet=quiet) if file in (None, "-") else ()
    predict_file(
        run,
        file if file not in (None, "-") else lambda count: typed,
        output,
        file_format=file_format,
        progress=terminal_progress(quiet=quiet),
        **settings,
    )


def write_tokens(
    tokens: Callable[[Sequence[str]], list[list[Token]]],
    texts: Iterable[str],
    output_format: str,
    *,
    quiet: bool,
) -> None:
    """The tokens of each text on standard output; a summary on standard error."""
    total = unknown = 0
    for chunk in _chunks(texts):
        for text, row in zip(chunk, tokens(chunk), strict=True):
            total += len(row)
            unknown += sum(token.unknown for token in row)
            click.echo(_tokens_line(text, row, output_format))
    if not quiet:
        share = f"{1 - unknown / total:.1%}" if total else "–"
        click.echo(f"{total:,} tokens, {unknown:,} unknown, coverage {share}", err=True)


def write_coverage(coverage: Mapping[str, Coverage]) -> None:
    """What encoding did to each split."""
    for name, found in coverage.items():
        click.echo(
            f"{name}: {found.texts:,} texts, {found.tokens:,} tokens, "
            f"{found.unknown_share:.2%} unknown, {found.truncated_share:.1%} truncated"
        )


def write_written(texts: Iterable[Any], output_format: str) -> None:
    """Texts that a language model wrote, a blank line between two; below each the alternatives
    at each step, where they were asked for."""
    for number, written in enumerate(texts):
        if output_format == "jsonl":
            click.echo(_json_line(written.as_json()))
            continue
        if number:
            click.echo()
        click.echo(printable(written.continued, lines=True))
        for choice in written.choices:
            if choice.alternatives:
                likely = "  ".join(f"{token!r} {share:.3f}" for token, share in choice.alternatives)
                click.echo(f"{choice.token!r} {choice.probability:.3f}  of  {likely}")


class _TypedTexts:
    """Texts that a person types; an empty line ends them."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet

    def __iter__(self) -> Iterator[str]:
        self._ask("type a text and press Enter; an empty line ends\n")
        self._ask("> ")
        for text in _lines(sys.stdin.buffer, "standard input"):
            if not text:
                return
            yield text
            self._ask("> ")
        self._ask("\n")  # Ctrl-D leaves the cursor after the prompt

    def _ask(self, words: str) -> None:
        if not self._quiet:
            click.echo(words, err=True, nl=False)


def _lines(stream: IO[bytes], name: str) -> Iterator[str]:
    number = 0
    while line := stream.readline(CELL_LIMIT + 1):
        number += 1
        if len(line) > CELL_LIMIT:
            raise DataError(f"{name}:{number}: a line of more than {CELL_LIMIT:,} bytes")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            where = f"{name}:{number}: not UTF-8 at byte {error.start} of the line"
            raise DataError(f"{where}; save the text as UTF-8") from None
        yield text.removesuffix("\n").removesuffix("\r")


def _chunks(texts: Iterable[str]) -> Iterator[list[str]]:
    if isinstance(texts, _TypedTexts):
        for text in texts:
            yield [text]
        return
    chunk: list[str] = []
    for text in texts:
        chunk.append(text)
        if len(chunk) == _CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _write_all(
    predictions: Iterable[Prediction], output_format: str, *, first: bool = True
) -> None:
    for index, prediction in enumerate(predictions):
        if output_format == "jsonl":
            click.echo(_json_line(prediction.as_json()))
        elif output_format == "csv":
            fields = {"text": prediction.text, **prediction.as_fields()}
            if first and index == 0:
                click.echo(_csv_line(list(fields)))
            click.echo(_csv_line(list(fields.values())))
        else:
            click.echo(prediction.as_line())


def _csv_line(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    # The csv module of Python 3.11 quotes only those line breaks that end a record.
    csv.writer(line, lineterminator="\r\n").writerow(cells)
    found = line.getvalue().removesuffix("\r\n")
    return printable(found, lines=True) if is_terminal(sys.stdout) else found


def _json_line(content: Mapping[str, Any]) -> str:
    """JSON on one line, without a character that a terminal obeys."""
    return one_line_json(json.dumps(content, ensure_ascii=False))


def _tokens_line(text: str, row: Sequence[Token], output_format: str) -> str:
    if output_format == "jsonl":
        content = {
            "text": text,
            "tokens": [token.text for token in row],
            "ids": [token.id for token in row],
            "unknown": [token.unknown for token in row],
        }
        return _json_line(content)
    return " ".join(f"{token.text!r}={'[UNK]' if token.unknown else token.id}" for token in row)
