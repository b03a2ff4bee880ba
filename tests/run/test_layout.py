"""A run holds the files that ``textnets/run/layout.py`` names, and no others."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from textnets.run import layout
from textnets.run.directory import open_run

OF_A_CLASSIFIER = {"vocabulary.txt", "labels.txt", "words.txt"}


def test_a_finished_run_has_the_names_of_the_layout(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} - OF_A_CLASSIFIER == {
        layout.RECIPE_FILE,
        layout.ENVIRONMENT_FILE,
        layout.MODEL_FILE,
        layout.HISTORY_FILE,
        layout.EVALUATION_FILE,
        layout.REPORT_FILE,
        layout.PREDICTIONS_FOLDER,
        layout.CHECKPOINT_FOLDER,
    }
    assert not list(layout.strangers(finished))
    checkpoint = {path.name for path in (finished / layout.CHECKPOINT_FOLDER).iterdir()}
    best = {name for name in checkpoint if fnmatch(name, layout.BEST_WEIGHTS_FILES)}
    assert len(best) == 1
    assert checkpoint - best == {layout.CHECKPOINT_STATE_FILE}
    assert best < {layout.best_weights_file(epoch) for epoch in (1, 2)}


def test_its_environment_lists_every_file_that_is_hashed(finished: Path) -> None:
    environment = open_run(finished).environment
    assert environment["format"] == layout.FORMAT
    names = {p.relative_to(finished).as_posix() for p in finished.rglob("*") if p.is_file()}
    hashed = {name for name in names if name.split("/")[0] not in layout.NOT_HASHED}
    assert set(environment["files"]) == hashed
    first = {name for name in hashed if name.split("/")[0] not in layout.WRITTEN_LATER}
    assert set(environment["prepared"]) == first == {layout.RECIPE_FILE, *OF_A_CLASSIFIER}


@pytest.mark.parametrize(
    ("output", "partial"),
    [("run", "run.partial"), ("runs/a.b", "runs/a.b.partial"), ("/a/b", "/a/b.partial")],
)
def test_a_run_is_written_beside_its_place(output: str, partial: str) -> None:
    assert layout.partial_folder(Path(output)) == Path(partial)


def test_weights_of_an_epoch_sort_by_its_number() -> None:
    names = [layout.best_weights_file(epoch) for epoch in (1, 2, 10, 999)]
    assert names == sorted(names)
    assert all(fnmatch(name, layout.BEST_WEIGHTS_FILES) for name in names)
