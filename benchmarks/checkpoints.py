"""What a checkpoint costs: its size, its time, and its share of training at the default.

    python benchmarks/checkpoints.py [RECIPE ...]

Builds each recipe's model with an optimizer as its data asks for, and writes its checkpoint five
times, synced to the disk as in training.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

RECIPES = ["banking77_cnn", "imdb_bilstm_published", "ewt_gru_tagger", "multi30k_gru_attention",
           "wikitext2_lstm"]  # fmt: skip


def main(names: list[str]) -> None:
    from textnets.backend.devices import prepare_device
    from textnets.experiment.models import compile_model
    from textnets.experiment.prepare import prepare, read_data
    from textnets.progress import Progress
    from textnets.recipe.shipped import recipe_path
    from textnets.tasks import read_task
    from textnets.training.checkpoints import save_checkpoint

    print(f"{'recipe':24}{'MB':>8}{'s':>8}{'share of the time, one every 5 minutes':>42}")
    for name in names or RECIPES:
        task, silent, device = read_task(recipe_path(name)), Progress(), prepare_device("cpu")
        prepared = prepare(task, read_data(task, silent).splits, silent)
        train = prepared.encoded["train"]
        trained = compile_model(task, prepared.preprocessor, train, device, silent).setup.model
        trained.optimizer.build(trained.trainable_variables)
        with tempfile.TemporaryDirectory() as folder:
            times = []
            for _ in range(5):
                started = time.perf_counter()
                save_checkpoint(Path(folder), trained, {"step": 1})
                times.append(time.perf_counter() - started)
            size = sum(path.stat().st_size for path in Path(folder).iterdir()) / 2**20
        seconds = sorted(times)[len(times) // 2]
        minutes = task.recipe.training.checkpoint_minutes
        print(f"{name:24}{size:8.1f}{seconds:8.3f}{seconds / (60 * minutes):42.3%}")


if __name__ == "__main__":
    main(sys.argv[1:])
