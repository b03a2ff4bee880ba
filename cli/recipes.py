"""``textnets recipes``."""

from __future__ import annotations

import click


@click.command(short_help="List the recipes that ship along, or copy one out.")
@click.argument("name", required=False)
@click.option("--output", "-o", metavar="FILE", help="Where to copy it.  [default: ./NAME.yaml]")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
def recipes(name: str | None, output: str | None, overwrite: bool) -> None:
    """List the recipes that ship with textnets, or copy the one called NAME out."""
    from textnets.recipe.shipped import copy_recipe, shipped_recipes

    from .tables import show_facts

    if name is None and (output is not None or overwrite):
        raise click.UsageError("name the recipe to copy.")
    if name is None:
        show_facts([(shipped.name, shipped.summary) for shipped in shipped_recipes()])
        return
    path = copy_recipe(name, output, overwrite=overwrite)
    click.echo(f"{path}: change it, then 'textnets train {path}'")
