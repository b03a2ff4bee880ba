"""What is made once and read by all workers of a test run: trained runs, mostly."""

from __future__ import annotations

import fcntl
import hashlib
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.heavy import refuse_unless_heavy

_FOLDER = "TEXTNETS_TESTS_SHARED"


def share_below(base: Path) -> None:
    """Say where the folder is, given pytest's folder for this worker."""
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    os.environ[_FOLDER] = str(root / "shared")


def is_shared() -> bool:
    """Whether the folder is known: a test has begun in this process."""
    return _FOLDER in os.environ


def shared_folder() -> Path:
    """The folder of what is shared."""
    folder = Path(os.environ[_FOLDER])
    folder.mkdir(exist_ok=True)
    return folder


def ends_last() -> int:
    """The process that ends when the whole test run does: the workers of pytest-xdist have one
    parent."""
    return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()


def made_once(name: str, make: Callable[[Path], object]) -> Path:
    """A folder that the first who asks for it fills; the others wait. Nobody may write into it.

    Args:
        name: what it is called; the same name has the same content.
        make: fills the folder, which is where it stays.
    """
    refuse_unless_heavy("it reads what was trained")
    folder = shared_folder() / name
    made = shared_folder() / f"{name}.made"
    with (shared_folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of one who failed
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


def share_fits(patch: pytest.MonkeyPatch) -> None:
    """Let estimators of the same settings, seed and data be fitted once: the examples of pages and
    of docstrings are much alike. Without a ``random_state`` each fit is another."""
    import textnets

    for name in (
        "TextClassifier",
        "TextTagger",
        "TextTranslator",
        "TextLanguageModel",
    ):
        kind = getattr(textnets, name)
        patch.setattr(kind, "fit", _shared_fit(kind.fit))


def _shared_fit(real: Callable[..., Any]) -> Callable[..., Any]:
    def fit(estimator: Any, *data: Any, **named: Any) -> Any:
        params = estimator.get_params()
        if params.get("random_state") is None:
            return real(estimator, *data, **named)
        told = pickle.dumps((type(estimator).__name__, sorted(params.items()), data, named))

        def make(folder: Path) -> None:
            real(estimator, *data, **named)
            (folder / "fitted.pickle").write_bytes(pickle.dumps(estimator))

        folder = made_once(f"fit-{hashlib.sha256(told).hexdigest()[:16]}", make)
        estimator.__dict__.update(vars(pickle.loads((folder / "fitted.pickle").read_bytes())))
        return estimator

    return fit
