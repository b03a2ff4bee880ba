"""Whether ten times the data take ten times as long, and no more memory.

    python benchmarks/growth.py               # 1, 10 and 100 times 2,000 questions, some minutes
    python benchmarks/growth.py 1 5           # other sizes

Trains the CNN of ``banking77_cnn`` for an epoch on Banking77's questions, which ship, and on the
same many times over, each in a process of its own. Shown are the processors' seconds of the whole
process, microseconds of training a question on the clock, the most memory that the process held,
and what each question cost that a size has more than the one before it, in microseconds of
processors: where that stays the same from size to size, time grows linearly.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

QUESTIONS = 2000
TIMES = (1, 10, 100)
RECIPE = """\
task: classification
data: {train: train.csv, text: text, label: category}
text: {tokenizer: words, max_tokens: 5000}
model: {builder: cnn_classifier, widths: [2, 3, 4], maps: 64, embedding_width: 64}
training: {batch_size: 32, epochs: 1}
evaluation: {test: false, baselines: false}
"""


@dataclass(frozen=True)
class Grown:
    """What a training took: seconds of processors, seconds on the clock in steps, MB at most."""

    questions: int
    processors: float
    steps: float
    memory: float


def questions() -> list[dict[str, str]]:
    """Some of those that ship, of all classes."""
    from textnets.recipe.shipped import shipped_folder

    path = shipped_folder() / "data" / "banking77" / "train.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))  # class by class
    return rows[:: len(rows) // QUESTIONS][:QUESTIONS]


def trained(rows: list[dict[str, str]], times: int) -> Grown:
    """Train on the rows, so many times over."""
    with tempfile.TemporaryDirectory(prefix="textnets-growth-") as name:
        folder = Path(name)
        with (folder / "train.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, ["text", "category"], extrasaction="ignore")
            writer.writeheader()
            for _ in range(times):
                writer.writerows(rows)
        (folder / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
        textnets = str(Path(sys.executable).with_name("textnets"))
        command = [textnets, "train", "recipe.yaml", "--output", "run", "--quiet"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"training ended with {process.returncode}")
        lines = (folder / "run" / "history.jsonl").read_text(encoding="utf-8").splitlines()
    unit = 1 if sys.platform == "darwin" else 1024
    return Grown(
        len(rows) * times,
        usage.ru_utime + usage.ru_stime,
        sum(json.loads(line)["seconds"] for line in lines),
        usage.ru_maxrss * unit / 1e6,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("times", type=int, nargs="*", default=[*TIMES])
    given = parser.parse_args()
    rows = questions()
    print(f"{'questions':>10}{'seconds':>9}{'us a row':>10}{'MB':>7}{'us for each more':>18}")
    before: Grown | None = None
    for times in given.times:
        found = trained(rows, times)
        more = ""
        if before is not None:
            added = found.questions - before.questions
            more = f"{1e6 * (found.processors - before.processors) / added:.0f}"
        each = 1e6 * found.steps / found.questions
        line = f"{found.questions:10,}{found.processors:9.1f}{each:10.0f}{found.memory:7.0f}"
        print(f"{line}{more:>18}", flush=True)
        before = found


if __name__ == "__main__":
    main()
