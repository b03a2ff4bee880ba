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
heavy = {"keras", "tensorflow", "tensorflow_text", "sklearn", "jax", "torch", "pandas", "scipy"}
for path in sys.argv[1:]:
    try:
        read_task(Path(path), ["training.epochs=1"])
        print("read")
    except RecipeError as error:
        print("refused")
    print(sorted(heavy & set(sys.modules)))
"""


@pytest.mark.heavy
def test_reading_a_recipe_loads_no_framework(tmp_path: Path, good: str) -> None:
    for seed in ("3", "x"):
        text = good.replace("seed: 3", f"seed: {seed}")
        (tmp_path / f"{seed}.yaml").write_text(text, encoding="utf-8")
    finished = subprocess.run(
        [sys.executable, "-c", CODE, *(str(tmp_path / f"{seed}.yaml") for seed in "3x")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout.splitlines() == ["read", "[]", "refused", "[]"]
    assert finished.stderr == ""
