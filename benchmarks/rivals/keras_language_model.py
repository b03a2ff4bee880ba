"""A language model of LSTMs with a softmax over all words in plain Keras, on running text.

python benchmarks/rivals/keras_language_model.py ARRAYS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import keras
import numpy as np
from arrays import Arrays, load
from keras_fit import fit, said
from turns import take_turns


def build(arrays: Arrays) -> keras.Model:
    """From ``<int32>[streams, window]`` to the logits of each next word."""
    model, training = arrays.model, arrays.training
    vocabulary_size = arrays.sizes["vocabulary_size"]
    ids = keras.Input(batch_shape=(training["batch_size"], training["window"]), dtype="int32")
    x = keras.layers.Embedding(vocabulary_size, model["embedding_width"])(ids)
    x = keras.layers.Dropout(model["embedding_dropout"])(x)
    for units in model["units"]:
        x = keras.layers.LSTM(units, return_sequences=True, stateful=True)(x)
        x = keras.layers.Dropout(model["dropout"])(x)
    return keras.Model(ids, keras.layers.Dense(vocabulary_size)(x))


def main() -> None:
    arrays = load(sys.argv[1])
    words, following = arrays.inputs["token_ids"].ids, arrays.targets.ids
    training = arrays.training
    streams, window = training["batch_size"], training["window"]
    windows = len(words) // streams // window
    # Row i of a batch goes on where row i of the batch before it ended.
    x, y = (
        array[: streams * windows * window].reshape(streams, windows, window).swapaxes(0, 1)
        for array in (words, following)
    )
    model = build(arrays)
    optimizer = keras.optimizers.Adam(
        training["learning_rate"], global_clipnorm=training["clip_norm"]
    )
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    def train(start: int, count: int) -> Mapping[str, float]:
        batches = np.arange(start, start + count) % windows
        inputs, targets = (array[batches].reshape(-1, window) for array in (x, y))
        done = fit(model, inputs, targets, batch_size=streams, shuffle=False)
        return {"examples": inputs.size, **done}

    how = "fit with stateful LSTMs and a softmax over all words, not tied"
    take_turns({"train": train}, said(how))


if __name__ == "__main__":
    main()
