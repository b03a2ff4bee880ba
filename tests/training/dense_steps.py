"""Training steps in plain NumPy, with dense gradients: what every optimizer is compared with.

Run as a module it does so on the backend of ``KERAS_BACKEND``, for a process of its own.
"""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.recipe.sections import TrainingSection

Array = npt.NDArray[np.float64]
OPTIMIZERS = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw")
CLIPS: tuple[dict[str, Any], ...] = ({}, {"clip_norm": 0.5}, {"clip_value": 0.05})
WAYS = ("whole", "parts")
REDUCED = ("imdb_mlp", "shakespeare_char_gru")  # recipes with Keras's table, and with our own
TOKENS, WIDTH, RATE = 7, 3, 0.05

#: Tokens that are repeated inside a text and between texts; 6 never stands there, 0 is padding.
IDS = np.array([[1, 2, 2, 1], [1, 1, 1, 0], [3, 1, 2, 0], [5, 4, 5, 5]], np.int32)
TARGETS = np.array([[1.0], [-2.0], [0.5], [3.0]], np.float32)


def start() -> list[Array]:
    """A table of vectors, a vector of weights and a bias."""
    draw = np.random.default_rng(3).normal
    return [draw(size=(TOKENS, WIDTH)), draw(size=(WIDTH, 1)), draw(size=1)]


def gradients(
    weights: list[Array], ids: npt.NDArray[Any], targets: npt.NDArray[Any]
) -> list[Array]:
    """Of the mean squared error of a sum of vectors times weights plus a bias."""
    table, kernel, _ = weights
    sums = table[ids].sum(axis=1)
    error = 2.0 * (sums @ kernel + weights[2] - targets) / len(targets)
    of_table = np.zeros_like(table)
    for row, wrong in zip(ids, error, strict=True):
        for token in row:
            of_table[token] += wrong * kernel[:, 0]
    return [of_table, sums.T @ error, error.sum(axis=0)]


def clipped(found: list[Array], section: TrainingSection) -> list[Array]:
    if section.clip_value is not None:
        return [np.clip(one, -section.clip_value, section.clip_value) for one in found]
    if section.clip_norm is not None:
        norm = np.sqrt(sum((one**2).sum() for one in found))
        return [one * min(1.0, section.clip_norm / norm) for one in found]
    return found


class Descent:
    """One weight's steps, by the papers' rules and with Keras's constants."""

    def __init__(self, section: TrainingSection) -> None:
        self.section, self.time = section, 0
        self.first, self.second = np.zeros(()), np.zeros(())
        if section.optimizer == "adagrad":
            self.second = np.full((), 0.1)  # where Keras begins

    def step(self, weight: Array, gradient: Array, rate: float) -> Array:
        section, self.time = self.section, self.time + 1
        match section.optimizer:
            case "sgd":
                return weight - rate * gradient
            case "momentum" | "nesterov":
                self.first = section.momentum * self.first - rate * gradient
                if section.optimizer == "momentum":
                    return weight + self.first
                return weight + section.momentum * self.first - rate * gradient
            case "adagrad":
                self.second = self.second + gradient**2
                return weight - rate * gradient / np.sqrt(self.second + 1e-7)
            case "rmsprop":
                self.second = 0.9 * self.second + 0.1 * gradient**2
                return weight - rate * gradient / np.sqrt(self.second + 1e-7)
        if section.optimizer == "adamw":
            weight = weight - rate * section.weight_decay * weight
        self.first = 0.9 * self.first + 0.1 * gradient
        self.second = 0.999 * self.second + 0.001 * gradient**2
        step = rate * np.sqrt(1 - 0.999**self.time) / (1 - 0.9**self.time)
        return weight - step * self.first / (np.sqrt(self.second) + 1e-7)


