"""Memory stays flat over epochs and over a long stream, and a large set trains from its store."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, read_questions
from textnets import Predictor
from textnets.pipeline import train
from textnets.progress import Progress

MakeRecipe = Callable[..., Path]
NOISE = 12  # MB; what is kept for each of the examples seen here would be far more

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason="memory is read from /proc"
)


def resident() -> float:
    """MB of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


class EpochMemory(Progress):
    """Notes the memory at the end of each epoch."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[float] = []

    def say(self, message: str) -> None:
        if message.startswith("epoch "):
            self.sizes.append(resident())


@pytest.mark.heavy
def test_epochs_take_no_memory_with_them(make_cheap_recipe: MakeRecipe) -> None:
    watch = EpochMemory()
    settings = ["training.epochs=60", "evaluation.baselines=false"]
    train(make_cheap_recipe(), settings, output="run", progress=watch)
    assert len(watch.sizes) == 60
    assert watch.sizes[-1] - watch.sizes[15] < NOISE


@pytest.mark.heavy
def test_a_long_stream_takes_no_memory_with_it(make_cheap_recipe: MakeRecipe) -> None:
    train(make_cheap_recipe(), ["training.epochs=1", "evaluation.baselines=false"], output="run")
    predictor = Predictor.load("run")
    texts = [text for text, _ in read_questions("test")]

    def stream() -> Iterator[str]:
        for number in range(60_000):
            yield f"{texts[number % len(texts)]} {number}"

    sizes = [
        resident()
        for number, _ in enumerate(predictor.predict_stream(stream()), start=1)
        if number % 10_000 == 0
    ]
    assert len(sizes) == 6
    assert sizes[-1] - sizes[1] < NOISE


@pytest.mark.heavy
@pytest.mark.long
def test_a_large_set_trains_from_its_store_under_a_hard_limit() -> None:
    """Two million tokens; benchmarks/memory.py does twenty."""
    script = ROOT / "benchmarks" / "memory.py"
    words = [str(script), "--tokens", "2000000"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "done" in done.stdout.splitlines()[-1]
