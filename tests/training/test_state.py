"""Where training stands, as a checkpoint keeps it: runs made before are continued."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import textnets
from tests.test_faults import FLAGS, QUICK, PulledPlugError, stop_at
from textnets.errors import RunError
from textnets.pipeline import train
from textnets.recipe.sections import TrainingSection
from textnets.run.checkpoint_files import read_checkpoint, write_checkpoint
from textnets.training.policies import FitPlan, Monitor
from textnets.training.state import EpochSoFar, TrainingState, from_record, to_record

PATH = Path("run.partial/checkpoint/state.npz")
MONITOR = Monitor("validation_accuracy", lower_is_better=False)

# The key "training_state" of a state.npz from the middle of a fourth epoch.
WRITTEN_BY_0_1_0 = (
    '{"epoch": 3, "batch": 6, "step": 42, "sums": {"loss": 18.226985037326813, "accuracy": '
    '88.0}, "seen": 96, "seconds": 0.0374996620012098, "best_epoch": 2, "best_value": '
    '0.8958333333333334, "stopping_best": 0.8958333333333334, "stopping_waited": 1, '
    '"plateau_waited": 0, "plateau_drops": 1, "parts": 1, "history": [{"epoch": 1, "loss": '
    '1.1566422631343205, "accuracy": 0.5, "validation_loss": 0.5229241713584596, '
    '"validation_accuracy": 0.75, "validation_macro_f1": 0.6942586399108138, '
    '"validation_seconds": 0.002, "learning_rate": 0.05000000074505806, "seconds": 0.988, '
    '"examples_per_second": 194.4}, {"epoch": 2, "loss": 0.5080395961801211, "accuracy": '
    '0.78125, "validation_loss": 0.20227412706372017, "validation_accuracy": 0.8958333333333334, '
    '"validation_macro_f1": 0.8911070780399274, "validation_seconds": 0.006, "learning_rate": '
    '0.05000000074505806, "seconds": 0.077, "examples_per_second": 2506.3}, {"epoch": 3, "loss": '
    '0.3918426235516866, "accuracy": 0.84375, "validation_loss": 0.2510841969384164, '
    '"validation_accuracy": 0.8958333333333334, "validation_macro_f1": 0.8960269865067466, '
    '"validation_seconds": 0.003, "learning_rate": 0.05000000074505806, "seconds": 0.077, '
    '"examples_per_second": 2498.2}], "stopped": ""}'
)


def plan(*, patience: int = 3, plateau_patience: int = 2) -> FitPlan:
    section = TrainingSection.model_validate(
        {"schedule": "plateau", "plateau_patience": plateau_patience}
    )
    return FitPlan(section, seed=1, monitor=MONITOR, stopping=MONITOR, patience=patience)


def again(state: TrainingState, plan: FitPlan) -> TrainingState:
    """The state by way of a file."""
    return from_record(json.loads(json.dumps(to_record(state))), plan, PATH)


def test_a_record_of_0_1_0_is_read_and_written_as_it_was() -> None:
    state = from_record(json.loads(WRITTEN_BY_0_1_0), plan(), PATH)
    assert json.dumps(to_record(state)) == WRITTEN_BY_0_1_0
    assert (state.epoch, state.step, state.so_far.batches) == (3, 42, 6)
    assert state.place == "epoch 4, batch 7"
    assert state.best_epoch == state.best.epoch == 2
    assert len(state.history) == state.epoch


def test_a_state_is_read_back_as_it_was() -> None:
    """Every number differs from every other one and from the first state's."""
    state = TrainingState.at_the_start(plan())
    state.epoch, state.step, state.parts = 2, 31, 4
    state.so_far = EpochSoFar(7, {"loss": 1.5, "accuracy": 8.0}, 56, 0.25)
    state.best.epoch, state.best.value, state.best.loss = 1, 0.625, 0.875
    state.plateau.waited, state.plateau.drops = 11, 12
    state.stopping.go_on(0.75, 13, "it had to")
    state.history = [{"epoch": 1, "loss": 0.1}, {"epoch": 2, "loss": 0.3}]
    fresh = to_record(TrainingState())
    assert all(fresh[key] != value for key, value in to_record(state).items())
    assert again(state, plan()) == state


