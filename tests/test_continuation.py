"""Killed with kill -9 at any moment and continued, a run ends with the same bytes.

One process trains every task to its end, and then all of them again in another place, one after
the other. There it is killed in the middle of each task; started again, it finds the finished
runs finished and continues the broken one. The first process and the last start from nothing, so
that they hash strings differently.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import test_language_modeling, test_tagging, test_translation
from tests.conftest import RECIPE, RNN_MODEL, read_questions, write_csv
from tests.warm import WarmProcess, environment_of, start_program

ONE_SHAPE = "training.bucket_width=64"  # JAX compiles each anew
# Dropout of every kind, sampling, schedules that remember, early stopping, several epochs; and all
# that docs/training.md switches on.
SETTINGS: dict[str, list[str]] = {
    "classification": ["training.schedule=plateau", "training.epochs=2", "training.batch_size=10",
                       ONE_SHAPE, "model.cell=simple", "model.bidirectional=false",
                       "model.weight_dropout=0.2", "training.r_drop=0.5",
                       "training.virtual_adversarial={epsilon: 0.05}",
                       "training.average={kind: ema, decay: 0.9}"],
    "tagging": ["model.head=crf", "data.spans=false", "data.auxiliary=[xpos, feats]",
                "training.epochs=2", "training.batch_size=10", "training.schedule=cosine",
                "training.warmup_steps=4", ONE_SHAPE,
                "model.dropout=0.2", "model.variational_dropout=true",
                "training.average={kind: epochs, last: 2}"],
    "translation": ["training.epochs=1", "training.min_steps=11",
                    "model.dropout=0.2", "model.embedding_dropout=0.2",
                    "evaluation.beam_size=2", "training.batch_size=12", ONE_SHAPE,
                    "training.early_stopping.patience=3", "training.scheduled_sampling=0.8"],
    "language_modeling": ["training.epochs=2", "training.sampled_softmax=20",
                          "training.window=50", "model.weight_dropout=0.3",
                          "model.vocabulary_dropout=0.1", "evaluation.cache={size: 50}",
                          "training.average={kind: steps, first: 1}"],
}  # fmt: skip
SHARED = ["evaluation.baselines=false", "training.checkpoint_every=1"]

DRIVER = f"""
import sys
from textnets.pipeline import train
from textnets.progress import Progress
class Talk(Progress):
    def say(self, message):
        print(message, flush=True)
settings, shared = {SETTINGS!r}, {SHARED!r}
for place in sys.argv[1:]:
    task = place.split("/")[1]
    train(f"{{task}}/tiny.yaml", [*settings[task], *shared], output=place, resume=True,
          progress=Talk())
"""


def write_projects() -> None:
    """A tiny recipe a task, with real data beside it: eight steps an epoch, or a few more."""
    begin, end = RECIPE.index("model:"), RECIPE.index("training:")
    for task in SETTINGS:
        Path(task).mkdir()
    text = RECIPE[:begin] + RNN_MODEL + RECIPE[end:]
    Path("classification/tiny.yaml").write_text(text, encoding="utf-8")
    for split, most in (("train", 25), ("test", 5)):
        write_csv(Path(f"classification/{split}.csv"), read_questions(split, most))
    test_tagging.write_project(Path("tagging"))
    for split, most in (("train", 100), ("test", 20)):
        sentences = test_tagging.treebank("dev", most)
        Path(f"tagging/{split}.conllu").write_text(sentences, encoding="utf-8")
    test_translation.write_project(Path("translation"))
    found = test_translation.pairs(260)
    for index, side in enumerate(("en", "fr")):
        train, test = ("".join(pair[index] + "\n" for pair in some)
                       for some in (found[:120], found[-15:]))  # fmt: skip
        Path(f"translation/train.{side}").write_text(train, encoding="utf-8")
        Path(f"translation/test.{side}.gz").write_bytes(gzip.compress(test.encode()))
    test_language_modeling.write_project(Path("language_modeling"))
    play = test_language_modeling.play(250)
    Path("language_modeling/play.txt").write_text(play, encoding="utf-8", newline="")


def start(places: Sequence[str], backend: str) -> subprocess.Popen[str]:
    # JAX compiles every step anew in each process, unless it is told to remember.
    remember = {
        "JAX_COMPILATION_CACHE_DIR": str(Path("compiled").resolve()),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
    }
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, *places],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment_of(backend), **remember},
    )


def kill_in(place: str, process: WarmProcess | subprocess.Popen[str], after: int) -> None:
    """Kill -9 some time after so many checkpoints of a run were written."""
    path = Path(f"{place}.partial") / "checkpoint" / "state.npz"
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


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("backend", "tasks"),
    [
        pytest.param("tensorflow", [*SETTINGS], id="tensorflow"),
        # What the backend adds is the step and its states, of dropout and carried ones: the
        # language model has both.
        pytest.param("jax", ["language_modeling"], id="jax"),
        pytest.param(
            "jax",
            ["classification", "tagging", "translation"],
            id="jax_others",
            marks=pytest.mark.long,
        ),
    ],
)
def test_every_task_continues_to_the_same_bytes(backend: str, tasks: list[str]) -> None:
    pytest.importorskip(backend)
    write_projects()
    whole, broken = ([f"{place}/{task}" for task in tasks] for place in ("whole", "broken"))
    for number, place in enumerate(broken):
        process: WarmProcess | subprocess.Popen[str]
        if number == 0:
            process = start([*whole, *broken], backend)
        elif backend == "tensorflow":
            process = start_program(DRIVER, *broken)
        else:  # a warm one cannot be told any more to remember what it compiles
            process = start(broken, backend)
        kill_in(place, process, after=5 + 2 * number)
        assert not Path(place).exists()
    last = start(broken, backend)
    said, talk = last.communicate(timeout=600)
    assert last.returncode == 0, talk[-3000:]
    assert said.count("is finished; nothing was done") == len(tasks) - 1
    assert said.count("continuing from the checkpoint: epoch") == 1
    for one, other in zip(whole, broken, strict=True):
        expected = what_it_learned(Path(one))
        assert len(expected["history"]) >= 2
        assert what_it_learned(Path(other)) == expected, other
