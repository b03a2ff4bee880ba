"""The kinds of problem that textnets knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textnets.data.catalog import CATALOG
from textnets.errors import RecipeError
from textnets.recipe import Recipe
from textnets.recipe.document import apply_overrides, read_document
from textnets.recipe.reading import check_document
from textnets.tasks.classification import ClassificationTask
from textnets.tasks.language_modeling import LanguageModelingTask
from textnets.tasks.tagging import TaggingTask
from textnets.tasks.task import Task
from textnets.tasks.translation import TranslationTask

TASKS: dict[str, type[Task[Any]]] = {
    "classification": ClassificationTask,
    "tagging": TaggingTask,
    "translation": TranslationTask,
    "language_modeling": LanguageModelingTask,
}


def read_task(path: Path, overrides: Sequence[str] = ()) -> Task[Any]:
    """Read and check a recipe, and make its task.

    Raises:
        RecipeError: with every mistake of the recipe.
    """
    document = read_document(path)
    apply_overrides(document, overrides)
    recipe = check_document(
        document,
        path,
        tasks={name: task.schema for name, task in TASKS.items()},
        datasets={name: entry.defaults for name, entry in CATALOG.items()},
    )
    task = task_of(recipe)
    if mistakes := task.mistakes():
        problems = [document.problem(key, message) for key, message in mistakes]
        raise RecipeError(document.source, problems)
    return task


def task_of(recipe: Recipe) -> Task[Any]:
    """The task of a recipe, ready to read its data."""
    return TASKS[recipe.task](recipe)


__all__ = ["TASKS", "Task", "read_task", "task_of"]
