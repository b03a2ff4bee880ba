"""Models that answer together are one file, and answer as their run does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import textnets
import textnets.lite
from tests.lite.test_answers import assert_same, texts_of
from tests.sharing import made_once
from tests.test_earlier_runs import HERE
from tests.test_ensembles import MEMBERS
from tests.test_ensembles import write_project as write_questions
from textnets.export import export_run

pytestmark = pytest.mark.heavy

QUICK = """
training: {epochs: 1, batch_size: 16, learning_rate: 0.05}
evaluation: {baselines: false, resamples: 0%s}
seed: 5
"""
RECIPES = {
    "phrases": """
task: translation
data: {train: "train.{side}", validation: 0.2, source: en, target: fr}
text: {max_tokens: 150}
model: {builder: encoder_decoder, embedding_width: 5, cell: simple, units: [6]}
ensemble:
  members:
    - model: {builder: encoder_decoder, embedding_width: 5, cell: simple, units: [6]}
    - model: {builder: encoder_decoder, embedding_width: 4, cell: simple, units: [5],
              attention: bahdanau, attention_width: 4}
  weights: [1, 2]
"""
    + QUICK % ", beam_size: 3, n_best: 2, attention: true",
    "verses": """
task: language_modeling
data: {train: train.txt, validation: 0.2, stream: false}
text: {tokenizer: words, max_tokens: 70}
model: {builder: rnn_language_model, embedding_width: 5, cell: simple, units: [5]}
ensemble: {seeds: 2}
"""
    + QUICK % "",
    "chunks": """
task: tagging
data: {train: train.txt, validation: 0.2, format: columns, tag_column: 2, spans: true}
ensemble:
  members:
    - model: {builder: feature_tagger}
    - model: {builder: rnn_tagger, embedding_width: 5, cell: simple, units: [4], characters: cnn}
  weights: equal
"""
    + QUICK % ", constrained: true",
}


def joint_run(name: str) -> Path:
    """The run of several models on a project's data."""

    def make(folder: Path) -> None:
        shutil.copytree(HERE / name, folder / "data")
        recipe = folder / "data" / "joint.yaml"
        recipe.write_text(RECIPES[name], encoding="utf-8")
        textnets.train(recipe, output=folder / "run")

    return made_once(f"joint-{name}", make) / "run"


@pytest.mark.parametrize(
    "name",
    [*(pytest.param(name, marks=pytest.mark.long) for name in ("phrases", "verses")), "chunks"],
)
def test_of_every_task(name: str, tmp_path: Path) -> None:
    run = joint_run(name)
    found = export_run(run, "numpy", tmp_path / "out")
    assert found.proof.difference <= 1e-5
    model, texts = textnets.lite.load(found.folder), [*texts_of(name), "", "the the the"]
    assert model.info["models"] == 2
    predictor = textnets.Predictor.load(run)
    assert_same(model.predict(texts), [one.as_json() for one in predictor.predict(texts)])
    if name == "verses":
        known = predictor.write("the", length=9, seed=4, num_alternatives=2)  # type: ignore[attr-defined]
        written = model.write("the", length=9, seed=4, num_alternatives=2)
        assert_same(written, [one.as_json() for one in known])
        scored = predictor.score(texts)  # type: ignore[attr-defined]
        assert_same(list(model.score(texts)), [one.as_json() for one in scored])


def test_a_bag_of_ngrams_and_nets_of_several_seeds(tmp_path: Path) -> None:
    def make(folder: Path) -> None:
        textnets.train(write_questions(folder / "project", MEMBERS), output=folder / "run")

    run = made_once("ensemble", make) / "run"
    found = export_run(run, "numpy", tmp_path / "out")
    model = textnets.lite.load(found.folder)
    weights = json.loads((run / "mixture.json").read_text())["weights"]
    assert model.info["models"] == sum(weight > 0 for weight in weights.values())
    texts = ["Where is my card?", "how do I change my PIN", "", "zzz qqq \ud800", "a " * 300]
    known = [one.as_json() for one in textnets.Predictor.load(run).predict(texts)]
    assert_same(model.predict(texts), known)
