"""``textnets score``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("file", metavar="[FILE|-]", required=False)
@click.option("--text", "-t", "texts", multiple=True, help="A text to score; may be repeated.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "jsonl", "csv"]),
    default="text",
    show_default=True,
    help="One text a line; jsonl has each token's surprisal.",
)
@options.allow_builders
@options.device
@options.quiet
def score(
    run: str,
    file: str | None,
    texts: tuple[str, ...],
    output_format: str,
    allow_builders: tuple[str, ...],
    device: str,
    quiet: bool,
) -> None:
    """Tell how probable texts are to the language model RUN.

    Prints each text's log-probability in nats, its perplexity per token, the share
    of its tokens that are [UNK], and the text. FILE holds one text a line; '-', or
    no FILE, reads standard input.
    """
    from textnets.tasks.language_modeling import LanguageModelPredictor

    from .texts import check_source, read_texts, write_predictions

    check_source(file, texts)
    predictor = LanguageModelPredictor.load(run, device=device, allow_builders=allow_builders)
    stream = read_texts(file, texts, predictor.task, quiet=quiet)
    write_predictions(predictor.score, stream, output_format)
