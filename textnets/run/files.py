"""Small files of a run, each written whole: beside its place, then renamed."""

from __future__ import annotations

import io
import json
import os
import reprlib
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, TextIO

from textnets.errors import RunError
from textnets.recipe import Recipe
from textnets.run.places import sync_folder

_NEW = ".new"  # ends the name of a file until it is whole
_NEVER = 10**9  # characters, before a line of YAML is folded
_LARGEST_JSON = 2**28  # bytes


@contextmanager
def bytes_written_whole(path: Path, *, synced: bool = True) -> Iterator[IO[bytes]]:
    """A file to write, which takes its place when the block ends well, and outlives a power cut
    then; nothing of it is left where it does not, as on a full disk.

    Args:
        path: its place.
        synced: not so for what is written often, and can be made again.
    """
    temporary = path.with_name(path.name + _NEW)
    try:
        with temporary.open("wb") as file:
            yield file
            if synced:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
        if synced:
            sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


@contextmanager
def written_whole(path: Path, *, synced: bool = True) -> Iterator[TextIO]:
    """As :func:`bytes_written_whole`, for text."""
    with bytes_written_whole(path, synced=synced) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
        yield text
        text.detach()  # flushes, and leaves the file open


def sweep_unfinished(folder: Path) -> None:
    """Remove the files that a process was killed over while it wrote them."""
    for path in folder.rglob("*" + _NEW):
        if path.is_file() and not path.is_symlink():
            path.unlink()


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a resolved recipe: every key with its value."""
    with written_whole(path) as file:
        file.write(recipe_text(recipe))


def recipe_text(recipe: Recipe) -> str:
    """A resolved recipe as its file has it."""
    file = io.StringIO()
    dump_sections(recipe.as_sections(), file)
    return file.getvalue()


def dump_sections(sections: Mapping[str, Any], file: TextIO) -> None:
    """Write plain data as YAML that reads back to the same data."""
    from ruamel.yaml import YAML

    yaml: Any = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.width = _NEVER  # a folded line reads back with other blanks
    yaml.sort_base_mapping_type_on_output = False
    yaml.representer.add_representer(str, _represent_text)
    yaml.dump(sections, file)


def _represent_text(representer: Any, text: str) -> Any:
    # YAML reads U+0085, U+2028 and U+2029 as line breaks; ruamel leaves them unescaped unless
    # it is told to quote.
    style = '"' if any(mark in text for mark in "\x85\u2028\u2029") else None
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def write_json(path: Path, content: Any) -> None:
    """Write JSON, for people to read too."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with written_whole(path) as file:
        file.write(text + "\n")


def write_lines(path: Path, records: Iterable[Mapping[str, Any]], *, synced: bool = True) -> None:
    """Write JSON Lines: one record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path, synced=synced) as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file.

    Raises:
        RunError: there is no such file, or it holds something else.
    """
    content = parse_json(read_text(path), path)
    if not isinstance(content, dict):
        raise RunError(f"{path}: is not what was written")
    return content


def read_text(path: Path, most: int = _LARGEST_JSON) -> str:
    """A file of a run, of so many bytes at most; what is no plain file is not opened.

    Raises:
        RunError: it is missing, something else, larger or not UTF-8.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise RunError(f"{path}: is no plain file, expected one that textnets wrote")
        if found.st_size > most:
            raise RunError(
                f"{path}: is not what was written: {found.st_size:,} bytes, {most:,} at most"
            )
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        if isinstance(error, RunError):
            raise
        raise unreadable(path, error) from None


def parse_json(text: str, path: Path) -> Any:
    """JSON of a file; lines are parsed one by one.

    Raises:
        RunError: it is none, or nested too deeply.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        raise unreadable(path, error) from None
    except RecursionError:
        raise unreadable(path, ValueError("nested too deeply")) from None


def checked(kind: Any, content: Any, path: Path) -> Any:
    """What a file holds, as a type; of another type it is refused.

    Args:
        kind: a type, such as ``dict[str, float]``, a dataclass or a model of pydantic.
        content: plain data, out of JSON.
        path: of the file, for the message.

    Raises:
        RunError: naming the file, the place in it and what is wrong there.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise RunError(
            f"{path}: is not what was written: {where or 'the whole'}: {first['msg']}, was: "
            f"{reprlib.repr(first['input'])}"
        ) from None


def unreadable(path: Path, error: OSError | ValueError) -> RunError:
    if isinstance(error, FileNotFoundError):
        return RunError(f"{path.parent}: the run is incomplete: {path.name} is missing")
    reason = error.strerror if isinstance(error, OSError) else error
    return RunError(f"{path}: is damaged and cannot be read: {reason}")
