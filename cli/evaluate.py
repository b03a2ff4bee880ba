"""``textnets evaluate``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--data",
    metavar="FILE",
    help="Score on this file, written like the recipe's own.  [default: the run's test split]",
)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="How to write the scores.",
)
@options.overrides
@options.allow_builders
@options.device
@options.quiet
def evaluate(
    run: str,
    data: str | None,
    output_format: str,
    overrides: tuple[str, ...],
    allow_builders: tuple[str, ...],
    device: str,
    quiet: bool,
) -> None:
    """Score the trained RUN, with confidence intervals. Nothing in RUN is changed.

    --set changes how it is scored, such as evaluation.resamples=0 or evaluation.cache.weight=0.2.
    """
    from textnets.pipeline import evaluate as score
    from textnets.progress import terminal_progress

    from .tables import show_evaluation

    found = score(
        run,
        data,
        overrides=overrides,
        device=device,
        allow_builders=allow_builders,
        progress=terminal_progress(quiet=quiet),
    )
    show_evaluation(found, output_format)
