"""Processes of ``tests/warm.py`` are processes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.warm import run_program, start_program

pytestmark = pytest.mark.heavy


def test_it_has_its_words_folder_environment_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONLY_HERE", "yes")
    program = (
        "import os, sys; print(os.getcwd(), sys.argv[1:], os.environ['ONLY_HERE'], os.getpid())"
    )
    *told, pid = run_program(program, "a", "b c").split()
    assert " ".join(told) == f"{tmp_path} ['a', 'b c'] yes"
    assert int(pid) != os.getpid()


def test_nothing_of_textnets_is_loaded_and_tensorflow_has_not_begun() -> None:
    run_program(
        "import sys\n"
        "assert not any(name.split('.')[0].startswith('textnets') for name in sys.modules)\n"
        "import tensorflow as tf\n"
        "tf.config.threading.set_intra_op_parallelism_threads(1)\n"  # refused once it runs
        "assert not tf.executing_eagerly() or tf.constant(3) + 4 == 7\n"
    )


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("print('x')", 0, ""),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("import os; os._exit(7)", 7, ""),
    ],
)
def test_its_exit_code(program: str, code: int, said: str) -> None:
    process = start_program(program)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert said in err
    assert process.poll() == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_signals_reach_it(number: signal.Signals) -> None:
    process = start_program("import pathlib, time; pathlib.Path('here').touch(); time.sleep(60)")
    while not Path("here").exists():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert ("KeyboardInterrupt" in err) == (number == signal.SIGINT)
