"""From a YAML file to a checked :class:`~textnets.recipe.sections.Recipe`.

All mistakes are collected and raised at once. Nothing here knows a kind of task: the
tasks hand in their section classes as :class:`TaskSchema`.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from textnets.builders import BUILDERS
from textnets.builders.custom import import_builder, is_custom
from textnets.errors import InputError, Problem, RecipeError, did_you_mean
from textnets.recipe.document import Document, KeyPath, read_document, shown
from textnets.recipe.messages import readable_problems
from textnets.recipe.model_section import builder_schema
from textnets.recipe.sections import (
    MAX_SEED,
    Claim,
    DataSection,
    Ensemble,
    EnsembleSection,
    EvaluationSection,
    Member,
    MemberSection,
    Recipe,
    Section,
    TrainingSection,
)
from textnets.recipe.shipped import recipe_path

SECTIONS = (
    "task", "data", "text", "model", "training", "ensemble", "evaluation", "seed", "claim",
)  # fmt: skip
_OPTIONAL = ("text", "training", "ensemble", "evaluation", "seed", "claim")
_OF_MEMBERS = ("text", "model", "training")


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
    datasets: Mapping[str, Mapping[str, Any] | None],
    is_of_run: bool = False,
) -> Recipe:
    """Check a recipe that was read, its overrides applied.

    Args:
        document: of the recipe.
        path: of its file; ``None`` where it is in none.
        tasks: the tasks that there are, by name.
        datasets: the catalog: for each name the ``data:`` keys it stands for, ``None`` where it is
            none for this task.
        is_of_run: whether a run wrote it, which says all that it was trained with.

    Raises:
        RecipeError: with every mistake that was found.
    """
    if not is_of_run and not _has_members(document):
        document = _with_training_of_builder(document)
    problems = _unknown_sections(document)
    schema = _find_task(document, tasks, problems)
    _fill_in_dataset(document, datasets, problems)
    sections: dict[str, Any] = {"task": document.data.get("task")}
    if schema is not None:
        sections["data"] = _check_section(document, "data", schema.data, problems)
        if document.data.get("ensemble") is None:
            sections["text"] = _check_section(document, "text", schema.text, problems)
            sections["training"] = _check_section(document, "training", schema.training, problems)
            sections["model"] = _check_model(document, schema, problems)
        else:
            sections |= _check_ensemble(document, schema, path, problems, is_of_run)
    evaluation = schema.evaluation if schema is not None else EvaluationSection
    sections["evaluation"] = _check_section(document, "evaluation", evaluation, problems)
    sections["seed"] = _check_seed(document, problems)
    if document.data.get("claim") is not None:
        sections["claim"] = _check_section(document, "claim", Claim, problems)
    problems = [problem for problem in problems if not document.is_refused(problem)]
    if problems or document.problems:
        told = dict.fromkeys([*document.problems, *problems])  # of what members share, once
        found = sorted(told, key=_by_position)
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
    of_members = {"model"} if _has_members(document) else set()
    for key in SECTIONS:
        if key not in document.data and key not in _OPTIONAL and key not in of_members:
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
    document: Document, datasets: Mapping[str, Mapping[str, Any] | None], problems: list[Problem]
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
    if (keys := datasets[name]) is None:
        fitting = ", ".join(sorted(name for name, keys in datasets.items() if keys is not None))
        message = f"no dataset of this task, was: {shown(name)}; choose among {fitting}"
        problems.append(document.problem(("data", "dataset"), message))
        return
    document.data["data"] = {**keys, **data}


def _with_training_of_builder(document: Document) -> Document:
    """With what its builder makes of ``training``, before which go the recipe's own keys.

    Who says how many epochs there are wants no more of them for the sake of steps.
    """
    model, given = document.data.get("model"), document.data.get("training")
    name = model.get("builder") if isinstance(model, dict) else None
    if not isinstance(name, str) or not isinstance(given, dict | None):
        return document
    try:
        builder = find_builder(name)
        defaults = builder_schema(name, builder).training if builder is not None else {}
    except (InputError, TypeError):  # told where the model is checked
        return document
    given = given or {}
    left_out = {"min_steps"} if "epochs" in given else set()
    defaults = {key: value for key, value in defaults.items() if key not in left_out}
    training = {**defaults, **given}
    return dataclasses.replace(document, data={**document.data, "training": training})


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
    return None if checked is None else checked.as_written()


# --- Ensembles ---


def _has_members(document: Document) -> bool:
    ensemble = document.data.get("ensemble")
    return isinstance(ensemble, dict) and ensemble.get("members") is not None


def _check_ensemble(
    document: Document,
    schema: TaskSchema,
    path: Path | None,
    problems: list[Problem],
    is_of_run: bool,
) -> dict[str, Any]:
    """The ensemble, and the sections of its first member."""
    section = _check_section(document, "ensemble", EnsembleSection, problems)
    if section is None:
        return {}
    if section.members is None:
        documents = [(document, MemberSection(name=None, seeds=section.seeds))]  # type: ignore[call-arg]
    else:
        documents = [
            (_member_document(document, index, member, path, problems), member)
            for index, member in enumerate(section.members)
        ]
        if not is_of_run:
            documents = [(_with_training_of_builder(inner), member) for inner, member in documents]
    members: list[Member] = []
    for inner, member in documents:
        found = {
            "text": _check_section(inner, "text", schema.text, problems),
            "training": _check_section(inner, "training", schema.training, problems),
            "model": _check_model(inner, schema, problems),
        }
        if "model" not in inner.data and section.members is not None:
            problems.append(inner.problem(("model",), "this section is missing"))
        if any(part is None for part in found.values()):
            continue
        taken = {name for other in members for name in (other.name, *other.run_names)}
        name = member.name or _free_name(found["model"]["builder"], taken)
        made = Member(name=name, seeds=member.seeds, **found)
        if twice := taken & {name, *made.run_names}:
            message = f"two members are called {sorted(twice)[0]!r}; give each a name"
            problems.append(inner.problem(("name",), message))
        members.append(made)
    if not members:
        return {}
    first = members[0]
    return {
        "text": first.text,
        "model": first.model,
        "training": first.training,
        "ensemble": Ensemble(members=members, weights=section.weights),
    }


def _free_name(builder: str, taken: Collection[str]) -> str:
    name = builder.rpartition(":")[2]
    return next(
        found for n in count(1) if (found := name if n == 1 else f"{name}-{n}") not in taken
    )


def _member_document(
    document: Document,
    index: int,
    member: MemberSection,
    path: Path | None,
    problems: list[Problem],
) -> Document:
    """A member as a recipe of its own, whose mistakes are told at their places in the file."""
    where = ("ensemble", "members", index)
    of_file: dict[str, Any] = {}
    if member.recipe is not None:
        try:
            of_file = _member_recipe(member.recipe, path)
        except InputError as error:
            problems.append(document.problem((*where, "recipe"), str(error)))
    data: dict[str, Any] = {}
    for name in _OF_MEMBERS:
        given = getattr(member, name)
        shared = of_file.get(name, document.data.get(name))
        if name == "model" and given is not None and "builder" in given:
            shared = None  # the keys of another builder
        if isinstance(shared, dict) or given is not None:
            data[name] = {**(shared if isinstance(shared, dict) else {}), **(given or {})}
    return MemberDocument(document.source, data, whole=document, where=where, member=member)


def _member_recipe(name: str, path: Path | None) -> dict[str, Any]:
    beside = (path.parent if path else Path()) / name
    found = read_document(beside if beside.exists() else recipe_path(name))
    return found.data


@dataclass
class MemberDocument(Document):
    """A member's sections; what it leaves out is the whole recipe's."""

    whole: Document = field(kw_only=True)
    where: tuple[str | int, ...] = field(kw_only=True)
    member: MemberSection = field(kw_only=True)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """At the member's own key, or at the recipe's which it takes over."""
        given = getattr(self.member, str(path[0])) or {}
        is_shared = self.member.recipe is None and path[0] in self.whole.data
        is_own = isinstance(given, dict) and (path[1:2] == () or path[1] in given)
        if is_shared and path[0] in _OF_MEMBERS and not (given and is_own):
            return self.whole.problem(path, message)
        return self.whole.problem((*self.where, *path), message)


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
