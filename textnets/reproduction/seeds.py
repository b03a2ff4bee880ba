"""The seeds of a recipe, and what is there of each: one run, a finished or unfinished one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from textnets.builders.custom import module_of
from textnets.errors import InputError, RunError
from textnets.experiment.start import differing_keys
from textnets.recipe import Recipe
from textnets.recipe.shipped import recipe_path
from textnets.run.directory import Run, is_partial, looks_like_a_run, open_run
from textnets.run.layout import LOCK_FILE, is_left_by_systems, partial_folder
from textnets.tasks import AnyTask, read_run, read_task

DEFAULT_SEEDS = 3

_OURS = re.compile(r"seed-\d+(\.partial)?")


@dataclass(frozen=True)
class Seed:
    """One of the trainings.

    Attributes:
        number: the seed.
        task: of the recipe with this seed.
        folder: of its run.
    """

    number: int
    task: AnyTask
    folder: Path

    @property
    def is_begun(self) -> bool:
        """Whether there is something to go on with."""
        return partial_folder(self.folder).exists()

    def finished(self) -> Run | None:
        """Its run, whole and with the recipe's settings; ``None`` where there is work to do.

        Raises:
            RunError: what is there is damaged, is no run, or was begun with other settings.
        """
        partial = partial_folder(self.folder)
        if partial.exists():
            if not is_partial(partial):
                raise RunError(f"{partial}: is no unfinished run; move it away")
            if looks_like_a_run(partial):
                self._check_settings(partial)
            return None
        if not self.folder.exists():
            return None
        run = open_run(self.folder)
        self._check_settings(self.folder)
        return run

    def _check_settings(self, folder: Path) -> None:
        recipe = self.task.recipe
        before = read_run(folder, allow_builders=list(map(module_of, recipe.builders))).recipe
        if differing := _differing(before, recipe):
            raise RunError(
                f"{folder}: was trained with other settings:\n  "
                + "\n  ".join(differing)
                + "\nput them back, or choose another --output DIR"
            )


def _differing(before: Recipe, now: Recipe) -> list[str]:
    """What would make other scores. A claim makes none, and the number of epochs does."""
    found = differing_keys(before.model_copy(update={"claim": now.claim}), now)
    epochs = before.training.epochs, now.training.epochs
    if epochs[0] != epochs[1] and not any(line.startswith("training.epochs:") for line in found):
        found.append(f"training.epochs: {epochs[0]} before, {epochs[1]} now")
    return found


def plan_seeds(
    recipe: str | Path, overrides: Sequence[str], number: int | None, output: str | Path | None
) -> list[Seed]:
    """The seeds 1, 2, 3 and so on of a recipe.

    Args:
        recipe: a file, or the name of one that ships.
        overrides: as ``--set`` writes them.
        number: how many; by default those of the claim.
        output: the folder of their runs; ``runs/NAME-reproduced`` by default.

    Raises:
        InputError: the recipe is at fault, or cannot be reproduced.
    """
    if any(override.partition("=")[0].strip() == "seed" for override in overrides):
        raise InputError(
            "--set seed: the seeds 1, 2, 3 and so on are trained; --seeds N says how many"
        )
    path = recipe_path(recipe)
    task = read_task(path, overrides)
    _check_scored(task.recipe)
    claim = task.recipe.claim
    if number is None:
        number = DEFAULT_SEEDS if claim is None else claim.seeds
    if number < 1:
        raise InputError(f"--seeds: expected 1 or more, was: {number}")
    folder = Path(output) if output else Path("runs") / f"{task.recipe.name}-reproduced"
    return [
        Seed(seed, read_task(path, [*overrides, f"seed={seed}"]), folder / f"seed-{seed}")
        for seed in range(1, number + 1)
    ]


def _check_scored(recipe: Recipe) -> None:
    if recipe.claim is not None and not recipe.evaluation.test:
        raise InputError(
            f"{recipe.path}: the claim is about the test split, which evaluation.test: false "
            "leaves unseen"
        )
    scored = (recipe.data.validation, recipe.data.test if recipe.evaluation.test else None)
    if scored == (None, None) and recipe.data.folds is None:
        raise InputError(
            f"{recipe.path}: no split would be scored; give data.validation or data.test"
        )


# --- Their folder ---


def check_folder(folder: Path, *, resume: bool) -> None:
    """Refuse a place that is somebody else's. Nothing is written.

    Raises:
        RunError: something is there, and ``resume`` is not set or it is no such folder.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise RunError(f"{folder}: is a file; choose another --output DIR")
    names = {path.name for path in folder.iterdir() if not is_left_by_systems(path)} - {LOCK_FILE}
    if names and not any(map(_OURS.fullmatch, names)):
        raise RunError(f"{folder}: holds something else; choose another --output DIR")
    if names and not resume:
        raise RunError(
            f"{folder}: exists already; --resume goes on with what is there, --output DIR writes "
            "somewhere else"
        )


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder, made and locked while the block runs; one that stays empty is not left behind.

    Raises:
        RunError: another process works there, or it cannot be written.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK_FILE).open("ab")
    except OSError as error:
        _remove(made)
        raise RunError(f"{folder}: cannot be written: {error.strerror}") from None
    with lock:
        try:
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on Windows: two at once are the user's care there
            pass
        except OSError:
            raise RunError(
                f"{folder}: another 'textnets reproduce' is working there; choose another --output"
            ) from None
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / LOCK_FILE).unlink()
            _remove(made)


def _remove(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # not empty, or not made
            folder.rmdir()
