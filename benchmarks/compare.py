"""Run a rival script and ``textnets train`` one after the other, and print one table.

    python benchmarks/compare.py imdb|banking77|trec [--limit N] [--seeds 1 2 3]

For each seed the rival runs first and textnets second, each in a process of its own, so a
machine that is busy for a while slows both down. The test accuracy of textnets and its
speed are read from the run directory, those of the rival from the last line it prints.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
RECIPES = BENCHMARKS.parent / "recipes"


@dataclass(frozen=True)
class Contest:
    """A recipe, and the script that it is compared with."""

    recipe: str
    script: str
    arguments: tuple[str, ...] = ()


CONTESTS = {
    "imdb": Contest("imdb_bilstm_published", "published_imdb_bilstm.py"),
    "banking77": Contest("banking77_cnn", "plain_keras_cnn.py", ("banking77",)),
    "trec": Contest("trec_cnn", "plain_keras_cnn.py", ("trec",)),
}


@dataclass(frozen=True)
class Result:
    """What one system did with one seed.

    Attributes:
        test_accuracy: a share, 0 to 1.
        examples_per_second: in training steps, compilation included, evaluations left out.
        total_seconds: of the whole process, less what the SVM took.
    """

    test_accuracy: float
    examples_per_second: float
    total_seconds: float


# --- One run of each ---


def run_rival(contest: Contest, seed: int, limit: int | None) -> Result:
    """Run the rival's script; its own output goes to standard error."""
    command = [sys.executable, str(BENCHMARKS / contest.script), *contest.arguments]
    command += ["--seed", str(seed), *(["--limit", str(limit)] if limit else [])]
    started = time.perf_counter()
    output = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    seconds = time.perf_counter() - started
    *said, last = output.splitlines()
    print("\n".join(said), file=sys.stderr)
    found = json.loads(last)
    return Result(found["test_accuracy"], found["examples_per_second"], seconds)


def run_textnets(contest: Contest, seed: int, limit: int | None, run: Path) -> Result:
    """Train the recipe into the run directory and read the figures from there."""
    command = [str(Path(sys.executable).with_name("textnets")), "train"]
    command += [str(RECIPES / f"{contest.recipe}.yaml"), "--output", str(run), "--overwrite"]
    command += ["--quiet", "--set", f"seed={seed}"]
    command += ["--set", f"data.limit={limit}"] if limit else []
    started = time.perf_counter()
    subprocess.run(command, stdout=sys.stderr, check=True)
    seconds = time.perf_counter() - started

    history = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    training_seconds = sum(json.loads(line)["seconds"] for line in history)
    examples = read_json(run / "environment.json")["examples"]["train"] * len(history)
    test = read_json(run / "evaluation.json")["splits"]["test"]
    svm_seconds = sum(rival["seconds"] for rival in test["baselines"].values())
    return Result(
        test_accuracy=test["scores"]["accuracy"]["value"],
        examples_per_second=examples / training_seconds,
        total_seconds=seconds - svm_seconds,
    )


def svm_accuracies(runs: Sequence[Path]) -> list[float]:
    """The SVM's test accuracy in each run: it learned from the same training split."""
    tests = [read_json(run / "evaluation.json")["splits"]["test"] for run in runs]
    return [test["baselines"]["tfidf_svm"]["scores"]["accuracy"]["value"] for test in tests]


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


# --- The table ---


def as_row(system: str, results: Sequence[Result], rivals: Sequence[Result]) -> list[str]:
    """One system: means over its seeds, and its speed as a multiple of the rival's."""
    speed = mean(result.examples_per_second for result in results)
    total = mean(result.total_seconds for result in results)
    rival_speed = mean(rival.examples_per_second for rival in rivals)
    rival_total = mean(rival.total_seconds for rival in rivals)
    return [
        system,
        spread([result.test_accuracy for result in results]),
        f"{speed:,.0f}",
        f"{speed / rival_speed:.2f}",
        f"{total:,.0f}",
        f"{rival_total / total:.2f}",
    ]


def spread(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.4f}"
    return f"{mean(values):.4f} ({min(values):.4f}-{max(values):.4f})"


def render_table(rows: Sequence[Sequence[str]]) -> str:
    """Columns padded to their widest cell; all but the first are right-aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if number else cell.ljust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


# --- The story ---


def main() -> None:
    arguments = parse_arguments()
    contest = CONTESTS[arguments.contest]
    runs = [arguments.output / f"{contest.recipe}-{seed}" for seed in arguments.seeds]
    rivals: list[Result] = []
    ours: list[Result] = []
    for seed, run in zip(arguments.seeds, runs, strict=True):
        rivals.append(run_rival(contest, seed, arguments.limit))
        ours.append(run_textnets(contest, seed, arguments.limit, run))
    title = ["system", "test accuracy", "examples/s", "x rival", "total s", "x rival"]
    svm = ["TF-IDF, linear SVM", spread(svm_accuracies(runs)), "", "", "", ""]
    rows = [
        title,
        as_row(contest.script, rivals, rivals),
        as_row(f"textnets {contest.recipe}", ours, rivals),
        svm,
    ]
    print(render_table(rows))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Compare a recipe with a plain Keras script.")
    parser.add_argument("contest", choices=sorted(CONTESTS))
    parser.add_argument("--limit", type=int, help="read only the first rows of each file")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument(
        "--output", type=Path, default=Path("runs/compare"), help="folder of the textnets runs"
    )
    arguments = parser.parse_args()
    if "TEXTNETS_DATA" not in os.environ:
        parser.error("set TEXTNETS_DATA to the folder of the data sets")
    return arguments


if __name__ == "__main__":
    main()
