"""A translator cut off in mid-epoch and continued ends with the same weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import build_encoder_decoder
from textnets.recipe.sections import TrainingSection
from textnets.text.batches import ExampleBatches, Rows
from textnets.text.corpus import Batch, EncodedSplit, join_rows
from textnets.training.fitting import FitPlan, fit
from textnets.training.losses import SmoothedCrossEntropy
from textnets.training.optimizers import build_optimizer

V = 12


class Killed(BaseException):
    """As abrupt as kill -9 as far as the loop can tell."""


class Batches(ExampleBatches):
    """Batches that end the process at one of them."""

    stop_at: int | None = None
    loaded = 0

    def load(self, rows: Rows) -> Batch:
        type(self).loaded += 1
        if self.loaded == self.stop_at:
            raise Killed
        return super().load(rows)


def pairs() -> EncodedSplit:
    random = np.random.default_rng(0)
    sources = [random.integers(4, V, size=random.integers(1, 9)) for _ in range(40)]
    inputs = {
        "source_ids": join_rows(sources),
        "target_ids": join_rows([2, *row[::-1]] for row in sources),
    }
    return EncodedSplit(inputs, join_rows([*row[::-1], 3] for row in sources))


def trained(folder: Path, *, resume: bool = False, stop_at: int | None = None) -> Any:
    keras.utils.set_random_seed(4)
    model = build_encoder_decoder(
        source_vocabulary_size=V,
        target_vocabulary_size=V,
        embedding_width=6,
        units=(5, 4),
        attention="luong_general",
        input_feeding=True,
        dropout=0.3,  # between the layers of the recurrence too
        embedding_dropout=0.2,
    )
    section = TrainingSection.model_validate(
        {"learning_rate": 0.01, "epochs": 2, "checkpoint_minutes": 0.0, "batch_size": 8}
    )
    model.compile(build_optimizer(section), SmoothedCrossEntropy(0.1), jit_compile=False)
    batches = Batches(pairs(), batch_size=8, bucket_width=8, seed=3)
    Batches.stop_at, Batches.loaded = stop_at, 0
    plan = FitPlan(section, seed=3, monitor=None)
    fit(model, batches, plan, folder=folder, resume=resume)
    return model


def test_cut_off_and_continued(tmp_path: Path) -> None:
    whole = trained(tmp_path / "whole")
    with pytest.raises(Killed):
        trained(tmp_path / "broken", stop_at=9)  # the first is an example for the trace
    continued = trained(tmp_path / "broken", resume=True)
    assert len(whole.variables) > 30
    for one, other in zip(whole.variables, continued.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)


def test_label_smoothing_is_the_cross_entropy_with_smoothed_targets() -> None:
    random = np.random.default_rng(1)
    logits = random.normal(size=(2, 3, V)).astype("float32")
    targets = random.integers(0, V, size=(2, 3))
    weights = np.array([[1, 1, 0], [1, 0, 0]], "float32")
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    smoothed = np.full((2, 3, V), 0.1 / V) + 0.9 * np.eye(V)[targets]
    expected = (-(smoothed * log_p).sum(-1) * weights).sum() / 3
    found = SmoothedCrossEntropy(0.1)(targets, logits, sample_weight=weights)
    assert float(found) == pytest.approx(expected, rel=1e-5)
    plain = (-(np.eye(V)[targets] * log_p).sum(-1) * weights).sum() / 3
    found = SmoothedCrossEntropy()(targets, logits, sample_weight=weights)
    assert float(found) == pytest.approx(plain, rel=1e-5)
