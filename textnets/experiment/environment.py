"""What a run was made of and with: data, versions, device, command."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textnets.backend.devices import Device
from textnets.builders.own import module_of
from textnets.data.sources import IN_MEMORY, sha256_of
from textnets.errors import RunError
from textnets.recipe import Recipe
from textnets.run.integrity import read_started
from textnets.tasks import Task, read_run
from textnets.tasks.task import Examples
from textnets.training.optimizers import SUMMED_ROWS

Fingerprints = dict[str, dict[str, str]]

_PACKAGES = (
    "textnets", "keras", "tensorflow", "tensorflow-text", "jax", "numpy", "scikit-learn",
)  # fmt: skip


def describe_environment(
    recipe: Recipe,
    fingerprints: Fingerprints,
    splits: Mapping[str, Any],
    device: Device,
    command: str,
) -> dict[str, Any]:
    """The beginning of ``environment.json``: all that is known before training."""
    return {
        "textnets": _package_version("textnets"),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "recipe": str(recipe.path or ""),
        "seed": recipe.seed,
        "device": dataclasses.asdict(device),
        "repeated_rows": SUMMED_ROWS,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": _package_versions(),
        "data": fingerprints,
        "examples": {name: len(examples) for name, examples in splits.items()},
    }


def continue_environment(
    recipe: Recipe, environment: Mapping[str, Any], folder: Path, *, allow_changes: bool = False
) -> dict[str, Any]:
    """The record of a run that goes on: its own beginning, and how it is continued now.

    Args:
        recipe: that it is continued with.
        environment: of this process, see :func:`describe_environment`.
        folder: of the run.
        allow_changes: go on in spite of differences, and record them.

    Raises:
        RunError: the run would be continued with something else than it was started with, and so
            would not be the same one; every difference is named.
    """
    started = read_started(folder)
    changes = _changes(started, recipe, environment, folder)
    if changes and not allow_changes:
        raise RunError(
            f"{folder}: cannot continue this run, since it would not be the same one:\n  "
            + "\n  ".join(changes)
            + "\nput it back, go on all the same with --allow-changes, or start again with "
            "--overwrite"
        )
    step = {key: environment[key] for key in ("created", "command")}
    if changes:
        step |= {"changes": changes}
        now = (
            "seed", "device", "repeated_rows", "python", "platform", "versions", "data", "examples",
        )  # fmt: skip
        started |= {key: environment[key] for key in now}
    steps = [*started.get("continued", []), step]
    return {**_without(started, "format", "files"), "continued": steps}


def _changes(
    started: Mapping[str, Any], recipe: Recipe, environment: Mapping[str, Any], folder: Path
) -> list[str]:
    """What is not as it was when a run began, in words."""
    differing = differing_keys(
        read_run(folder, allow_builders=[module_of(recipe.builder)]).recipe, recipe
    )
    data, versions = started.get("data", {}), started.get("versions", {})
    for name, entry in environment["data"].items():
        if data.get(name, {}).get("sha256") != entry["sha256"]:
            differing.append(f"the {name} data has changed since")
    for name, number in environment["versions"].items():
        if versions.get(name) != number:
            differing.append(f"{name} was {versions.get(name)}, is {number}")
    on_tensorflow = started.get("device", {}).get("backend") == "tensorflow"
    is_reduced = recipe.training.precision != "float32"  # there on JAX too
    if (on_tensorflow or is_reduced) and started.get("repeated_rows") != SUMMED_ROWS:
        differing.append(
            "it was begun by an optimizer that did not add up the gradients of repeated tokens (a "
            "fault of Keras, see docs/questions.md), and would go on with one that "
            "does"
        )
    for key in ("backend", "kind"):
        before, now = started.get("device", {}).get(key), environment["device"][key]
        if before != now:
            differing.append(f"it ran on {before}, and would go on on {now}")
    return differing


def _without(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


def differing_keys(recipe_before: Recipe, recipe_now: Recipe) -> list[str]:
    """How two recipes differ in what they train, in words. More epochs only go on."""
    before, now = recipe_before.as_sections(), recipe_now.as_sections()
    allowed = [("training", "checkpoint_minutes"), ("training", "checkpoint_every")]
    if recipe_now.training.schedule != "cosine":  # of more epochs: another one from its first step
        allowed.append(("training", "epochs"))
    return [
        f"{section}.{key}: {_of(before, section, key)!r} before, {_of(now, section, key)!r} now"
        for section in sorted({*before, *now})
        for key in sorted({*_keys(before, section), *_keys(now, section)})
        if _of(before, section, key) != _of(now, section, key) and (section, key) not in allowed
    ]


def _keys(sections: Mapping[str, Any], section: str) -> list[str]:
    found = sections.get(section)
    return list(found) if isinstance(found, dict) else [""]


def _of(sections: Mapping[str, Any], section: str, key: str) -> Any:
    found = sections.get(section)
    return found.get(key) if isinstance(found, dict) else found


def fingerprints_of(files: Mapping[str, Path]) -> Fingerprints:
    """Absolute path and sha256 of each split's file."""
    return {
        name: {"path": str(path.resolve()), "sha256": sha256_of(path)}
        for name, path in files.items()
    }


def fingerprint_of_examples(examples: Examples, task: Task[Any]) -> dict[str, str]:
    """Of examples that are in no file: the sha256 of their texts and what is known of them."""
    digest = hashlib.sha256()
    for text, truth in zip(examples.texts, task.truths(examples), strict=True):
        digest.update(json.dumps([text, truth], sort_keys=True).encode())
    return {"path": IN_MEMORY, "sha256": digest.hexdigest()}


def _package_versions() -> dict[str, str]:
    return {name: found for name in _PACKAGES if (found := _package_version(name))}


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
