"""Builders of a user's own, named ``my_package.my_models:build_mine``."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from textnets.errors import InputError, did_you_mean

_ALLOWED: ContextVar[frozenset[str] | None] = ContextVar("allowed modules", default=None)
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_custom(name: str) -> bool:
    """Whether a builder's name is that of a function in some module."""
    return ":" in name


def module_of(name: str) -> str:
    """The module that holds a builder of a user's own; empty for one of textnets."""
    return name.partition(":")[0] if is_custom(name) else ""


@contextmanager
def only_modules(allowed: Collection[str] | None) -> Iterator[None]:
    """Let no other module be imported for its builder while the block runs; ``None`` for any.

    What is read may name a module in many places, and importing it runs its code.
    """
    token = _ALLOWED.set(None if allowed is None else frozenset(allowed))
    try:
        yield
    finally:
        _ALLOWED.reset(token)


def import_builder(name: str) -> Callable[..., Any]:
    """Import the function that a name stands for.

    The current folder is looked in after all others, as ``python -m`` would.

    Raises:
        InputError: the name is none, or there is no such module or function, or importing the
            module fails.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"expected MODULE:FUNCTION, such as my_models:build_mine, was: {name!r}")
    module_name, _, function = name.partition(":")
    allowed = _ALLOWED.get()
    if allowed is not None and module_name not in allowed:
        raise InputError(
            f"{name!r} is none of textnets' own; --allow-builder {module_name} imports that module "
            f"(in Python allow_builders=[{module_name!r}]), which runs its code"
        )
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.append(folder)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise InputError(f"importing {module_name} fails: {error}") from error
        raise InputError(
            f"there is no module {error.name!r} among those installed, nor in {folder}"
        ) from None
    except (Exception, SystemExit) as error:
        reason = f"{type(error).__name__}: {error}"
        raise InputError(f"importing {module_name} fails: {reason}") from error
    found = getattr(module, function, None)
    if not callable(found):
        functions = [key for key, value in vars(module).items() if callable(value)]
        hint = did_you_mean(function, functions) if functions else "it holds none"
        raise InputError(f"the module {module_name!r} has no function {function!r}; {hint}")
    return found  # type: ignore[no-any-return]
