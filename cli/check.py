"""``textnets check``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("recipe", metavar="RECIPE")
@options.overrides
@options.allow_builders
@options.quiet
def check(
    recipe: str, overrides: tuple[str, ...], allow_builders: tuple[str, ...], quiet: bool
) -> None:
    """Check RECIPE and its data, and say what training it would do.

    Sizes, parameters, truncated and unknown shares, texts that stand in two splits, and
    whether the fused GPU kernel applies. Nothing is written, and no builder's module is imported
    that --allow-builder does not name.
    """
    from textnets.pipeline import check as examine
    from textnets.progress import terminal_progress

    from .tables import show_facts

    progress = terminal_progress(quiet=quiet)
    facts = examine(recipe, overrides, allow_builders=allow_builders, progress=progress)
    show_facts([(fact.name, fact.value) for fact in facts])
