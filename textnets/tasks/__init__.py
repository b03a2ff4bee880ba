"""The kinds of problem that textnets knows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textnets.data.catalog import CATALOG
from textnets.recipe import Recipe, read_recipe
from textnets.tasks.classification import ClassificationTask
from textnets.tasks.tagging import TaggingTask
from textnets.tasks.task import Task

TASKS: dict[str, type[Task[Any]]] = {
    "classification": ClassificationTask,
    "tagging": TaggingTask,
}


def read_task(path: Path, overrides: Sequence[str] = ()) -> Task[Any]:
    """Read and check a recipe, and make its task.

    Raises:
        RecipeError: with every mistake of the recipe.
    """
    return task_of(
        read_recipe(
            path,
            overrides,
            tasks={name: task.schema for name, task in TASKS.items()},
            datasets={name: entry.defaults for name, entry in CATALOG.items()},
        )
    )


def task_of(recipe: Recipe) -> Task[Any]:
    """The task of a recipe, ready to read its data."""
    return TASKS[recipe.task](recipe)


__all__ = ["TASKS", "Task", "read_task", "task_of"]
