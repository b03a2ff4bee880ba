"""``python -m textnets_cli``: the same as ``textnets``."""

from .main import command

command()
