"""The command line: verbs with their flags; the work is done in :mod:`textnets`."""

from .main import main

__all__ = ["main"]
