"""The README's table of recipes says what `textnets reproduce` measured, and nothing else."""

from __future__ import annotations

import json
import runpy
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from textnets.recipe.shipped import shipped_folder
from textnets.tasks import read_task

TABLES = runpy.run_path(str(ROOT / "benchmarks" / "tables.py"))
FILES = sorted((ROOT / "benchmarks" / "results").glob("*.json"))


def test_the_readme_shows_the_results() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    current = TABLES["put_between"](page, TABLES["render"](TABLES["read_results"]()))
    assert page == current, "README.md is stale; renew it:\n  .venv/bin/python benchmarks/tables.py"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_result_is_whole(path: Path) -> None:
    """Of a recipe that ships, as it ships, of three seeds or more, its mean that of its figures."""
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result["recipe"] == path.stem
    assert result["settings"] == []
    assert result["split"] == "test"
    assert result["seeds"] == [*range(1, len(result["seeds"]) + 1)]
    assert len(result["seeds"]) >= 3
    systems = [result, *result["baselines"].values()]
    for score in (score for system in systems for score in system["scores"].values()):
        assert len(score["values"]) == len(result["seeds"])
        assert score["mean"] == pytest.approx(statistics.fmean(score["values"]))
        assert score["deviation"] == pytest.approx(statistics.stdev(score["values"]))
        assert score["low"] <= score["mean"] <= score["high"]
    assert read_task(shipped_folder() / f"{path.stem}.yaml").headline == result["headline"]


def test_what_the_recipes_claim_holds_in_the_results() -> None:
    for path in FILES:
        result = json.loads(path.read_text(encoding="utf-8"))
        claim = read_task(shipped_folder() / f"{path.stem}.yaml").recipe.claim
        if claim is not None:
            mean = result["scores"][claim.metric]["mean"]
            assert claim.at_least is None or mean >= claim.at_least, path
            assert claim.at_most is None or mean <= claim.at_most, path


def test_a_claim_has_a_column() -> None:
    (one, *_) = TABLES["read_results"]()
    claim = {"metric": "accuracy", "at_least": 0.9, "at_most": None, "holds": True}
    lines = TABLES["render"]([{**one, "claim": claim}, one]).splitlines()
    assert [line.rsplit("|", 2)[1].strip() for line in lines] == [
        "claim", "---", "accuracy ≥ 0.9 holds", "–",
    ]  # fmt: skip


@pytest.mark.heavy
def test_a_stale_table_is_told(tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        command = [sys.executable, "benchmarks/tables.py", *words]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    for name in ("README.md", "benchmarks/tables.py", f"benchmarks/results/{FILES[0].name}"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    assert run("--check").returncode == 1
    assert "python benchmarks/tables.py" in run("--check").stderr
    assert run().returncode == 0
    assert run("--check").returncode == 0
