"""How fast textnets is on a GPU: on JAX, beside plain Keras on JAX and PyTorch with cuDNN.

    python benchmarks/gpu.py store FOLDER      # where TensorFlow is: the ids of each work
    python benchmarks/gpu.py run FOLDER        # where the GPU is; TensorFlow need not be there

The second needs the folder, keras, jax and torch with CUDA, and what textnets imports ('pip install
--no-deps textnets' beside click, pydantic and the like). It prints a table as ``bench.py`` does,
and by how much outputs, with cuDNN where it computes, differ from a CPU's for the same weights.
``--small`` on both makes nets of a few units and rounds of two batches: to see that it runs at all,
on a CPU as well.
"""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from bench import (
    BENCHMARKS,
    KERAS,
    OURS,
    TITLE,
    TORCH,
    Contender,
    FailedError,
    Line,
    Work,
    ended_at_last,
    machine,
    measure,
    rendered,
)

ON_JAX = {"KERAS_BACKEND": "jax"}
ROUNDS = 11


def training(batches: int, unit: str = "examples") -> Line:
    """The same batches in each round: JAX compiles a step for each width that it meets, all of
    them in the round that does not count."""
    return Line("training", {"work": "train", "count": batches}, moves=False, unit=unit)


WIDE = ["model.embedding_width=1024", "model.units=[1024]", "model.decoder_units=[1024]"]
WORKS = {
    "imdb_bilstm": Work(
        "imdb_bilstm_published", "bilstm", [training(100)], settings=["training.clip_norm=1"]
    ),
    "ewt_gru_tagger": Work("ewt_gru_tagger", "tagger", [training(100)]),
    "multi30k_wide": Work("multi30k_gru_attention", "translator", [training(60)], settings=WIDE),
    "wikitext2_lstm": Work("wikitext2_lstm", "language_model", [training(100, "words")]),
}
SMALL = {
    "imdb_bilstm": ["training.clip_norm=1", "model.embedding_width=8", "model.units=[8,8]"],
    "ewt_gru_tagger": ["model.embedding_width=8", "model.units=[8]", "model.character_maps=8"],
    "multi30k_wide": ["model.embedding_width=8", "model.units=[8]", "model.decoder_units=[8]"],
    "wikitext2_lstm": ["model.embedding_width=8", "model.units=[8,8]", "data.limit=2000"],
}


def chosen(name: str, is_small: bool) -> Work:
    work = WORKS[name]
    if not is_small:
        return work
    lines = [dataclasses.replace(line, asks={**line.asks, "count": 2}) for line in work.lines]
    return dataclasses.replace(work, lines=lines, settings=SMALL[name])


def ours(what: str, folder: Path, work: Work) -> list[str]:
    script = str(BENCHMARKS / "ours.py")
    return [sys.executable, script, what, str(folder), work.recipe, *work.settings]


def store(folder: Path, name: str, work: Work) -> None:
    """Write the ids that all contenders read."""
    place = folder / name
    place.mkdir(parents=True)
    subprocess.run(ours("store", place, work), check=True)


def run(folder: Path, name: str, work: Work, rounds: int) -> list[str]:
    """Show the lines of a work; gives what else there is to say."""
    place = folder / name
    notes = []
    with ExitStack() as stack:
        contenders = {}
        rivals, arrays = BENCHMARKS / "rivals", str(place / "arrays.npz")
        commands = {
            OURS: ours("train", place, work),
            KERAS: [sys.executable, str(rivals / f"keras_{work.rivals}.py"), arrays],
            TORCH: [sys.executable, str(rivals / f"torch_{work.rivals}.py"), arrays],
        }
        for contender, command in commands.items():
            try:
                made = Contender(command, ON_JAX)
            except FailedError as error:
                if contender == OURS:
                    raise
                notes.append(f"{name}, {contender}: left out: {str(error).splitlines()[-1]}")
                continue
            contenders[contender] = stack.enter_context(ended_at_last(made))
            notes.append(f"{name}, {contender}: {made.said}")
        for line in work.lines:
            print(rendered(work, line, measure(line, contenders, rounds)), flush=True)
    return [*notes, f"{name}: {differences(place, work)}"]


def differences(place: Path, work: Work) -> str:
    """How far the outputs of a batch are from those of a CPU, with the same weights."""
    with tempfile.TemporaryDirectory() as folder:
        weights, found = Path(folder) / "weights.npz", []
        for where, environment in (("CPU", {"JAX_PLATFORMS": "cpu"}), ("device", {})):
            to = Path(folder) / f"{where}.npy"
            command = ours("train", place, work)
            with ended_at_last(Contender(command, {**ON_JAX, **environment})) as contender:
                contender.round({"work": "outputs", "weights": str(weights), "to": str(to)})
                said = contender.said
            found.append(np.load(to))
    return (
        f"outputs differ from the CPU's by at most {np.abs(found[0] - found[1]).max():.1e}; {said}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["store", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("works", nargs="*", default=[*WORKS], metavar="WORK")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--small", action="store_true", help="only to see that it runs")
    given = parser.parse_args()
    works = {name: chosen(name, given.small) for name in given.works}
    if given.what == "store":
        for name, work in works.items():
            store(given.folder, name, work)
        return
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # the contenders share a GPU
    print(f"{TITLE}\n|---|---|---|---|---|", flush=True)
    notes = [
        note for name, work in works.items() for note in run(given.folder, name, work, given.rounds)
    ]
    print("\n".join([f"\n{machine()}; memory is that of the machine, not of the GPU.", *notes]))


if __name__ == "__main__":
    main()
