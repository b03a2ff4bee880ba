"""``textnets export``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("run", metavar="RUN")
@click.option(
    "--to", "form", metavar="FORMAT", required=True, help="numpy, savedmodel, onnx or litert."
)
@click.option(
    "--output",
    "-o",
    metavar="DIR",
    required=True,
    help="The folder of the export and its model card.",
)
@click.option(
    "--quantize",
    type=click.Choice(["int8", "float16"]),
    help="Make large weights smaller; shows size, speed and score before and after.",
)
@click.option(
    "--max-drop",
    type=click.FloatRange(0),
    default=0.005,
    show_default=True,
    help="How much of the headline score on validation --quantize may cost.",
)
@click.option("--overwrite", is_flag=True, help="Replace an export that is there.")
@options.allow_builders
@options.quiet
def export(
    run: str,
    form: str,
    output: str,
    quantize: str | None,
    max_drop: float,
    overwrite: bool,
    allow_builders: tuple[str, ...],
    quiet: bool,
) -> None:
    """Write the trained RUN in a form that is deployed.

    What is written is loaded in a fresh process and asked about texts of the run's own data; it
    stands only if it answers as the run does. DIR/README.md is its model card.
    """
    from textnets.export import export_run
    from textnets.progress import terminal_progress

    from .tables import show_table

    found = export_run(
        run,
        form,
        output,
        quantize=quantize,
        max_drop=max_drop,
        allow_builders=allow_builders,
        overwrite=overwrite,
        progress=terminal_progress(quiet=quiet),
    )
    for sentence in found.sentences:
        click.echo(sentence)
    if found.quantized is not None:
        show_table(*found.quantized.table())
