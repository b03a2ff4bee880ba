"""A YAML file as plain data plus the line and column of every key.

ruamel.yaml reads YAML 1.2: ``1e-3`` is a number, ``no`` is text. Its events are turned into
plain data here, never into objects: tags are refused, a key given twice is a mistake with a
place, and aliases are copied within a bound, so that no recipe can make the reader hang.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from textnets.errors import Problem, RecipeError

KeyPath = tuple[str | int, ...]
Position = tuple[int, int]

# A recipe is a page; more is a data file given by mistake, or meant to exhaust the reader.
_MAX_BYTES = 200_000
_MAX_VALUES = 20_000
_MAX_DEPTH = 12
_SHOWN = 80  # characters of a value in a message


@dataclass
class Document:
    """Plain data with positions.

    Attributes:
        source: the file's name as the user wrote it, for messages.
        data: dicts, lists and scalars only.
        positions: 1-based (line, column) of each key or list item, by path.
        origins: for keys set by an override, what set them (``--set a.b=c``).
        problems: mistakes of the YAML itself that leave the rest readable, to be raised
            together with what the sections' check finds.
        refused: paths of problems whose value is not there, so that nothing more can be
            said about it.
    """

    source: str
    data: dict[str, Any]
    positions: dict[KeyPath, Position] = field(default_factory=dict)
    origins: dict[KeyPath, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """A mistake at ``path``, with the nearest position that the file has for it."""
        name = dotted(path)
        for origin_path, origin in self.origins.items():
            if path not in self.positions and origin_path[: len(path)] == path:
                return Problem(name, message, origin=origin)  # a section that an override made
        for end in range(len(path), -1, -1):
            if path[:end] in self.origins:
                return Problem(name, message, origin=self.origins[path[:end]])
            if path[:end] in self.positions:
                line, column = self.positions[path[:end]]
                return Problem(name, message, line, column)
        return Problem(name, message)

    def is_refused(self, problem: Problem) -> bool:
        """Whether a problem is only about a value that was refused already."""
        path = f"{problem.path}."
        return any(path[:end] in self.refused for end, sign in enumerate(path) if sign == ".")


def read_document(path: Path) -> Document:
    """Read one YAML file.

    Raises:
        RecipeError: the file is missing, not UTF-8, not YAML, or is not a mapping.
    """
    return parse_document(_read_text(path), str(path))


def parse_document(text: str, source: str) -> Document:
    """Read YAML from a string; ``source`` is its name in messages."""
    reader = _Reader(text)
    problems = []
    data = None
    try:
        data = reader.read()
    except _NotReadableError as error:
        problems.append(error.problem)
    else:
        if not isinstance(data, dict):
            problems.append(_no_mapping(data))
    if problems or not isinstance(data, dict):
        raise RecipeError(source, [*reader.problems, *problems])
    return Document(
        source, data, reader.positions, problems=reader.problems, refused=reader.refused
    )


def apply_overrides(document: Document, overrides: Sequence[str]) -> None:
    """Set keys from ``a.b=value`` strings.

    A value that begins with a quote or a bracket is read as YAML, anything else as a plain
    scalar (``1e-3`` is a number, ``null`` is null, ``a: b`` and ``x # y`` are text). Mistakes
    are added to ``document.problems``.
    """
    for override in overrides:
        key, equals, text = override.partition("=")
        origin = f"--set {_one_line(override)}"
        parts = tuple(part.strip() for part in key.split("."))
        if not equals or not all(parts):
            message = "expected SECTION.KEY=VALUE, such as training.epochs=3"
            document.problems.append(Problem("", message, origin=origin))
            continue
        value, problem = _override_value(text.strip())
        if problem is not None:
            document.problems.append(Problem(dotted(parts), problem, origin=origin))
        else:
            _set_key(document, parts, value, origin)


def dotted(path: KeyPath) -> str:
    """A key's path as shown: ``training.epochs``, ``training.class_weights.'a b'``."""
    return ".".join(
        part if part.isprintable() and part and " " not in part else repr(part)
        for part in map(str, path)
    )


def shown(value: Any) -> str:
    """A value as YAML would have it, on one line and cut where it is long."""
    text = _flow(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


# --- Overrides ---


def _override_value(text: str) -> tuple[Any, str | None]:
    """The value, and what is wrong with it."""
    if text[:1] not in ("[", "{", '"', "'"):
        return _Reader(text).plain_scalar(text)
    reader = _Reader(text)
    try:
        value = reader.read()
    except _NotReadableError:
        return text, None  # such as the pattern [a-z]+
    return value, reader.problems[0].message if reader.problems else None


def _set_key(document: Document, parts: tuple[str, ...], value: Any, origin: str) -> None:
    section: Any = document.data
    path: KeyPath = ()
    for part in parts:
        if isinstance(section, list):
            known = part.isdecimal() and int(part) < len(section)
            wrong = None if known else f"has {len(section)} items, counted from 0"
            key: str | int = int(part) if known else part
        else:
            wrong = None if isinstance(section, dict) else "is a value, not a section"
            key = part
        if wrong is not None:
            message = f"'{path[-1]}' {wrong}, so no key can be set in it"
            document.problems.append(Problem(dotted(parts), message, origin=origin))
            return
        path = (*path, key)
        if len(path) == len(parts):
            section[key] = value
        elif isinstance(section, dict) and section.get(key) is None:
            section[key] = {}
        section = section[key]
    document.origins[path] = origin
    for below in [known for known in document.positions if known[: len(path)] == path]:
        del document.positions[below]  # of a value that is not there any more


# --- YAML events to plain data ---


class _NotReadableError(Exception):
    """The text cannot be read to its end."""

    def __init__(self, message: str, position: Position | None = None) -> None:
        super().__init__(message)
        self.problem = Problem("", message, *(position or (None, None)))


class _Reader:
    """One YAML text to plain data; positions and problems are noted on the way."""

    def __init__(self, text: str) -> None:
        from ruamel.yaml import YAML

        self.positions: dict[KeyPath, Position] = {}
        self.problems: list[Problem] = []
        self.refused: set[str] = set()
        self._text = text
        self._yaml: Any = YAML(typ="safe", pure=True)
        self._events = self._parse()
        self._anchors: dict[str, Any] = {}
        self._values = 0

    def read(self) -> Any:
        """The text's only document; None where there is none."""
        next(self._events)  # the stream begins
        start = next(self._events)
        if _kind(start) == "StreamEnd":
            return None
        if start.version not in (None, (1, 2)):
            raise _NotReadableError("a recipe is YAML 1.2; remove the %YAML line", (1, 1))
        value = self._value(next(self._events), ())
        next(self._events)  # the document ends
        if _kind(more := next(self._events)) != "StreamEnd":
            raise _NotReadableError("a recipe is one YAML document, not several", _position(more))
        return value

    def plain_scalar(self, text: str) -> tuple[Any, str | None]:
        """The value of an unquoted scalar, and what is wrong with it."""
        from ruamel.yaml.nodes import ScalarNode

        tag = str(self._yaml.resolver.resolve(ScalarNode, text, (True, False)))
        if tag.rpartition(":")[2] in ("null", "bool", "int", "float"):
            constructor = self._yaml.constructor
            try:
                node = ScalarNode(tag, text)
                return constructor.yaml_constructors[tag](constructor, node), None
            except ValueError:  # more digits than Python converts
                return text, None
        return _checked_text(text)  # dates too

    def _parse(self) -> Iterator[Any]:
        from ruamel.yaml.error import MarkedYAMLError, YAMLError
        from ruamel.yaml.reader import ReaderError

        try:
            yield from self._yaml.parse(self._text)
        except ReaderError as error:
            code = ord(self._text[error.position])
            raise _NotReadableError(
                f"not valid YAML: the character U+{code:04X} is not allowed",
                _place(self._text, error.position),
            ) from None
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            position = (mark.line + 1, mark.column + 1) if mark else None
            raise _NotReadableError(_syntax_message(error), position) from None
        except (YAMLError, ValueError, RecursionError) as error:
            raise _NotReadableError(f"not valid YAML: {_one_line(str(error))}") from None

    def _value(self, event: Any, path: KeyPath) -> Any:
        self._count(1, event)
        kind = _kind(event)
        if kind == "Alias":
            return self._copy(event, path)
        if event.tag is not None:
            tag = _one_line(event.tag).replace("tag:yaml.org,2002:", "!!")
            self._refuse(path, f"YAML tags are not allowed in a recipe, was: {tag}", event)
        if kind == "Scalar":
            value = self._scalar(event, path)
        elif len(path) >= _MAX_DEPTH:
            raise _too_deep(event)
        elif kind == "MappingStart":
            value = self._mapping(path)
        else:
            value = self._list(path)
        if event.anchor is not None:
            self._anchors[event.anchor] = value
        return value

    def _mapping(self, path: KeyPath) -> dict[str, Any]:
        found: dict[str, Any] = {}
        while _kind(event := next(self._events)) != "MappingEnd":
            name = self._key(event, path)
            below = (*path, name)
            if name in found:
                line = self.positions[below][0]
                message = f"this key is given twice, first in line {line}"
                self.problems.append(Problem(dotted(below), message, *_position(event)))
            self.positions.setdefault(below, _position(event))
            found.setdefault(name, self._value(next(self._events), below))
        return found

    def _key(self, event: Any, path: KeyPath) -> str:
        if _kind(event) == "Scalar" and event.tag is None:
            name = str(event.value)
            if name == "<<" and event.style is None:
                message = "merge keys are not allowed in a recipe; write the keys out"
                self._refuse((*path, name), message, event)
            elif (wrong := _checked_text(name)[1]) is not None:
                self._refuse((*path, name), wrong, event)
            return name
        name = {"SequenceStart": "[...]", "MappingStart": "{...}"}.get(_kind(event), "*")
        self._refuse((*path, name), "a key is plain text", event)
        self._skip(event)
        return name

    def _skip(self, event: Any) -> None:
        depth = 0
        while True:
            depth += _kind(event).endswith("Start") - _kind(event).endswith("End")
            if depth == 0:
                return
            if depth > _MAX_DEPTH:
                raise _too_deep(event)
            event = next(self._events)

    def _list(self, path: KeyPath) -> list[Any]:
        items: list[Any] = []
        while _kind(event := next(self._events)) != "SequenceEnd":
            below = (*path, len(items))
            self.positions.setdefault(below, _position(event))
            items.append(self._value(event, below))
        return items

    def _scalar(self, event: Any, path: KeyPath) -> Any:
        if event.style is None:
            value, wrong = self.plain_scalar(event.value)
        else:
            value, wrong = _checked_text(event.value)
        if wrong is not None:
            self._refuse(path, wrong, event)
        return value

    def _copy(self, event: Any, path: KeyPath) -> Any:
        if event.anchor not in self._anchors:
            message = f"the alias *{event.anchor} stands for nothing that was given before it"
            self._refuse(path, message, event)
            return None
        value = self._anchors[event.anchor]
        self._count(_size(value), event)
        return copy.deepcopy(value)  # not shared, or an override would set two keys

    def _count(self, number: int, event: Any) -> None:
        self._values += number
        if self._values > _MAX_VALUES:
            raise _NotReadableError("more values than a recipe has", _position(event))

    def _refuse(self, path: KeyPath, message: str, event: Any) -> None:
        name = dotted(path)
        if name not in self.refused:
            self.refused.add(name)
            line, column = self.positions.get(path, _position(event))
            self.problems.append(Problem(name, message, line, column))


def _too_deep(event: Any) -> _NotReadableError:
    return _NotReadableError("nested too deeply", _position(event))


def _kind(event: Any) -> str:
    return type(event).__name__.removesuffix("Event")


def _position(event: Any) -> Position:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _place(text: str, index: int) -> Position:
    before = text[:index]
    return before.count("\n") + 1, index - (before.rfind("\n") + 1) + 1


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + sum(map(_size, value.values()))
    return 1 + sum(map(_size, value)) if isinstance(value, list) else 1


def _checked_text(text: str) -> tuple[str, str | None]:
    """Text, and what is wrong with it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text, f"holds half of a surrogate pair, was: {shown(text)}"
    return text, None


def _syntax_message(error: Any) -> str:
    what = _one_line(str(error.problem or error.context))
    if "'\\t'" in what:
        return "not valid YAML: a tab stands where only blanks may; indent with blanks"
    return f"not valid YAML: {what}"


def _no_mapping(value: Any) -> Problem:
    if value is None:
        return Problem("", "the recipe is empty")
    what = "a list" if isinstance(value, list) else shown(value)
    return Problem("", f"a recipe is a mapping of sections, was: {what}", 1, 1)


# --- Files ---


def _read_text(path: Path) -> str:
    source = str(path)
    try:
        size = path.stat().st_size
        content = path.read_bytes() if size <= _MAX_BYTES else b""
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        hint = "no such recipe; 'textnets recipes' lists those that ship with textnets"
        raise RecipeError(source, [Problem("", hint)]) from None
    except UnicodeDecodeError as error:
        problem = Problem("", f"not UTF-8 at byte {error.start}; save the recipe as UTF-8")
        raise RecipeError(source, [problem]) from None
    except OSError as error:
        raise RecipeError(source, [Problem("", f"cannot be read: {error.strerror}")]) from None
    except ValueError as error:  # a path that no file can have
        raise RecipeError(_one_line(source), [Problem("", f"cannot be read: {error}")]) from None
    if size > _MAX_BYTES:
        problem = Problem("", f"a recipe is a small YAML file, was: {size:,} bytes")
        raise RecipeError(source, [problem])
    return text


# --- Shown to people ---


def _flow(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, float) and not math.isfinite(value):
        return ".nan" if math.isnan(value) else f"{'-' if value < 0 else ''}.inf"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dotted((key,))}: {_flow(v)}" for key, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    if isinstance(value, int) and abs(value) >= 10**_SHOWN:
        return "a whole number of very many digits"  # Python may refuse to write it out
    return repr(value)


def _one_line(text: str) -> str:
    return text if text.isprintable() else repr(text)
