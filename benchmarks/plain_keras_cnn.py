"""The rival on short texts: the multi-width CNN of Kim (2014) in plain Keras.

Written as a textbook would write it, without textnets: raw text through TextVectorization,
every text padded to one length, no masks, no validation split, a fixed number of epochs on
the whole training split, and one look at the test split at the end.

    python benchmarks/plain_keras_cnn.py trec --seed 1

The last line of its output is a JSON object that ``compare.py`` reads.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np

# --- Settings ---

LABEL_COLUMNS = {"banking77": "category", "trec": "label"}

MAX_TOKENS = 20_000
SEQUENCE_LENGTH = 40  # tokens; 98.6 % of Banking77's questions and all of TREC's are shorter
EMBEDDING_WIDTH = 128
WIDTHS = (3, 4, 5)
MAPS = 100
DROPOUT = 0.5
BATCH_SIZE = 32
EPOCHS = {"banking77": 20, "trec": 10}  # 77 classes take longer than 6


class Stopwatch(keras.callbacks.Callback):
    """Seconds spent in training steps, evaluations left out."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seconds.append(time.perf_counter() - self._started)


# --- Data ---


def read(path: Path, label_column: str, limit: int | None) -> tuple[list[str], list[str]]:
    """Texts and labels of a catalog file, the first ``limit`` rows of it."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:limit]
    return [row["text"] for row in rows], [row[label_column] for row in rows]


# --- Model ---


def build_model(vocabulary_size: int, num_classes: int) -> keras.Model:
    """From ``<int64>[batch, SEQUENCE_LENGTH]`` to ``<float32>[batch, num_classes]``."""
    token_ids = keras.Input((SEQUENCE_LENGTH,), dtype="int64")
    embedded = keras.layers.Embedding(vocabulary_size, EMBEDDING_WIDTH)(token_ids)
    pooled = [
        keras.layers.GlobalMaxPooling1D()(
            keras.layers.Conv1D(MAPS, width, activation="relu")(embedded)
        )
        for width in WIDTHS
    ]
    features = keras.layers.Dropout(DROPOUT)(keras.layers.Concatenate()(pooled))
    probabilities = keras.layers.Dense(num_classes, activation="softmax")(features)
    model = keras.Model(token_ids, probabilities)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


# --- The story ---


def main() -> None:
    arguments = parse_arguments()
    started = time.perf_counter()
    keras.utils.set_random_seed(arguments.seed)

    folder = arguments.data / arguments.dataset
    column = LABEL_COLUMNS[arguments.dataset]
    train_texts, train_labels = read(folder / "train.csv.gz", column, arguments.limit)
    test_texts, test_labels = read(folder / "test.csv.gz", column, arguments.limit)
    classes = {label: number for number, label in enumerate(sorted(set(train_labels)))}

    vectorize = keras.layers.TextVectorization(MAX_TOKENS, output_sequence_length=SEQUENCE_LENGTH)
    vectorize.adapt(train_texts)
    x_train, x_test = (np.asarray(vectorize(texts)) for texts in (train_texts, test_texts))
    y_train = np.array([classes[label] for label in train_labels])
    # With --limit, a label of the test split may be unknown; no prediction equals -1.
    y_test = np.array([classes.get(label, -1) for label in test_labels])

    model = build_model(vectorize.vocabulary_size(), len(classes))
    epochs = arguments.epochs or EPOCHS[arguments.dataset]
    stopwatch = Stopwatch()
    model.fit(
        x_train, y_train, batch_size=BATCH_SIZE, epochs=epochs, callbacks=[stopwatch], verbose=2
    )
    predicted = model.predict(x_test, verbose=0).argmax(axis=1)

    result = {
        "test_accuracy": float((predicted == y_test).mean()),
        "examples_per_second": len(x_train) * epochs / sum(stopwatch.seconds),
        "total_seconds": time.perf_counter() - started,
    }
    print(
        f"test accuracy {result['test_accuracy']:.4f}, "
        f"{result['examples_per_second']:,.0f} training examples/s, "
        f"{result['total_seconds']:.1f} s in all"
    )
    print(json.dumps(result))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The multi-width CNN in plain Keras.")
    parser.add_argument("dataset", choices=sorted(LABEL_COLUMNS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--epochs", type=int, help=f"by default {EPOCHS}")
    parser.add_argument("--limit", type=int, help="read only the first rows of each file")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("TEXTNETS_DATA", "data")),
        help="the folder of the data sets; $TEXTNETS_DATA by default",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
