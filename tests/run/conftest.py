"""Runs that are made by hand: nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from textnets.run.integrity import hashes_of, prepared_files, write_environment
from textnets.run.layout import FORMAT

CONTENT = {
    "recipe.yaml": "task: classification\n",
    "vocabulary.txt": "card\n",
    "model.keras": "weights",
    "history.jsonl": '{"epoch": 1, "loss": 0.5}\n',
    "evaluation.json": '{"splits": {}}\n',
    "report.html": "<p>",
    "predictions/test.jsonl": "{}\n",
}


def fill(folder: Path, content: dict[str, str] = CONTENT) -> Path:
    for name, text in content.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a whole run of this name, and gives its folder."""

    def make(name: str) -> Path:
        folder = fill(tmp_path / name)
        environment = {
            "format": FORMAT,
            "files": hashes_of(folder),
            "prepared": prepared_files(folder),
            "data": {},
            "created": "today",
            "command": "textnets train",
        }
        write_environment(folder, environment)
        return folder

    return make
