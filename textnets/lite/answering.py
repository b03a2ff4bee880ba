"""What a fresh process says that loads a file: ``python -m textnets.lite.answering FOLDER
QUESTIONS ANSWERS``. See :mod:`textnets.export.proof`, whose module this is for ``numpy``."""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textnets.errors import TextnetsError


def main(load: Callable[[str], Any], folder: str, questions: str, answers: str) -> None:
    """Load the model, answer the questions and say how long that took."""
    texts = json.loads(Path(questions).read_text(encoding="ascii"))
    started = time.perf_counter()
    model = load(folder)
    loaded = time.perf_counter()
    model.predict(texts[:1])
    one = time.perf_counter()
    found = model.everything(texts)
    ended = time.perf_counter()
    said = {
        "answers": [dataclasses.asdict(answer.figures()) for answer in found],
        "load_seconds": loaded - started,
        "one_seconds": one - loaded,
        "seconds": ended - one,
        "peak_megabytes": peak_megabytes(),
    }
    Path(answers).write_text(json.dumps(said), encoding="ascii")


def peak_megabytes() -> float:
    """The most memory that this process has had; 0 where the system does not tell."""
    try:
        # Not what getrusage says: that counts what the process was before, too.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        (line,) = [one for one in status.splitlines() if one.startswith("VmHWM:")]
        return int(line.split()[1]) / 1024
    except (OSError, ValueError):
        return 0.0


def run(load: Callable[[str], Any]) -> None:
    """What the command line asks, of a model that is loaded so."""
    try:
        main(load, *sys.argv[1:])
    except TextnetsError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    from textnets.lite import load

    run(load)
