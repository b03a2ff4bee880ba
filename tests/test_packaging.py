"""What is installed is what the folders hold, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from tests.conftest import ROOT


def test_the_package_list_is_the_folders() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    listed = set(settings["packages"])
    folders = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "textnets").rglob("*.py")
    }
    data = {f"textnets_recipes.data.{path.name}" for path in (ROOT / "recipes/data").iterdir()}
    assert listed == folders | {"textnets_cli", "textnets_recipes"} | data


@pytest.mark.heavy
def test_the_wheel_holds_everything_and_no_stray_top_level(tmp_path: Path) -> None:
    source = tmp_path / "source"  # building writes into the folder
    left_out = shutil.ignore_patterns(".*", "runs", "tests", "benchmarks", "*.egg-info")
    shutil.copytree(ROOT, source, ignore=left_out)
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path)]
    built = subprocess.run([*build, str(source)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0].split("-")[0] for name in names} == {
        "textnets",
        "textnets_cli",
        "textnets_recipes",
    }
    assert {
        "textnets/py.typed",
        "textnets/evaluation/report.html",
        "textnets_recipes/banking77_cnn.yaml",
        "textnets_recipes/data/banking77/train.csv.gz",
        "textnets_recipes/data/banking77/README.md",
    } <= names
