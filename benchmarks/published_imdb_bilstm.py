"""The rival on IMDb: the published Keras example, reading the reviews from files.

https://keras.io/examples/nlp/bidirectional_lstm_imdb/ by fchollet. Model, sizes, padding and
training are the example's: 20,000 words, the last 200 tokens of a review (``pad_sequences``
pads and cuts at the start), two bidirectional LSTMs, 2 epochs, the test split as validation.
What differs is where the ids come from: the example downloads them, this script makes them
from $TEXTNETS_DATA/imdb as the downloaded ones were made, lower-cased, without punctuation,
numbered by frequency.

    python benchmarks/published_imdb_bilstm.py --limit 3200

The last line of its output is a JSON object that ``compare.py`` reads.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import numpy.typing as npt

# --- Settings: the example's ---

MAX_FEATURES = 20_000
MAX_LENGTH = 200
BATCH_SIZE = 32
EPOCHS = 2

# --- Settings: those of keras.datasets.imdb and of keras's text_to_word_sequence ---

START_ID, UNKNOWN_ID, FIRST_WORD_ID = 1, 2, 4  # index_from=3 plus a rank from 1 on
FILTERED = dict.fromkeys(map(ord, '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'), " ")


class Stopwatch(keras.callbacks.Callback):
    """Seconds of training steps in each epoch, the evaluation at its end left out."""

    def __init__(self, examples: int) -> None:
        super().__init__()
        self.examples = examples
        self.seconds: list[float] = []
        self._is_training = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._started, self._is_training = time.perf_counter(), True

    def on_test_begin(self, logs: Any = None) -> None:
        if self._is_training:
            self.seconds.append(time.perf_counter() - self._started)
            self._is_training = False

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        print(f"epoch {epoch + 1}: {self.examples / self.seconds[-1]:,.1f} training examples/s")


# --- Data ---


def read(path: Path, limit: int | None) -> tuple[list[list[str]], npt.NDArray[np.int32]]:
    """The words of each review, and 1 where it is positive: ``<int32>[reviews]``."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))[:limit]
    words = [row["text"].lower().translate(FILTERED).split() for row in rows]
    return words, np.array([row["label"] == "pos" for row in rows], dtype="int32")


def number_words(reviews: Iterable[Sequence[str]]) -> dict[str, int]:
    """Ids of the most frequent words; ties go to the word seen first."""
    counts = Counter(word for review in reviews for word in review)
    most = counts.most_common(MAX_FEATURES - FIRST_WORD_ID)
    return {word: number for number, (word, _) in enumerate(most, start=FIRST_WORD_ID)}


def pad(reviews: Iterable[Sequence[str]], ids: Mapping[str, int]) -> npt.NDArray[np.int32]:
    """``<int32>[reviews, MAX_LENGTH]``, padded and cut at the start."""
    sequences = [[START_ID, *(ids.get(word, UNKNOWN_ID) for word in words)] for words in reviews]
    padded: npt.NDArray[np.int32] = keras.utils.pad_sequences(sequences, maxlen=MAX_LENGTH)
    return padded


# --- Model ---


def build_model() -> keras.Model:
    """The example's model: ``<int32>[batch, length]`` to ``<float32>[batch, 1]``."""
    inputs = keras.Input(shape=(None,), dtype="int32")
    x = keras.layers.Embedding(MAX_FEATURES, 128)(inputs)
    x = keras.layers.Bidirectional(keras.layers.LSTM(64, return_sequences=True))(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(64))(x)
    outputs = keras.layers.Dense(1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


# --- The story ---


def main() -> None:
    arguments = parse_arguments()
    started = time.perf_counter()
    keras.utils.set_random_seed(arguments.seed)

    folder = arguments.data / "imdb"
    train_reviews, y_train = read(folder / "train.csv.gz", arguments.limit)
    test_reviews, y_test = read(folder / "test.csv.gz", arguments.limit)
    ids = number_words(train_reviews)
    x_train, x_test = pad(train_reviews, ids), pad(test_reviews, ids)
    prepared = time.perf_counter()

    model = build_model()
    stopwatch = Stopwatch(len(x_train))
    history = model.fit(
        x_train,
        y_train,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        validation_data=(x_test, y_test),
        callbacks=[stopwatch],
        verbose=2,
    )
    ended = time.perf_counter()

    result = {
        "test_accuracy": float(history.history["val_accuracy"][-1]),
        "examples_per_second": len(x_train) * EPOCHS / sum(stopwatch.seconds),
        "total_seconds": ended - started,
    }
    print(
        f"test accuracy {result['test_accuracy']:.4f}, "
        f"{result['examples_per_second']:,.1f} training examples/s, "
        f"{ended - prepared:.1f} s of training with the evaluations, "
        f"{result['total_seconds']:.1f} s in all"
    )
    print(json.dumps(result))


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="The published Keras BiLSTM on IMDb.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit", type=int, help="read only the first reviews of each file")
    parser.add_argument(
        "--data",
        type=Path,
        default=Path(os.environ.get("TEXTNETS_DATA", "data")),
        help="the folder of the data sets; $TEXTNETS_DATA by default",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
