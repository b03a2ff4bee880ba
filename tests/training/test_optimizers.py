"""Learning rates by hand, and every optimizer really moves a model."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from textnets.recipe.sections import TrainingSection
from textnets.training.optimizers import build_optimizer, learning_rate_at


def rates(section: dict[str, Any], steps: int, *, drops: int = 0) -> list[float]:
    typed = TrainingSection.model_validate({"learning_rate": 0.1, "epochs": 4, **section})
    return [
        learning_rate_at(typed, step=step, steps_per_epoch=2, plateau_drops=drops)
        for step in range(steps)
    ]


def test_constant_is_constant() -> None:
    assert rates({}, 4) == [0.1] * 4


def test_halving_halves_after_each_epoch() -> None:
    assert rates({"schedule": "halving"}, 6) == [0.1, 0.1, 0.05, 0.05, 0.025, 0.025]


def test_exponential_decays_after_each_epoch() -> None:
    found = rates({"schedule": "exponential", "decay_rate": 0.9}, 5)
    assert found == pytest.approx([0.1, 0.1, 0.09, 0.09, 0.081])


def test_cosine_ends_at_zero() -> None:
    found = rates({"schedule": "cosine"}, 9)
    assert found[0] == 0.1
    assert found[4] == pytest.approx(0.05)
    assert found[8] == pytest.approx(0.0)
    assert found[2] == pytest.approx(0.05 * (1 + math.cos(math.pi / 4)))


def test_plateau_falls_with_each_stall() -> None:
    section = {"schedule": "plateau", "plateau_factor": 0.2}
    assert rates(section, 1, drops=0) == [0.1]
    assert rates(section, 1, drops=2) == pytest.approx([0.004])


def test_warmup_rises_to_the_full_rate() -> None:
    assert rates({"warmup_steps": 4}, 6) == pytest.approx([0.025, 0.05, 0.075, 0.1, 0.1, 0.1])


def test_warmup_comes_before_the_cosine() -> None:
    found = rates({"schedule": "cosine", "warmup_steps": 2}, 9)
    assert found[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert found[8] == pytest.approx(0.0)


@pytest.mark.parametrize(
    "name", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
)
def test_each_optimizer_lowers_a_loss(name: str) -> None:
    import keras

    section = TrainingSection.model_validate({"optimizer": name, "learning_rate": 0.05})
    weight = keras.Variable(np.array([3.0, -2.0], "float32"))
    optimizer = build_optimizer(section)
    optimizer.build([weight])
    for _ in range(20):
        optimizer.apply([2.0 * weight.value], [weight])
    assert float(np.square(weight.numpy()).sum()) < 13.0


def test_momentum_and_nesterov_differ_from_plain_descent() -> None:
    def end(name: str) -> list[float]:
        import keras

        section = TrainingSection.model_validate({"optimizer": name, "learning_rate": 0.05})
        weight = keras.Variable(np.array([3.0], "float32"))
        optimizer = build_optimizer(section)
        optimizer.build([weight])
        for _ in range(3):
            optimizer.apply([2.0 * weight.value], [weight])
        return [round(float(value), 6) for value in weight.numpy()]

    assert len({tuple(end(name)) for name in ("sgd", "momentum", "nesterov")}) == 3


def test_clip_norm_bounds_the_whole_gradient() -> None:
    import keras

    section = TrainingSection.model_validate(
        {"optimizer": "sgd", "learning_rate": 1.0, "clip_norm": 1.0}
    )
    weights = [keras.Variable(np.zeros(1, "float32")) for _ in range(2)]
    optimizer = build_optimizer(section)
    optimizer.build(weights)
    gradients = [keras.ops.array([30.0]), keras.ops.array([40.0])]
    optimizer.apply(gradients, weights)
    # The gradient (30, 40) has the norm 50; scaled to 1 it is (0.6, 0.8).
    assert [float(weight.numpy()[0]) for weight in weights] == pytest.approx([-0.6, -0.8])


def test_clip_value_bounds_each_component() -> None:
    import keras

    section = TrainingSection.model_validate(
        {"optimizer": "sgd", "learning_rate": 1.0, "clip_value": 0.5}
    )
    weight = keras.Variable(np.zeros(2, "float32"))
    optimizer = build_optimizer(section)
    optimizer.build([weight])
    optimizer.apply([keras.ops.array([30.0, -0.25])], [weight])
    assert weight.numpy().tolist() == pytest.approx([-0.5, 0.25])
