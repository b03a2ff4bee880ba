"""How a contender takes turns with others: a round of work for each line that it is sent.

A contender is a process of its own. It sets up, says ``{"ready": ...}`` with what it is and how it
is set, and then does a round for each line of its standard input, ``{"work": NAME, ...}``, while
the others wait. It answers with the seconds, what was done in them, and the memory that the process
has held at most.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Callable, Mapping

#: Does what the line's other keys say; gives how many ``examples`` that was, and other counts.
Round = Callable[..., Mapping[str, float]]


def take_turns(rounds: Mapping[str, Round], said: str) -> None:
    """Do rounds, until there are no more lines.

    Args:
        rounds: by the name of the work. What one counts may have its own ``seconds``, on the clock,
            and ``processor_seconds``, of all threads.
        said: versions and settings.
    """
    _tell({"ready": said})
    for line in sys.stdin:
        asked = json.loads(line)
        started, used = time.perf_counter(), time.process_time()
        counted = dict(rounds[asked.pop("work")](**asked))
        counted.setdefault("seconds", time.perf_counter() - started)
        used = time.process_time() - used
        counted.setdefault("processor_seconds", used)
        _tell({**counted, "used": used, "memory": peak_memory()})


def peak_memory() -> float:
    """What this process has held at most, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage counts bytes there, else KB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _tell(found: Mapping[str, object]) -> None:
    print(json.dumps(found), flush=True)
