"""How much memory training from stored ids takes, beside holding the corpus as Python strings.

    python benchmarks/memory.py                      # 20 million tokens, a few minutes
    python benchmarks/memory.py --tokens 2000000     # what the tests run

Writes a csv of made-up texts, encodes it with ``textnets tokenize --store``, removes it, and
trains an epoch under a hard limit of address space (RLIMIT_AS): what the same command needs for
a hundred texts, and ``--extra`` MB. Linux only.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

RECIPE = """\
task: classification
data: {train: texts.csv, validation: few.csv}
text: {tokenizer: whitespace, max_tokens: 50000}
model: {builder: mlp_classifier, embedding_width: 8, dense_units: [8]}
training: {epochs: 1, batch_size: 512, optimizer: sgd}
evaluation: {baselines: false, resamples: 0}
"""
LENGTH = 100  # tokens a text

HOLD = """
import resource, sys
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
held = [line.split() for line in open("texts.csv", encoding="utf-8")]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""
# The command line, and after it the most address space that it had.
TRAIN = """
import sys
from textnets.pipeline import train
train(sys.argv[1], output=sys.argv[2], store=sys.argv[3])
peak = next(line for line in open("/proc/self/status") if line.startswith("VmPeak"))
print(int(peak.split()[1]) // 1024)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tokens", type=int, default=20_000_000)
    parser.add_argument("--extra", type=int, help="MB above the least; by default a quarter of "
                        "what Python strings take")  # fmt: skip
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        least = trained("few", 100 * LENGTH, limit=None)
        held = measured("many", options.tokens)
        extra = options.extra or held // 4
        used = trained("many", options.tokens, limit=least + extra)
    print(f"{options.tokens:,} tokens as Python strings: {held:,} MB")
    print(f"training on 10,000 tokens: {least:,} MB of address space")
    print(f"training on {options.tokens:,} under a limit of {least + extra:,} MB: done, "
          f"{used:,} MB, that is {used - least:,} MB more")  # fmt: skip


def measured(name: str, tokens: int) -> int:
    """MB that the corpus takes as lists of strings; its store is written on the way."""
    write_store(name, tokens)
    held = int(run([sys.executable, "-c", HOLD]))
    Path("texts.csv").unlink()
    return held


def trained(name: str, tokens: int, limit: int | None) -> int:
    """Train on a store without the texts, and say how much address space that took, in MB."""
    if not Path(name).exists():
        write_store(name, tokens)
        Path("texts.csv").unlink()
    return int(run([sys.executable, "-c", TRAIN, "recipe.yaml", f"run_{name}", name], limit))


def write_store(name: str, tokens: int) -> None:
    random = np.random.default_rng(0)
    words = np.array([f"word{number}" for number in range(50_000)])
    Path("recipe.yaml").write_text(RECIPE, encoding="utf-8")
    for file_name, texts in (("texts.csv", tokens // LENGTH), ("few.csv", 20)):
        with Path(file_name).open("w", encoding="utf-8") as file:
            file.write("text,label\n")
            for number in range(texts):
                ranks = np.minimum(random.zipf(1.2, LENGTH), len(words)) - 1
                file.write(f"{' '.join(words[ranks])},{'ab'[number % 2]}\n")
    run([sys.executable, "-m", "textnets_cli", "tokenize", "recipe.yaml", "--store", name])
    Path("few.csv").unlink()


def run(command: list[str], limit: int | None = None) -> str:
    def limited() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit * 2**20, limit * 2**20))

    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limited)
    if done.returncode:
        sys.exit(done.stderr)
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


if __name__ == "__main__":
    main()
