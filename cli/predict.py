"""``textnets predict``."""

from __future__ import annotations

from typing import Literal

import click

from . import options


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("file", metavar="[FILE|-]", required=False)
@click.option("--text", "-t", "texts", multiple=True, help="A text to predict; may be repeated.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "jsonl", "csv", "parquet"]),
    help="One prediction a line, jsonl says the most; text by default, with --output what its "
    "name says.",
)
@click.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Write this file, whole or not at all: .jsonl or .csv, each also with .gz, or .parquet.",
)
@click.option(
    "--details",
    is_flag=True,
    help="With --output: also what there is one of for each class or token, as probabilities.",
)
@click.option("--resume", is_flag=True, help="With --output: go on where a process was stopped.")
@click.option("--overwrite", is_flag=True, help="With --output: replace what is there.")
@click.option(
    "--on-error",
    type=click.Choice(["stop", "skip"]),
    default="stop",
    help="With --output: what becomes of a row that cannot be read; skip names it in FILE.skipped.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    metavar="N",
    default=1,
    help="With --output: so many processes, each with the model.",
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
    output_format: str | None,
    output: str | None,
    details: bool,
    resume: bool,
    overwrite: bool,
    on_error: Literal["stop", "skip"],
    workers: int,
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
    With --output the file may be of any size, and a process that was killed is gone on from.
    --set changes how a translator searches, such as evaluation.length_penalty=0.6.
    """
    from .texts import check_source, read_texts, write_file, write_predictions

    check_source(file, texts)
    flags = {"n_best": n_best, "beam_size": beam_size}
    given = [f"evaluation.{key}={value}" for key, value in flags.items() if value is not None]
    if output is not None:
        write_file(
            run,
            file,
            texts,
            output,
            is_translator=bool(given),
            file_format=output_format,
            details=details,
            resume=resume,
            overwrite=overwrite,
            on_error=on_error,
            workers=workers,
            overrides=[*overrides, *given],
            device=device,
            allow_builders=allow_builders,
            quiet=quiet,
        )
        return
    _refuse_without_output(details, resume, overwrite, on_error, workers, output_format)

    from textnets.tasks import Predictor
    from textnets.tasks.translation import TranslationPredictor

    kind = TranslationPredictor if given else Predictor
    predictor = kind.load(
        run, overrides=[*overrides, *given], device=device, allow_builders=allow_builders
    )
    stream = read_texts(file, texts, predictor.task, quiet=quiet)
    write_predictions(predictor.predict_stream, stream, output_format or "text")


def _refuse_without_output(
    details: bool,
    resume: bool,
    overwrite: bool,
    on_error: str,
    workers: int,
    output_format: str | None,
) -> None:
    given = {
        "--details": details,
        "--resume": resume,
        "--overwrite": overwrite,
        "--on-error": on_error != "stop",
        "--workers": workers > 1,
        "--format parquet": output_format == "parquet",
    }
    if flag := next((flag for flag, is_given in given.items() if is_given), None):
        raise click.UsageError(f"{flag} goes with --output.")
