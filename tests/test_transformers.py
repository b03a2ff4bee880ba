"""Transformers from file to predictions: each of the four tasks, exported, and continued."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
import textnets.lite
from tests import test_language_modeling, test_tagging, test_translation
from tests.cli.conftest import succeed
from tests.lite.test_answers import assert_same
from tests.sharing import made_once
from textnets import Predictor
from textnets.data.values import checked_texts
from textnets.decoding.sampling import Sampling
from textnets.export import export_run

SIZES = "width: 16\n  depth: 1\n  heads: 2\n  feed_forward_width: 24"
TAGGER = {
    "rnn_tagger": "transformer_tagger",
    "  cell: simple\n  units: [16]\n": f"  {SIZES}\n  head: crf\n",
    "epochs: 6": "epochs: 2",
}
TRANSLATOR = {
    "  builder: encoder_decoder\n  embedding_width: 16\n  cell: gru\n  units: [24]\n"
    "  attention: luong_general\n": f"  builder: transformer_encoder_decoder\n  {SIZES}\n",
    "epochs: 15": "epochs: 4",
}
WRITER = {
    "rnn_language_model": f"transformer_language_model\n  context: 16\n  {SIZES}",
    "  cell: gru\n  units: [32]\n": "",
    "epochs: 3": "epochs: 1",
}


def changed(recipe: str, replace: dict[str, str]) -> str:
    for old, new in replace.items():
        assert old in recipe
        recipe = recipe.replace(old, new)
    return recipe


def write(folder: Path, task: str) -> Path:
    if task == "tagging":
        return test_tagging.write_project(folder, changed(test_tagging.RECIPE, TAGGER))
    if task == "translation":
        recipe = changed(test_translation.RECIPE, TRANSLATOR)
        return test_translation.write_project(folder, recipe)
    return test_language_modeling.write_project(folder, WRITER)


def run_of(task: str) -> Path:
    """A tiny run, shared; do not write into it."""

    def make(folder: Path) -> None:
        textnets.train(write(folder, task), {"evaluation.baselines": False}, output=folder / "run")

    return made_once(f"transformer-{task}", make) / "run"


def texts_of(task: str) -> list[str]:
    if task == "translation":
        return [source for source, _ in test_translation.pairs(260)[200:212]] + ["", "a b " * 20]
    return ["The cat sat on a mat .", "a", "", "what is that thing there " * 4]


@pytest.mark.heavy
@pytest.mark.parametrize(
    "task", ["tagging", pytest.param("translation", marks=pytest.mark.long), "language_modeling"]
)
def test_what_is_exported_answers_as_the_run_does(task: str, tmp_path: Path) -> None:
    run, texts = run_of(task), checked_texts(texts_of(task), "texts")
    found = export_run(run, "numpy", tmp_path / "out")
    assert found.proof.difference <= 1e-4
    model = textnets.lite.load(found.folder)
    known = [one.as_json() for one in Predictor.load(run).predict(texts)]
    assert_same(model.predict(texts), known)


@pytest.mark.heavy
@pytest.mark.long
@pytest.mark.parametrize("form", ["onnx", "savedmodel"])
@pytest.mark.parametrize("task", ["tagging", "translation", "language_modeling"])
def test_other_forms(task: str, form: str, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    if (form, task) == ("savedmodel", "language_modeling"):
        pytest.skip("language models are not exported so")
    assert export_run(run_of(task), form, tmp_path / "out").proof.difference <= 1e-4


@pytest.mark.heavy
def test_order_batch_and_padding_change_no_translation() -> None:
    predictor = Predictor.load(run_of("translation"))
    texts = texts_of("translation")
    together: list[Any] = predictor.predict(texts)
    turned: list[Any] = predictor.predict(texts[::-1])[::-1]
    alone: list[Any] = [predictor.predict([text])[0] for text in texts]
    for one, two, three in zip(together, turned, alone, strict=True):
        assert one.translation == two.translation == three.translation
        scores = [found.alternatives[0].score for found in (one, two, three)]
        np.testing.assert_allclose(scores, scores[0], atol=1e-4)


@pytest.mark.heavy
def test_a_translator_tells_where_it_looks() -> None:
    predictor: Any = Predictor.load(run_of("translation"))
    (found,) = predictor.translate(["I am very tired."], n_best=2, attention=True)
    for one in found.alternatives:
        weights = np.array(one.attention)
        assert weights.shape == (len(one.tokens), 5)
        np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-4)


@pytest.mark.heavy
def test_what_is_written_has_the_score_of_the_text() -> None:
    """Past the context, token by token, and at once."""
    predictor: Any = Predictor.load(run_of("language_modeling"))
    (written,) = predictor.write("KING", length=40, seed=5)
    (scored,) = predictor.score([written.continued])
    surprisals = scored.as_json()["surprisals"][4:]
    chosen = -np.log([choice.probability for choice in written.choices])
    np.testing.assert_allclose(chosen, surprisals, atol=1e-3)
    steps = list(predictor.stream("KING", length=40, seed=5))
    assert steps[-1].continued == written.continued


@pytest.mark.heavy
def test_a_classifier_by_its_name_alone(tmp_path: Path) -> None:
    texts = ["a fine film", "fine and clever", "a dull film", "dull and long"] * 5
    labels = ["good", "good", "bad", "bad"] * 5
    model = textnets.TextClassifier(
        "transformer_classifier", width=16, epochs=25, learning_rate=0.01, random_state=1
    ).fit(texts, labels)
    assert model.predict(["clever film", "a long film"]).tolist() == ["good", "bad"]


REVERSE = """\
task: translation
data: {train: digits.tsv, validation: 0.1, test: 0.2}
text: {tokenizer: whitespace, shared_vocabulary: true}
model:
  builder: transformer_encoder_decoder
  width: 48
  feed_forward_width: 96
  share_embeddings: true
  tie_embeddings: true
