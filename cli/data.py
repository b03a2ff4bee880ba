"""``textnets data``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("name", required=False)
@options.quiet
def data(name: str | None, quiet: bool) -> None:
    """List the known data sets and word vectors, or fetch NAME."""
    from textnets.data.listing import fetch, list_catalog, list_vectors
    from textnets.progress import terminal_progress

    from .tables import show_facts

    if name is None:
        show_facts(
            [
                (name, f"{task}: {rows}; license: {license}; {place}")
                for name, task, rows, license, place in list_catalog()
            ]
            + [
                (name, f"word vectors: {summary}; license: {license}; {place}")
                for name, summary, license, place in list_vectors()
            ]
        )
        return
    click.echo(fetch(name, terminal_progress(quiet=quiet)))
