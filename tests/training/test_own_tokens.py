"""Scheduled sampling: what a translator reads of its own in training, and when."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.test_averaging import Watched
from tests.training.test_fitting import plan, weights_bytes
from textnets.builders import build_encoder_decoder
from textnets.builders.sampling_model import build_sampling_model
from textnets.layers import OwnTokens
from textnets.text.batches import ExampleBatches
from textnets.text.encoded import EncodedSplit, join_rows
from textnets.training import fitting
from textnets.training.losses import SmoothedCrossEntropy
from textnets.training.optimizers import build_optimizer

SIZE = 9
RANDOM = np.random.default_rng(4)
TARGETS = np.array([[2, 5, 6, 7, 8, 4], [2, 8, 7, 0, 0, 0]], np.int32)
LOGITS = RANDOM.normal(size=(2, 6, SIZE)).astype("float32")


def read(layer: OwnTokens) -> np.ndarray:
    found: np.ndarray = keras.ops.convert_to_numpy(
        layer(keras.ops.convert_to_tensor(TARGETS), LOGITS, training=True)
    )
    return found


def test_the_share_rises_from_epoch_to_epoch() -> None:
    """From none to all: in the last epoch each token but [BOS] is what was likeliest before it."""
    layer = OwnTokens(1.0, 3, seed=1)
    likeliest = LOGITS[..., 3:].argmax(axis=-1) + 3
    own = np.where(TARGETS == 0, 0, np.pad(likeliest[:, :-1], ((0, 0), (1, 0))))
    own[:, 0] = 2
    layer.begin_epoch()
    np.testing.assert_array_equal(read(layer), TARGETS)
    layer.begin_epoch()
    shares = [(read(layer) != TARGETS).sum() / (own != TARGETS).sum() for _ in range(60)]
    assert 0.35 < np.mean(shares) < 0.65
    layer.begin_epoch()
    np.testing.assert_array_equal(read(layer), own)
    outside = keras.ops.convert_to_numpy(layer(keras.ops.convert_to_tensor(TARGETS), LOGITS))
    np.testing.assert_array_equal(outside, TARGETS)


def translator(**arguments: Any) -> Any:
    keras.utils.set_random_seed(2)
    return build_encoder_decoder(
        source_vocabulary_size=SIZE, target_vocabulary_size=SIZE, embedding_width=4,
        cell="simple", units=[5], dropout=0.1, bidirectional=False, **arguments,
    )  # fmt: skip


def test_the_second_reading_is_answered() -> None:
    model = translator()
    trained, begin_epoch = build_sampling_model(model, share=1.0, epochs=2, seed=1)
    for _ in range(2):
        begin_epoch()
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    sources = np.array([[4, 5, 6], [7, 0, 0]], np.int32)
    given = {"source_ids": sources, "target_ids": TARGETS}
    first = keras.ops.convert_to_numpy(model(given))
    own = np.pad(first[..., 3:].argmax(axis=-1)[:, :-1] + 3, ((0, 0), (1, 0)))
    own = np.where(TARGETS == 0, 0, own).astype(np.int32)
    own[:, 0] = 2
    expected = keras.ops.convert_to_numpy(model({**given, "target_ids": own}))
    found = keras.ops.convert_to_numpy(trained(given, training=True))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    names = [weight.path for weight in trained.trainable_weights]
    assert names == [weight.path for weight in model.trainable_weights]


def test_a_continued_run_equals_one_that_was_never_interrupted(tmp_path: Path) -> None:
    the_plan = plan(epochs=2, checkpoint_every=3)
    rows = [RANDOM.integers(4, SIZE, RANDOM.integers(2, 5)) for _ in range(40)]
    inputs = {
        "source_ids": join_rows(rows),
        "target_ids": join_rows([[2, *row[::-1]] for row in rows]),
    }
    split = EncodedSplit(inputs, join_rows([[*row[::-1], 3] for row in rows]))

    def trained(folder: Path, *, stop: int | None = None, resume: bool = False) -> Any:
        core = translator(attention="none")
        model, begin_epoch = build_sampling_model(core, share=0.8, epochs=2, seed=1)
        model.compile(build_optimizer(the_plan.section), SmoothedCrossEntropy(), jit_compile=False)
        fitting.fit(
            model, ExampleBatches(split, 8, 16, seed=11), the_plan, folder=folder, resume=resume,
            begin_epoch=begin_epoch, progress=Watched(model, stop),
        )  # fmt: skip
        return model

    whole = trained(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        trained(tmp_path / "broken", stop=8)  # of ten; the second epoch begins after five
    assert weights_bytes(trained(tmp_path / "broken", resume=True)) == weights_bytes(whole)
