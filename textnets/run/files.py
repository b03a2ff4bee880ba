"""Small files of a run, each written whole: beside its place, then renamed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

from textnets.errors import RunError
from textnets.recipe import Recipe


@contextmanager
def written_whole(path: Path) -> Iterator[TextIO]:
    """A text file to write, which takes its place when the block ends well; nothing of it is left
    where it does not, as on a full disk."""
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("w", encoding="utf-8", newline="\n") as file:
            yield file
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_recipe(path: Path, recipe: Recipe) -> None:
    """Write a resolved recipe: every key with its value."""
    with written_whole(path) as file:
        dump_sections(recipe.as_sections(), file)


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
    """Write JSON, for people to read too."""
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    with written_whole(path) as file:
        file.write(text + "\n")


def write_lines(path: Path, records: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines: one record a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_whole(path) as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def read_object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from None
    if not isinstance(content, dict):
        raise RunError(f"{path}: is not what was written")
    return content


def unreadable(path: Path, error: OSError | ValueError) -> RunError:
    if isinstance(error, FileNotFoundError):
        return RunError(f"{path.parent}: the run is incomplete: {path.name} is missing")
    reason = error.strerror if isinstance(error, OSError) else error
    return RunError(f"{path}: is damaged and cannot be read: {reason}")
