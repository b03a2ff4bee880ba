"""What textnets raises, and how a message helps.

Every error that a user can cause is an :class:`InputError`: one message that says
where, what rule was broken, what was found and what to do. The command line prints
it without a traceback and exits with :attr:`TextnetsError.exit_code`.
"""

from __future__ import annotations

import difflib
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class TextnetsError(Exception):
    """Something that textnets noticed and can explain. The work failed (exit code 1).

    >>> import textnets
    >>> try:
    ...     textnets.load("no/such/run")
    ... except textnets.TextnetsError as error:
    ...     print(error, error.exit_code)
    no/such/run: no such run directory 2
    """

    exit_code = 1


class InputError(TextnetsError, ValueError):
    """The recipe, the data, a path, a flag or an argument is at fault (exit code 2).

    A ``ValueError`` too, which is what scikit-learn and Python callers expect of bad values.

    >>> import textnets
    >>> try:
    ...     textnets.check("banking77_cnn", {"training.epoch": 3})
    ... except textnets.InputError as error:
    ...     print(error)
    --set training.epoch=3: training.epoch: unknown key; did you mean 'epochs'?
    """

    exit_code = 2


class DataError(InputError):
    """A data file is missing, unreadable or not what the recipe says it is."""


class RunError(InputError):
    """A run directory is incomplete, damaged, newer than this version, or in the way."""


class MissingExtraError(InputError):
    """An optional dependency is needed and not installed."""

    def __init__(self, purpose: str, *, extra: str) -> None:
        super().__init__(f"{purpose} needs an optional package: pip install 'textnets[{extra}]'")


class TrainingError(TextnetsError):
    """Training cannot go on."""


class StoppedError(TextnetsError):
    """Training was stopped from outside; a checkpoint is there, and ``--resume`` continues it."""


class InterruptedTrainingError(StoppedError):
    """The user, or the system, asked to stop; a checkpoint was written."""

    def __init__(self, signal_number: int) -> None:
        name = "Ctrl-C" if signal_number == signal.SIGINT else signal.Signals(signal_number).name
        super().__init__(f"stopped by {name}; the checkpoint is complete; continue with --resume")
        self.exit_code = 128 + signal_number


@dataclass(frozen=True)
class Problem:
    """One mistake in a recipe.

    Attributes:
        path: the key's path, such as ``training.epochs``; empty for the whole file.
        message: the rule that was broken, and what to do.
        line: 1-based line in the file; ``None`` where the key is not written there.
        column: 1-based column.
        origin: where the value came from when not from the file (``--set a.b=c``).
    """

    path: str
    message: str
    line: int | None = None
    column: int | None = None
    origin: str | None = None

    def render(self, source: str) -> str:
        """One line: ``file:line:column: path: message``."""
        where = self.origin or source
        if self.origin is None and self.line is not None:
            where += f":{self.line}:{self.column}"
        return ": ".join(part for part in (where, self.path, self.message) if part)


class RecipeError(InputError):
    """A recipe has one or more mistakes; all of them are listed."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(problem.render(source) for problem in self.problems))


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A tail for "unknown ..." messages: the nearest known name, or all of them.

    >>> did_you_mean("epoch", ["epochs", "optimizer"])
    "did you mean 'epochs'?"
    >>> did_you_mean("zzz", ["epochs", "optimizer"])
    'known: epochs, optimizer'
    """
    candidates = sorted(known)
    near = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    if near:
        return f"did you mean '{near[0]}'?"
    return f"known: {', '.join(candidates)}"
