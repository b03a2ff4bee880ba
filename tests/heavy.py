"""Which tests are heavy: they train a model, start a process, or ask much of many models.

``make test-fast`` leaves them out, so that it can run at each save. A test that trains or starts
a process and is not marked so fails, in every run: the fast ones stay fast.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

#: Fixtures that are trained runs.
TRAINED = {
    "trained", "run_copy", "finished", "unfinished", "kept", "characters", "reader", "recurrent",
}  # fmt: skip
#: Folders whose tests are all heavy.
FOLDERS = ("estimators", "training")

_now = {"test": "", "heavy": True}  # outside of tests everything is allowed


def is_heavy(item: Any) -> bool:
    """Whether a test is marked, or is heavy by its folder or its fixtures."""
    return (
        item.get_closest_marker("heavy") is not None
        or item.path.parent.name in FOLDERS
        or bool(TRAINED & set(item.fixturenames))
    )


def begin(item: Any) -> None:
    """From now on this is the test that runs."""
    _now.update(test=item.nodeid, heavy=item.get_closest_marker("heavy") is not None)


def end() -> None:
    """The test has ended."""
    _now.update(test="", heavy=True)


def refuse_unless_heavy(what: str) -> None:
    """Fail a test that is not marked as heavy."""
    if _now["heavy"] or _is_importing():
        return
    if record := os.environ.get("TEXTNETS_TESTS_RECORD_HEAVY"):
        with Path(record).open("a") as file:
            file.write(f"{_now['test']}\t{what}\n")
        return
    raise AssertionError(f"{what}: mark this test with pytest.mark.heavy (see tests/heavy.py)")


def _is_importing() -> bool:
    """Whether a module is being imported: Keras starts a process then, whichever test is first."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def watch() -> None:
    """Watch over ``fit`` and ``Popen``, wherever they have been imported to."""
    from textnets.training import fitting  # loads NumPy, which must first be told of its threads

    _watch(fitting.fit, "it trains")
    _watch(subprocess.Popen.__init__, "it starts a process")


def _watch(function: Any, what: str) -> None:
    """Give a function other code, which asks first; who holds the function holds the new code."""
    real = FunctionType(function.__code__, function.__globals__, closure=function.__closure__)
    real.__defaults__, real.__kwdefaults__ = function.__defaults__, function.__kwdefaults__
    calls = f"_watched_{function.__name__}_{id(function)}"

    def watched(*arguments: Any, **named: Any) -> Any:
        refuse_unless_heavy(what)
        return real(*arguments, **named)

    function.__globals__[calls] = watched
    scope: dict[str, Any] = {}
    exec(f"def call(*arguments, **named): return {calls}(*arguments, **named)", scope)
    function.__defaults__ = function.__kwdefaults__ = None
    function.__code__ = scope["call"].__code__
