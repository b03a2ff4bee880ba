"""What was written is tried before it stands: in a process of its own, by the run's own answers.

A format names a module. It is started as ``python -m MODULE FOLDER QUESTIONS ANSWERS``, or as a
file where the form needs nothing of textnets. It reads the texts (a JSON list), loads what lies in
the folder, and writes a JSON object:

    answers           for each prediction its textnets.predictions.Figures, as a dict; in the order
                      of Predictor.everything
    load_seconds      until it could answer
    one_seconds       for one text
    seconds           for all texts
    peak_megabytes    of memory, of the whole process
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textnets.errors import TextnetsError
from textnets.export.formats import Format
from textnets.predictions import Figures, Prediction

#: How much the numbers of an exported model may differ from the run's.
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Proof:
    """What a process said that loaded an export.

    Attributes:
        texts: how many it was asked about.
        difference: the largest between one of its numbers and the run's.
        load_seconds, one_seconds, seconds, peak_megabytes: see the module.
    """

    texts: int
    difference: float
    load_seconds: float
    one_seconds: float
    seconds: float
    peak_megabytes: float


def prove(
    form: Format, folder: Path, texts: Sequence[str], expected: Sequence[Prediction]
) -> Proof:
    """Ask what lies in a folder, in a fresh process, what the run was asked.

    Raises:
        TextnetsError: it cannot be loaded, or answers otherwise.
    """
    said = ask(form, folder, texts)
    found = [Figures(**answer) for answer in said["answers"]]
    if len(found) != len(expected):
        raise TextnetsError(
            f"{folder}: what was written gives {len(found)} answers, expected {len(expected)}; "
            "this is a fault of textnets, please report it"
        )
    differences = [one.figures().difference(two) for one, two in zip(expected, found, strict=True)]
    largest = max(differences)
    if not largest <= TOLERANCE:
        place = differences.index(largest)
        text = texts[place] if len(expected) == len(texts) else "some of the texts"
        how = "something else" if math.isinf(largest) else f"a number that is {largest:.1e} off"
        raise TextnetsError(
            f"what was written does not answer as the run does, so it was removed: of "
            f"{_shortened(text)} it says {how}, where {TOLERANCE:.0e} may be"
        )
    figures = {name: float(said[name]) for name in _FIGURES}
    return Proof(len(texts), largest, **figures)


def ask(form: Format, folder: Path, texts: Sequence[str]) -> dict[str, Any]:
    """What a fresh process says that loads an export; see the module.

    Raises:
        TextnetsError: it ended otherwise.
    """
    with tempfile.TemporaryDirectory() as place:
        questions, answers = Path(place) / "questions.json", Path(place) / "answers.json"
        questions.write_text(json.dumps(list(texts)), encoding="ascii")
        # -P: nothing that lies in the current folder is imported for a module of the same name.
        words = [sys.executable, "-P", *_started(form), folder, questions, answers]
        environment = {"TF_CPP_MIN_LOG_LEVEL": "3", **os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
        ended = subprocess.run(
            list(map(str, words)),
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            env=environment,
        )
        if ended.returncode != 0 or not answers.exists():
            lines = ended.stderr.strip().splitlines() or [f"exit code {ended.returncode}"]
            raise TextnetsError(f"what was written cannot be used, so it was removed: {lines[-1]}")
        found: dict[str, Any] = json.loads(answers.read_text(encoding="ascii"))
        return found


def _started(form: Format) -> list[str]:
    """What Python is told to run: a module of textnets, or a file that knows nothing of it."""
    if not form.is_alone:
        return ["-m", form.answering]
    found = find_spec(form.answering)
    return [str(found.origin if found else None)]


_FIGURES = [
    field.name
    for field in dataclasses.fields(Proof)
    if field.name.endswith(("seconds", "megabytes"))
]


def _shortened(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
