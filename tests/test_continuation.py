"""Killed with kill -9 at any moment and continued, a run ends with the same bytes.

One process trains several tasks, one after the other, and is killed in the middle of each;
started again, it finds the finished runs finished and continues the broken one.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import test_language_modeling, test_tagging, test_translation
from tests.conftest import RNN_MODEL

MakeRecipe = Callable[..., Path]

ONE_SHAPE = "training.bucket_width=64"  # JAX compiles each anew
# Dropout, sampling, schedules that remember, early stopping, several epochs.
SETTINGS: dict[str, list[str]] = {
    "classification": ["training.schedule=plateau", "training.epochs=2", ONE_SHAPE],
    "tagging": ["model.head=crf", "data.spans=false", "training.epochs=2", "training.batch_size=20",
                "training.schedule=cosine", "training.warmup_steps=4", ONE_SHAPE],
    "translation": ["training.epochs=2", "model.dropout=0.2", "model.embedding_dropout=0.2",
                    "evaluation.beam_size=2", "training.batch_size=20", ONE_SHAPE,
                    "training.early_stopping.patience=3"],
    "language_modeling": ["training.epochs=2", "training.sampled_softmax=20",
                          "training.window=50"],
}  # fmt: skip
SHARED = ["evaluation.baselines=false", "training.checkpoint_every=1"]

DRIVER = f"""
import sys
from textnets.pipeline import train
from textnets.progress import Progress
class Talk(Progress):
    def say(self, message):
        print(message, flush=True)
settings, shared, (place, *tasks) = {SETTINGS!r}, {SHARED!r}, sys.argv[1:]
for task in tasks:
    train(f"{{task}}/tiny.yaml", [*settings[task], *shared], output=f"{{place}}/{{task}}",
          resume=True, progress=Talk())
"""


def write_projects(make_recipe: MakeRecipe) -> None:
    """A tiny recipe a task, with real data beside it."""
    makers: dict[str, Callable[[Path], Path]] = {
        "tagging": test_tagging.write_project,
        "translation": test_translation.write_project,
        "language_modeling": test_language_modeling.write_project,
    }
    path = make_recipe()
    text = path.read_text()
    begin, end = text.index("model:"), text.index("training:")
    path.write_text(text[:begin] + RNN_MODEL + text[end:])
    Path("classification").mkdir()
    for name in (path.name, "train.csv", "test.csv"):
        Path(name).rename(Path("classification") / name)
    for task, write in makers.items():
        Path(task).mkdir()
        write(Path(task))


def start(place: str, tasks: Sequence[str], backend: str) -> subprocess.Popen[str]:
    # JAX compiles every step anew in each process, unless it is told to remember.
    remember = {
        "JAX_COMPILATION_CACHE_DIR": str(Path("compiled").resolve()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, place, *tasks],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", **remember},
    )


def kill_in(task: str, place: str, process: subprocess.Popen[str], after: int) -> None:
    """Kill -9 some time after so many checkpoints of a task were written."""
    path = Path(place) / f"{task}.partial" / "checkpoint" / "state.npz"
    seen: set[int] = set()
    while len(seen) < after:
        if path.exists():
            seen.add(path.stat().st_mtime_ns)
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.002)
    time.sleep(random.uniform(0.0, 0.05))  # in a step, or in the writing of a checkpoint
    process.send_signal(signal.SIGKILL)
    process.communicate()


def what_it_learned(run: Path) -> dict[str, Any]:
    """The exact bytes of the weights, the history without its times, and all scores."""
    (best,) = (run / "checkpoint").glob("best-*.npz")
    digests = {}
    for path in (best, run / "checkpoint" / "state.npz"):
        with np.load(path, allow_pickle=False) as arrays:
            timed = ("training_state", "sha256")
            names = [name for name in sorted(arrays.files) if name not in timed]
            content = b"".join(name.encode() + arrays[name].tobytes() for name in names)
        digests[path.name] = hashlib.sha256(content).hexdigest()
    timed = ("seconds", "_per_second")
    history = [
        {key: value for key, value in json.loads(line).items() if not key.endswith(timed)}
        for line in (run / "history.jsonl").read_text().splitlines()
    ]
    scores = {
        name: split["scores"]
        for name, split in json.loads((run / "evaluation.json").read_text())["splits"].items()
    }
    predictions = [path.read_text() for path in sorted((run / "predictions").iterdir())]
    return {"weights": digests, "history": history, "scores": scores, "predictions": predictions}


@pytest.mark.parametrize(
    ("backend", "tasks"),
    [
        pytest.param("tensorflow", [*SETTINGS], id="tensorflow"),
        # What the backend adds is the step and its states: of dropout, and carried ones.
        pytest.param("jax", ["classification", "language_modeling"], id="jax"),
        pytest.param("jax", ["tagging", "translation"], id="jax_others", marks=pytest.mark.long),
    ],
)
def test_every_task_continues_to_the_same_bytes(
    backend: str, tasks: list[str], make_recipe: MakeRecipe
) -> None:
    pytest.importorskip(backend)
    write_projects(make_recipe)
    whole = start("whole", tasks, backend)
    _, talk = whole.communicate(timeout=600)
    assert whole.returncode == 0, talk[-3000:]
    for number, task in enumerate(tasks):
        kill_in(task, "broken", start("broken", tasks, backend), after=5 + 2 * number)
        assert not (Path("broken") / task).exists()
    last = start("broken", tasks, backend)
    said, talk = last.communicate(timeout=600)
    assert last.returncode == 0, talk[-3000:]
    assert said.count("is finished; nothing was done") == len(tasks) - 1
    assert said.count("continuing from the checkpoint: epoch") == 1
    for task in tasks:
        expected = what_it_learned(Path("whole") / task)
        assert len(expected["history"]) >= 2
        assert what_it_learned(Path("broken") / task) == expected, task
