"""``python -m textnets.reproduction.seed_process JSON``: one seed's training, for who waits for it.

What is said goes to standard error. Of a failure standard output has the message, and the exit
code is that of the command line. Standard input is a pipe that the parent holds open: where it
ends, the parent is gone, and training stops with a checkpoint as on SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any


def main() -> int:
    """Train what the arguments ask for; the exit code."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    try:
        return _train(json.loads(sys.argv[1]))
    except KeyboardInterrupt:  # before the first step, or for the second time
        return 128 + signal.SIGINT


def _train(wanted: dict[str, Any]) -> int:
    from textnets.errors import TextnetsError
    from textnets.pipeline import train
    from textnets.progress import PlainProgress

    try:
        train(**wanted, progress=PlainProgress())
    except TextnetsError as error:
        print(error)
        return error.exit_code
    except OSError as error:  # a full disk, a folder without permission
        where = f"{error.filename}: " if error.filename is not None else ""
        print(f"{where}{error.strerror or error}")
        return 1
    return 0


def _end_with_the_parent() -> None:
    # Not sys.stdin, whose lock a waiting thread would hold when Python ends.
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
