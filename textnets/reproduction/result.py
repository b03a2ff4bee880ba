"""What several seeds of a recipe scored: put together, and written for people and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textnets.errors import RunError
from textnets.evaluation.claims import ClaimResult, Verdict
from textnets.evaluation.over_seeds import OverSeeds, over_seeds
from textnets.experiment.record import RunRecord
from textnets.experiment.results import SplitEvaluation, stored_evaluation
from textnets.run.directory import Run
from textnets.run.files import write_json, written_whole
from textnets.tasks import AnyTask

RESULT_FILE = "reproduce.json"
TABLE_FILE = "reproduce.md"


@dataclass(frozen=True)
class BaselineOverSeeds:
    """What a baseline reached: it learns from the same training split as each seed's model."""

    description: str
    scores: Mapping[str, OverSeeds]


@dataclass(frozen=True)
class Difference:
    """The model's figure less the best baseline's, seed by seed."""

    baseline: str
    metric: str
    figures: OverSeeds

    @property
    def sentence(self) -> str:
        """The same in words."""
        found = self.figures
        if found.mean == 0.0:
            said = f"{self.metric} is as high as that of {self.baseline}"
        else:
            direction = "higher" if found.mean > 0.0 else "lower"
            said = (
                f"{self.metric} is {abs(found.mean):.3f} {direction} than that of {self.baseline}"
            )
        if found.low is None or found.high is None:
            return said
        return f"{said}, the mean over seeds; its interval is [{found.low:.3f}, {found.high:.3f}]"


@dataclass(frozen=True)
class Reproduction:
    """What several seeds of a recipe scored: what :func:`textnets.reproduce` gives back.

    >>> import textnets
    >>> tiny = {"data.limit": 400, "training.epochs": 1, "evaluation.baselines": False}
    >>> found = textnets.reproduce(
    ...     "banking77_cnn", tiny, seeds=2, output="runs/two", resume=True
    ... )
    >>> accuracy = found.scores["accuracy"]
    >>> accuracy.mean == sum(accuracy.values) / 2, accuracy.low < accuracy.mean < accuracy.high
    (True, True)
    >>> sorted(path.name for path in found.folder.iterdir())
    ['reproduce.json', 'reproduce.md', 'seed-1', 'seed-2']

    Attributes:
        name: of the recipe.
        settings: what was set besides, as ``--set`` writes it.
        task: its name.
        headline: the metric that a model is first judged by.
        split: that was scored: test, or validation where that was not.
        examples: how many it has, seed by seed: a share is drawn anew by each.
        confidence: of the intervals.
        seeds: that were trained.
        scores: the model's, by metric.
        baselines: those that every seed has, by name.
        difference: between model and best baseline; ``None`` where there is none.
        verdict: on the recipe's claim; ``None`` where it makes none.
        made_with: of the runs: versions, device, data, seconds.
        folder: of the runs.
    """

    name: str
    settings: Sequence[str]
    task: str
    headline: str
    split: str
    examples: Sequence[int]
    confidence: float
    seeds: Sequence[int]
    scores: Mapping[str, OverSeeds]
    baselines: Mapping[str, BaselineOverSeeds]
    difference: Difference | None
    verdict: Verdict | None
    made_with: Mapping[str, Any]
    folder: Path

    @property
    def title(self) -> str:
        """What was scored, in words."""
        seeds = ", ".join(map(str, self.seeds))
        numbers = dict.fromkeys((min(self.examples), max(self.examples)))
        return (
            f"{self.name}, seed{'s' if len(self.seeds) > 1 else ''} {seeds}: "
            f"{' to '.join(f'{n:,}' for n in numbers)} examples of the {self.split} split"
        )

    @property
    def sentences(self) -> list[str]:
        """What follows from the scores, in words; the verdict last."""
        said = [] if self.difference is None else [self.difference.sentence]
        none = "the recipe makes no claim"
        return [*said, none if self.verdict is None else self.verdict.sentence]

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Names of columns, and rows: each seed, mean, deviation, the baselines' means."""
        metrics = list(self.scores)
        rows = [
            [f"seed {seed}", *(f"{self.scores[metric].values[row]:.3f}" for metric in metrics)]
            for row, seed in enumerate(self.seeds)
        ]
        if len(self.seeds) > 1:
            rows.append(["mean", *(self.scores[metric].render() for metric in metrics)])
            rows.append(["deviation", *(_shown(self.scores[m].deviation) for m in metrics)])
        for name, baseline in self.baselines.items():
            found = (baseline.scores.get(metric) for metric in metrics)
            rows.append([name, *(one.render() if one else "–" for one in found)])
        return ["", *metrics], rows

    def as_dict(self) -> dict[str, Any]:
        """Plain data, as in ``reproduce.json``; no path is among it."""
        difference = self.difference
        return {
            "recipe": self.name,
            "settings": list(self.settings),
            "task": self.task,
            "headline": self.headline,
            "split": self.split,
            "examples": list(self.examples),
            "confidence": self.confidence,
            "seeds": list(self.seeds),
            "scores": {name: found.as_dict() for name, found in self.scores.items()},
            "baselines": {
                name: {
                    "description": baseline.description,
                    "scores": {key: found.as_dict() for key, found in baseline.scores.items()},
                }
                for name, baseline in self.baselines.items()
            },
            "difference": None
            if difference is None
            else {
                "baseline": difference.baseline,
                "metric": difference.metric,
                **difference.figures.as_dict(),
            },
            "claim": None if self.verdict is None else self.verdict.as_dict(),
            "made_with": dict(self.made_with),
        }

    def as_markdown(self) -> str:
        """The table as a page, as in ``reproduce.md``."""
        columns, rows = self.table()
        lines = [columns, ["---"] * len(columns), *rows]
        table = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        about = f"Behind a mean stands its {100 * self.confidence:g} % interval over the seeds."
        sentences = "\n".join(f"- {sentence}" for sentence in self.sentences)
        return f"# {self.title}\n\n{table}\n\n{about}\n\n{sentences}\n"

    def write(self, folder: Path) -> None:
        """Write both files, each whole or not at all."""
        with written_whole(folder / TABLE_FILE) as file:
            file.write(self.as_markdown())
        write_json(folder / RESULT_FILE, self.as_dict())


