"""``textnets embeddings``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from textnets.progress import printable

from . import options

if TYPE_CHECKING:
    from textnets.text.word_space import Neighbor


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--neighbors", metavar="WORD", help="The words whose vectors are nearest.")
@click.option(
    "--analogy",
    nargs=3,
    metavar="A B C",
    help="The words nearest to A - B + C: 'king man woman' asks for the queen.",
)
@click.option("--plot", metavar="FILE.png", help="Draw words on a map that keeps near ones near.")
@click.option(
    "--words",
    metavar="N|FILE",
    default="200",
    show_default=True,
    help="What --plot draws: the N first of the vocabulary, or the words of a file, one a line.",
)
@click.option("--save", metavar="FILE.txt", help="Write all vectors in word2vec's text format.")
@click.option("--count", default=10, show_default=True, help="How many neighbors to list.")
@click.option(
    "--table",
    metavar="NAME",
    help="Which vectors, where a model has several: tokens, characters, source or target.",
)
@options.allow_builders
@options.quiet
def embeddings(
    run: str,
    neighbors: str | None,
    analogy: tuple[str, str, str] | None,
    plot: str | None,
    words: str,
    save: str | None,
    count: int,
    table: str | None,
    allow_builders: tuple[str, ...],
    quiet: bool,
) -> None:
    """Look into the token vectors that the trained RUN has learned.

    Give one or more of --neighbors, --analogy, --plot and --save.
    """
    if not (neighbors or analogy or plot or save):
        raise click.UsageError("give one or more of --neighbors, --analogy, --plot and --save.")
    from textnets.data.running_text import stream_lines
    from textnets.pipeline import word_space

    space = word_space(run, table, allow_builders=allow_builders)
    if neighbors:
        _show(space.neighbors(neighbors, count))
    if analogy:
        _show(space.analogy(*analogy, count))
    if plot:
        chosen = (
            space.tokens[: int(words)] if words.isdecimal() else list(stream_lines(Path(words)))
        )
        space.plot(Path(plot), [word for word in chosen if word])
    if save:
        left_out = space.save(Path(save))
        if left_out and not quiet:
            click.echo(f"{left_out:,} tokens that hold a blank were left out", err=True)


def _show(neighbors: Sequence[Neighbor]) -> None:
    for found in neighbors:
        click.echo(f"{found.similarity:.3f}\t{printable(found.token)}")
