"""``textnets schema``."""

from __future__ import annotations

import click


@click.command(short_help="Print the JSON Schema of recipes, for editors.")
def schema() -> None:
    """Print the JSON Schema of recipes, for editors that complete and check them.

    Save it, and put '# yaml-language-server: $schema=textnets.schema.json' into a recipe.
    """
    import json

    from textnets.recipe.schema import recipe_schema
    from textnets.tasks import TASKS

    tasks = {name: task.schema for name, task in TASKS.items()}
    click.echo(json.dumps(recipe_schema(tasks), indent=2))
