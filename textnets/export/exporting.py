"""From a run to one of its forms: written beside, tried in a fresh process, then in its place."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textnets.errors import InputError, MissingExtraError, RunError, TextnetsError, did_you_mean
from textnets.export.card import CARD_FILE, model_card
from textnets.export.formats import FORMATS, Format
from textnets.export.members import preprocessors_of
from textnets.export.proof import Proof, prove
from textnets.export.quantization import Weights, quantize_weights, validation_score
from textnets.export.questions import questions_of
from textnets.export.subject import Subject, compute_in_float32
from textnets.predictions import Prediction
from textnets.progress import Progress
from textnets.run.files import checked, read_object, write_json
from textnets.run.layout import is_left_by_systems
from textnets.run.places import real_place, written_beside
from textnets.tasks import Predictor

#: What every export holds: how it was made, and the sha256 of its other files.
EXPORT_FILE = "export.json"
#: What quantizing may cost of the headline score.
MAX_DROP = 0.005


@dataclass(frozen=True)
class Quantized:
    """What making the weights smaller did, before and after.

    Attributes:
        kind: ``int8`` or ``float16``.
        metric: the task's headline.
        sizes: in bytes.
        proofs: of both.
        scores: of the run's validation split.
    """

    kind: str
    metric: str
    sizes: tuple[int, int]
    proofs: tuple[Proof, Proof]
    scores: tuple[float, float]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Columns and rows."""
        columns = ["weights", "size", "all texts", "one text", f"{self.metric} of validation"]
        rows = [
            [
                name,
                as_size(size),
                f"{proof.seconds:.3f} s",
                f"{1000 * proof.one_seconds:.1f} ms",
                f"{score:.4f}",
            ]
            for name, size, proof, score in zip(
                ("float32", self.kind), self.sizes, self.proofs, self.scores, strict=True
            )
        ]
        return columns, rows


@dataclass(frozen=True)
class Exported:
    """A form of a run that stands, and answers as the run does.

    Attributes:
        folder: that holds it.
        format: its name.
        size: in bytes, of what is needed to use it.
        proof: how it was tried.
        quantized: what that did; ``None`` where the weights are as they were.
    """

    folder: Path
    format: str
    size: int
    proof: Proof
    quantized: Quantized | None = None

    @property
    def sentences(self) -> list[str]:
        """What was written and how it was tried, a line each."""
        proof = self.proof
        return [
            f"{self.folder}: {self.format}, {as_size(self.size)}",
            f"tried in a fresh process on {proof.texts} texts: largest difference "
            f"{proof.difference:.1e}; loaded in {proof.load_seconds:.2f} s, one text "
            f"{1000 * proof.one_seconds:.1f} ms, {proof.peak_megabytes:.0f} MB",
        ]


