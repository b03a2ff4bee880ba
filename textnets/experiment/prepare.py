"""From a recipe's files to encoded splits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from textnets.backend.devices import require_tensorflow
from textnets.data.counts import RowCounts
from textnets.data.sources import sha256_of
from textnets.errors import DataError
from textnets.experiment.record import Fingerprints, fingerprints_of
from textnets.experiment.source_runs import SourceRun, extend_vocabularies
from textnets.experiment.stores import Store
from textnets.progress import Progress
from textnets.tasks import AnyTask
from textnets.tasks.evaluation import Fact, Split
from textnets.tasks.examples import Examples
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoded import EncodedSplit
from textnets.text.encoder import Coverage


@dataclass(frozen=True)
class Data:
    """What a recipe's files hold.

    Attributes:
        files: of each split that has one.
        splits: the examples; none where only stored ids are here.
        stored: ids that were encoded before; ``None`` where texts are to be encoded.
        fingerprints: of the files that the examples, or the ids, were made from.
        counts: the rows of each split's files.
    """

    files: Mapping[str, Path]
    splits: Mapping[str, Examples]
    stored: Store | None = None
    fingerprints: Fingerprints = field(default_factory=dict)
    counts: RowCounts = field(default_factory=dict)


@dataclass(frozen=True)
class Prepared:
    """What training and scoring read.

    Attributes:
        preprocessor: that encoded the splits.
        splits: the examples; none where only stored ids are here.
        encoded: the same as ids.
        coverage: what encoding did to each.
        facts: what a person should know of the encoded splits, by split.
    """

    preprocessor: AnyPreprocessor
    splits: Mapping[str, Examples]
    encoded: Mapping[str, EncodedSplit]
    coverage: Mapping[str, Coverage]
    facts: Mapping[str, list[Fact]]

    def split(self, name: str) -> Split[Examples]:
        """One of the splits."""
        return Split(self.splits[name], self.encoded.get(name))

    def told(self) -> list[Fact]:
        """What encoding did to each split, and what should be known of it."""
        told = []
        for name, coverage in self.coverage.items():
            told += [Fact(name, coverage_line(coverage)), *self.facts[name]]
        return told


def read_data(task: AnyTask, progress: Progress, stored: Store | None = None) -> Data:
    """Files and examples; with stored ids the raw texts may be elsewhere.

    Raises:
        DataError: a file is not there, or not what it should be.
        RunError: the ids were made from other files.
    """
    try:
        files = task.find_files(progress, download=stored is None)
    except DataError:
        if stored is None:
            raise
        progress.warn(
            "the raw texts are not here: predictions are listed without them, and there are no "
            "baselines"
        )
        return Data({}, {}, stored, stored.fingerprints)
    # Hashed before and after: the hash shall be that of the bytes that were read.
    before = fingerprints_of(files)
    if stored is not None:
        stored.check_files(files)
    counts: RowCounts = {}
    splits = task.read_splits(files, progress, counts)
    for name, count in counts.items():
        progress.say(f"{name}: {count.as_line()}")
    refuse_changed(before, files)
    return Data(files, splits, stored, stored.fingerprints if stored else before, counts)


def refuse_changed(before: Fingerprints, files: Mapping[str, Path]) -> None:
    """Refuse files that are no longer what they were before they were read.

    Raises:
        DataError: naming the file.
    """
    for name, path in files.items():
        if sha256_of(path) != before[name]["sha256"]:
            raise DataError(
                f"{path}: the {name} data was changed while it was read; try again when nothing "
                "writes there"
            )


def prepare(
    task: AnyTask,
    splits: Mapping[str, Examples],
    progress: Progress,
    *,
    learned: AnyPreprocessor | None = None,
    source: SourceRun | None = None,
) -> Prepared:
    """Learn from the training split, and encode all of them.

    Args:
        task: of the recipe.
        splits: the examples, by name.
        progress: where to show it.
        learned: what was learned before, of a run that goes on.
        source: the run that the model begins with, whose vocabulary may be extended.

    Raises:
        DataError: there is nothing to learn, or an example cannot be encoded.
    """
    require_tensorflow("turning text into ids")
    if learned is None:
        progress.say("learning the vocabulary ...")
        learned = extend_vocabularies(task.learn(splits["train"]), source)
    evaluation = task.evaluation(learned)
    encoded, coverage, facts = {}, {}, {}
    for name, examples in splits.items():
        encoded[name], coverage[name] = learned.encode(examples, progress, f"encoding {name}")
        facts[name] = evaluation.facts(name, encoded[name], progress)
    return Prepared(learned, splits, encoded, coverage, facts)


def coverage_line(coverage: Coverage) -> str:
    """What encoding did to a split, in words."""
    mean = coverage.tokens / max(coverage.texts, 1)
    return (
        f"{coverage.texts:,} texts, {coverage.tokens:,} tokens ({mean:.1f} a text, longest "
        f"{coverage.longest:,}), {coverage.unknown_share:.2%} unknown, "
        f"{coverage.truncated_share:.1%} of the texts truncated"
        + (f", {coverage.empty} empty" if coverage.empty else "")
    )
