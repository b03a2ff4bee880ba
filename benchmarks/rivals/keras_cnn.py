"""The multi-width CNN of Kim (2014) in plain Keras, every text padded to the longest.

python benchmarks/rivals/keras_cnn.py ARRAYS [FILE]     # FILE.keras: only save the model
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import keras
import numpy as np
from arrays import Arrays, load
from keras_fit import fit, said
from turns import take_turns


def build(arrays: Arrays, length: int) -> keras.Model:
    """From ``<int32>[batch, length]`` to the probabilities of the classes."""
    model, num_classes = arrays.model, arrays.sizes["num_classes"]
    ids = keras.Input((length,), dtype="int32")
    vectors = keras.layers.Embedding(arrays.sizes["vocabulary_size"], model["embedding_width"])(ids)
    if model["embedding_dropout"]:
        vectors = keras.layers.SpatialDropout1D(model["embedding_dropout"])(vectors)
    features = [
        keras.layers.GlobalMaxPooling1D()(
            keras.layers.Conv1D(model["maps"], width, activation="relu")(vectors)
        )
        for width in model["widths"]
    ]
    joined = keras.layers.Dropout(model["dropout"])(keras.layers.Concatenate()(features))
    constraint = keras.constraints.MaxNorm(model["max_norm"]) if model["max_norm"] else None
    outputs, activation = (1, "sigmoid") if num_classes == 2 else (num_classes, "softmax")
    probabilities = keras.layers.Dense(
        outputs, activation=activation, kernel_constraint=constraint
    )(joined)
    return keras.Model(ids, probabilities)


def main() -> None:
    arrays = load(sys.argv[1])
    tokens = arrays.inputs["token_ids"]
    x = tokens.pad(np.arange(len(tokens)), int(tokens.lengths.max()))
    y = arrays.targets
    model = build(arrays, x.shape[1])
    optimizer = keras.optimizers.Adam(arrays.training["learning_rate"])
    binary = arrays.sizes["num_classes"] == 2
    loss = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
    model.compile(optimizer, loss)
    if len(sys.argv) > 2:
        model.save(sys.argv[2])
        return
    batch_size = arrays.training["batch_size"]

    def train(start: int, count: int) -> Mapping[str, float]:
        rows = arrays.some_rows(start, count)
        return {"examples": len(rows), **fit(model, x[rows], y[rows], batch_size=batch_size)}

    def predict() -> Mapping[str, float]:
        rows = sum(map(len, arrays.predicted))
        return {"examples": len(model.predict(x[:rows], batch_size=128, verbose=0))}

    how = f"fit and predict(batch_size=128) on ids padded to {x.shape[1]}, no masks"
    take_turns({"train": train, "predict": predict}, said(how))


if __name__ == "__main__":
    main()
