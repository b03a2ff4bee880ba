"""The bag of n-grams beside TF-IDF with a linear SVM on IMDb, from the files to the test score.

    TEXTNETS_DATA=FOLDER python benchmarks/bag.py --rounds 3

Each is a process of its own, in turns. Shown are the medians of the seconds on the clock and of
processors, and the ratio of the SVM's to textnets': above 1, textnets is faster.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench import BENCHMARKS, Clock, Spent, spent

RECIPE = """\
task: classification
data: {dataset: imdb, validation: 0.1}
model: {builder: ngram_bag_classifier}
training: {optimizer: adam, learning_rate: 0.02, epochs: 4, batch_size: 64, schedule: cosine}
evaluation: {baselines: false, resamples: 0}
seed: 1
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    data = Path(os.environ["TEXTNETS_DATA"]) / "imdb"
    with tempfile.TemporaryDirectory(prefix="textnets-bag-") as name:
        recipe, run = Path(name) / "bag.yaml", Path(name) / "run"
        recipe.write_text(RECIPE, encoding="utf-8")
        textnets = str(Path(sys.executable).with_name("textnets"))
        svm = [sys.executable, str(BENCHMARKS / "rivals" / "sklearn_svm.py")]
        svm += [str(data / f"{split}.csv.gz") for split in ("train", "test")]
        commands = {
            "bag of n-grams": [textnets, "train", str(recipe), "--output", str(run), "--quiet",
                               "--overwrite"],
            "linear SVM": svm,
        }  # fmt: skip
        taken: dict[str, list[Spent]] = {contender: [] for contender in commands}
        others = []
        for number in range(rounds):
            for contender in [*commands][:: 1 if number % 2 else -1]:
                since = Clock()
                taken[contender].append(spent(commands[contender]))
                others.append(since.others(taken[contender][-1].cpu))
        found = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
        accuracy = {
            "bag of n-grams": found["accuracy"]["value"],
            "linear SVM": float(subprocess.run(svm, capture_output=True, check=True).stdout),
        }
    print("| contender | seconds | of processors | test accuracy |\n|---|---|---|---|")
    for contender, rows in taken.items():
        wall, cpu = median(one.wall for one in rows), median(one.cpu for one in rows)
        print(f"| {contender} | {wall:.1f} | {cpu:.1f} | {accuracy[contender]:.4f} |")
    ours, rival = taken.values()
    ratios = sorted(two.wall / one.wall for one, two in zip(ours, rival, strict=True))
    print(
        f"\nThe SVM's seconds to textnets': {median(ratios):.2f} ({ratios[0]:.2f}-{ratios[-1]:.2f})"
    )
    print(f"Other processes took {max(others):.0%} of the machine at most.")


if __name__ == "__main__":
    main()
