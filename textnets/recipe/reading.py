"""From a YAML file to a checked :class:`~textnets.recipe.sections.Recipe`.

All mistakes are collected and raised at once. Nothing here knows a kind of task: the
tasks hand in their section classes as :class:`TaskSchema`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from textnets.builders import BUILDERS
from textnets.errors import Problem, RecipeError, did_you_mean
from textnets.recipe.document import Document, apply_overrides, read_document
from textnets.recipe.model_section import builder_schema
from textnets.recipe.sections import (
    Claim,
    DataSection,
    EvaluationSection,
    Recipe,
    TextSection,
    TrainingSection,
)

SECTIONS = ("task", "data", "text", "model", "training", "evaluation", "seed", "claim")
_OPTIONAL = ("text", "training", "evaluation", "seed", "claim")
_MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class TaskSchema:
    """What a task's recipes look like.

    Attributes:
        data, text, training: the task's own section classes.
        sizes: builder parameters that the task can fill in from the data.
        required_sizes: those that a builder must take to fit the task.
    """

    data: type[DataSection]
    text: type[TextSection]
    training: type[TrainingSection]
    sizes: frozenset[str]
    required_sizes: frozenset[str]


def read_recipe(
    path: Path,
    overrides: Sequence[str] = (),
    *,
    tasks: Mapping[str, TaskSchema],
    datasets: Mapping[str, Mapping[str, Any]],
) -> Recipe:
    """Read and check one recipe.

    Args:
        path: the YAML file.
        overrides: ``section.key=value`` strings.
        tasks: the tasks that there are, by name.
        datasets: the catalog: for each name the ``data:`` keys it stands for.

    Raises:
        RecipeError: with every mistake that was found.
    """
    document = read_document(path)
    apply_overrides(document, overrides)
    return check_document(document, path, tasks=tasks, datasets=datasets)


def check_document(
    document: Document,
    path: Path | None,
    *,
    tasks: Mapping[str, TaskSchema],
    datasets: Mapping[str, Mapping[str, Any]],
) -> Recipe:
    """Check a document that was read already; see :func:`read_recipe`."""
    problems = _unknown_sections(document)
    schema = _find_task(document, tasks, problems)
    _fill_in_dataset(document, datasets, problems)
    sections: dict[str, Any] = {"task": document.data.get("task")}
    if schema is not None:
        for name, kind in (("data", schema.data), ("text", schema.text)):
            sections[name] = _check_section(document, name, kind, problems)
        sections["training"] = _check_section(document, "training", schema.training, problems)
        sections["model"] = _check_model(document, schema, problems)
    sections["evaluation"] = _check_section(document, "evaluation", EvaluationSection, problems)
    sections["seed"] = _check_seed(document, problems)
    if document.data.get("claim") is not None:
        sections["claim"] = _check_section(document, "claim", Claim, problems)
    if problems:
        raise RecipeError(document.source, sorted(problems, key=_by_position))
    return Recipe(**sections, path=path)


def find_builder(name: str) -> Any:
    """The builder function of that name; ``None`` if there is none."""
    return BUILDERS.get(name)


def fitting_builders(schema: TaskSchema) -> list[str]:
    """Names of the builders whose signature fits a task."""
    return [name for name in BUILDERS if _misfit(name, schema) is None]


# --- Sections ---


def _unknown_sections(document: Document) -> list[Problem]:
    problems = [
        document.problem((key,), f"unknown section; {did_you_mean(key, SECTIONS)}")
        for key in document.data
        if key not in SECTIONS
    ]
    for key in SECTIONS:
        if key not in document.data and key not in _OPTIONAL:
            problems.append(Problem(key, "this section is missing"))
    return problems


def _find_task(
    document: Document, tasks: Mapping[str, TaskSchema], problems: list[Problem]
) -> TaskSchema | None:
    name = document.data.get("task")
    if name is None:
        return None
    if not isinstance(name, str) or name not in tasks:
        hint = did_you_mean(str(name), tasks)
        problems.append(document.problem(("task",), f"unknown task, was: {name!r}; {hint}"))
        return None
    return tasks[name]


def _fill_in_dataset(
    document: Document, datasets: Mapping[str, Mapping[str, Any]], problems: list[Problem]
) -> None:
    """Write the catalog's files and columns behind ``dataset``; the recipe's own keys win."""
    data = document.data.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("dataset"), str):
        return
    name = data["dataset"]
    if name not in datasets:
        hint = did_you_mean(name, datasets)
        problems.append(
            document.problem(("data", "dataset"), f"unknown dataset, was: {name!r}; {hint}")
        )
        return
    document.data["data"] = {**datasets[name], **data}


def _check_section(
    document: Document, name: str, kind: type[BaseModel], problems: list[Problem]
) -> Any:
    given = document.data.get(name)
    if given is None:
        given = {}
        if name not in document.data and name not in _OPTIONAL:
            return None  # reported as missing already
    if not isinstance(given, dict):
        message = f"expected a section of keys, was: {given!r}"
        problems.append(document.problem((name,), message))
        return None
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems += _readable(document, (name,), kind, error)
        return None


def _check_seed(document: Document, problems: list[Problem]) -> int:
    seed = document.data.get("seed", 7)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= _MAX_SEED:
        message = f"expected a whole number from 0 to {_MAX_SEED}, was: {seed!r}"
        problems.append(document.problem(("seed",), message))
        return 0
    return seed


def _check_model(
    document: Document, schema: TaskSchema, problems: list[Problem]
) -> dict[str, Any] | None:
    given = document.data.get("model")
    if not isinstance(given, dict) or "builder" not in given:
        if "model" in document.data:
            message = f"name a builder: {', '.join(fitting_builders(schema))}"
            problems.append(document.problem(("model",), message))
        return None
    name = given["builder"]
    misfit = _misfit(name, schema)
    if misfit is not None:
        problems.append(document.problem(("model", "builder"), misfit))
        return None
    section = builder_schema(name, find_builder(name)).section
    checked = _check_section(document, "model", section, problems)
    return None if checked is None else checked.model_dump(mode="json")


def _misfit(name: Any, schema: TaskSchema) -> str | None:
    builder = find_builder(name) if isinstance(name, str) else None
    if builder is None:
        return f"unknown builder, was: {name!r}; {did_you_mean(str(name), BUILDERS)}"
    takes = builder_schema(name, builder)
    lacking = schema.required_sizes - takes.from_data
    beyond = takes.required_from_data - schema.sizes
    if lacking or beyond:
        names = ", ".join(sorted(lacking | beyond))
        return f"builder '{name}' does not fit this task (see its parameters: {names})"
    return None


# --- Messages ---


def _readable(
    document: Document, path: tuple[str, ...], kind: type[BaseModel], error: ValidationError
) -> list[Problem]:
    """Pydantic's errors in our words, one a key (the branches of a union are joined)."""
    by_key: dict[tuple[str | int, ...], list[str]] = {}
    for detail in error.errors(include_url=False):
        location = _without_union_tags(kind, detail["loc"])
        messages = by_key.setdefault(location, [])
        message = _message(kind, location, dict(detail))
        if message not in messages:
            messages.append(message)
    problems = []
    for location, messages in by_key.items():
        message = " or ".join(messages)
        given = _value_at(document, (*path, *location))
        if given is not _ABSENT and not isinstance(given, dict):
            message += f", was: {given!r}"
        problems.append(document.problem((*path, *location), message))
    return problems


