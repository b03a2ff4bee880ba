"""Scores and facts on standard output."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence

import click

from textnets.evaluation.confidence import Estimate
from textnets.experiment.results import SplitEvaluation
from textnets.pipeline import TrainedRun
from textnets.progress import is_terminal, printable


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Left-aligned columns, as wide as their widest cell."""
    shown = [[printable(cell) for cell in row] for row in (columns, *rows)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(columns))]
    for row in shown:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def show_facts(facts: Sequence[tuple[str, str]]) -> None:
    """Name and value, a line each; on a terminal, long values are folded below themselves."""
    width = max((len(name) for name, _ in facts), default=0)
    room = shutil.get_terminal_size().columns - width - 2 if is_terminal(sys.stdout) else 0
    for name, value in ((name, printable(value)) for name, value in facts):
        folded = textwrap.wrap(value, room, break_on_hyphens=False) if room >= 20 else [value]
        click.echo(f"{name.ljust(width)}  " + ("\n" + " " * (width + 2)).join(folded))


def show_training(result: TrainedRun) -> None:
    """The scores beside the baselines', what follows from them, and where the run lies."""
    if result.evaluation is not None:
        _show_scores(result.evaluation)
    report = result.run.folder / "report.html"
    click.echo(f"run: {result.run.folder}" + (f"  report: {report}" if report.exists() else ""))


def show_evaluation(evaluation: SplitEvaluation, output_format: str) -> None:
    """The scores of one split, as a table or as JSON."""
    if output_format == "text":
        _show_scores(evaluation)
        return
    content = {
        "split": evaluation.split,
        "examples": evaluation.examples,
        "scores": {name: found.as_dict() for name, found in evaluation.scores.items()},
        "baselines": {
            baseline.name: {name: found.as_dict() for name, found in baseline.scores.items()}
            for baseline in evaluation.baselines
        },
        "comparison": evaluation.comparison.as_dict() if evaluation.comparison else None,
        "claim": evaluation.claim.as_dict() if evaluation.claim else None,
    }
    click.echo(json.dumps(content, indent=2))


def _show_scores(evaluation: SplitEvaluation) -> None:
    metrics = list(evaluation.scores)
    systems: list[tuple[str, Mapping[str, Estimate]]] = [("this model", evaluation.scores)]
    systems += [(baseline.name, baseline.scores) for baseline in evaluation.baselines]
    click.echo(f"{evaluation.split}: {evaluation.examples:,} examples")
    rows = [
        (name, *(scores[metric].render() if metric in scores else "–" for metric in metrics))
        for name, scores in systems
    ]
    show_table(("", *metrics), rows)
    for sentence in evaluation.sentences:
        click.echo(printable(sentence))
