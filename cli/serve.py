"""``textnets serve``."""

from __future__ import annotations

import click

from . import options


@click.command()
@click.argument("path", metavar="RUN|FILE")
@click.option("--host", default="127.0.0.1", show_default=True,
              help="Where to listen; 0.0.0.0 lets other machines in.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True,
              help="0 takes a free one.")  # fmt: skip
@click.option("--max-body", type=click.IntRange(1), default=2**20, show_default=True,
              metavar="BYTES", help="Of a request.")  # fmt: skip
@click.option("--max-texts", type=click.IntRange(1), default=256, show_default=True,
              metavar="N", help="Of a request.")  # fmt: skip
@click.option("--max-characters", type=click.IntRange(1), default=20_000, show_default=True,
              metavar="N", help="Of a text.")  # fmt: skip
@click.option("--max-tokens", type=click.IntRange(1), default=500, show_default=True,
              metavar="N", help="That a language model writes.")  # fmt: skip
@click.option("--max-waiting", type=click.IntRange(1), default=10_000, show_default=True,
              metavar="N", help="Texts that wait for the model; more are sent away.")  # fmt: skip
@click.option("--max-seconds", type=click.FloatRange(0, min_open=True), default=30.0,
              show_default=True, metavar="S", help="To send a request in.")  # fmt: skip
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True,
              metavar="N", help="Texts that the model is given at once.")  # fmt: skip
@options.allow_builders
@options.device
@options.quiet
def serve(
    path: str,
    host: str,
    port: int,
    max_body: int,
    max_texts: int,
    max_characters: int,
    max_tokens: int,
    max_waiting: int,
    max_seconds: float,
    batch: int,
    allow_builders: tuple[str, ...],
    device: str,
    quiet: bool,
) -> None:
    """Serve a trained RUN, or an exported FILE, over HTTP.

    POST /predict answers texts, / is a page to try it on, /docs says what can be
    asked, /health and /metrics are for who watches it. It stops on Ctrl-C or
    SIGTERM, when all requests are answered.
    """
    from textnets.progress import terminal_progress
    from textnets.serving import Limits
    from textnets.serving import serve as run_server

    limits = Limits(
        body=max_body,
        texts=max_texts,
        characters=max_characters,
        tokens=max_tokens,
        waiting=max_waiting,
        seconds=max_seconds,
        batch=batch,
    )
    run_server(
        path,
        host=host,
        port=port,
        limits=limits,
        device=device,
        allow_builders=allow_builders,
        progress=terminal_progress(quiet=quiet),
    )
