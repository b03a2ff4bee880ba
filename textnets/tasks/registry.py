"""From a recipe, or a run, to its task."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from textnets.builders.custom import module_of, only_modules
from textnets.data.catalog import CATALOG
from textnets.errors import RecipeError, RunError
from textnets.recipe import Recipe
from textnets.recipe.document import Document, apply_overrides, read_document
from textnets.recipe.reading import check_document
from textnets.run.layout import RECIPE_FILE
from textnets.tasks.classification import ClassificationTask
from textnets.tasks.language_modeling import LanguageModelingTask
from textnets.tasks.tagging import TaggingTask
from textnets.tasks.task import Task
from textnets.tasks.translation import TranslationTask

#: A task of whatever kind, as who knows none sees it.
AnyTask = Task[Any, Any, Any]

TASKS: dict[str, type[AnyTask]] = {
    "classification": ClassificationTask,
    "tagging": TaggingTask,
    "translation": TranslationTask,
    "language_modeling": LanguageModelingTask,
}


def read_task(
    path: Path, overrides: Sequence[str] = (), *, allow_builders: Collection[str] | None = None
) -> AnyTask:
    """Read and check a recipe, and make its task.

    Args:
        path: of the recipe.
        overrides: ``a.b=value``.
        allow_builders: modules whose builders may be imported; all where it is ``None``.

    Raises:
        RecipeError: with every mistake of the recipe.
    """
    document = read_document(path)
    apply_overrides(document, overrides)
    with only_modules(allow_builders):
        return task_from(document, path)


def read_run(
    folder: Path, overrides: Sequence[str] = (), *, allow_builders: Sequence[str] = ()
) -> AnyTask:
    """The task of a run directory, without its vocabularies.

    Nothing that the run names is imported, unless the caller says so.

    Args:
        folder: of the run.
        overrides: as in :func:`read_task`.
        allow_builders: modules whose builders may be imported.

    Raises:
        RunError: the run's builder is of another module.
        RecipeError: its recipe has mistakes.
    """
    path = folder / RECIPE_FILE
    document = read_document(path)
    for builder in builders_of(document.data):
        if (module := module_of(builder)) and module not in allow_builders:
            raise RunError(
                f"{folder}: its builder {builder!r} is none of textnets' own; --allow-builder "
                f"{module} imports that module (in Python allow_builders=[{module!r}]), which "
                "runs its code"
            )
    apply_overrides(document, overrides)
    with only_modules(allow_builders):
        return task_from(document, path, is_of_run=True)


def builders_of(sections: Mapping[str, Any]) -> list[str]:
    """The builders that a recipe names, of all members of an ensemble too."""
    ensemble = sections.get("ensemble")
    members = ensemble.get("members") if isinstance(ensemble, dict) else None
    places = [sections, *(members if isinstance(members, list) else [])]
    models = [place.get("model") for place in places if isinstance(place, dict)]
    return [str(model.get("builder")) for model in models if isinstance(model, dict)]


def task_from(document: Document, path: Path | None, *, is_of_run: bool = False) -> AnyTask:
    """The task of a recipe that was read already; see :func:`read_task`, :func:`read_run`."""
    recipe = check_document(
        document,
        path,
        tasks={name: task.schema for name, task in TASKS.items()},
        datasets=_datasets_for(document.data.get("task")),
        is_of_run=is_of_run,
    )
    task = task_of(recipe)
    if mistakes := task.mistakes():
        problems = [document.problem(key, message) for key, message in mistakes]
        raise RecipeError(document.source, problems)
    return task


def _datasets_for(task: object) -> dict[str, Mapping[str, Any] | None]:
    """The keys of ``data:`` that each set of the catalog stands for in a recipe of a task, ``None``
    where the task cannot read it.

    Texts in a column are for any task that reads a column of texts, which has the files and those
    columns that it knows: a language model reads reviews without their labels.
    """
    if not isinstance(task, str) or task not in TASKS:
        return {name: entry.defaults for name, entry in CATALOG.items()}
    known, found = TASKS[task].schema.data.model_fields, dict[str, Mapping[str, Any] | None]()
    for name, entry in CATALOG.items():
        if entry.task == task:
            found[name] = entry.defaults
        elif "text" in known and "text" in entry.defaults:
            found[name] = {key: value for key, value in entry.defaults.items() if key in known}
        else:
            found[name] = None
    return found


def task_of(recipe: Recipe) -> AnyTask:
    """The task of a recipe, ready to read its data."""
    return TASKS[recipe.task](recipe)
