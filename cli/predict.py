"""``textnets predict``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("file", metavar="[FILE|-]", required=False)
@click.option("--text", "-t", "texts", multiple=True, help="A text to predict; may be repeated.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "jsonl", "csv"]),
    default="text",
    show_default=True,
    help="One prediction a line; jsonl says the most.",
)
@options.device
@options.quiet
def predict(
    run: str,
    file: str | None,
    texts: tuple[str, ...],
    output_format: str,
    device: str,
    quiet: bool,
) -> None:
    """Predict with the trained RUN.

    FILE holds one text a line; a .csv, .tsv, .jsonl or .parquet file has the text in the
    recipe's column. '-', or no FILE, reads standard input: pipe texts in, or type them.
    """
    from textnets.predictor import Predictor

    from .texts import check_source, read_texts, write_predictions

    check_source(file, texts)
    predictor = Predictor.load(run, device=device)
    stream = read_texts(file, texts, predictor.task, quiet=quiet)
    write_predictions(predictor.predict_stream, stream, output_format)
