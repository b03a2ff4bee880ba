"""A YAML file as plain data plus the line and column of every key.

ruamel.yaml reads YAML 1.2: ``1e-3`` is a number, ``no`` is text, a key given twice is an
error. Tags are refused here, so nothing in a recipe can construct an object.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textnets.errors import Problem, RecipeError

KeyPath = tuple[str | int, ...]

_MAX_BYTES = 1_000_000  # a recipe is a page; more is a data file given by mistake


@dataclass
class Document:
    """Plain data with positions.

    Attributes:
        source: the file's name as the user wrote it, for messages.
        data: dicts, lists and scalars only.
        positions: 1-based (line, column) of each key or list item, by path.
        origins: for keys set by an override, what set them (``--set a.b=c``).
    """

    source: str
    data: dict[str, Any]
    positions: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A mistake at ``path``, with the nearest position that the file has for it."""
        name = ".".join(str(part) for part in path)
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return Problem(name, message, origin=self.origins[path[:end]])
            if path[:end] in self.positions:
                line, column = self.positions[path[:end]]
                return Problem(name, message, line, column)
        return Problem(name, message)


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        RecipeError: the file is missing, not UTF-8, not YAML, uses tags, repeats a key, or is
            not a mapping.
    """
    source = str(path)
    return parse_document(_read_text(path), source)


def parse_document(text: str, source: str) -> Document:
    """Read YAML from a string; ``source`` is its name in messages."""
    loaded = _load_yaml(text, source)
    if loaded is None:
        raise RecipeError(source, [Problem("", "the recipe is empty")])
    if not isinstance(loaded, Mapping):
        raise RecipeError(
            source, [Problem("", f"a recipe is a mapping of sections, was: {_kind(loaded)}", 1, 1)]
        )
    positions: dict[KeyPath, tuple[int, int]] = {}
    problems: list[Problem] = []
    data = _plain(loaded, (), positions, problems)
    if problems:
        raise RecipeError(source, problems)
    return Document(source, data, positions)


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Set keys from ``a.b=value`` strings; values are read as YAML (``none`` stays text).

    Raises:
        RecipeError: an override has no ``=``, or leads through something that is no section.
    """
    problems = []
    for override in overrides:
        key, equals, text = override.partition("=")
        origin = f"--set {override}"
        parts = tuple(part.strip() for part in key.split("."))
        if not equals or not all(parts):
            message = "expected SECTION.KEY=VALUE, such as training.epochs=3"
            problems.append(Problem("", message, origin=origin))
            continue
        try:
            value = parse_document(f"value: {text}", origin).data["value"]
        except RecipeError:
            value = text
        _set_key(document, parts, value, origin, problems)
    if problems:
        raise RecipeError(document.source, problems)


def _set_key(
    document: Document,
    parts: tuple[str, ...],
    value: Any,
    origin: str,
    problems: list[Problem],
) -> None:
    section: Any = document.data
    for part in parts[:-1]:
        if section.get(part) is None:
            section[part] = {}
        section = section[part]
        if not isinstance(section, dict):
            message = f"'{part}' is a value, not a section, so no key can be set in it"
            problems.append(Problem(".".join(parts), message, origin=origin))
            return
    section[parts[-1]] = value
    document.origins[parts] = origin


def _read_text(path: Path) -> str:
    source = str(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            problem = Problem("", f"a recipe is a small YAML file, was: {path.stat().st_size} bytes")
            raise RecipeError(source, [problem])
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        hint = "no such recipe; 'textnets recipes' lists those that ship with textnets"
        raise RecipeError(source, [Problem("", hint)]) from None
    except UnicodeDecodeError as error:
        problem = Problem("", f"not UTF-8 at byte {error.start}; save the recipe as UTF-8")
        raise RecipeError(source, [problem]) from None
    except OSError as error:
        raise RecipeError(source, [Problem("", f"cannot be read: {error.strerror}")]) from None


def _load_yaml(text: str, source: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.constructor import DuplicateKeyError
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    yaml = YAML(typ="rt")
    try:
        return yaml.load(text)
    except DuplicateKeyError as error:
        mark = error.problem_mark
        name = str(error.problem).split('"')[1] if '"' in str(error.problem) else "a key"
        problem = Problem(name, "this key is given twice", mark.line + 1, mark.column + 1)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = (mark.line + 1, mark.column + 1) if mark else (None, None)
        problem = Problem("", f"not valid YAML: {error.problem or error.context}", *where)
    except (YAMLError, ValueError, RecursionError) as error:
        problem = Problem("", f"not valid YAML: {str(error).splitlines()[0]}")
    raise RecipeError(source, [problem]) from None


def _plain(
    node: Any,
    path: KeyPath,
    positions: dict[KeyPath, tuple[int, int]],
    problems: list[Problem],
) -> Any:
    """ruamel's annotated containers and scalars as plain Python, positions noted on the way."""
    if len(path) > 20:  # also ends an alias that contains itself
        problems.append(Problem(_dotted(path[:3]), "nested too deeply"))
        return None
    tag = getattr(getattr(node, "tag", None), "value", None)
    if tag:
        line, column = positions.get(path, (1, 1))
        message = f"YAML tags are not allowed in a recipe, was: {tag}"
        problems.append(Problem(_dotted(path), message, line, column))
        return None
    if isinstance(node, Mapping):
        plain = {}
        for key, value in node.items():
            below = (*path, str(key))
            positions[below] = _position(node, key)
            plain[str(key)] = _plain(value, below, positions, problems)
        return plain
    if isinstance(node, list):
        items = []
        for index, value in enumerate(node):
            positions[(*path, index)] = _position(node, index)
            items.append(_plain(value, (*path, index), positions, problems))
        return items
    return _plain_scalar(node)


def _plain_scalar(node: Any) -> Any:
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    if type(node).__name__ == "ScalarBoolean":
        return bool(node)
    return node if node is None else str(node)  # dates become text


def _position(container: Any, key: Any) -> tuple[int, int]:
    try:
        line, column = container.lc.key(key) if isinstance(key, str) else container.lc.item(key)
    except (AttributeError, KeyError, TypeError):  # merged (<<) keys have no place of their own
        return (container.lc.line + 1, container.lc.col + 1) if hasattr(container, "lc") else (1, 1)
    return line + 1, column + 1


def _dotted(path: KeyPath) -> str:
    return ".".join(str(part) for part in path)


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else type(value).__name__.lower()
