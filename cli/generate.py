"""``textnets generate``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--prompt", default="", help="How each text begins.")
@click.option("--length", type=click.IntRange(1), default=200, show_default=True,
              help="Tokens to write, at most.")  # fmt: skip
@click.option("--temperature", type=click.FloatRange(0), default=1.0, show_default=True,
              help="Below 1 is safer, above 1 bolder; 0 takes the likeliest token.")  # fmt: skip
@click.option("--top-k", type=click.IntRange(1), help="Draw from the k likeliest tokens only.")
@click.option("--top-p", type=click.FloatRange(0, 1, min_open=True), default=1.0,
              help="Draw from the fewest likeliest tokens that have this share.")  # fmt: skip
@click.option("--count", type=click.IntRange(1), default=1, show_default=True,
              help="How many texts.")  # fmt: skip
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True,
              help="The same seed gives the same texts.")  # fmt: skip
@click.option("--show-alternatives", "alternatives", type=click.IntRange(1), metavar="N",
              help="Tell the N likeliest tokens at each step, with probabilities.")  # fmt: skip
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="jsonl: one text a line, with its tokens.",
)
@options.allow_builders
@options.device
def generate(
    run: str,
    prompt: str,
    length: int,
    temperature: float,
    top_k: int | None,
    top_p: float,
    count: int,
    seed: int,
    alternatives: int | None,
    output_format: str,
    allow_builders: tuple[str, ...],
    device: str,
) -> None:
    """Write texts with the language model RUN."""
    from textnets.decoding.sampling import Sampling
    from textnets.tasks.language_modeling import LanguageModelPredictor

    from .texts import check_source, write_written

    check_source(None, (prompt,))
    sampling = Sampling(temperature, top_k, top_p)
    predictor = LanguageModelPredictor.load(run, device=device, allow_builders=allow_builders)
    written = predictor.write(
        prompt,
        length=length,
        sampling=sampling,
        count=count,
        seed=seed,
        num_alternatives=alternatives or 0,
    )
    write_written(written, output_format)
