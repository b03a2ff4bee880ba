"""Work that is killed, fails or loses power at any moment goes on to the same bytes."""

from __future__ import annotations

import pytest

from tests.conftest import ROOT
from tests.every_operation import WORKS
from tests.warm import run_program

# --- Every file operation, and power cuts ---

PREAMBLE = f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"


def try_operations(name: str, how: str, every: int, start: int) -> int:
    program = f"""
from tests.every_operation import import_what_is_needed, try_all
import_what_is_needed()
print(try_all({name!r}, {how!r}, {every}, {start}))
"""
    return int(run_program(PREAMBLE + program))


# So manieth operation of each; all of them are tried by the long form.
THIN = {
    "train": 40, "more epochs": 60, "changes": 100, "overwrite": 50, "save": 25, "store": 25,
    "new store": 40, "refit": 250, "ensemble": 250, "folds": 250,
}  # fmt: skip


SHORT = [(name, "kill") for name in WORKS] + [
    (name, "error") for name in ("train", "more epochs", "ensemble")
]


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "how"), SHORT)
def test_ended_at_some_operations(name: str, how: str) -> None:
    every = THIN[name] * (2 if how == "error" else 1)
    assert try_operations(name, how, every, every // 2) >= 1


@pytest.mark.long
@pytest.mark.heavy
@pytest.mark.parametrize("how", ["kill", "error"])
@pytest.mark.parametrize("name", WORKS)
def test_ended_at_every_operation(name: str, how: str) -> None:
    tried = try_operations(name, how, 1, 0)
    print(f"{name}, {how}: {tried} operations")
    assert tried > 20


def cut_power(number: int) -> None:
    program = f"""
from tests.every_operation import import_what_is_needed
from tests.power_cuts import CannotMountError, cut_power
import_what_is_needed()
try:
    print(len(list(cut_power({number}, seed={number}))))
except CannotMountError as error:
    print("skipped", error)
"""
    told = run_program(PREAMBLE + program)
    if told.startswith("skipped"):
        pytest.skip(f"only root can mount a file system in a file: {told}")
    assert int(told) == number


@pytest.mark.heavy
def test_power_is_cut() -> None:
    cut_power(3)


@pytest.mark.long
@pytest.mark.heavy
def test_power_is_cut_at_fifty_moments() -> None:
    cut_power(50)
