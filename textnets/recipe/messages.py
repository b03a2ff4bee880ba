"""Pydantic's findings in the words of a recipe: one line a key, no jargon of the checker."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from textnets.errors import Problem, did_you_mean
from textnets.recipe.document import Document, KeyPath, shown

_EXPECTED = {
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "text",
    "dict_type": "a section of keys",
    "model_type": "a section of keys",
    "list_type": "a list",
    "tuple_type": "a list",
    "is_instance_of": "a list",  # of collections.abc.Sequence
    "none_required": "null",
    "finite_number": "a finite number",
}  # fmt: skip

# With one of these, another branch of a union (`0.1`, or a file) may be what was meant.
_WRONG_TYPES = frozenset(_EXPECTED) - {"finite_number"}

_BOUNDS = {
    "greater_than": ("more than {}", "gt"),
    "greater_than_equal": ("at least {}", "ge"),
    "less_than": ("less than {}", "lt"),
    "less_than_equal": ("at most {}", "le"),
    "too_short": ("{} or more items", "min_length"),
    "too_long": ("{} items at most", "max_length"),
    "string_too_short": ("{} or more characters", "min_length"),
    "string_too_long": ("{} characters at most", "max_length"),
    "multiple_of": ("a multiple of {}", "multiple_of"),
}

_ABSENT = object()


def readable_problems(
    document: Document,
    name: str,
    kind: type[BaseModel],
    given: Mapping[str, Any],
    error: ValidationError,
) -> list[Problem]:
    """A section's problems, one a key: the branches of a union become one message.

    Args:
        document: gives each key its line.
        name: of the section.
        kind: the section's class.
        given: its keys and values.
        error: what pydantic found.
    """
    by_key: dict[KeyPath, list[dict[str, Any]]] = {}
    for found in error.errors(include_url=False):
        detail: dict[str, Any] = {**found}
        by_key.setdefault(_key_path(given, detail), []).append(detail)
    return [
        document.problem((name, *path), _message(kind, path, details, _value_at(given, path)))
        for path, details in by_key.items()
        if not _other_branch(path, details, by_key)
    ]


def _key_path(given: Any, detail: Mapping[str, Any]) -> KeyPath:
    """The parts of a pydantic location that are keys or indices of the user's own data; the
    others name a branch of a union."""
    if detail["type"] == "mistake":
        return tuple(detail["ctx"]["key"].split("."))
    path: list[str | int] = []
    for index, part in enumerate(detail["loc"]):
        last = index == len(detail["loc"]) - 1
        below = _value_at(given, (part,))
        if below is not _ABSENT:
            path.append(part)
            given = below
        elif last and detail["type"] == "missing":
            path.append(part)
    return tuple(path)


def _value_at(given: Any, path: KeyPath) -> Any:
    for part in path:
        if not isinstance(given, dict | list):
            return _ABSENT
        container: Any = given
        try:
            given = container[part]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return given


def _other_branch(
    path: KeyPath,
    details: list[dict[str, Any]],
    by_key: Mapping[KeyPath, list[dict[str, Any]]],
) -> bool:
    """Whether a union has a branch that the value fits better, down to some key inside it."""
    inside = any(len(other) > len(path) and other[: len(path)] == path for other in by_key)
    return inside and all(_is_wrong_type(detail) for detail in details)


def _is_wrong_type(detail: Mapping[str, Any]) -> bool:
    if detail["type"] == "literal_error":
        return not isinstance(detail["input"], str)
    return detail["type"] in _WRONG_TYPES


def _message(
    kind: type[BaseModel], path: KeyPath, details: list[dict[str, Any]], value: Any
) -> str:
    first = details[0]
    if first["type"] == "extra_forbidden":
        return _unknown_key(kind, path)
    if first["type"] == "missing":
        return _missing_key(kind, path)
    fitting = [detail for detail in details if not _is_wrong_type(detail)] or details
    if fitting[0]["type"] in ("mistake", "value_error"):
        context = fitting[0]["ctx"]
        message, hint = str(context.get("message") or context["error"]), ""
    else:
        expected = dict.fromkeys(_expected(detail) for detail in fitting)
        message, hint = "expected " + " or ".join(expected), _near_choice(fitting)
    was = "" if value is _ABSENT else f", was: {shown(value)}"
    return message + was + hint


def _expected(detail: Mapping[str, Any]) -> str:
    kind = detail["type"]
    if kind in _EXPECTED:
        return _EXPECTED[kind]
    if kind == "literal_error":
        choices = _choices(detail)
        return choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    if kind in _BOUNDS:
        words, limit = _BOUNDS[kind]
        return words.format(f"{detail['ctx'][limit]:g}")
    return str(detail["msg"]).removeprefix("Input should be ")


def _choices(detail: Mapping[str, Any]) -> list[str]:
    """Of a literal error, whose context says ``'a', 'b' or 'c'``."""
    return str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "").split(", ")


def _near_choice(details: list[dict[str, Any]]) -> str:
    for detail in details:
        if detail["type"] == "literal_error":
            near = did_you_mean(str(detail["input"]), _choices(detail))
            return f"; {near}" if near.startswith("did") else ""
    return ""


def _unknown_key(kind: type[BaseModel], path: KeyPath) -> str:
    section = _section_at(kind, path[:-1])
    name = str(path[-1])
    if name in getattr(section, "found_in_data", ()):
        return "this size is found in the data; remove the key"
    return f"unknown key; {did_you_mean(name, section.model_fields)}"


def _missing_key(kind: type[BaseModel], path: KeyPath) -> str:
    field = _section_at(kind, path[:-1]).model_fields.get(str(path[-1]))
    about = field.description if field else None
    return "this key is missing" + (f" ({about.rstrip('.')})" if about else "")


def _section_at(kind: type[BaseModel], path: KeyPath) -> type[BaseModel]:
    """The class of the section inside ``kind`` that holds the keys at ``path``."""
    for part in path:
        field = kind.model_fields.get(str(part))
        if field is None:
            return kind
        for candidate in (field.annotation, *get_args(field.annotation)):
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                kind = candidate
    return kind