def collect(
    task: AnyTask, runs: Mapping[int, Run], folder: Path, settings: Sequence[str] = ()
) -> Reproduction:
    """Put finished runs of one recipe together.

    Args:
        task: of the recipe, whose claim is judged.
        runs: by seed; their settings were compared with the recipe's.
        folder: where they lie.
        settings: what was set besides the recipe.

    Raises:
        RunError: they cannot be put together: no split was scored, or the data are not the same.
    """
    evaluations = [_evaluation(run) for run in runs.values()]
    records = {seed: RunRecord.of_json(run.environment) for seed, run in runs.items()}
    first = evaluations[0]
    for run, evaluation in zip(runs.values(), evaluations, strict=True):
        if evaluation.split != first.split:
            raise RunError(
                f"{run.folder}: was scored on the {evaluation.split} split, and others on the "
                f"{first.split} split; train all seeds into another --output DIR"
            )
    _check_same_data(runs, records)
    confidence = task.recipe.evaluation.confidence
    scores = _over([evaluation.scores for evaluation in evaluations], confidence)
    baselines = _baselines(evaluations, confidence)
    claim, verdict = task.recipe.claim, None
    if claim is not None and first.split == "test":
        value = scores[claim.metric].mean
        verdict = Verdict(ClaimResult(**claim.model_dump(), value=value), len(runs))
    return Reproduction(
        name=task.recipe.name,
        settings=settings,
        task=task.name,
        headline=task.headline,
        split=first.split,
        examples=[evaluation.examples for evaluation in evaluations],
        confidence=confidence,
        seeds=tuple(runs),
        scores=scores,
        baselines=baselines,
        difference=_difference(task, scores, baselines, confidence),
        verdict=verdict,
        made_with=_made_with(list(records.values())),
        folder=folder,
    )


def _evaluation(run: Run) -> SplitEvaluation:
    found = stored_evaluation(run)
    if found is None:
        raise RunError(
            f"{run.folder}: no split was scored; a recipe with data.validation or data.test is"
        )
    return found


def _check_same_data(runs: Mapping[int, Run], records: Mapping[int, RunRecord]) -> None:
    digests = {
        seed: {name: entry["sha256"] for name, entry in record.data.items()}
        for seed, record in records.items()
    }
    first, *others = digests
    for seed in others:
        if digests[seed] != digests[first]:
            raise RunError(
                f"{runs[seed].folder}: was trained on other data than seed {first}; put the data "
                "back, and train all seeds into another --output DIR"
            )


def _over(scores: Sequence[Mapping[str, Any]], confidence: float) -> dict[str, OverSeeds]:
    """Each metric that every seed has."""
    return {
        metric: over_seeds([found[metric].value for found in scores], confidence=confidence)
        for metric in scores[0]
        if all(metric in found for found in scores)
    }


def _baselines(
    evaluations: Sequence[SplitEvaluation], confidence: float
) -> dict[str, BaselineOverSeeds]:
    """Each baseline that every seed has; a later version may have trained some with more."""
    by_seed = [{found.name: found for found in one.baselines} for one in evaluations]
    return {
        name: BaselineOverSeeds(
            baseline.description, _over([found[name].scores for found in by_seed], confidence)
        )
        for name, baseline in by_seed[0].items()
        if all(name in found for found in by_seed)
    }


def _difference(
    task: AnyTask,
    scores: Mapping[str, OverSeeds],
    baselines: Mapping[str, BaselineOverSeeds],
    confidence: float,
) -> Difference | None:
    metric = task.headline
    known = {n: found.scores[metric] for n, found in baselines.items() if metric in found.scores}
    if not known:
        return None
    sign = -1.0 if task.metrics[metric] else 1.0
    best = max(known, key=lambda name: sign * known[name].mean)
    pairs = zip(scores[metric].values, known[best].values, strict=True)
    figures = over_seeds([ours - theirs for ours, theirs in pairs], confidence=confidence)
    return Difference(best, metric, figures)


def _made_with(records: Sequence[RunRecord]) -> dict[str, Any]:
    """What the runs were made of and with; where they differ, all that there is of it."""
    packages = dict.fromkeys(name for record in records for name in record.versions)
    kinds = [f"{record.device.backend} on {record.device.kind}" for record in records]
    return {
        "textnets": _alike([record.textnets for record in records]),
        "versions": {
            name: _alike([record.versions.get(name, "none") for record in records])
            for name in packages
        },
        "device": _alike(kinds),
        "data": {name: entry["sha256"] for name, entry in records[0].data.items()},
        "training_seconds": [record.training_seconds for record in records],
    }


def _alike(values: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _shown(deviation: float | None) -> str:
    return "–" if deviation is None else f"{deviation:.3f}"