def export_run(
    run: str | Path,
    form: str,
    output: str | Path,
    *,
    quantize: str | None = None,
    max_drop: float = MAX_DROP,
    allow_builders: Sequence[str] = (),
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a run in another form, and try it in a fresh process before it stands.

    Args:
        run: a run directory.
        form: a name of :data:`textnets.export.formats.FORMATS`.
        output: a folder, which then holds the form, its model card ``README.md`` and
            ``export.json``.
        quantize: ``int8`` or ``float16``, where the format has it.
        max_drop: how much of the headline score on the run's validation split that may cost.
        allow_builders: modules that may be imported, for a run whose builder is of one.
        overwrite: replace an export that is there.
        progress: where to show what happens.

    Raises:
        InputError: the format cannot hold such a run, a package is missing, or the place is taken.
        TextnetsError: what was written does not answer as the run does. It was removed.
    """
    progress = progress or Progress()
    chosen = _format_of(form, quantize)
    place = Path(output)
    _check_place(place, overwrite)
    predictor = Predictor.load(run, device="cpu", allow_builders=allow_builders)
    _check_task(form, chosen, predictor)
    if compute_in_float32(predictor.models):
        progress.say("the run computes in bfloat16; its export is in float32, and compared so")
    subject = Subject(predictor)
    for preprocessor in preprocessors_of(subject):
        preprocessor.check_exportable()
    if chosen.prepared is not None:
        subject = chosen.prepared(subject)
    questions = questions_of(subject)
    before: _Whole | None = None
    if quantize is not None:
        before = _make_smaller(subject, chosen, quantize, max_drop, questions, progress)
        subject = replace(subject, quantize=quantize)
    progress.say(f"asking the run about {len(questions)} texts ...")
    expected = _expected(subject, chosen, questions)
    with written_beside(place) as folder:
        progress.say(f"writing {form} ...")
        chosen.write(subject, folder)
        size = _size_of(folder)
        progress.say("trying it in a fresh process ...")
        proof = prove(chosen, folder, questions, expected)
        quantized = None if before is None else before.beside(subject, size, proof)
        card = model_card(subject, form, chosen, folder, proof, quantized)
        (folder / CARD_FILE).write_text(card, encoding="utf-8")
        write_json(folder / EXPORT_FILE, _record(subject, form, folder, proof))
        _check_place(place, overwrite)  # somebody may have been quicker
    return Exported(place, form, size, proof, quantized)


def as_size(size: int) -> str:
    """Bytes for people."""
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.1f} kB"


# --- Before ---


def _format_of(form: str, quantize: str | None) -> Format:
    if form not in FORMATS:
        raise InputError(f"--to {form}: no such format; {did_you_mean(form, FORMATS)}")
    chosen = FORMATS[form]
    if not all(find_spec(package) for package in chosen.packages):
        raise MissingExtraError(f"--to {form}", extra=chosen.extra)
    if quantize is not None and quantize not in chosen.quantizations:
        known = ", ".join(chosen.quantizations) or "none"
        raise InputError(f"--quantize {quantize}: {form} has no such weights; known: {known}")
    return chosen


def _check_task(form: str, chosen: Format, predictor: Predictor) -> None:
    task = predictor.task.name
    if task not in chosen.tasks:
        able = ", ".join(name for name, other in FORMATS.items() if task in other.tasks)
        raise InputError(
            f"{predictor.run.folder}: {form} cannot hold a run of the task {task}; these can: "
            f"{able}"
        )


def _check_place(place: Path, overwrite: bool) -> None:
    """Refuse to replace anything but an export, and that only where it is said."""
    if place.name in ("", ".."):
        raise RunError(f"{place}: is no place for an export; choose another --output DIR")
    place = real_place(place)
    if not place.exists():
        return
    if not is_export(place):
        raise RunError(
            f"{place}: exists and is no export, so it is left alone, even with --overwrite; "
            "--output DIR writes somewhere else"
        )
    if not overwrite:
        raise RunError(
            f"{place}: exists already; --overwrite replaces it, --output DIR writes somewhere else"
        )


def is_export(folder: Path) -> bool:
    """Whether a folder holds an export and nothing else, so that it may be replaced."""
    path = folder / EXPORT_FILE
    if not folder.is_dir() or not path.is_file():
        return False
    try:
        files = checked(dict[str, dict[str, Any]], read_object(path).get("files"), path)
    except RunError:
        return False
    found = {
        one.relative_to(folder).as_posix()
        for one in folder.rglob("*")
        if not (one.is_dir() or is_left_by_systems(one))
    }
    return found <= {*files, EXPORT_FILE}


def _expected(subject: Subject, chosen: Format, questions: Sequence[str]) -> list[Prediction]:
    """What of the run's answers the form must give."""
    found = subject.predictor.everything(questions)
    return found if chosen.promised is None else chosen.promised(found)


# --- Weights ---


@dataclass(frozen=True)
class _Whole:
    """The form of a run as it was before its weights were made smaller.

    Attributes:
        size: in bytes.
        proof: how it was tried.
        scores: of the validation split, with the weights as they were and with smaller ones.
    """

    size: int
    proof: Proof
    scores: tuple[float, float]

    def beside(self, smaller: Subject, size: int, proof: Proof) -> Quantized:
        """Both beside one another."""
        metric, sizes, proofs = smaller.task.headline, (self.size, size), (self.proof, proof)
        return Quantized(smaller.quantize, metric, sizes, proofs, self.scores)


def _make_smaller(
    subject: Subject,
    chosen: Format,
    kind: str,
    max_drop: float,
    questions: Sequence[str],
    progress: Progress,
) -> _Whole:
    """Give the run's models the weights that smaller ones stand for; what it was before.

    Raises:
        InputError: nobody can know what that costs.
        TextnetsError: it costs too much.
    """
    before = validation_score(subject, progress)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "whole"
        folder.mkdir()
        chosen.write(subject, folder)
        size = _size_of(folder)
        proof = prove(chosen, folder, questions, _expected(subject, chosen, questions))
    if chosen.round_weights is not None:
        chosen.round_weights(subject.models, kind)
    else:
        for model in subject.models:
            quantize_weights(Weights.of(model), kind)
    after = validation_score(subject, progress)
    metric, task = subject.task.headline, subject.task
    drop = after - before if task.metrics[metric] else before - after
    if not drop <= max_drop:
        raise TextnetsError(
            f"{subject.run.folder}: with {kind} the {metric} of the validation split goes from "
            f"{before:.4f} to {after:.4f}, which is {drop:.4f} worse; --max-drop {max_drop:g} "
            "forbids it"
        )
    return _Whole(size, proof, (before, after))


# --- After ---


def _size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _record(subject: Subject, form: str, folder: Path, proof: Proof) -> dict[str, Any]:
    return {
        "export": 1,
        "format": form,
        "task": subject.task.name,
        "textnets": version("textnets"),
        "quantize": subject.quantize or None,
        "run": {
            "name": subject.run.folder.resolve().name,
            "digest": subject.run.environment.get("digest"),
        },
        "proof": {"texts": proof.texts, "largest_difference": proof.difference},
        "files": {
            path.relative_to(folder).as_posix(): {
                "sha256": _sha256(path),
                "bytes": path.stat().st_size,
            }
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
