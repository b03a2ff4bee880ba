"""Flags that several verbs share."""

from __future__ import annotations

import click

overrides = click.option(
    "--set",
    "overrides",
    metavar="SECTION.KEY=VALUE",
    multiple=True,
    help="Set a key of the recipe, such as training.epochs=1. May be given more than once.",
)
allow_builders = click.option(
    "--allow-builder",
    "allow_builders",
    metavar="MODULE",
    multiple=True,
    help="Import this module, which a recipe or run names for its builder: runs its code.",
)
quiet = click.option("--quiet", "-q", is_flag=True, help="Say nothing but results and errors.")
device = click.option(
    "--device",
    metavar="auto|cpu|gpu|gpu:N",
    default="auto",
    show_default=True,
    help="Where to compute; auto takes a GPU where there is one.",
)
