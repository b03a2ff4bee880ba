"""What each softmax over a large vocabulary costs a step, and what a model learns by it.

    python benchmarks/softmaxes.py                    # 400 steps each, 20 minutes on a core
    python benchmarks/softmaxes.py --steps 30         # speeds only, a few minutes
    python benchmarks/softmaxes.py --seconds 240      # the same time for each, not the same steps

Trains the model of ``wikitext2_lstm`` anew with each softmax, at a constant learning rate and with
the same seed, on the same batches, and scores the beginning of the validation split with the exact
probabilities of each. Time is that of the processor, which what else runs on the machine hardly
changes. The test split is not read.
"""

from __future__ import annotations

import argparse
import itertools
import math
import time
from typing import Any

import numpy as np

RECIPE = "wikitext2_lstm"
SOFTMAXES = {
    "full": ["model.adaptive_softmax=[]"],
    "sampled, 1,024": ["model.adaptive_softmax=[]", "training.sampled_softmax=1024"],
    "sampled, 4,096": ["model.adaptive_softmax=[]", "training.sampled_softmax=4096"],
    "adaptive": ["model.adaptive_shrink=1"],
    "adaptive, half": ["model.adaptive_shrink=2"],
    "adaptive, quarter": ["model.adaptive_shrink=4"],
}
SCORED = 20_000  # tokens
WARM_UP = 3  # steps that are not timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--seconds", type=float, help="of the processor, instead of --steps")
    parser.add_argument("softmaxes", nargs="*", default=[*SOFTMAXES], metavar="SOFTMAX")
    options = parser.parse_args()
    print(f"{'softmax':20}{'steps':>8}{'ms a step':>12}{'perplexity':>12}", flush=True)
    for name in options.softmaxes:
        steps, milliseconds, loss = trained(SOFTMAXES[name], options.steps, options.seconds)
        found = f"{math.exp(loss):.1f}"
        print(f"{name:20}{steps:8}{milliseconds:12.0f}{found:>12}", flush=True)


def trained(settings: list[str], steps: int, limit: float | None) -> tuple[int, float, float]:
    """How many steps a model was trained for, milliseconds a step, and nats a token on
    validation."""
    from textnets.backend.devices import prepare_device
    from textnets.backend.steps import train_step
    from textnets.experiment.models import compile_model
    from textnets.experiment.prepare import prepare
    from textnets.progress import Progress
    from textnets.recipe.shipped import recipe_path
    from textnets.tasks import read_task

    task: Any = read_task(recipe_path(RECIPE), [*settings, "evaluation.test=false"])
    files = task.find_files(Progress())
    kept = {name: files[name] for name in ("train", "validation")}
    splits = task.read_splits(kept, Progress())
    device = prepare_device("cpu")
    prepared = prepare(task, splits, Progress())
    train, validation = prepared.encoded["train"], prepared.encoded["validation"]
    compiled = compile_model(task, prepared.preprocessor, train, device, Progress())
    model = compiled.setup.model
    model.optimizer.learning_rate = task.recipe.training.learning_rate
    batches = compiled.setup.batches
    order = (rows for epoch in itertools.count() for rows in batches.of_epoch(epoch))
    step = train_step(model, *batches.load(batches.of_epoch(0)[0]))
    if compiled.setup.begin_epoch is not None:
        compiled.setup.begin_epoch()
    number, seconds, timed = 0, 0.0, 0
    while (number < steps) if limit is None else (seconds < limit):
        batch = batches.load(next(order))
        started = time.process_time()
        step(*batch)
        if number >= WARM_UP:
            seconds += time.process_time() - started
            timed += 1
        number += 1
    lines = int(np.searchsorted(validation.targets.offsets, SCORED))
    few = validation.beginning(lines, SCORED)
    outputs = task.inference(prepared.preprocessor, compiled.model).outputs(few, Progress())
    loss = task.evaluation(prepared.preprocessor).measure(outputs, few)["loss"]
    return number, 1000 * seconds / max(timed, 1), loss


if __name__ == "__main__":
    main()
