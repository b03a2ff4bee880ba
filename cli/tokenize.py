"""``textnets tokenize``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("source", metavar="RECIPE|RUN")
@click.argument("file", metavar="[FILE|-]", required=False)
@click.option("--text", "-t", "texts", multiple=True, help="A text to cut; may be repeated.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="How to write the tokens.",
)
@click.option(
    "--store",
    metavar="DIR",
    help="Write the ids of the recipe's splits into DIR instead, for 'textnets train --store'.",
)
@click.option("--overwrite", is_flag=True, help="Replace a store that is there.")
@options.overrides
@options.allow_builders
@options.quiet
def tokenize(
    source: str,
    file: str | None,
    texts: tuple[str, ...],
    output_format: str,
    store: str | None,
    overwrite: bool,
    overrides: tuple[str, ...],
    allow_builders: tuple[str, ...],
    quiet: bool,
) -> None:
    """Show what becomes of texts: tokens, ids, where [UNK] fell.

    Of a RECIPE the vocabulary is learned first; of a RUN it is read. Texts come from FILE (one
    a line), standard input or --text.
    """
    from pathlib import Path

    from textnets.pipeline import learn_preprocessor, load_preprocessor, store_ids
    from textnets.progress import terminal_progress

    from .texts import check_source, read_texts, write_coverage, write_tokens

    is_run = Path(source).is_dir()
    if is_run and (overrides or store is not None):
        flag = "--store" if store is not None else "--set"
        raise click.UsageError(f"{flag} goes with a RECIPE; {source} is a folder.")
    if store is not None and (file is not None or texts):
        raise click.UsageError("--store writes the recipe's own splits; give no other texts.")
    if overwrite and store is None:
        raise click.UsageError("--overwrite goes with --store.")
    check_source(file, texts)
    progress = terminal_progress(quiet=quiet)
    if store is not None:
        coverage = store_ids(
            source,
            store,
            overrides,
            overwrite=overwrite,
            allow_builders=allow_builders,
            progress=progress,
        )
        write_coverage(coverage)
        return
    task, preprocessor = (
        load_preprocessor(source, allow_builders=allow_builders)
        if is_run
        else learn_preprocessor(source, overrides, allow_builders=allow_builders, progress=progress)
    )
    chosen = read_texts(file, texts, task, quiet=quiet)
    write_tokens(preprocessor.tokens, chosen, output_format, quiet=quiet)
