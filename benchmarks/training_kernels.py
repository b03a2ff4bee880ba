"""What faster kernels give a step of training: textnets' own against Keras's, on the same batches.

    TEXTNETS_DATA=... python benchmarks/training_kernels.py                 # all, some ten minutes
    TEXTNETS_DATA=... python benchmarks/training_kernels.py ewt_gru_tagger  # one recipe

Two models of a recipe, with the same seed, take turns in training on the same batches: one as
textnets trains (``textnets.backend.recurrence`` and ``FusedAdam``), one by Keras's operations
alone, in buckets as well. Shown are the median of the ratios of their times, the lowest and the
highest, and by how much their losses differ at the end.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

RECIPES = (
    "imdb_bilstm_published", "ewt_gru_tagger", "conll2000_bilstm_crf", "banking77_cnn", "sst2_cnn",
    "tatoeba_lstm", "multi30k_gru_attention", "shakespeare_char_gru", "wikitext2_lstm",
)  # fmt: skip
LIMIT = 3000  # rows of each file
WARM_UP = 3  # steps that are not timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipes", nargs="*", default=RECIPES)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=6, help="of each model a round")
    options = parser.parse_args()
    print(f"{'recipe':26}{'ms, Keras':>10}{'ms':>8}{'faster':>8}  {'range':13}{'loss':>9}")
    for name in options.recipes:
        print(compared(name, options.rounds, options.steps), flush=True)


def compared(name: str, rounds: int, steps: int) -> str:
    """A line of the table."""
    of_keras, fused = stepper(name, fused=False), stepper(name, fused=True)
    for _ in range(WARM_UP):
        of_keras(1), fused(1)
    times, losses = [], (0.0, 0.0)
    for _ in range(rounds):
        (one, loss), (other, own_loss) = of_keras(steps), fused(steps)
        times.append((one / steps, other / steps))
        losses = loss, own_loss
    ratios = sorted(one / other for one, other in times)
    slow, fast = (1000 * statistics.median(side) for side in zip(*times, strict=True))
    return (
        f"{name:26}{slow:10.0f}{fast:8.0f}{statistics.median(ratios):8.2f}  "
        f"{f'{ratios[0]:.2f}-{ratios[-1]:.2f}':13}{abs(losses[0] - losses[1]):9.1e}"
    )


def stepper(name: str, *, fused: bool) -> Callable[[int], tuple[float, float]]:
    """Trains a model for some steps, on with the next batches each time: seconds, and the last
    batch's loss."""
    from textnets.backend.devices import prepare_device
    from textnets.backend.steps import train_step
    from textnets.experiment.models import compile_model
    from textnets.experiment.prepare import prepare
    from textnets.progress import Progress
    from textnets.recipe.shipped import recipe_path
    from textnets.tasks import read_task

    task: Any = read_task(recipe_path(name), [f"data.limit={LIMIT}", "evaluation.test=false"])
    files = task.find_files(Progress())
    splits = task.read_splits(files, Progress())
    device = prepare_device("cpu")
    prepared = prepare(task, {"train": splits["train"]}, Progress())
    train = prepared.encoded["train"]
    compiled = compile_model(task, prepared.preprocessor, train, device, Progress(), fused=fused)
    batches = compiled.setup.batches
    rows = batches.of_epoch(0)
    step = train_step(compiled.setup.model, *batches.load(rows[0]))
    if compiled.setup.begin_epoch is not None:
        compiled.setup.begin_epoch()
    done = 0

    def run(count: int) -> tuple[float, float]:
        nonlocal done
        seconds, loss = 0.0, 0.0
        for _ in range(count):
            batch = batches.load(rows[done % len(rows)])
            started = time.perf_counter()
            loss = step(*batch)["loss"]
            seconds += time.perf_counter() - started
            done += 1
        return seconds, loss

    return run


if __name__ == "__main__":
    main()
