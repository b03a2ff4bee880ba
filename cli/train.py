"""``textnets train``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click

from . import options


@click.command()
@click.argument("recipe", metavar="RECIPE")
@options.overrides
@click.option(
    "--output", "-o", metavar="DIR", help="The run directory.  [default: runs/RECIPE's name]"
)
@click.option(
    "--resume",
    is_flag=True,
    help="Continue an unfinished run from its checkpoint, or a finished one with more epochs.",
)
@click.option(
    "--allow-changes",
    is_flag=True,
    help="With --resume: go on with another recipe, data or version, and record that.",
)
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
    allow_changes: bool,
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
    from textnets.errors import StoppedError
    from textnets.pipeline import train as run
    from textnets.progress import terminal_progress

    from .tables import show_training

    try:
        result = run(
            recipe,
            overrides,
            output=output,
            resume=resume,
            allow_changes=allow_changes,
            overwrite=overwrite,
            store=store,
            device=device,
            command=shlex.join(["textnets", *sys.argv[1:]]),
            progress=terminal_progress(quiet=quiet),
        )
    except StoppedError as error:
        click.echo(f"{error}:", err=True)
        command = _continuation(recipe, overrides, output, store, device)
        click.echo(f"  {command}{' --overwrite' if overwrite else ''}", err=True)
        sys.exit(error.exit_code)
    show_training(result)


def _continuation(
    recipe: str, overrides: Sequence[str], output: str | None, store: str | None, device: str
) -> str:
    """The command that continues a stopped training."""
    words = ["textnets", "train", recipe]
    for override in overrides:
        words += ["--set", override]
    given = {"--output": output, "--store": store, "--device": device}
    for flag, value in given.items():
        if value not in (None, "auto"):
            words += [flag, str(value)]
    return shlex.join([*words, "--resume"])
