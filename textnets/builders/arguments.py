"""Builders called from Python refuse what a recipe would refuse, in the same terms."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import pydantic

from textnets.errors import InputError, did_you_mean

_Parameters = ParamSpec("_Parameters")
_Built = TypeVar("_Built")


def checked(build: Callable[_Parameters, _Built]) -> Callable[_Parameters, _Built]:
    """Check a builder's arguments against its annotations before it runs.

    The signature and the annotations stay visible (``inspect.signature``,
    ``typing.get_type_hints``).

    Raises (from the decorated builder):
        InputError: naming every argument that is wrong, what it was and the rule.
    """
    validated = pydantic.validate_call(build)

    @functools.wraps(build)
    def builder(*args: _Parameters.args, **kwargs: _Parameters.kwargs) -> _Built:
        try:
            return validated(*args, **kwargs)
        except pydantic.ValidationError as error:
            known = inspect.signature(build).parameters
            raise InputError(_explain(error, build.__name__, tuple(known))) from None

    return builder


def trained_with(
    **settings: Any,
) -> Callable[[Callable[_Parameters, _Built]], Callable[_Parameters, _Built]]:
    """Say what a recipe's ``training:`` is by default where its model is this builder's.

    Args:
        settings: keys and values of that section. What a recipe gives itself goes before them.
    """

    def mark(builder: Callable[_Parameters, _Built]) -> Callable[_Parameters, _Built]:
        builder.training_defaults = settings  # type: ignore[attr-defined]
        return builder

    return mark


def _explain(error: pydantic.ValidationError, builder: str, known: tuple[str, ...]) -> str:
    """One line for each wrong argument."""
    lines: dict[str, str] = {}
    for mistake in error.errors(include_url=False):
        first, *inner = mistake["loc"]
        inner = [step for step in inner if isinstance(step, int)]  # else a branch of a union
        place = known[first] if isinstance(first, int) and first < len(known) else first
        path = f"{place}{''.join(f'[{step}]' for step in inner)}"
        if mistake["type"] == "unexpected_positional_argument":
            rule = f"give every argument by its name, was: {mistake['input']!r}"
            path = f"argument {int(first) + 1}"
        elif mistake["type"] == "unexpected_keyword_argument":
            rule = f"no such argument, {did_you_mean(str(first), known)}"
        elif mistake["type"].startswith("missing"):
            rule = "is required"
        else:
            rule = f"{mistake['msg']}, was: {mistake['input']!r}"
        lines.setdefault(path, f"{builder}: {path}: {rule}")
    return "\n".join(lines.values())
