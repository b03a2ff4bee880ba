"""Reading a recipe, good or bad, loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from pathlib import Path
from textnets.errors import RecipeError
from textnets.tasks import read_task
try:
    read_task(Path(sys.argv[1]), ["training.epochs=1"])
    print("read")
except RecipeError as error:
    print("refused")
heavy = {"keras", "tensorflow", "tensorflow_text", "sklearn", "jax", "torch", "pandas", "scipy"}
print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.parametrize(("seed", "outcome"), [("3", "read"), ("x", "refused")])
def test_reading_a_recipe_loads_no_framework(tmp_path: Path, good: str, seed: str, outcome: str):
    path = tmp_path / "r.yaml"
    path.write_text(good.replace("seed: 3", f"seed: {seed}"), encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-c", CODE, str(path)], capture_output=True, text=True, check=True
    )
    assert finished.stdout.split("\n")[:2] == [outcome, "[]"]
    assert finished.stderr == ""
