"""``textnets schema``."""

from __future__ import annotations

import click


@click.command(short_help="Print the JSON Schema of recipes, for editors.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["json", "markdown"]),
    default="json",
    show_default=True,
    help="markdown: every key as a page for people.",
)
def schema(output_format: str) -> None:
    """Print the JSON Schema of recipes, for editors that complete and check them.

    Save it, and put '# yaml-language-server: $schema=textnets.schema.json' into a recipe.
    """
    import json

    from textnets.recipe.reference import recipe_reference
    from textnets.recipe.schema import recipe_schema
    from textnets.tasks import TASKS

    tasks = {name: task.schema for name, task in TASKS.items()}
    if output_format == "markdown":
        about = {name: task.__doc__ or "" for name, task in TASKS.items()}
        click.echo(recipe_reference(tasks, about), nl=False)
        return
    click.echo(json.dumps(recipe_schema(tasks), indent=2))
