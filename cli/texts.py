"""Texts in, predictions and tokens out."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from textnets.errors import DataError
from textnets.tasks import Task
from textnets.tasks.task import Prediction
from textnets.text.encoder import Coverage, Token

_CHUNK = 256


def read_texts(file: str | None, texts: Sequence[str], task: Task[Any]) -> Iterable[str]:
    """Texts from ``--text``, a file with columns, a file with one text a line, or standard
    input; typed-in texts are asked for on a terminal."""
    if texts:
        return texts
    if file is None or file == "-":
        return _typed() if sys.stdin.isatty() else _lines(sys.stdin.buffer, "standard input")
    path = Path(file)
    if path.is_dir() or {".csv", ".tsv", ".jsonl", ".ndjson", ".parquet"} & set(path.suffixes):
        return task.read_inputs(path)
    return _file_lines(path)


def write_predictions(
    predict: Callable[[Iterable[str]], Iterator[Prediction]],
    texts: Iterable[str],
    output_format: str,
) -> None:
    """One prediction a line on standard output."""
    if not isinstance(texts, _TypedTexts):
        _write_all(predict(texts), output_format)
        return
    for text in texts:  # answer each at once
        _write_all(predict([text]), output_format)


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


class _TypedTexts:
    """Texts that a person types; an empty line ends them."""

    def __iter__(self) -> Iterator[str]:
        click.echo("type a text and press Enter; an empty line ends", err=True)
        while True:
            click.echo("> ", err=True, nl=False)
            text = sys.stdin.readline().rstrip("\n")
            if not text:
                return
            yield text


def _typed() -> Iterable[str]:
    return _TypedTexts()


def _file_lines(path: Path) -> Iterator[str]:
    try:
        with path.open("rb") as stream:
            yield from _lines(stream, str(path))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder, expected a file with one text a line") from None


def _lines(stream: Iterable[bytes], name: str) -> Iterator[str]:
    for number, line in enumerate(stream, 1):
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


def _write_all(predictions: Iterable[Prediction], output_format: str) -> None:
    for index, prediction in enumerate(predictions):
        if output_format == "jsonl":
            click.echo(json.dumps(prediction.as_json(), ensure_ascii=False))
        elif output_format == "csv":
            fields = {"text": prediction.text, **prediction.as_fields()}
            if index == 0:
                click.echo(_csv_line(list(fields)))
            click.echo(_csv_line(list(fields.values())))
        else:
            click.echo(prediction.as_line())


def _csv_line(cells: Sequence[Any]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _tokens_line(text: str, row: Sequence[Token], output_format: str) -> str:
    if output_format == "jsonl":
        content = {
            "text": text,
            "tokens": [token.text for token in row],
            "ids": [token.id for token in row],
            "unknown": [token.unknown for token in row],
        }
        return json.dumps(content, ensure_ascii=False)
    return " ".join(f"{token.text!r}={'[UNK]' if token.unknown else token.id}" for token in row)
