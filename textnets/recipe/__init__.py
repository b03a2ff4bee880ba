"""What was asked for: YAML with positions, typed sections, overrides, JSON Schema."""

from textnets.recipe.reading import TaskSchema
from textnets.recipe.sections import Recipe

__all__ = ["Recipe", "TaskSchema"]
