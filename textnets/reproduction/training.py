"""The story: which seeds there are, train those that lack, put all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from textnets.errors import InputError, TrainingError
from textnets.experiment.prepare import read_data
from textnets.experiment.results import stored_evaluation
from textnets.pipeline import Overrides, as_overrides, train
from textnets.progress import Progress
from textnets.reproduction.result import Reproduction, collect
from textnets.reproduction.seeds import Seed, check_folder, held, plan_seeds
from textnets.reproduction.side_by_side import train_side_by_side
from textnets.run.directory import open_run


def reproduce(
    recipe: str | Path,
    overrides: Overrides = (),
    *,
    seeds: int | None = None,
    jobs: int = 1,
    output: str | Path | None = None,
    resume: bool = False,
    device: str = "auto",
    command: str = "",
    progress: Progress | None = None,
) -> Reproduction:
    """Train a recipe with the seeds 1, 2, 3 and so on, and judge its claim by their mean.

    >>> import textnets
    >>> tiny = {"data.limit": 400, "training.epochs": 1, "evaluation.baselines": False}
    >>> tiny["claim"] = {"metric": "accuracy", "at_least": 0.9, "seeds": 2}
    >>> found = textnets.reproduce("banking77_cnn", tiny, output="runs/two", resume=True)
    >>> found.seeds, found.verdict.holds, len(found.scores["accuracy"].values)
    ((1, 2), False, 2)

    Args:
        recipe: a YAML file, or the name of a recipe that ships with textnets.
        overrides: ``{"training.epochs": 1}`` or ``["training.epochs=1"]``.
        seeds: how many; by default as many as the recipe's claim is about, and 3 without one.
        jobs: how many to train side by side, each in a process of its own.
        output: the folder of the runs ``seed-1``, ``seed-2`` and so on; ``runs/NAME-reproduced``
            by default. ``reproduce.json`` and ``reproduce.md`` are written into it at the end.
        resume: go on with what is there: finished seeds are not trained again.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        command: what the user typed, for the runs' records.
        progress: where to show what happens; silent by default.

    Raises:
        InputError: the recipe, its data or the place is at fault, or runs in it are of other
            settings. Nothing was trained.
        TrainingError: a seed could not be trained; the others were.
        StoppedError: Ctrl-C, SIGTERM or a full disk; ``resume`` continues all.
    """
    progress = progress or Progress()
    settings = as_overrides(overrides)
    if jobs < 1:
        raise InputError(f"--jobs: expected 1 or more, was: {jobs}")
    planned = plan_seeds(recipe, settings, seeds, output)
    folder = planned[0].folder.parent
    check_folder(folder, resume=resume)
    runs = {seed.number: run for seed in planned if (run := seed.finished()) is not None}
    lacking = [seed for seed in planned if seed.number not in runs]
    if runs:
        progress.say(f"{folder}: {len(runs)} of {len(planned)} seeds are trained already")
    with held(folder):
        if lacking:
            wanted = {
                seed.number: {
                    "recipe": str(recipe),
                    "overrides": [*settings, f"seed={seed.number}"],
                    "output": str(seed.folder),
                    "resume": seed.is_begun,
                    "device": device,
                    "command": command,
                }
                for seed in lacking
            }
            _train_all(lacking, wanted, len(planned), jobs, progress)
        found = {seed.number: open_run(seed.folder) for seed in planned}
        result = collect(planned[0].task, found, folder, settings)
        result.write(folder)
    return result


def _train_all(
    lacking: Sequence[Seed],
    wanted: Mapping[int, Mapping[str, Any]],
    total: int,
    jobs: int,
    progress: Progress,
) -> None:
    done = total - len(lacking)
    folders = {seed.number: seed.folder for seed in lacking}
    headline = lacking[0].task.headline

    def tell(number: int) -> None:
        nonlocal done
        done += 1
        scored = stored_evaluation(open_run(folders[number]))
        said = f", {headline} {scored.scores[headline].value:.3f}" if scored else ""
        progress.say(f"seed {number}: trained{said} ({done} of {total} seeds)")

    jobs = min(jobs, len(lacking))
    if jobs > 1:
        # What is wrong with the data is said once, before any process is started.
        read_data(lacking[0].task, progress)
        failures = train_side_by_side(wanted, jobs, progress, tell)
    else:
        failures = {}
        for number, arguments in wanted.items():
            progress.say(f"seed {number}: training ({done} of {total} seeds are trained)")
            try:
                train(**arguments, progress=progress)
            except TrainingError as error:  # such as a loss that is no number: of this seed alone
                failures[number] = (str(error), error.exit_code)
                progress.warn(f"seed {number} failed: {error}")
            else:
                tell(number)
    if failures:
        raise _failed(failures, total)


def _failed(failures: Mapping[int, tuple[str, int]], total: int) -> TrainingError | InputError:
    told = [f"seed {number}: {message}" for number, (message, _) in failures.items()]
    kind = InputError if {code for _, code in failures.values()} == {InputError.exit_code} else None
    return (kind or TrainingError)(
        f"{len(failures)} of {total} seeds could not be trained, and so there is no result; the "
        "others are whole, and --resume tries again what lacks:\n  " + "\n  ".join(told)
    )
