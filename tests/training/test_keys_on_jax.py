"""What may be switched on does on JAX what it does on TensorFlow; in one process, as it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.warm import run_program

PROGRAM = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[2])
import keras
import numpy as np
from tests.decoding import test_beam_search as beams
from tests.training import test_adversary, test_averaging, test_own_tokens, test_r_drop
from textnets.backend.steps import compiled, train_step
from textnets.builders import build_rnn_language_model
from textnets.builders.loss_model import build_loss_model
from textnets.decoding.beam_search import beam_search
from textnets.text.batches import RowsTwice
from textnets.text.streams import StreamBatches
from textnets.training.losses import OutputAsLoss

assert keras.config.backend() == "jax"

# --- The mean of the weights ---
average, expected = test_averaging.KINDS["ema"]
model, steps, measured, _ = test_averaging.trained(Path(sys.argv[1]) / "whole", average)
for found, wanted in zip(measured, expected(steps), strict=True):
    for one, other in zip(found, wanted, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6)

# --- Losses and layers ---
test_adversary.check_the_worst_move()
test_r_drop.check_the_gradient_of_logits()
own, _ = test_own_tokens.build_sampling_model(
    test_own_tokens.translator(attention="none"), share=1.0, epochs=2, seed=1
)
own.get_layer("own_tokens").begin_epoch()
own.compile("adam", test_own_tokens.SmoothedCrossEntropy())
sources, targets = np.array([[4, 5, 6], [7, 0, 0]], np.int32), test_own_tokens.TARGETS
data = ({"source_ids": sources, "target_ids": targets}, targets, (targets > 0).astype("float32"))
assert np.isfinite(train_step(own, *data)(*data)["loss"])
text = np.random.default_rng(0).integers(4, 15, 200).astype(np.int32)
core = build_rnn_language_model(
    vocabulary_size=15, cell="lstm", units=(6,), embedding_width=4, dropout=0.5,
    weight_dropout=0.4, vocabulary_dropout=0.2,
)
streams = RowsTwice(StreamBatches(text[:-1], text[1:], 3, window=5))
found = build_loss_model(core, streams=6, num_sampled=None, seed=9, r_drop=0.5)
found.model.compile("adam", OutputAsLoss())
kernel = core.get_layer("lstm_1").cell.recurrent_kernel
before = np.array(kernel)
inputs, targets, weights = streams.load(streams.of_epoch(0)[0])
data = ({"token_ids": inputs, "target_ids": targets}, targets, weights)
assert np.isfinite(train_step(found.model, *data)(*data)["loss"])
assert (np.array(kernel) != before).any()
assert core.get_layer("lstm_1").cell.recurrent_kernel is kernel

# --- Searches, compiled ---
toy = beams.ToyModel(seed=0)
class Nothing:
    variables = []
def search(limits):
    return beam_search(
        toy.step, toy.states, limits, beams.TIMES, beam_size=130, length_penalty=0.6,
        no_repeat_ngram=1, writes_unknown=True,
    )
tokens, scores, _ = map(np.asarray, compiled(Nothing(), search)(beams.LIMITS))
for row in range(len(beams.LIMITS)):
    every = toy.every_sequence(row, 0.6, first=1)
    wanted = [one for _, one in every if not beams.repeats(one, 1)]
    alive = scores[row] > -1e29
    assert [tuple(ids[ids != 0].tolist()) for ids in tokens[row][alive]] == wanted
print("done")
"""


@pytest.mark.long
def test_on_jax(tmp_path: Path) -> None:
    pytest.importorskip("jax")
    root = Path(__file__).parent.parent.parent
    ended = run_program(PROGRAM, str(tmp_path), str(root), backend="jax")
    assert ended.strip().endswith("done")