def test_the_state_at_the_start_is_read_back_too() -> None:
    state = TrainingState.at_the_start(plan())
    assert again(state, plan()) == state
    assert state.place == "epoch 1, batch 1"


def test_the_epoch_so_far_is_weighed_by_what_batches_hold() -> None:
    so_far = EpochSoFar()
    assert so_far.means() == {}
    so_far.add({"accuracy": 1.0, "loss": 0.5}, 8)
    so_far.add({"accuracy": 0.0, "loss": 2.0}, 4)
    assert (so_far.batches, so_far.seen) == (2, 12)
    assert so_far.means() == {"loss": 1.0, "accuracy": pytest.approx(8 / 12)}
    assert list(so_far.means()) == ["loss", "accuracy"]


@pytest.mark.parametrize("resumed_after", range(1, 7))
def test_policies_wait_across_a_resume(resumed_after: int) -> None:
    values = [0.5, 0.4, 0.6, 0.6, 0.5, 0.4, 0.3]

    def follow(state: TrainingState, epoch: int) -> None:
        record = {"epoch": epoch, MONITOR.metric: values[epoch - 1]}
        state.plateau.follow(state.best.follow(record))
        state.stopping.follow(record)

    the_plan = plan(patience=4, plateau_patience=3)
    whole, resumed = (TrainingState.at_the_start(the_plan) for _ in range(2))
    for epoch in range(1, len(values) + 1):
        follow(whole, epoch)
        follow(resumed, epoch)
        if epoch == resumed_after:
            resumed = again(resumed, the_plan)
    assert resumed == whole
    assert (whole.plateau.drops, whole.plateau.waited) == (1, 1)
    assert whole.stopped == "validation_accuracy has not improved for 4 epochs"


def test_more_patience_than_it_was_stopped_with_lets_it_go_on() -> None:
    state = TrainingState.at_the_start(plan(patience=2))
    for epoch in (1, 2, 3):
        state.stopping.follow({"epoch": epoch, MONITOR.metric: 0.5})
    assert state.stopped
    assert again(state, plan(patience=2)).stopped == state.stopped
    assert again(state, plan(patience=3)).stopped == ""


def without_drops(record: dict[str, Any]) -> None:
    del record["plateau_drops"]


def with_more(record: dict[str, Any]) -> None:
    record |= {"restarts": 0, "cycle": 1}


CHANGES = pytest.mark.parametrize(
    ("change", "named"), [(without_drops, "plateau_drops"), (with_more, "cycle, restarts")]
)


@CHANGES
def test_a_record_with_other_keys_is_refused(
    change: Callable[[dict[str, Any]], None], named: str
) -> None:
    record = copy.deepcopy(to_record(TrainingState()))
    change(record)
    with pytest.raises(RunError, match="of another version of textnets") as caught:
        from_record(record, plan(), PATH)
    assert f"differs in {named};" in str(caught.value)
    assert str(caught.value).startswith(str(PATH))


@CHANGES
def test_a_run_of_another_version_is_one_clear_error(
    make_recipe: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[dict[str, Any]], None],
    named: str,
) -> None:
    recipe = make_recipe()
    with monkeypatch.context() as patch:
        stop_at(patch, 3)
        with pytest.raises(PulledPlugError):
            train(recipe, QUICK, output="run")
    arrays, record = read_checkpoint(PATH.parent)
    change(record)
    write_checkpoint(PATH.parent, arrays, record)
    before = PATH.read_bytes()
    ended = textnets("train", recipe, "-o", "run", "--resume", *FLAGS)
    assert ended.code == 2
    assert ended.err.count("error: ") == 1
    assert "Traceback" not in ended.err
    assert f"{PATH}: the checkpoint is of another version of textnets" in ended.err
    assert named in ended.err
    assert PATH.read_bytes() == before
