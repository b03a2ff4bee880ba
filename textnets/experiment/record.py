"""What a run was made of and with, and what its training found: ``environment.json``."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_type_hints

from textnets.backend.devices import Device
from textnets.data.counts import RowCounts
from textnets.data.sources import IN_MEMORY, sha256_of
from textnets.errors import RunError
from textnets.experiment.warm_start import WarmStart
from textnets.recipe import Recipe
from textnets.run.files import checked
from textnets.run.layout import ENVIRONMENT_FILE
from textnets.tasks import AnyTask
from textnets.tasks.examples import Examples
from textnets.training.optimizers import SUMMED_ROWS

#: Path and sha256 of each split's file.
Fingerprints = dict[str, dict[str, str]]

#: See :mod:`textnets.backend.recurrence` and :class:`textnets.training.optimizers.FusedAdam`.
FUSED = "fused"

_PACKAGES = (
    "textnets", "keras", "tensorflow", "tensorflow-text", "jax", "numpy", "scikit-learn",
)  # fmt: skip
_NOT_OF_THE_RECORD = ("format", "files", "digest", "replacing")  # what the run directory adds


@dataclass(frozen=True)
class RunRecord:
    """The record of a run, from its beginning; what is found later is ``None`` until then.

    Attributes:
        textnets: version.
        created: when, in UTC.
        command: what the user typed; empty in Python.
        recipe: path of its file; empty where it is in none.
        seed: of the run.
        device: where it is trained.
        repeated_rows: see :data:`textnets.training.optimizers.SUMMED_ROWS`; ``None`` of runs from
            before there was that.
        training_kernels: :data:`FUSED`, where a step may be computed by what is faster than
            Keras's own operations; ``None`` of runs from before there was that, which go on as
            they began.
        python, platform: of the process.
        versions: of the packages that the result rests on.
        data: of the files, by split.
        examples: of each split.
        rows: of the files, by split: how many there are, were read, and were left out and why.
        notes: what whoever trains keeps there besides.
        prepared: sha256 of what is written before training, by file.
        continued: each continuation, with what had changed.
        recurrent_kernel: which one the model uses, and why.
        parameters: of the model.
        vectors: the pretrained word vectors.
        sources: the runs that its models begin with, by their names in the recipe: path and
            sha256 of each.
        encoders: the pretrained encoders that its models read, likewise.
        initialized: what the model took of one of them, and what it did not.
        best_epoch: whose weights are kept, from 1.
        monitor: the metric that chose it; empty where none did.
        stopped: why training ended early; empty where it did not.
        batch_parts: in how many parts a batch was read at the end.
        training_seconds: of all epochs.
    """

    textnets: str
    created: str
    command: str
    recipe: str
    seed: int
    device: Device
    repeated_rows: str | None
    training_kernels: str | None
    python: str
    platform: str
    versions: Mapping[str, str]
    data: Fingerprints
    examples: Mapping[str, int]
    rows: Mapping[str, Any] | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    prepared: Mapping[str, str] | None = None
    continued: Sequence[Mapping[str, Any]] | None = None
    recurrent_kernel: str | None = None
    parameters: int | None = None
    vectors: Mapping[str, Any] | None = None
    sources: Fingerprints | None = None
    encoders: Fingerprints | None = None
    initialized: WarmStart | None = None
    best_epoch: int | None = None
    monitor: str | None = None
    stopped: str | None = None
    batch_parts: int | None = None
    training_seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        """As ``environment.json`` has it."""
        content: dict[str, Any] = {}
        for name in _NAMES:
            value = getattr(self, name)
            if name == "notes":
                content |= value
            elif value is not None:
                is_plain = not dataclasses.is_dataclass(value)
                content[name] = value if is_plain else dataclasses.asdict(value)
        return content

    @classmethod
    def of_json(cls, content: Mapping[str, Any]) -> RunRecord:
        """What :meth:`as_json` gave, or an earlier version wrote.

        Raises:
            RunError: a key has a value of another type.
        """
        hints, path = get_type_hints(cls), Path(ENVIRONMENT_FILE)
        known: dict[str, Any] = dict.fromkeys(hints)
        for name, hint in hints.items():
            if content.get(name) is not None:
                known[name] = checked(hint, content[name], path)
        if known["device"] is None:
            raise RunError(f"{path}: is not what was written: the device is missing")
        left = {*_NAMES, *_NOT_OF_THE_RECORD}
        notes = {name: value for name, value in content.items() if name not in left}
        return cls(**{**known, "notes": notes})


_NAMES = tuple(one.name for one in dataclasses.fields(RunRecord))


def begin_record(
    recipe: Recipe,
    fingerprints: Fingerprints,
    splits: Mapping[str, Examples],
    device: Device,
    command: str,
    counts: RowCounts | None = None,
    packages: Sequence[str] = (),
) -> RunRecord:
    """All that is known before training.

    Args:
        recipe: of the run.
        fingerprints: of the files, by split.
        splits: the examples.
        device: where it will be trained.
        command: what the user typed.
        counts: of the rows of the files.
        packages: that the result rests on besides those of every run.
    """
    return RunRecord(
        textnets=_package_version("textnets"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command,
        recipe=str(recipe.path or ""),
        seed=recipe.seed,
        device=device,
        repeated_rows=SUMMED_ROWS,
        training_kernels=FUSED,
        python=platform.python_version(),
        platform=platform.platform(),
        versions=_package_versions(packages),
        data=fingerprints,
        examples={name: len(examples) for name, examples in splits.items()},
        rows={name: count.as_json() for name, count in counts.items()} if counts else None,
    )


def fingerprints_of(files: Mapping[str, Path]) -> Fingerprints:
    """Absolute path and sha256 of each split's file."""
    return {
        name: {"path": str(path.resolve()), "sha256": sha256_of(path)}
        for name, path in files.items()
    }


def fingerprint_of_examples(examples: Examples, task: AnyTask) -> dict[str, str]:
    """Of examples that are in no file: the sha256 of their texts and what is known of them."""
    digest = hashlib.sha256()
    for text, truth in zip(examples.texts, task.truths(examples), strict=True):
        digest.update(json.dumps([text, truth], sort_keys=True).encode())
    return {"path": IN_MEMORY, "sha256": digest.hexdigest()}


def _package_versions(further: Sequence[str]) -> dict[str, str]:
    names = (*_PACKAGES, *further)
    return {name: found for name in names if (found := _package_version(name))}


def _package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
