"""textnets as a contender: it stores a work's ids, for all, and takes turns in training on them.

    python benchmarks/ours.py store FOLDER RECIPE [KEY=VALUE ...]   # FOLDER/ids, FOLDER/arrays.npz
    python benchmarks/ours.py train FOLDER RECIPE [KEY=VALUE ...]   # "train", "predict", "outputs"
    python benchmarks/ours.py decode FOLDER RECIPE [KEY=VALUE ...]  # "greedy", "beam"

The last two take turns in rounds of what is named. A step is the one that ``textnets train`` takes,
and a prediction goes through what ``textnets evaluate`` uses, from stored ids on. The test split is
not read.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from rivals.turns import Round, take_turns

PREDICTED = 4000  # the first rows of the training split
EVERYTHING = 1_000_000  # more tokens than a row has


class Work:
    """A recipe, and its training split from stored ids."""

    def __init__(self, folder: Path, recipe: str, settings: list[str]) -> None:
        from textnets.backend.devices import prepare_device
        from textnets.experiment.stores import open_store
        from textnets.recipe.shipped import recipe_path
        from textnets.tasks import read_task

        self.task: Any = read_task(recipe_path(recipe), settings)
        opened = open_store(folder / "ids", self.task.recipe)
        self.preprocessor = self.task.load(opened.folder)
        self.train = opened.load(self.task.input_names)["train"]
        self.device = prepare_device("auto")

    def compiled(self) -> Any:
        """The model, ready to be trained."""
        from textnets.experiment.models import compile_model
        from textnets.progress import Progress

        compiled = compile_model(self.task, self.preprocessor, self.train, self.device, Progress())
        self.said = (
            f"textnets on {self.device.backend}, {self.device.name}; "
            f"recurrent kernel {compiled.recurrent_kernel}"
        )
        return compiled


# --- Ids for all ---


def store(folder: Path, recipe: str, settings: list[str]) -> None:
    """Write ids as ``textnets tokenize --store`` does, and the same as plain arrays."""
    from textnets.backend.inference import answers_in_batches
    from textnets.pipeline import store_ids

    store_ids(recipe, folder / "ids", settings)
    work = Work(folder, recipe, settings)
    train, section = work.train, work.task.recipe.training
    setup = work.compiled().setup
    ragged = {f"inputs.{name}": rows for name, rows in train.inputs.items()}
    found: dict[str, Any] = {}
    if isinstance(train.targets, np.ndarray):
        found["targets"] = train.targets
    else:
        ragged["targets"] = train.ragged_targets
    predicted = train.beginning(PREDICTED, EVERYTHING).lengths
    batches = {
        "batches": setup.batches.of_epoch(0),
        "predicted": [rows for rows, _ in answers_in_batches(predicted, section.bucket_width, len)],
    }
    for name, rows in ragged.items():
        found |= {f"{name}.ids": rows.ids, f"{name}.offsets": rows.offsets}
    for name, lists in batches.items():
        ends = np.cumsum([0, *map(len, lists)])
        found |= {f"{name}.ids": np.concatenate(lists), f"{name}.offsets": ends}
    sizes = work.preprocessor.sizes
    described = {
        "sizes": {name: size for name, size in sizes.items() if isinstance(size, int)},
        "model": work.task.recipe.builder_parameters,
        "training": section.model_dump(),
    }
    np.savez(folder / "arrays.npz", settings=json.dumps(described, default=str), **found)


# --- Rounds ---


def train(work: Work) -> Mapping[str, Round]:
    """Steps of training, and predictions of the same model."""
    from textnets.backend.steps import train_step
    from textnets.progress import Progress
    from textnets.training.optimizers import learning_rate_at

    compiled = work.compiled()
    setup, section = compiled.setup, work.task.recipe.training
    batches, model = setup.batches, setup.model
    order = batches.of_epoch(0)
    model.optimizer.build(model.trainable_variables)
    step = train_step(model, *batches.load(order[0]))
    if setup.begin_epoch is not None:
        setup.begin_epoch()
    inference = work.task.inference(work.preprocessor, compiled.model)
    split = work.train.beginning(PREDICTED, EVERYTHING)

    def train(start: int, count: int) -> Mapping[str, float]:
        examples = 0
        for number in range(start, start + count):
            rows = order[number % len(order)]
            model.optimizer.learning_rate = learning_rate_at(
                section, step=number, steps_per_epoch=len(order), plateau_drops=0
            )
            step(*batches.load(rows))
            examples += batches.count(rows)
        return {"examples": examples}

    def predict() -> Mapping[str, float]:
        return {"examples": len(inference.outputs(split, Progress(), quick=True))}

    def outputs(weights: str, to: str) -> Mapping[str, float]:
        if Path(weights).exists():
            with np.load(weights) as file:
                model.set_weights([file[name] for name in file.files])
        else:
            np.savez(weights, *model.get_weights())
        inputs, _, _ = batches.load(order[0])
        np.save(to, model.predict_on_batch(inputs))
        return {"examples": batches.count(order[0])}

    return {"train": train, "predict": predict, "outputs": outputs}


def decode(work: Work) -> Mapping[str, Round]:
    """Translations by an untrained model, which hardly ever ends one before its limit."""
    from textnets.decoding.translating import Search, Translator
    from textnets.progress import Progress

    compiled, bucket_width = work.compiled(), work.task.recipe.training.bucket_width
    translator = Translator.of([compiled.model], [1.0], bucket_width)
    sources = work.train.inputs["source_ids"]

    def search(beam_size: int, size: int, count: int, repeat: int) -> Mapping[str, float]:
        tokens = 0
        for start in [*range(0, count, size)] * repeat:
            rows = sources.select(np.arange(start, start + size))
            found = translator.search(rows, Search(beam_size=beam_size), Progress())
            tokens += sum(len(of_row[0].token_ids) + 1 for of_row in found)
        return {"examples": count * repeat, "tokens": tokens}

    def greedy(size: int, count: int, repeat: int) -> Mapping[str, float]:
        return search(1, size, count, repeat)

    def beam(size: int, count: int, repeat: int) -> Mapping[str, float]:
        return search(5, size, count, repeat)

    return {"greedy": greedy, "beam": beam}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["store", "train", "decode"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("recipe")
    parser.add_argument("settings", nargs="*", metavar="KEY=VALUE")
    given = parser.parse_args()
    settings = [*given.settings, "evaluation.test=false"]
    if given.what == "store":
        store(given.folder, given.recipe, settings)
        return
    work = Work(given.folder, given.recipe, settings)
    rounds = train(work) if given.what == "train" else decode(work)
    take_turns(rounds, work.said)


if __name__ == "__main__":
    main()
