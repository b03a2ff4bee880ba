"""The README's table of recipes, from what `textnets reproduce` wrote.

    python benchmarks/tables.py            # writes it between the two markers in README.md
    python benchmarks/tables.py --check    # exit code 1 where README.md says something else

`benchmarks/results/NAME.json` is the reproduce.json of a recipe that ships.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from textnets.recipe.shipped import shipped_recipes

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"
BEGIN = "<!-- results: begin; written by benchmarks/tables.py -->"
END = "<!-- results: end -->"


def read_results(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """Of every recipe that has one, by name."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def render(results: Sequence[dict[str, Any]]) -> str:
    """The table in Markdown: a recipe a row."""
    about = {shipped.name: shipped.summary for shipped in shipped_recipes()}
    claims = any(result["claim"] is not None for result in results)
    lines = [
        ["recipe", "what it is", "test score", "lowest to highest", "best baseline"],
        ["---"] * 5,
        *(_row(result, about[result["recipe"]]) for result in results),
    ]
    if claims:
        lines[0].append("claim")
        lines[1].append("---")
        for line, result in zip(lines[2:], results, strict=True):
            line.append(_claim(result["claim"]))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _row(result: dict[str, Any], summary: str) -> list[str]:
    metric = result["headline"]
    score, difference = result["scores"][metric], result["difference"]
    values = score["values"]
    # What a recipe asks is behind its name already; what it does follows the question.
    model = (summary.partition("? ")[2] or summary).rstrip(".")
    best = "–"
    if difference is not None:
        name = difference["baseline"]
        best = f"`{name}` {_mean(result['baselines'][name]['scores'][metric])}"
    return [
        f"`{result['recipe']}`",
        model,
        f"{metric} {_mean(score)}",
        f"{_shown(min(values))} to {_shown(max(values))}",
        best,
    ]


def _mean(score: dict[str, Any]) -> str:
    if score["low"] is None:
        return _shown(score["mean"])
    return f"{_shown(score['mean'])} [{_shown(score['low'])}, {_shown(score['high'])}]"


def _shown(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 10.0 else f"{value:.1f}"


def _claim(claim: dict[str, Any] | None) -> str:
    if claim is None:
        return "–"
    bound, limit = ("≥", claim["at_least"]) if claim["at_most"] is None else ("≤", claim["at_most"])
    return f"{claim['metric']} {bound} {limit:g} {'holds' if claim['holds'] else 'fails'}"


def put_between(page: str, table: str) -> str:
    """The page with this table between its markers."""
    before, begin, rest = page.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not begin or not end:
        sys.exit(f"README.md lacks the markers {BEGIN} and {END}")
    return f"{before}{begin}\n\n{table}\n{end}{behind}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing")
    arguments = parser.parse_args()
    page = README.read_text(encoding="utf-8")
    renewed = put_between(page, render(read_results()))
    if arguments.check and renewed != page:
        sys.exit("README.md is stale; renew it: python benchmarks/tables.py")
    if not arguments.check:
        README.write_text(renewed, encoding="utf-8")


if __name__ == "__main__":
    main()
