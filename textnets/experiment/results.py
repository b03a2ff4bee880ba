"""What a model scored: into ``evaluation.json``, ``predictions/`` and ``report.html``, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from textnets.evaluation.claims import ClaimResult
from textnets.evaluation.comparison import Comparison, compare_with_best
from textnets.evaluation.confidence import Estimate
from textnets.evaluation.report import Report, Table, render_report
from textnets.experiment.record import RunRecord
from textnets.run.directory import Run
from textnets.run.files import checked, write_json, write_lines, written_whole
from textnets.run.layout import EVALUATION_FILE, PREDICTIONS_FOLDER, RECIPE_FILE, REPORT_FILE
from textnets.tasks import AnyTask
from textnets.tasks.evaluation import BaselineScore
from textnets.tasks.examples import Examples
from textnets.tasks.inference import AnyInference
from textnets.training.fitting import TrainingState


@dataclass(frozen=True)
class SplitEvaluation:
    """How a model did on one split.

    Attributes:
        split: its name.
        examples: how many.
        scores: the model's metrics.
        baselines: cheap ones, trained on the same training split.
        comparison: with the best of them; ``None`` where there is none.
        claim: what became of the recipe's claim, on its own test split.
    """

    split: str
    examples: int
    scores: Mapping[str, Estimate]
    baselines: Sequence[BaselineScore] = ()
    comparison: Comparison | None = None
    claim: ClaimResult | None = None

    @property
    def sentences(self) -> list[str]:
        """What follows from the scores, in words."""
        return [found.sentence for found in (self.comparison, self.claim) if found is not None]


# --- The types of evaluation.json ---


@dataclass(frozen=True)
class _StoredEstimate:
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class _StoredBaseline:
    description: str
    scores: dict[str, _StoredEstimate]
    seconds: float


@dataclass(frozen=True)
class _StoredComparison(_StoredEstimate):
    metric: str = ""
    baseline: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class _StoredSplit:
    examples: int
    scores: dict[str, _StoredEstimate]
    baselines: dict[str, _StoredBaseline] = field(default_factory=dict)
    comparison: _StoredComparison | None = None


@dataclass(frozen=True)
class _StoredClaim:
    metric: str
    seeds: int
    value: float
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True)
class _Stored:
    splits: dict[str, _StoredSplit] = field(default_factory=dict)
    claim: _StoredClaim | None = None


def describe_split(evaluation: SplitEvaluation) -> str:
    """What was scored, in words; a validation split that chose the weights is no test."""
    chose = ", which also chose the weights: no test split was scored"
    return f"{evaluation.examples:,} examples of the {evaluation.split} split" + (
        chose if evaluation.split == "validation" else ""
    )


def stored_baselines(run: Run, split: str) -> list[BaselineScore]:
    """What the baselines reached when the run was trained."""
    found = _stored(run).splits.get(split)
    return [
        BaselineScore(name, entry.description, _estimates(entry.scores), entry.seconds)
        for name, entry in (found.baselines if found is not None else {}).items()
    ]


def _stored(run: Run) -> _Stored:
    found: _Stored = checked(_Stored, run.evaluation(), run.folder / EVALUATION_FILE)
    return found


def _estimates(stored: Mapping[str, _StoredEstimate]) -> dict[str, Estimate]:
    return {name: Estimate(one.value, one.low, one.high) for name, one in stored.items()}


def judged(
    task: AnyTask, evaluation: SplitEvaluation, stored: Comparison | None = None
) -> SplitEvaluation:
    """The evaluation of one of the recipe's own splits, with what follows from it.

    Args:
        task: whose recipe may hold a claim.
        evaluation: of the split.
        stored: the comparison that the run already holds; the resamples of stored baselines are
            gone, so that a new one would have no interval.
    """
    comparison = stored or compare_with_best(
        task.headline,
        evaluation.scores,
        {baseline.name: baseline.scores for baseline in evaluation.baselines},
        lower_is_better=task.metrics[task.headline],
        split=evaluation.split,
        confidence=task.recipe.evaluation.confidence,
    )
    claim = task.recipe.claim
    result = None
    if claim is not None and evaluation.split == "test":
        result = ClaimResult(**claim.model_dump(), value=evaluation.scores[claim.metric].value)
    return replace(evaluation, comparison=comparison, claim=result)


def stored_comparison(run: Run, split: str) -> Comparison | None:
    """With the best baseline, from when the run was trained; older runs have none."""
    split_found = _stored(run).splits.get(split)
    stored = None if split_found is None else split_found.comparison
    return None if stored is None else Comparison.of_dict(asdict(stored))


def stored_evaluation(run: Run) -> SplitEvaluation | None:
    """What a run's training ended with; ``None`` where no split was scored.

    Raises:
        RunError: ``evaluation.json`` is not what was written.
    """
    stored = _stored(run)
    name = "test" if "test" in stored.splits else "validation"
    if name not in stored.splits:
        return None
    found, claim = stored.splits[name], stored.claim if name == "test" else None
    return SplitEvaluation(
        name,
        found.examples,
        _estimates(found.scores),
        stored_baselines(run, name),
        stored_comparison(run, name),
        None if claim is None else ClaimResult.of_dict(asdict(claim)),
    )


def write_evaluation(task: AnyTask, folder: Path, evaluated: Mapping[str, SplitEvaluation]) -> None:
    """Write ``evaluation.json``."""
    claim = evaluated["test"].claim if "test" in evaluated else None
    write_json(
        folder / EVALUATION_FILE,
        {
            "headline": task.headline,
            "confidence": task.recipe.evaluation.confidence,
            "splits": {name: _as_json(found) for name, found in evaluated.items()},
            "claim": claim.as_dict() if claim is not None else None,
        },
    )


def _as_json(evaluation: SplitEvaluation) -> dict[str, Any]:
    return {
        "examples": evaluation.examples,
        "scores": {name: found.as_dict() for name, found in evaluation.scores.items()},
        "baselines": {
            baseline.name: {
                "description": baseline.description,
                "scores": {name: found.as_dict() for name, found in baseline.scores.items()},
                "seconds": round(baseline.seconds, 1),
            }
            for baseline in evaluation.baselines
        },
        "comparison": evaluation.comparison.as_dict() if evaluation.comparison else None,
    }


def write_predictions(
    task: AnyTask,
    inference: AnyInference,
    folder: Path,
    name: str,
    examples: Examples | None,
    outputs: Sized,
) -> None:
    """Write ``predictions/NAME.jsonl``; ``examples`` is ``None`` where only ids are at hand."""
    texts = list(examples.texts) if examples is not None else [""] * len(outputs)
    truths = task.truths(examples) if examples is not None else [{} for _ in texts]
    records = [
        {"text": text, **truth, **prediction.as_fields()}
        for text, truth, prediction in zip(
            texts, truths, inference.predictions(texts, outputs), strict=True
        )
    ]
    write_lines(folder / PREDICTIONS_FOLDER / f"{name}.jsonl", records)


def write_report(
    task: AnyTask,
    folder: Path,
    evaluation: SplitEvaluation,
    tables: Sequence[Table],
    state: TrainingState,
    record: RunRecord,
) -> None:
    """Write ``report.html``."""
    baselines = {baseline.name: baseline.scores for baseline in evaluation.baselines}
    scores = {
        system: {metric: found.as_dict() for metric, found in found_scores.items()}
        for system, found_scores in {_name_of(task): evaluation.scores, **baselines}.items()
    }
    report = Report(
        title=task.recipe.name,
        task=task.name,
        note=describe_split(evaluation),
        sentences=evaluation.sentences,
        descriptions={
            baseline.name: f"{baseline.description}, {baseline.seconds:.1f} s"
            for baseline in evaluation.baselines
        },
        headline_metric=task.headline,
        scores=scores,
        history=state.history,
        best_epoch=state.best_epoch or None,
        monitor=record.monitor or "",
        tables=tables,
        recipe_text=(folder / RECIPE_FILE).read_text(encoding="utf-8"),
        facts=_report_facts(record),
    )
    with written_whole(folder / REPORT_FILE) as file:
        file.write(render_report(report))


def _name_of(task: AnyTask) -> str:
    """What the model is called in the report."""
    return "ensemble" if task.recipe.ensemble is not None else task.recipe.builder


def _report_facts(record: RunRecord) -> list[tuple[str, str]]:
    device = record.device
    facts = [
        ("device", f"{device.backend} on {device.name} ({device.reason})"),
        ("recurrent kernel", record.recurrent_kernel or ""),
        ("parameters", f"{record.parameters or 0:,}"),
        ("training", f"{record.training_seconds or 0:,.0f} s"),
        ("python", record.python),
    ]
    if record.initialized is not None:
        facts.append(("begins with", record.initialized.said))
    parts = record.batch_parts or 1
    if parts > 1:
        facts.append(("memory", f"ran out; a batch was read in {parts} parts, its update the same"))
    facts += [(f"version of {name}", number) for name, number in record.versions.items()]
    facts += [
        (f"{name} data", f"{Path(entry['path']).name}, sha256 {entry['sha256'][:16]}…")
        for name, entry in record.data.items()
    ]
    return [(name, value) for name, value in facts if value]
