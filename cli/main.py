"""``textnets``: the group of verbs, and how errors and interrupts leave it."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from textnets import __version__
from textnets.errors import TextnetsError

from .check import check
from .data import data
from .evaluate import evaluate
from .predict import predict
from .recipes import recipes
from .schema import schema
from .tokenize import tokenize
from .train import train


class _Verbs(click.Group):
    """Lists the verbs in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Verbs,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Results go to standard output, everything else to standard error. "
    "Exit codes: 0 done, 1 failed, 2 bad input, 130 stopped by Ctrl-C.",
)
@click.version_option(__version__, message="textnets %(version)s")
def verbs() -> None:
    """From a text file and one YAML recipe to a trained, measured text model.

    Start with 'textnets train banking77_cnn'; its data ships with textnets.
    """


for verb in (train, evaluate, predict, tokenize, check, recipes, data, schema):
    verbs.add_command(verb)


def main(arguments: Sequence[str] | None = None) -> None:
    """The entry point: run a verb and exit with its code."""
    sys.exit(_run(arguments))


def _run(arguments: Sequence[str] | None) -> int:
    try:
        result: Any = verbs.main(arguments, prog_name="textnets", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except TextnetsError as error:
        click.echo(f"error: {error}", err=True)
        return error.exit_code
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except BrokenPipeError:  # the reader of our output has gone: not our failure
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.filename is None:
            raise
        click.echo(f"error: {error.filename}: {error.strerror}", err=True)
        return 1
