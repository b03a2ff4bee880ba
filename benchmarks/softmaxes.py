"""What each softmax over a large vocabulary costs a step, and what a model learns by it.

    python benchmarks/softmaxes.py                    # 400 steps each, 20 minutes on a core
    python benchmarks/softmaxes.py --steps 30         # speeds only, a few minutes

Trains the model of ``wikitext2_lstm`` anew with each softmax, at a constant learning rate and with
the same seed, on the same batches, and scores the beginning of the validation split with the exact
probabilities of each. The test split is not read.
"""

from __future__ import annotations

import argparse
import math
import time
from typing import Any

import numpy as np

RECIPE = "wikitext2_lstm"
SOFTMAXES = {
    "full": ["model.adaptive_softmax=[]"],
    "sampled, 1,024": ["model.adaptive_softmax=[]", "training.sampled_softmax=1024"],
    "sampled, 4,096": ["model.adaptive_softmax=[]", "training.sampled_softmax=4096"],
    "adaptive": [],
}
SCORED = 20_000  # tokens
WARM_UP = 3  # steps that are not timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=400)
    options = parser.parse_args()
    milliseconds: dict[str, float] = {}
    title = f"perplexity after {options.steps} steps"
    print(f"{'softmax':16}{'ms a step':>12}{'to full':>10}{title:>32}", flush=True)
    for name, settings in SOFTMAXES.items():
        milliseconds[name], loss = trained(settings, options.steps)
        ratio = milliseconds[name] / milliseconds["full"]
        found = f"{math.exp(loss):.1f}"
        print(f"{name:16}{milliseconds[name]:12.0f}{ratio:10.2f}{found:>32}", flush=True)


def trained(settings: list[str], steps: int) -> tuple[float, float]:
    """Milliseconds a step, and nats a token on validation, of a model trained for some steps."""
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
    rows = batches.of_epoch(0)[:steps]
    step = train_step(model, *batches.load(rows[0]))
    if compiled.setup.begin_epoch is not None:
        compiled.setup.begin_epoch()
    seconds = 0.0
    for number, places in enumerate(rows):
        batch = batches.load(places)
        started = time.perf_counter()
        step(*batch)
        if number >= WARM_UP:
            seconds += time.perf_counter() - started
    lines = int(np.searchsorted(validation.targets.offsets, SCORED))
    few = validation.beginning(lines, SCORED)
    outputs = task.inference(prepared.preprocessor, compiled.model).outputs(few, Progress())
    loss = task.evaluation(prepared.preprocessor).measure(outputs, few)["loss"]
    return 1000 * seconds / max(len(rows) - WARM_UP, 1), loss


if __name__ == "__main__":
    main()
