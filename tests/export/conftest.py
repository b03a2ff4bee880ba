"""Runs of every task that were made before, in other forms: each exported once, by the command."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import textnets
from tests.cli.conftest import succeed
from tests.lite.test_joint_models import joint_run
from tests.sharing import made_once
from tests.test_earlier_runs import HERE
from tests.test_ensembles import MEMBERS
from tests.test_ensembles import write_project as write_questions

Exported = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def earlier() -> Callable[[str], Path]:
    """The name of a project to its run; do not write into it."""

    def run_of(project: str) -> Path:
        def make(folder: Path) -> None:
            with tarfile.open(HERE / project / "runs.tar.xz") as archive:
                members = [one for one in archive if one.name.startswith("finished")]
                archive.extractall(folder, members, filter="data")

        return made_once(f"earlier-{project}", make) / "finished"

    return run_of


@pytest.fixture(scope="session")
def exported(earlier: Callable[[str], Path], finished: Path) -> Exported:
    """A format and the name of a run (``finished``, or of an earlier project) to its export; do not
    write into it."""

    def export(form: str, name: str) -> Path:
        run = finished if name == "finished" else earlier(name)

        def make(folder: Path) -> None:
            ended = succeed("export", run, "--to", form, "--output", folder / "out")
            assert "tried in a fresh process on 66 texts: largest difference" in ended.out

        return made_once(f"exported-{form}-{name}", make) / "out"

    return export


@pytest.fixture(scope="session")
def joint_questions() -> Path:
    """An ensemble of a bag of n-grams and of nets of several seeds; do not write into it."""

    def make(folder: Path) -> None:
        textnets.train(write_questions(folder / "project", MEMBERS), output=folder / "run")

    return made_once("ensemble", make) / "run"


@pytest.fixture(scope="session")
def joint_chunks() -> Path:
    """An ensemble of a feature tagger and a recurrent one; do not write into it."""
    return joint_run("chunks")


@pytest.fixture(scope="session")
def joint_phrases() -> Path:
    """Two translators, with attention and two translations a text; do not write into it."""
    return joint_run("phrases")