training:
  batch_size: 32
  epochs: 25
  learning_rate: 4e-3
  schedule: cosine
  clip_norm: 1.0
  monitor: validation_loss
  bucket_width: 4
evaluation: {resamples: 0, baselines: false, beam_size: 2}
"""


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.long
def test_digits_are_learned_to_be_reversed(tmp_path: Path) -> None:
    """Every sequence of two or three digits; those of the test split were never seen."""
    sequences = [digits for n in (2, 3) for digits in itertools.product("0123456789", repeat=n)]
    rows = [f"{' '.join(digits)}\t{' '.join(reversed(digits))}\n" for digits in sequences]
    (tmp_path / "digits.tsv").write_text("".join(rows), encoding="utf-8")
    recipe = tmp_path / "reverse.yaml"
    recipe.write_text(REVERSE, encoding="utf-8")
    textnets.train(recipe, output=tmp_path / "run")
    lines = (tmp_path / "run/predictions/test.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    wrong = [record for record in records if record["translation"] != record["true_translation"]]
    assert len(records) >= 220
    assert len(wrong) <= 2  # 0 where this was written; a digit twice in a row is the hard part


COPY = """\
task: language_modeling
data: {train: copies.txt, stream: false, validation: 0.1}
text: {tokenizer: whitespace}
model:
  builder: transformer_language_model
  embedding_width: 32
  width: 32
  heads: 2
  feed_forward_width: 64
  context: 16
  dropout: 0.0
training: {batch_size: 32, epochs: 20, learning_rate: 5e-3, schedule: cosine, clip_norm: 1.0}
evaluation: {resamples: 0, baselines: false}
"""


@pytest.mark.heavy
def test_another_model_begins_with_its_vectors_alone(tmp_path: Path) -> None:
    """And is told so: its layers of attention are not taken."""
    rows = [f"{line},{'ab'[i % 2]}" for i, line in enumerate(["good news", "bad news"] * 8)]
    (tmp_path / "c.csv").write_text("\n".join(["text,label", *rows]) + "\n", encoding="utf-8")
    width = Predictor.load(run_of("language_modeling")).model.get_layer("embedding").width
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "task: classification\ndata: {train: c.csv}\n"
        "text: {tokenizer: characters, lowercase: false}\n"
        f"model: {{builder: transformer_classifier, embedding_width: {width}, width: 8, heads: 2,\n"
        f"  initialize_from: {run_of('language_modeling')}}}\n",
        encoding="utf-8",
    )
    told = succeed("check", recipe).out
    assert "embedding (" in told
    assert "layers of attention: those of a Transformer are never taken" in told


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.long
def test_words_are_learned_to_be_said_again(tmp_path: Path) -> None:
    """``b d a = b d a``: what n-grams cannot know, and a look at the place of the word can."""
    random = np.random.default_rng(0)
    every = [random.choice(list("abcdefgh"), 3).tolist() for _ in range(1500)]
    lines = [f"{' '.join(words)} = {' '.join(words)}\n" for words in every]
    (tmp_path / "copies.txt").write_text("".join(lines), encoding="utf-8")
    recipe = tmp_path / "copy.yaml"
    recipe.write_text(COPY, encoding="utf-8")
    textnets.train(recipe, output=tmp_path / "run")
    predictor: Any = Predictor.load(tmp_path / "run")
    greedy = Sampling(temperature=0.0)
    for words in ("a b c", "h h a", "d c d"):
        (written,) = predictor.write(f"{words} =", length=6, sampling=greedy)
        assert written.continued == f"{words} = {words}"
