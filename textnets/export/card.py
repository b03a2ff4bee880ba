"""The model card: what an export is, what it was made of, how good it is, and how to load it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textnets.data.catalog import CATALOG
from textnets.errors import RunError
from textnets.experiment.record import RunRecord
from textnets.experiment.results import SplitEvaluation, describe_split, stored_evaluation
from textnets.export.formats import Format
from textnets.export.proof import TOLERANCE, Proof
from textnets.export.subject import Subject
from textnets.progress import printable
from textnets.run.files import recipe_text

if TYPE_CHECKING:
    from textnets.export.exporting import Quantized

CARD_FILE = "README.md"


def model_card(
    subject: Subject,
    form: str,
    chosen: Format,
    folder: Path,
    proof: Proof,
    quantized: Quantized | None,
) -> str:
    """The page, in Markdown."""
    record = RunRecord.of_json(subject.run.environment)
    name = subject.run.folder.resolve().name
    sections = [
        f"# {_plain(name)}\n\nA model that {subject.task.does}, trained by textnets "
        f"{record.textnets} and exported as `{form}`: {chosen.summary}.",
        f"## How to load it\n\n```python\n{chosen.loading(subject).rstrip()}\n```",
        _what_it_knows(subject),
        _scores(subject),
        _of_quantizing(quantized),
        _data(subject, record),
        f"## Limits\n\n{subject.task.limits} Its scores are of texts like those above; "
        "of others nothing is known until they are scored."
        + (f" {chosen.limits(subject)}" if chosen.limits else ""),
        _made(subject, record, proof),
        f"## Recipe\n\n```yaml\n{recipe_text(subject.task.recipe).rstrip()}\n```",
        _hashes(subject, folder),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _what_it_knows(subject: Subject) -> str:
    sizes = subject.predictor.preprocessor.sizes
    facts = [
        f"{name.replace('_', ' ')}: {value:,}"
        for name, value in sizes.items()
        if type(value) is int
    ]
    labels = subject.predictor.labels
    shown = ", ".join(f"`{_plain(label)}`" for label in labels[:50])
    more = f" and {len(labels) - 50} more" if len(labels) > 50 else ""
    parameters = sum(int(model.count_params()) for model in subject.models)
    lines = [f"- task: {subject.task.name}", f"- parameters: {parameters:,}"]
    lines += [f"- {fact}" for fact in facts]
    lines += [f"- {subject.predictor.labels_are}: {shown}{more}"] if labels else []
    return "## What it is\n\n" + "\n".join(lines)


def _scores(subject: Subject) -> str:
    try:
        evaluation = stored_evaluation(subject.run)
    except RunError:  # no prediction rests on it
        evaluation = None
    if evaluation is None:
        return "## Scores\n\nNo split was scored."
    metrics = list(evaluation.scores)
    rows = [["this model", *(evaluation.scores[name].render() for name in metrics)]]
    for baseline in evaluation.baselines:
        found = baseline.scores
        rows.append([baseline.name, *(found[n].render() if n in found else "–" for n in metrics)])
    said = _sentences(evaluation)
    confidence = subject.task.recipe.evaluation.confidence
    return (
        f"## Scores\n\nOn {describe_split(evaluation)}, with intervals of {confidence:.0%} "
        f"(bootstrap).\n\n{_table(['', *metrics], rows)}" + (f"\n\n{said}" if said else "")
    )


def _sentences(evaluation: SplitEvaluation) -> str:
    return " ".join(_plain(sentence) for sentence in evaluation.sentences)


def _of_quantizing(quantized: Quantized | None) -> str:
    if quantized is None:
        return ""
    return (
        f"## Weights\n\nKept as {quantized.kind}. Before and after:\n\n"
        f"{_table(*quantized.table())}\n\nThe scores above are those of the weights before."
    )


def _data(subject: Subject, record: RunRecord) -> str:
    name = subject.task.recipe.data.dataset
    lines = []
    if name in CATALOG:
        entry = CATALOG[name]
        lines += [
            f"{entry.title} (`{name}`): {entry.size_note}.",
            "",
            f"- license: {entry.license}",
        ]
        lines += [f"- cite: {entry.citation}"]
    else:
        lines += ["Files of the user's own; their license is not known to textnets.", ""]
    for split, count in record.examples.items():
        file = record.data.get(split, {})
        where = Path(file.get("path", "")).name
        digest = f", sha256 `{file['sha256']}`" if "sha256" in file else ""
        lines.append(
            f"- {split}: {count:,} examples{f' of `{_plain(where)}`' if where else ''}{digest}"
        )
    return "## Data\n\n" + "\n".join(lines)


def _made(subject: Subject, record: RunRecord, proof: Proof) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in record.versions.items())
    return (
        f"## How it was made\n\nTrained {record.created} with {versions}, seed {record.seed}. "
        f"Before it stood here, it was loaded in a process of its own and asked about "
        f"{proof.texts} texts: the largest difference from what the run says was "
        f"{proof.difference:.1e}; more than {TOLERANCE:.0e} is refused."
    )


def _hashes(subject: Subject, folder: Path) -> str:
    rows = []
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            rows.append(
                [
                    f"`{path.relative_to(folder).as_posix()}`",
                    f"{path.stat().st_size:,}",
                    f"`{digest}`",
                ]
            )
    found = _table(["file", "bytes", "sha256"], rows)
    return (
        f"## Hashes\n\n{found}\n\nThe run's own record: `{subject.run.environment.get('digest')}`."
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _plain(text: str) -> str:
    """Text of a user's own, as a page may have it."""
    return printable(text).replace("`", "'").replace("<", "&lt;").replace("|", "/")
