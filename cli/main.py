"""``textnets``: the group of verbs, and how errors and interrupts leave it."""

from __future__ import annotations

import atexit
import io
import os
import sys
import threading
from collections.abc import Sequence
from typing import Any

import click

from textnets import __version__
from textnets.backend.devices import start_lean
from textnets.errors import RecipeError, TextnetsError
from textnets.progress import printable

from .check import check
from .data import data
from .embeddings import embeddings
from .evaluate import evaluate
from .export import export
from .generate import generate
from .predict import predict
from .recipes import recipes
from .reproduce import reproduce
from .schema import schema
from .score import score
from .tokenize import tokenize
from .train import train

_READER_GONE = 141  # 128 + SIGPIPE, as other tools report it


class _Verbs(click.Group):
    """Lists the verbs in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # 'textnets ... | head': the reader of our output has gone
            # Python flushes both once more when it ends, and would complain.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):
                os.dup2(nowhere, stream.fileno())
            return _READER_GONE


@click.group(
    cls=_Verbs,
    invoke_without_command=True,
    subcommand_metavar="COMMAND [ARGS]...",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Results go to standard output, everything else to standard error. "
    "Exit codes: 0 done, 1 failed, 2 bad input, 130 stopped by Ctrl-C.",
)
@click.version_option(__version__, message="textnets %(version)s")
@click.pass_context
def verbs(ctx: click.Context) -> None:
    """From a text file and one YAML recipe to a trained, measured text model.

    Start with 'textnets train banking77_cnn'; its data ships with textnets.
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for verb in (
    train, reproduce, evaluate, predict, score, generate, export, embeddings, tokenize, check,
    recipes, data, schema,
):  # fmt: skip
    verbs.add_command(verb)


def command() -> None:
    """The entry point of a process: run the verb that was typed, and end.

    When Python ends it takes TensorFlow apart piece by piece, a second for nothing. So once all
    is written, threads have ended and what was to be done at the end is done, the process is left.
    """
    try:
        main()
    except SystemExit as end:
        code = end.code
        if "tensorflow" not in sys.modules or not isinstance(code, int):
            raise
        try:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
        except OSError:  # Python says it, as of any program
            raise end from None
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and not thread.daemon:
                thread.join()
        atexit._run_exitfuncs()
        os._exit(code)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a verb and exit with its code."""
    _fill_closed_streams()
    start_lean()
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character shows its number rather than a traceback.
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(arguments))


def _fill_closed_streams() -> None:
    """Where a standard stream was closed (2>&-), the first file that is opened would have its
    number, and what libraries write to standard error would go into that file."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result: Any = verbs.main(arguments, prog_name="textnets", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TextnetsError as error:
        _complain(_listed(error))
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.UsageError as error:
        if error.ctx is not None:
            click.echo(f"{error.ctx.get_usage()}\n", err=True)
        _complain(f"{error.format_message()} See '{_help_of(error)}'.")
        return error.exit_code
    except click.ClickException as error:
        _complain(error.format_message())
        return error.exit_code
    except OSError as error:  # a full disk, a folder without permission
        where = f"{error.filename}: " if error.filename is not None else ""
        _complain(f"{where}{error.strerror or error}")
        return 1


def _complain(message: str) -> None:
    click.echo(printable(f"error: {message}", lines=True), err=True)


def _listed(error: TextnetsError) -> str:
    """The message; several mistakes of a recipe stand one a line below their number."""
    if not isinstance(error, RecipeError) or len(error.problems) == 1:
        return str(error)
    lines = "".join(f"\n  {problem.render(error.source)}" for problem in error.problems)
    return f"{len(error.problems)} mistakes in the recipe{lines}"


def _help_of(error: click.UsageError) -> str:
    return f"{error.ctx.command_path if error.ctx is not None else 'textnets'} --help"
