"""A bidirectional GRU over words and their characters in plain Keras, padded to the longest.

python benchmarks/rivals/keras_tagger.py ARRAYS
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import keras
import numpy as np
from arrays import Arrays, load
from keras_fit import fit, said
from turns import take_turns


def build(arrays: Arrays, characters: int) -> keras.Model:
    """From words, ``<int32>[batch, length]``, and characters, ``<int32>[batch, length,
    characters]``, to the probabilities of each word's tags."""
    model, sizes = arrays.model, arrays.sizes
    words = keras.Input((None,), dtype="int32", name="words")
    spelled = keras.Input((None, characters), dtype="int32", name="characters")
    embed = keras.layers.Embedding(
        sizes["vocabulary_size"], model["embedding_width"], mask_zero=True
    )
    letters = keras.layers.Embedding(sizes["num_characters"], model["character_width"])(spelled)
    # A convolution over each word's characters, written as one over the sentence's picture.
    features = keras.layers.Conv2D(
        model["character_maps"], (1, model["character_window"]), padding="same", activation="relu"
    )(letters)
    features = keras.layers.Lambda(
        lambda x: keras.ops.max(x, axis=2), output_shape=lambda shape: (*shape[:2], shape[3])
    )(features)
    x = keras.layers.Concatenate()([embed(words), features])
    x = keras.layers.Dropout(model["dropout"])(x)
    (units,) = model["units"]
    gru = keras.layers.GRU(units, return_sequences=True)
    x = keras.layers.Bidirectional(gru)(x, mask=embed.compute_mask(words))
    x = keras.layers.Dropout(model["dropout"])(x)
    return keras.Model(
        [words, spelled], keras.layers.Dense(sizes["num_tags"], activation="softmax")(x)
    )


def main() -> None:
    arrays = load(sys.argv[1])
    tokens, spelled = arrays.inputs["token_ids"], arrays.inputs["character_ids"]
    everything, longest = np.arange(len(tokens)), int(tokens.lengths.max())
    words, characters = (rows.pad(everything, longest) for rows in (tokens, spelled))
    y = arrays.targets.pad(everything, longest)
    model = build(arrays, characters.shape[-1])
    training = arrays.training
    optimizer = keras.optimizers.Adam(
        training["learning_rate"], global_clipnorm=training["clip_norm"]
    )
    model.compile(optimizer, "sparse_categorical_crossentropy")

    def train(start: int, count: int) -> Mapping[str, float]:
        rows = arrays.some_rows(start, count)
        weights = (words[rows] != 0).astype("float32")
        inputs = [words[rows], characters[rows]]
        how = {"batch_size": training["batch_size"], "sample_weight": weights}
        return {"examples": len(rows), **fit(model, inputs, y[rows], **how)}

    def predict() -> Mapping[str, float]:
        rows = sum(map(len, arrays.predicted))
        found = model.predict([words[:rows], characters[:rows]], batch_size=128, verbose=0)
        return {"examples": len(found.argmax(-1))}

    how = f"fit and predict(batch_size=128) on ids padded to {longest} words, mask_zero=True"
    take_turns({"train": train, "predict": predict}, said(how))


if __name__ == "__main__":
    main()
