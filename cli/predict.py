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
@click.option("--n-best", type=int, metavar="N", help="Give N translations of each text.")
@click.option("--beam-size", type=int, metavar="N", help="Keep N hypotheses; 1 is greedy search.")
@options.overrides
@options.allow_builders
@options.device
@options.quiet
def predict(
    run: str,
    file: str | None,
    texts: tuple[str, ...],
    output_format: str,
    n_best: int | None,
    beam_size: int | None,
    overrides: tuple[str, ...],
    allow_builders: tuple[str, ...],
    device: str,
    quiet: bool,
) -> None:
    """Predict with the trained RUN.

    FILE holds one text a line; a .csv, .tsv, .jsonl or .parquet file has the text in the
    recipe's column. '-', or no FILE, reads standard input: pipe texts in, or type them.
    --set changes how a translator searches, such as evaluation.length_penalty=0.6.
    """
    from textnets.tasks import Predictor
    from textnets.tasks.translation import TranslationPredictor

    from .texts import check_source, read_texts, write_predictions

    check_source(file, texts)
    flags = {"n_best": n_best, "beam_size": beam_size}
    given = [f"evaluation.{key}={value}" for key, value in flags.items() if value is not None]
    kind = TranslationPredictor if given else Predictor
    predictor = kind.load(
        run, overrides=[*overrides, *given], device=device, allow_builders=allow_builders
    )
    stream = read_texts(file, texts, predictor.task, quiet=quiet)
    write_predictions(predictor.predict_stream, stream, output_format)
