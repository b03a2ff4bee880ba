"""Smaller weights: what they cost is measured, and too much is refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import textnets
import textnets.lite
from tests.cli.conftest import refuse, succeed
from tests.cli.conftest import textnets as command
from tests.conftest import CHEAP_RECIPE, QUICK, write_recipe
from tests.sharing import made_once
from textnets.lite.weights import is_large, packed, unpacked

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="session")
def wide() -> Path:
    """A run whose table is large enough to be made smaller; do not write into it."""
    text = CHEAP_RECIPE.replace("embedding_width: 8", "embedding_width: 64")

    def make(folder: Path) -> None:
        textnets.train(write_recipe(folder, text), QUICK, output=folder / "run")

    return made_once("wide", make) / "run"


@pytest.mark.parametrize(("kind", "share"), [("int8", 0.266), ("float16", 0.5)])
def test_it_is_smaller_and_as_good(wide: Path, tmp_path: Path, kind: str, share: float) -> None:
    succeed("export", wide, "--to", "numpy", "-o", tmp_path / "whole")
    ended = succeed("export", wide, "--to", "numpy", "-o", tmp_path / kind, "--quantize", kind)
    before, after = (
        (tmp_path / name / "model.textnets").stat().st_size for name in ("whole", kind)
    )
    table = 4 * 64 * len((wide / "vocabulary.txt").read_text(encoding="utf-8").splitlines())
    assert before - after == pytest.approx((1 - share) * table, rel=0.05)
    table = [line.split() for line in ended.lines[2:]]
    assert table[0][:2] == ["weights", "size"]
    assert [row[0] for row in table[1:]] == ["float32", kind]
    assert abs(float(table[1][-1]) - float(table[2][-1])) <= 0.005
    model = textnets.lite.load(tmp_path / kind)
    assert model.info["quantize"] == kind
    whole = textnets.lite.load(tmp_path / "whole")
    texts = ["my card still has not arrived", "", "which exchange rate do I get"]
    for one, other in zip(model.predict(texts), whole.predict(texts), strict=True):
        assert one["label"] == other["label"]
        assert one["probability"] == pytest.approx(other["probability"], abs=0.02)
        assert one["probability"] != other["probability"]
    card = (tmp_path / kind / "README.md").read_text(encoding="utf-8")
    assert f"Kept as {kind}" in card
    assert json.loads((tmp_path / kind / "export.json").read_text())["quantize"] == kind


def test_what_costs_too_much_is_refused(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from textnets.export import exporting

    # One step of a table for all rows: what is left tells the labels no more apart.
    def ruin(weights: object, kind: str) -> None:
        for variable in weights.variables:  # type: ignore[attr-defined]
            variable.assign(np.zeros(variable.shape))

    monkeypatch.setattr(exporting, "quantize_weights", ruin)
    words = ("export", wide, "--to", "numpy", "-o", tmp_path / "out", "--quantize", "int8")
    ended = command(*words)
    assert ended.code == 1
    assert "with int8 the accuracy of the validation split goes from" in ended.err
    assert "--max-drop 0.005 forbids it" in ended.err
    assert list(tmp_path.iterdir()) == []
    assert command(*words, "--max-drop", "1").code == 0


def test_without_a_validation_split_nobody_knows_what_it_costs(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, CHEAP_RECIPE, replace={"validation: 0.2": "validation: null"})
    run = textnets.train(recipe, [*QUICK, "training.epochs=1"], output=tmp_path / "run").folder
    told = refuse("export", run, "--to", "numpy", "-o", "out", "--quantize", "int8")
    assert "has no validation split, which would tell what --quantize costs" in told


def test_packed_arrays_are_near_what_they_stand_for() -> None:
    random = np.random.default_rng(3)
    values = random.normal(0, 1, (64, 80)).astype(np.float32) * np.logspace(-3, 3, 80, dtype="f4")
    values[:, 7] = 0.0
    assert is_large(values)
    assert not is_large(values[:4])
    by_column = unpacked(packed(values, "int8", by_row=False))
    steps = np.abs(values).max(axis=0) / 127
    assert (np.abs(by_column - values) <= steps / 2 + 1e-9).all()
    by_row = packed(values.T.copy(), "int8", by_row=True)
    assert by_row["scale"].shape == (80, 1)
    np.testing.assert_array_equal(unpacked(by_row), by_column.T)
    again = unpacked(packed(by_column, "int8", by_row=False))
    np.testing.assert_allclose(again, by_column, rtol=1e-6)
    half = unpacked(packed(values, "float16", by_row=False))
    np.testing.assert_allclose(half, values, rtol=1e-3, atol=1e-6)
