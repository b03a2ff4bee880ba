"""GRUs with attention in plain Keras: training on padded pairs, decoding by ``predict`` a step.

python benchmarks/rivals/keras_translator.py ARRAYS
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from arrays import Array, Arrays, load
from keras_fit import fit, said
from turns import take_turns

BOS, EOS, LENGTH_RATIO, LENGTH_EXTRA = 2, 3, 2, 10
LOWEST = -1e30


class Models:
    """What is trained, and the two parts that decode, which share its layers."""

    def __init__(self, arrays: Arrays) -> None:
        model, size = arrays.model, arrays.sizes["target_vocabulary_size"]
        width, (units,), (decoder_units,) = (
            model["embedding_width"], model["units"], model["decoder_units"] or model["units"],
        )  # fmt: skip
        embed = keras.layers.ReversibleEmbedding(size, width, mask_zero=True)
        scale = keras.layers.Rescaling(width**0.5)
        drop = keras.layers.Dropout(model["dropout"])
        read = keras.layers.Bidirectional(
            keras.layers.GRU(units, return_sequences=True, return_state=True)
        )
        bridge = keras.layers.Dense(decoder_units, activation="tanh")
        make_keys = keras.layers.Dense(decoder_units, use_bias=False)
        gru = keras.layers.GRU(decoder_units, return_sequences=True, return_state=True)
        attention = keras.layers.Attention()
        combine = keras.layers.Dense(width, activation="tanh", use_bias=False)

        # --- Encoder ---
        source = keras.Input((None,), dtype="int32", name="source")
        memory, ahead, back = read(drop(scale(embed(source))), mask=embed.compute_mask(source))
        first = bridge(keras.layers.Concatenate()([ahead, back]))
        keys = make_keys(memory)
        self.encoder = keras.Model(source, [memory, keys, first])

        # --- Decoder ---
        def decode(target: Any, state: Any, memory: Any, keys: Any, source: Any) -> Any:
            states, after = gru(drop(scale(embed(target))), initial_state=state)
            mask = embed.compute_mask(source)
            contexts = attention([states, memory, keys], mask=[None, mask])
            vectors = drop(combine(keras.layers.Concatenate()([contexts, states])))
            return embed(vectors, reverse=True), after

        target = keras.Input((None,), dtype="int32", name="target")
        logits, _ = decode(target, first, memory, keys, source)
        self.trained = keras.Model([source, target], logits)
        given = [
            keras.Input((decoder_units,), name="state"),
            keras.Input((None, 2 * units), name="memory"),
            keras.Input((None, decoder_units), name="keys"),
        ]
        logits, after = decode(target, *given, source)
        self.step = keras.Model([target, *given, source], [logits, after])


def limits_of(source: Array) -> Array:
    return (source != 0).sum(1) * LENGTH_RATIO + LENGTH_EXTRA


def greedy(models: Models, source: Array) -> Array:
    """``<int>[batch, length]``, ``[EOS]`` and padding at the end of each row."""
    how = {"verbose": 0, "batch_size": len(source)}
    memory, keys, state = models.encoder.predict(source, **how)
    limits = limits_of(source)
    last, done, written = np.full(len(source), BOS), np.zeros(len(source), bool), []
    for time in range(1, limits.max() + 1):
        inputs = [last[:, None], state, memory, keys, source]
        logits, state = models.step.predict(inputs, **how)
        logits[:, 0, :EOS] = LOWEST
        last = np.where(time >= limits, EOS, logits[:, 0].argmax(-1))
        last[done] = 0
        written.append(last)
        done |= last == EOS
        if done.all():
            break
    return np.stack(written, 1)


def beam_search(models: Models, source: Array, size: int = 5) -> Array:
    """The best hypothesis of each text, as of :func:`greedy`; all texts of a batch at once."""
    how = {"verbose": 0, "batch_size": len(source) * size}
    memory, keys, state = (part.repeat(size, 0) for part in models.encoder.predict(source, **how))
    batch, limits, sources = len(source), limits_of(source), source.repeat(size, 0)
    first = np.arange(batch)[:, None] * size
    last = np.full(batch * size, BOS)
    scores = np.tile([0.0, *[LOWEST] * (size - 1)], (batch, 1))
    tokens: list[list[list[int]]] = [[[] for _ in range(size)] for _ in range(batch)]
    ended: list[list[tuple[float, list[int]]]] = [[] for _ in range(batch)]
    for time in range(1, limits.max() + 1):
        inputs = [last[:, None], state, memory, keys, sources]
        logits, state = models.step.predict(inputs, **how)
        logits = logits[:, 0]
        logits[:, :EOS] = LOWEST
        highest = logits.max(-1, keepdims=True)
        total = np.log(np.exp(logits - highest).sum(-1, keepdims=True))
        likely = (logits - highest - total).reshape(batch, size, -1)
        must_end = time >= limits
        likely[must_end, :, EOS + 1 :] = LOWEST
        together = (scores[:, :, None] + likely).reshape(batch, -1)
        best = np.argpartition(-together, 2 * size, axis=1)[:, : 2 * size]
        ranked = np.argsort(-np.take_along_axis(together, best, 1), axis=1)
        best = np.take_along_axis(best, ranked, 1)
        kept, last = np.zeros((batch, size), int), np.zeros((batch, size), int)
        for row in range(batch):
            before, alive = tokens[row], []
            for rank, place in enumerate(best[row]):
                hypothesis, token = divmod(int(place), likely.shape[-1])
                score = together[row, place]
                if token == EOS:
                    if rank < size and score > LOWEST / 2 and len(ended[row]) < size:
                        ended[row].append((score, [*before[hypothesis], EOS]))
                elif len(alive) < size:
                    alive.append((score, hypothesis, token))
            for slot, (score, hypothesis, token) in enumerate(alive):
                scores[row, slot], kept[row, slot], last[row, slot] = score, hypothesis, token
            tokens[row] = [[*before[hypothesis], token] for _, hypothesis, token in alive]
        if all(len(found) >= size or end for found, end in zip(ended, must_end, strict=True)):
            break
        last, state = last.reshape(-1), state[(first + kept).reshape(-1)]
    return np.array([len(max(found)[1]) for found in ended])


def main() -> None:
    arrays = load(sys.argv[1])
    sources, given, targets = (
        rows.pad(np.arange(len(rows)), int(rows.lengths.max()))
        for rows in (arrays.inputs["source_ids"], arrays.inputs["target_ids"], arrays.targets)
    )
    models, training = Models(arrays), arrays.training
    optimizer = keras.optimizers.Adam(
        training["learning_rate"], global_clipnorm=training["clip_norm"]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
    models.trained.compile(optimizer, loss)

    def train(start: int, count: int) -> Mapping[str, float]:
        rows = arrays.some_rows(start, count)
        inputs, batch_size = [sources[rows], given[rows]], training["batch_size"]
        done = fit(models.trained, inputs, targets[rows], batch_size=batch_size)
        return {"examples": len(rows), **done}

    def decode(
        search: Callable[[Models, Array], Array], size: int, count: int, repeat: int
    ) -> Mapping[str, float]:
        tokens = 0
        for start in [*range(0, count, size)] * repeat:
            found = search(models, arrays.inputs["source_ids"].pad(np.arange(start, start + size)))
            tokens += int((found != 0).sum() if found.ndim == 2 else found.sum())
        return {"examples": count * repeat, "tokens": tokens}

    rounds = {
        "train": train,
        "greedy": lambda **how: decode(greedy, **how),
        "beam": lambda **how: decode(beam_search, **how),
    }
    how = (
        f"fit on ids padded to {sources.shape[1]} and {targets.shape[1]}, mask_zero=True, without "
        "label smoothing; decoding: predict at each step"
    )
    take_turns(rounds, said(how))


if __name__ == "__main__":
    main()
