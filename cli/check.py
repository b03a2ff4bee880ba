"""``textnets check``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("recipe", metavar="RECIPE")
@options.overrides
@options.quiet
def check(recipe: str, overrides: tuple[str, ...], quiet: bool) -> None:
    """Check RECIPE and its data, and say what training it would do.

    Sizes, parameters, truncated and unknown shares, texts that stand in two splits, and
    whether the fused GPU kernel applies. Nothing is written.
    """
    from textnets.pipeline import check as examine
    from textnets.progress import terminal_progress

    from .tables import show_facts

    facts = examine(recipe, overrides, progress=terminal_progress(quiet=quiet))
    show_facts([(fact.name, fact.value) for fact in facts])
