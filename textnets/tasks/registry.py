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
        return task_from(document, path)


def builders_of(sections: Mapping[str, Any]) -> list[str]:
    """The builders that a recipe names, of all members of an ensemble too."""
    ensemble = sections.get("ensemble")
    members = ensemble.get("members") if isinstance(ensemble, dict) else None
    places = [sections, *(members if isinstance(members, list) else [])]
    models = [place.get("model") for place in places if isinstance(place, dict)]
    return [str(model.get("builder")) for model in models if isinstance(model, dict)]


def task_from(document: Document, path: Path | None) -> AnyTask:
    """The task of a recipe that was read already; see :func:`read_task`."""
    recipe = check_document(
        document,
        path,
        tasks={name: task.schema for name, task in TASKS.items()},
        datasets=_datasets_for(document.data.get("task")),
    )
    task = task_of(recipe)
    if mistakes := task.mistakes():
        problems = [document.problem(key, message) for key, message in mistakes]
        raise RecipeError(document.source, problems)
    return task


def _datasets_for(task: object) -> dict[str, Mapping[str, Any]]:
    """The keys of ``data:`` that each set of the catalog stands for in a recipe of a task.

    A set of texts in a column is one for any task that reads such texts, of which it has the files
    and the columns that the task knows: a language model reads reviews without their labels.
    """
    schema = TASKS[task].schema if isinstance(task, str) and task in TASKS else None
    found: dict[str, Mapping[str, Any]] = {}
    for name, entry in CATALOG.items():
        keys = entry.defaults
        if schema is not None and entry.task != task and "text" in keys:
            known = schema.data.model_fields
            if "text" in known:
                keys = {key: value for key, value in keys.items() if key in known}
        found[name] = keys
    return found


def task_of(recipe: Recipe) -> AnyTask:
    """The task of a recipe, ready to read its data."""
    return TASKS[recipe.task](recipe)
