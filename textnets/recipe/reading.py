"""From a YAML file to a checked :class:`~textnets.recipe.sections.Recipe`.

All mistakes are collected and raised at once. Nothing here knows a kind of task: the
tasks hand in their section classes as :class:`TaskSchema`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from textnets.builders import BUILDERS
from textnets.builders.custom import import_builder, is_custom
from textnets.errors import InputError, Problem, RecipeError, did_you_mean
from textnets.recipe.document import Document, shown
from textnets.recipe.messages import readable_problems
from textnets.recipe.model_section import builder_schema
from textnets.recipe.sections import (
    Claim,
    DataSection,
    EvaluationSection,
    Recipe,
    Section,
    TrainingSection,
)

SECTIONS = ("task", "data", "text", "model", "training", "evaluation", "seed", "claim")
_OPTIONAL = ("text", "training", "evaluation", "seed", "claim")
MAX_SEED = 2**31 - 1


@dataclass(frozen=True)
class TaskSchema:
    """What a task's recipes look like.

    Attributes:
        data, text, training, evaluation: the task's own section classes.
        sizes: builder parameters that the task can fill in from the data.
        required_sizes: those that a builder must take to fit the task.
        reads: of these a builder must take exactly one: what kind of ids it reads.
    """

    data: type[DataSection]
    text: type[Section]
    training: type[TrainingSection]
    sizes: frozenset[str]
    required_sizes: frozenset[str]
    reads: frozenset[str] = frozenset()
    evaluation: type[EvaluationSection] = EvaluationSection


def check_document(
    document: Document,
    path: Path | None,
    *,
    tasks: Mapping[str, TaskSchema],
    datasets: Mapping[str, Mapping[str, Any]],
) -> Recipe:
    """Check a recipe that was read, its overrides applied.

    Args:
        document: of the recipe.
        path: of its file; ``None`` where it is in none.
        tasks: the tasks that there are, by name.
        datasets: the catalog: for each name the ``data:`` keys it stands for.

    Raises:
        RecipeError: with every mistake that was found.
    """
    problems = _unknown_sections(document)
    schema = _find_task(document, tasks, problems)
    _fill_in_dataset(document, datasets, problems)
    sections: dict[str, Any] = {"task": document.data.get("task")}
    if schema is not None:
        for name, kind in (("data", schema.data), ("text", schema.text)):
            sections[name] = _check_section(document, name, kind, problems)
        sections["training"] = _check_section(document, "training", schema.training, problems)
        sections["model"] = _check_model(document, schema, problems)
    evaluation = schema.evaluation if schema is not None else EvaluationSection
    sections["evaluation"] = _check_section(document, "evaluation", evaluation, problems)
    sections["seed"] = _check_seed(document, problems)
    if document.data.get("claim") is not None:
        sections["claim"] = _check_section(document, "claim", Claim, problems)
    problems = [problem for problem in problems if not document.is_refused(problem)]
    if problems or document.problems:
        found = sorted([*document.problems, *problems], key=_by_position)
        raise RecipeError(document.source, found)
    return Recipe(**sections, path=path)


def find_builder(name: str) -> Any:
    """The builder function of that name; ``None`` if there is none.

    Raises:
        InputError: a builder of the user's own cannot be imported.
    """
    return import_builder(name) if is_custom(name) else BUILDERS.get(name)


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
    if "task" not in document.data:
        return None
    name = document.data["task"]
    if isinstance(name, str) and name in tasks:
        return tasks[name]
    hint = did_you_mean(str(name), tasks)
    problems.append(document.problem(("task",), f"unknown task, was: {shown(name)}; {hint}"))
    # The other sections are checked as those of the task that was probably meant.
    near = difflib.get_close_matches(str(name), tasks, n=1)
    return tasks[near[0]] if near else None


def _fill_in_dataset(
    document: Document, datasets: Mapping[str, Mapping[str, Any]], problems: list[Problem]
) -> None:
    """Write the catalog's files and columns after ``dataset``; the recipe's own keys win."""
    data = document.data.get("data")
    if not isinstance(data, dict) or not isinstance(data.get("dataset"), str):
        return
    name = data["dataset"]
    if name not in datasets:
        message = f"unknown dataset, was: {shown(name)}; {did_you_mean(name, datasets)}"
        problems.append(document.problem(("data", "dataset"), message))
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
        message = f"expected a section of keys, was: {shown(given)}"
        problems.append(document.problem((name,), message))
        return None
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems += readable_problems(document, name, kind, given, error)
        return None


def _check_seed(document: Document, problems: list[Problem]) -> int:
    seed = document.data.get("seed", 7)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= MAX_SEED:
        message = f"expected a whole number from 0 to {MAX_SEED}, was: {shown(seed)}"
        problems.append(document.problem(("seed",), message))
        return 0
    return seed


def _check_model(
    document: Document, schema: TaskSchema, problems: list[Problem]
) -> dict[str, Any] | None:
    if "model" not in document.data:
        return None
    given = document.data["model"]
    choices = f"one of {', '.join(fitting_builders(schema))}"
    if given is not None and not isinstance(given, dict):
        message = f"expected a section of keys with a builder ({choices}), was: {shown(given)}"
        problems.append(document.problem(("model",), message))
        return None
    if not given or "builder" not in given:
        _report_no_builder(document, given or {}, choices, problems)
        return None
    name = given["builder"]
    misfit = _misfit(name, schema)
    if misfit is not None:
        problems.append(document.problem(("model", "builder"), misfit))
        return None
    section = builder_schema(name, find_builder(name)).section
    checked = _check_section(document, "model", section, problems)
    return None if checked is None else checked.model_dump(mode="json")


def _report_no_builder(
    document: Document, given: Mapping[str, Any], choices: str, problems: list[Problem]
) -> None:
    problems.append(document.problem(("model", "builder"), f"this key is missing; {choices}"))
    for key in difflib.get_close_matches("builder", given, n=1, cutoff=0.75):
        message = "unknown key; did you mean 'builder'?"
        problems.append(document.problem(("model", key), message))


def _misfit(name: Any, schema: TaskSchema) -> str | None:
    try:
        builder = find_builder(name) if isinstance(name, str) else None
    except InputError as error:
        return str(error)
    if builder is None:
        return f"unknown builder, was: {shown(name)}; {did_you_mean(str(name), BUILDERS)}"
    try:
        takes = builder_schema(name, builder)
    except TypeError as error:  # of ours, a test would have found it
        return str(error)
    lacking = schema.required_sizes - takes.from_data
    if schema.reads and len(schema.reads & takes.from_data) != 1:
        lacking |= schema.reads
    beyond = takes.required_from_data - schema.sizes
    if lacking or beyond:
        names = ", ".join(sorted(lacking | beyond))
        return f"builder '{name}' does not fit this task (see its parameters: {names})"
    return None


def _by_position(problem: Problem) -> tuple[int, int]:
    """In file order; what has no place in the file comes last."""
    return (problem.line or 10**9, problem.column or 0)
