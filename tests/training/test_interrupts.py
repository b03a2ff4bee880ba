"""Ctrl-C is noted, and taken between two steps; a second one acts at once."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import listing, succeed
from tests.test_continuation import what_it_learned
from tests.test_faults import FLAGS, wait_until
from tests.warm import start_program
from textnets.errors import InterruptedTrainingError
from textnets.training.interrupts import Interrupts


def test_the_first_signal_is_noted_and_the_second_acts() -> None:
    before = signal.getsignal(signal.SIGINT)
    with Interrupts() as interrupts:
        interrupts.raise_if_pending()
        signal.raise_signal(signal.SIGINT)
        assert interrupts.pending == signal.SIGINT
        with pytest.raises(InterruptedTrainingError, match=r"Ctrl-C.*--resume") as caught:
            interrupts.raise_if_pending()
        assert caught.value.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_nothing_is_changed() -> None:
    before = signal.getsignal(signal.SIGINT)
    seen = []

    def enter() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert seen == [before]


# Runs "textnets" with a step, or a validation, of the second epoch that takes ten minutes.
SLOW = """
import signal, sys, time
from pathlib import Path
from textnets.experiment import execution
from textnets.training import fitting

def slow_from(number, function):
    calls = []
    def called(*given):
        calls.append(1)
        if len(calls) == number:
            Path("busy").touch()
            ends = time.monotonic() + 600
            while time.monotonic() < ends:  # one long sleep may begin just after a signal came
                time.sleep(0.01)
                if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                    Path("noted").touch()
        return function(*given)
    return called

if sys.argv.pop(1) == "step":
    make_step = fitting.train_step
    fitting.train_step = lambda *given: slow_from(16, make_step(*given))
else:
    fit = execution.fit
    execution.fit = lambda *given, measure, **named: fit(
        *given, measure=slow_from(2, measure), **named)
from textnets_cli import main
main()
"""


@pytest.mark.parametrize("busy_with", ["step", "validation"])
def test_a_second_ctrl_c_acts_at_once_and_loses_nothing(
    make_cheap_recipe: Callable[..., Path], finished: Path, busy_with: str
) -> None:
    recipe = make_cheap_recipe()
    words = ["train", str(recipe), "-o", "run", *FLAGS]
    process = start_program(SLOW, busy_with, *words)
    try:
        wait_until(Path("busy").exists, process)
        before = listing(Path("run.partial"))
        process.send_signal(signal.SIGINT)
        wait_until(Path("noted").exists, process)  # two signals at once may come as one
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=300)  # of 600 seconds
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, err
    assert "stopped by Ctrl-C; the checkpoint is complete; continue with --resume" in err
    assert "Traceback" not in err
    assert listing(Path("run.partial")) == before  # nothing written any more, nothing half
    assert not list(Path().rglob("*.new"))
    assert not Path("run").exists()
    place = {"step": "epoch 2, batch 4", "validation": "epoch 2, batch 13"}[busy_with]
    assert f"continuing from the checkpoint: {place}" in succeed(*words, "--resume").err
    assert what_it_learned(Path("run")) == what_it_learned(finished)
