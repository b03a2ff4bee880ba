"""Language models: what is carried, what is read, what is written, what survives."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import build_rnn_language_model
from textnets.builders.loss_model import LossModel, build_loss_model
from textnets.decoding.surprisals import WARM_UP, SurprisalReader
from textnets.errors import InputError, TrainingError
from textnets.progress import Progress
from textnets.recipe.sections import TrainingSection
from textnets.text.batches import TargetsAsInput
from textnets.text.streams import StreamBatches
from textnets.training.fitting import FitPlan, TrainingState, fit
from textnets.training.losses import OutputAsLoss
from textnets.training.optimizers import build_optimizer

V = 15
TEXT = np.random.default_rng(0).integers(3, V, 121).astype(np.int32)
IDS, TARGETS = TEXT[:-1], TEXT[1:]


def core_of(cell: str = "gru", **arguments: Any) -> keras.Model:
    keras.utils.set_random_seed(4)
    given = {"units": (6,), "embedding_width": 4, "recurrent_initializer": "glorot_uniform"}
    return build_rnn_language_model(vocabulary_size=V, cell=cell, **{**given, **arguments})


def batches(window: int, streams: int = 3) -> TargetsAsInput:
    return TargetsAsInput(StreamBatches(IDS, TARGETS, streams, window))


def compiled(core: keras.Model, rate: float, num_sampled: int | None = None) -> LossModel:
    section = TrainingSection.model_validate({"learning_rate": rate})
    found = build_loss_model(core, streams=3, num_sampled=num_sampled, seed=9)
    found.model.compile(build_optimizer(section), OutputAsLoss(), jit_compile=False)
    return found


def mean_loss(found: LossModel, window: int, tmp_path: Path, rate: float = 1e-12) -> float:
    """The training loss of an epoch with weights that (nearly) stand still."""
    section = TrainingSection.model_validate({"learning_rate": rate, "epochs": 1})
    state = fit(
        found.model,
        batches(window),
        FitPlan(section, seed=1, monitor=None),
        folder=tmp_path,
        begin_epoch=found.reset,
    )
    assert "tokens_per_second" in state.history[0]
    return state.history[0]["loss"]


@pytest.mark.heavy
@pytest.mark.parametrize("cell", ["lstm", pytest.param("prototype_lstm", marks=pytest.mark.long)])
def test_windows_with_carried_states_are_one_long_sequence(cell: str, tmp_path: Path) -> None:
    core = core_of(cell, units=(6, 5))
    whole = mean_loss(compiled(core, 1e-12), 40, tmp_path)
    assert mean_loss(compiled(core, 1e-12), 7, tmp_path) == pytest.approx(whole, abs=1e-5)
    # The streams are read as texts of their own, each from zero states.
    rows = SurprisalReader.of(core).read_rows(IDS, TARGETS, np.array([0, 40, 80, 120]), Progress())
    assert rows.mean() == pytest.approx(whole, abs=1e-5)


@pytest.mark.heavy
def test_without_a_reset_the_states_would_be_carried_over(tmp_path: Path) -> None:
    found = compiled(core_of(), 1e-12)
    first = mean_loss(found, 10, tmp_path)
    assert mean_loss(LossModel(found.model, None, None), 10, tmp_path) != pytest.approx(
        first, abs=1e-7
    )
    assert mean_loss(found, 10, tmp_path) == pytest.approx(first, abs=1e-6)


def test_a_stream_is_read_alike_in_any_number_of_parts() -> None:
    random = np.random.default_rng(2)
    text = random.integers(3, V, 12 * 512 + 30).astype(np.int32)
    reader = SurprisalReader.of(core_of("lstm"))
    one, many = (
        reader.read_stream(text[:-1], text[1:], Progress(), parts=parts) for parts in (1, 12)
    )
    assert len(one) == len(many) == len(text) - 1
    assert len(text) > 2 * WARM_UP
    np.testing.assert_allclose(many, one, atol=1e-4)


def test_texts_are_scored_alike_alone_and_together() -> None:
    reader = SurprisalReader.of(core_of())
    offsets = np.array([0, 1, 1, 50, 120])
    together = reader.read_rows(IDS, TARGETS, offsets, Progress())
    for begin, end in itertools.pairwise(offsets.tolist()):
        alone = reader.read_rows(
            IDS[begin:end], TARGETS[begin:end], np.array([0, end - begin]), Progress()
        )
        np.testing.assert_allclose(alone, together[begin:end], atol=1e-5)


def test_diverged_weights_are_told() -> None:
    core = core_of()
    core.set_weights([np.full_like(weight, np.nan) for weight in core.get_weights()])
    with pytest.raises(TrainingError, match="no longer finite"):
        SurprisalReader.of(core).read_rows(IDS, TARGETS, np.array([0, 120]), Progress())


class Killed(BaseException):
    """As abrupt as kill -9 as far as the loop can tell."""


def fit_in_the_folder(
    folder: Path,
    *,
    resume: bool = False,
    stop_at: int | None = None,
    build: Callable[[], keras.Model] = lambda: core_of("simple", dropout=0.3),
) -> tuple[LossModel, TrainingState]:
    core = build()
    found = compiled(core, 0.01, num_sampled=6)
    section = TrainingSection.model_validate(
        {"learning_rate": 0.01, "epochs": 3, "checkpoint_minutes": 0.0}
    )
    loaded = 0

    class Stopping(TargetsAsInput):
        def load(self, rows: Any) -> Any:
            nonlocal loaded
            loaded += 1
            if loaded == stop_at:
                raise Killed
            return super().load(rows)

    state = fit(
        found.model,
        Stopping(StreamBatches(IDS, TARGETS, 3, 7)),
        FitPlan(section, seed=1, monitor=None),
        folder=folder,
        begin_epoch=found.reset,
        resume=resume,
    )
    return found, state


@pytest.mark.heavy
def test_a_killed_run_continues_exactly_with_its_states(tmp_path: Path) -> None:
    check_that_a_killed_run_continues(tmp_path)


def check_that_a_killed_run_continues(tmp_path: Path, **how: Any) -> None:
    whole, expected = fit_in_the_folder(tmp_path / "whole", **how)
    with pytest.raises(Killed):  # in the middle of the second epoch
        fit_in_the_folder(tmp_path / "cut", stop_at=11, **how)
    again, state = fit_in_the_folder(tmp_path / "cut", resume=True, **how)
    assert [row["loss"] for row in state.history] == [row["loss"] for row in expected.history]
    for one, other in zip(again.model.variables, whole.model.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    states = again.model.get_layer("carried_states").states
    assert all(np.abs(state.numpy()).max() > 0 for state in states)


def test_independent_rows_start_from_zero_states() -> None:
    core = core_of()
    found = build_loss_model(core, streams=None, num_sampled=None, seed=1)
    assert found.reset is None
    rows = IDS[:12].reshape(2, 6), TARGETS[:12].reshape(2, 6)
    losses = found.model({"token_ids": rows[0], "target_ids": rows[1]}, training=True)
    expected = SurprisalReader.of(core).read_rows(IDS, TARGETS, np.array([0, 6, 12]), Progress())
    np.testing.assert_allclose(np.asarray(losses).ravel(), expected, atol=1e-5)


def test_only_a_plain_token_table_can_be_sampled() -> None:
    core = core_of(adaptive_softmax=[6])
    named = keras.layers.Identity(name="logits")(core.output["logits"])
    bare = keras.Model(core.input, {"logits": named, "states": core.output["states"]})
    other = keras.Model(core.input, keras.models.clone_model(bare)(core.input))
    for model in (core, other):
        with pytest.raises(InputError, match=r"training\.sampled_softmax: needs a model with"):
            build_loss_model(model, streams=None, num_sampled=5, seed=1)


def test_refusals_of_sampling() -> None:
    from textnets.decoding.sampling import Sampling

    for wrong in ({"temperature": -1.0}, {"temperature": float("nan")}, {"top_k": 0},
                  {"top_p": 0.0}, {"top_p": 1.5}):  # fmt: skip
        with pytest.raises(InputError, match=f"{next(iter(wrong))}: expected .*, was: "):
            Sampling(**wrong)
