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
@options.quiet
def tokenize(
    source: str,
    file: str | None,
    texts: tuple[str, ...],
    output_format: str,
    store: str | None,
    overwrite: bool,
    overrides: tuple[str, ...],
    quiet: bool,
) -> None:
    """Show what becomes of texts: tokens, ids, where [UNK] fell.

    Of a RECIPE the vocabulary is learned first; of a RUN it is read. Texts come from FILE (one
    a line), standard input or --text.
    """
    from pathlib import Path

    from textnets.pipeline import learn_task, load_task, store_ids
    from textnets.progress import terminal_progress

    from .texts import read_texts, write_coverage, write_tokens

    progress = terminal_progress(quiet=quiet)
    if store is not None:
        write_coverage(store_ids(source, store, overrides, overwrite=overwrite, progress=progress))
        return
    if Path(source).is_dir():
        task = load_task(source)
    else:
        task = learn_task(source, overrides, progress=progress)
    write_tokens(task.tokens, read_texts(file, texts, task), output_format, quiet=quiet)
