"""The published example of Keras: two stacked bidirectional LSTMs over padded reviews.

    python benchmarks/rivals/keras_bilstm.py ARRAYS

https://keras.io/examples/nlp/bidirectional_lstm_imdb/ pads in front and masks nothing, which is
faster than ``mask_zero=True``.
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
    """From ``<int32>[batch, length]`` to the probability of the second class."""
    inputs = keras.Input((None,), dtype="int32")
    x = keras.layers.Embedding(arrays.sizes["vocabulary_size"], arrays.model["embedding_width"])(
        inputs
    )
    *lower, last = arrays.model["units"]
    for units in lower:
        x = keras.layers.Bidirectional(keras.layers.LSTM(units, return_sequences=True))(x)
    x = keras.layers.Bidirectional(keras.layers.LSTM(last))(x)
    return keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(x))


def main() -> None:
    arrays = load(sys.argv[1])
    tokens = arrays.inputs["token_ids"]
    reviews = [tokens[row] for row in range(len(tokens))]
    x = keras.utils.pad_sequences(reviews, maxlen=int(tokens.lengths.max()))
    y = np.asarray(arrays.targets)
    model = build(arrays)
    training = arrays.training
    optimizer = keras.optimizers.Adam(
        training["learning_rate"], global_clipnorm=training["clip_norm"]
    )
    model.compile(optimizer, "binary_crossentropy")

    def train(start: int, count: int) -> Mapping[str, float]:
        rows = arrays.some_rows(start, count)
        done = fit(model, x[rows], y[rows], batch_size=training["batch_size"])
        return {"examples": len(rows), **done}

    def predict() -> Mapping[str, float]:
        rows = sum(map(len, arrays.predicted))
        return {"examples": len(model.predict(x[:rows], batch_size=128, verbose=0))}

    how = f"fit and predict(batch_size=128) on ids padded in front to {x.shape[1]}, no masks"
    take_turns({"train": train, "predict": predict}, said(how))


if __name__ == "__main__":
    main()
