"""``textnets train``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("recipe", metavar="RECIPE")
@options.overrides
@click.option(
    "--output", "-o", metavar="DIR", help="The run directory.  [default: runs/RECIPE's name]"
)
@click.option("--resume", is_flag=True, help="Continue an unfinished run from its checkpoint.")
@click.option("--overwrite", is_flag=True, help="Replace a run that is there.")
@click.option(
    "--store",
    metavar="DIR",
    help="Train on ids that 'textnets tokenize RECIPE --store DIR' wrote.",
)
@options.device
@options.quiet
def train(
    recipe: str,
    overrides: tuple[str, ...],
    output: str | None,
    resume: bool,
    overwrite: bool,
    store: str | None,
    device: str,
    quiet: bool,
) -> None:
    """Train RECIPE, measure it, and write a run directory.

    RECIPE is a YAML file, or the name of one that ships with textnets ('textnets recipes').
    The run holds the model, its vocabulary, the scores with their confidence intervals
    beside the baselines', and a report that any browser opens.
    """
    from textnets.pipeline import train as run
    from textnets.progress import terminal_progress

    from .tables import show_training

    result = run(
        recipe,
        overrides,
        output=output,
        resume=resume,
        overwrite=overwrite,
        store=store,
        device=device,
        progress=terminal_progress(quiet=quiet),
    )
    show_training(result)
