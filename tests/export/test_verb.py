"""``textnets export``: whole and tried, or absent."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import textnets.lite
from tests.cli.conftest import succeed, textnets

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="session")
def exported(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An export of the cheap run; do not write into it."""
    folder = tmp_path_factory.mktemp("exports") / "made" / "here"
    succeed("export", finished, "--to", "numpy", "--output", folder)
    return folder


def test_what_it_writes_answers_as_the_run_does(exported: Path, finished: Path) -> None:
    assert sorted(path.name for path in exported.iterdir()) == [
        "README.md", "export.json", "model.textnets",
    ]  # fmt: skip
    texts = ["my card still has not arrived", "", "PIN?"]
    asked = [word for text in texts for word in ("--text", text)]
    lines = succeed("predict", finished, "--format", "jsonl", *asked).lines
    found = textnets.lite.load(exported).predict(texts)
    assert [list(one) for one in found] == [list(json.loads(line)) for line in lines]
    for one, line in zip(found, lines, strict=True):
        expected = json.loads(line)
        assert one["label"] == expected["label"]
        assert one["probabilities"] == pytest.approx(expected["probabilities"], abs=2e-6)


def test_it_says_how_it_was_tried(finished: Path, tmp_path: Path) -> None:
    ended = succeed("export", finished, "--to", "numpy", "--output", tmp_path / "out")
    assert "tried in a fresh process on 66 texts: largest difference" in ended.out
    record = json.loads((tmp_path / "out" / "export.json").read_text())
    assert record["proof"]["largest_difference"] <= 1e-5
    assert record["files"].keys() == {"README.md", "model.textnets"}