def by_hand(
    section: TrainingSection, ids: npt.NDArray[Any], targets: npt.NDArray[Any], steps: int
) -> list[Array]:
    """The weights after some steps on one batch."""
    weights = start()
    each = [Descent(section) for _ in weights]
    rates = [RATE * section.embedding_rate, RATE, RATE]
    for _ in range(steps):
        found = clipped(gradients(weights, ids, targets), section)
        weights = [
            descent.step(weight, gradient, rate)
            for descent, weight, gradient, rate in zip(each, weights, found, rates, strict=True)
        ]
    return weights


def section_of(name: str, **keys: Any) -> TrainingSection:
    return TrainingSection.model_validate({"optimizer": name, "learning_rate": RATE, **keys})


def model_of(optimizer: Any) -> Any:
    """The model of :func:`gradients`, at :func:`start`, compiled."""
    import keras

    inputs = keras.Input((None,), dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(TOKENS, WIDTH, name="embedding")(inputs)
    sums = keras.ops.sum(vectors, axis=1)
    model = keras.Model(inputs, keras.layers.Dense(1, name="output")(sums))
    model.compile(optimizer, "mean_squared_error")
    model.set_weights(start())
    return model


def by_textnets(
    section: TrainingSection,
    ids: npt.NDArray[Any],
    targets: npt.NDArray[Any],
    steps: int,
    way: str = "whole",
) -> list[Array]:
    """The same weights by a compiled step, of the whole batch or in parts."""
    from textnets.backend.accumulation import parted_step
    from textnets.backend.steps import train_step
    from textnets.training.optimizers import build_optimizer, token_tables

    model = model_of("sgd")
    model.compile(
        build_optimizer(section, token_tables(model)), "mean_squared_error", jit_compile=section.xla
    )
    model.optimizer.build(model.trainable_variables)
    step = train_step(model, ids, targets, None) if way == "whole" else parted_step(model)
    for _ in range(steps):
        step(ids, targets, None, *([] if way == "whole" else [3]))
    return list(model.get_weights())


def distance(ours: list[Array], theirs: list[Array]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(ours, theirs, strict=True))


def largest_distances(steps: int = 1) -> dict[str, float]:
    """For every optimizer, way and clip, how far the weights are from those by hand."""
    found = {}
    for name, way, clip in itertools.product(OPTIMIZERS, WAYS, CLIPS):
        section = section_of(name, **clip)
        ours = by_textnets(section, IDS, TARGETS, steps, way)
        found[f"{name}, {way}, {clip}"] = distance(ours, by_hand(section, IDS, TARGETS, steps))
    return found


def moves_in_reduced_precision(recipe: str) -> tuple[float, float]:
    """How far the vector of a token that stands 2,000 times moves, where each place's gradient is
    0.37, and that of a token that is not there: of a recipe's model in mixed precision."""
    import keras

    from textnets.experiment.models import assemble_model
    from textnets.recipe.shipped import recipe_path
    from textnets.tasks import read_task

    task = read_task(recipe_path(recipe), ["training.precision=mixed_bfloat16"])
    table = assemble_model(task.recipe, {"vocabulary_size": 9, "num_classes": 2}).get_layer(
        "embedding"
    )
    before = keras.ops.convert_to_numpy(table.embeddings.value)
    texts = keras.Input((1000,), dtype="int32")
    vectors = keras.layers.Activation("linear", dtype="float32")(table(texts))
    model = keras.Model(texts, keras.layers.GlobalAveragePooling1D(dtype="float32")(vectors))
    model.compile(keras.optimizers.SGD(1.0), loss=lambda _, means: keras.ops.sum(means) * 370.0)
    model.train_on_batch(np.full((2, 1000), 4, np.int32), np.zeros((2, 1), np.float32))
    moved = before - keras.ops.convert_to_numpy(table.embeddings.value)
    return float(moved[4].mean()), float(np.abs(moved[5]).max())


if __name__ == "__main__":
    moves = {recipe: moves_in_reduced_precision(recipe) for recipe in REDUCED}
    print(json.dumps({"distances": largest_distances(), "moves": moves}))