_ABSENT = object()


def _value_at(document: Document, path: tuple[str | int, ...]) -> Any:
    value: Any = document.data
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return value


def _without_union_tags(kind: type[BaseModel], location: tuple[str | int, ...]) -> Any:
    """Keep the parts of a pydantic location that are keys or indices of the user's data."""
    kept: list[str | int] = []
    for index, part in enumerate(location):
        if index == 0 or isinstance(part, int) or part in _nested_keys(kind, location[0]):
            kept.append(part)
        elif index == len(location) - 1 and part.isidentifier() and _has_nested(kind, location[0]):
            kept.append(part)  # an unknown key inside a nested section
    return tuple(kept)


def _nested(kind: type[BaseModel], key: Any) -> type[BaseModel] | None:
    from typing import get_args

    field = kind.model_fields.get(str(key))
    for candidate in get_args(field.annotation) if field else ():
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            return candidate
    return None


def _has_nested(kind: type[BaseModel], key: Any) -> bool:
    return _nested(kind, key) is not None


def _nested_keys(kind: type[BaseModel], key: Any) -> set[str]:
    nested = _nested(kind, key)
    return set(nested.model_fields) if nested else set()


def _message(kind: type[BaseModel], location: tuple[str | int, ...], detail: dict[str, Any]) -> str:
    if detail["type"] == "extra_forbidden":
        known = set(kind.model_fields)
        if len(location) > 1:
            known = _nested_keys(kind, location[0])
        return f"unknown key; {did_you_mean(str(location[-1]), known)}"
    if detail["type"] == "missing":
        about = kind.model_fields[str(location[0])].description if location else None
        return "this key is missing" + (f" ({about})" if about else "")
    if detail["type"] == "literal_error":
        expected = str(detail["ctx"]["expected"]).replace(" or ", ", ").replace("'", "")
        near = did_you_mean(str(detail["input"]), expected.split(", "))
        return f"expected one of {expected}" + (f"; {near}" if near.startswith("did") else "")
    if detail["type"] == "value_error":
        return str(detail["ctx"]["error"])
    message = str(detail["msg"]).replace("Input should be", "expected").replace("valid ", "")
    return message[0].lower() + message[1:]


def _by_position(problem: Problem) -> tuple[int, int]:
    return (problem.line or 10**9, problem.column or 0)
