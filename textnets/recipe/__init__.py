"""What was asked for: YAML with positions, typed sections, overrides, JSON Schema."""

from textnets.recipe.reading import TaskSchema, read_recipe
from textnets.recipe.sections import Recipe

__all__ = ["Recipe", "TaskSchema", "read_recipe"]
