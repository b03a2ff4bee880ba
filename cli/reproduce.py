"""``textnets reproduce``."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

import click

from . import options


@click.command()
@click.argument("recipe", metavar="RECIPE")
@click.option(
    "--seeds",
    type=click.IntRange(1),
    metavar="N",
    help="Train the seeds 1 to N.  [default: as many as the recipe's claim is about, or 3]",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, metavar="N",
              help="How many to train side by side, each in a process of its own.")  # fmt: skip
@click.option(
    "--output",
    "-o",
    metavar="DIR",
    help="The folder of the runs.  [default: runs/NAME-reproduced]",
)
@options.overrides
@click.option("--resume", is_flag=True, help="Go on with what is there; finished seeds stay.")
@options.device
@options.quiet
@click.pass_context
def reproduce(
    ctx: click.Context,
    recipe: str,
    seeds: int | None,
    jobs: int,
    output: str | None,
    overrides: tuple[str, ...],
    resume: bool,
    device: str,
    quiet: bool,
) -> None:
    """Train RECIPE with several seeds, and judge its claim.

    Each seed is a run of its own, DIR/seed-1 and so on. Shown are the scores of each, their
    mean with its interval over seeds, and the baselines'. DIR/reproduce.json and reproduce.md
    hold the same. The exit code is 1 where the claim fails.
    """
    from textnets.errors import StoppedError
    from textnets.progress import terminal_progress
    from textnets.reproduction import reproduce as run

    from .tables import show_table

    try:
        found = run(
            recipe,
            overrides,
            seeds=seeds,
            jobs=jobs,
            output=output,
            resume=resume,
            device=device,
            command=shlex.join(["textnets", *sys.argv[1:]]),
            progress=terminal_progress(quiet=quiet),
        )
    except StoppedError as error:
        command = _continuation(recipe, seeds, jobs, output, overrides, device)
        click.echo(f"{error}:\n  {command}", err=True)
        ctx.exit(error.exit_code)
    click.echo(found.title)
    show_table(*found.table())
    for sentence in found.sentences:
        click.echo(sentence)
    click.echo(f"results: {found.folder / 'reproduce.json'}")
    if found.verdict is not None and not found.verdict.holds:
        ctx.exit(1)


def _continuation(
    recipe: str,
    seeds: int | None,
    jobs: int,
    output: str | None,
    overrides: Sequence[str],
    device: str,
) -> str:
    """The command that goes on with what was stopped."""
    words = ["textnets", "reproduce", recipe]
    given = {"--seeds": seeds, "--jobs": jobs, "--output": output, "--device": device}
    for flag, value in given.items():
        if value not in (None, 1, "auto") or (flag, value) == ("--seeds", 1):
            words += [flag, str(value)]
    for override in overrides:
        words += ["--set", override]
    return shlex.join([*words, "--resume"])
