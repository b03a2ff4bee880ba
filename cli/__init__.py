"""The command line: verbs with their flags; the work is done in :mod:`textnets`."""

import sys

try:
    from .main import command, main
except KeyboardInterrupt:  # Ctrl-C while the first modules load
    sys.stderr.write("\nstopped\n")
    sys.exit(130)

__all__ = ["command", "main"]
