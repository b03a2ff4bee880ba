"""Translators from file to predictions, through the Python doors and the command line."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
import textnets.lite
from tests.cli.conftest import refuse, succeed
from tests.conftest import ROOT
from tests.jax_runs import jax_runs
from tests.lite.test_answers import assert_same
from tests.sharing import made_once
from textnets import Predictor
from textnets.data.counts import RowCount
from textnets.decoding.translating import Hypothesis, TranslatorOutputs
from textnets.errors import InputError
from textnets.export import export_run
from textnets.progress import Progress
from textnets.tasks.translation import TranslationPredictor

RECIPE = """\
task: translation
data:
  train: train.{side}
  test: test.{side}.gz
  validation: 0.2
  source: en
  target: fr
text:
  tokenizer: words
  max_tokens: 300
model:
  builder: encoder_decoder
  embedding_width: 16
  cell: gru
  units: [24]
  attention: luong_general
training:
  batch_size: 16
  epochs: 15
  learning_rate: 1e-2
  label_smoothing: 0.1
evaluation:
  beam_size: 3
  resamples: 20
seed: 3
"""


@cache
def pairs(most: int) -> list[tuple[str, str]]:
    """The shortest pairs of the set that ships."""
    path = ROOT / "recipes" / "data" / "tatoeba_eng_fra" / "eng_fra.tsv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
        rows = sorted((line.removesuffix("\n").split("\t") for line in file), key=_length)
    # Shuffled by a hash, so that training and test are alike.
    chosen = sorted(rows[:most], key=lambda row: zlib.crc32(row[1].encode()))
    return [(source, target) for source, target in chosen]


def _length(row: list[str]) -> int:
    return len(row[0]) + len(row[1])


def write_project(folder: Path, recipe: str = RECIPE) -> Path:
    found = pairs(260)
    train, test = [*found[:200], ("", "une ligne vide")], found[200:]
    for index, side in enumerate(("en", "fr")):
        lines = ["\n".join(pair[index] for pair in some) + "\n" for some in (train, test)]
        (folder / f"train.{side}").write_text(lines[0], encoding="utf-8")
        (folder / f"test.{side}.gz").write_bytes(gzip.compress(lines[1].encode()))
    path = folder / "tiny.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained() -> Path:
    """One tiny run, shared; do not write into it."""
    folder = made_once(
        "translator", lambda folder: textnets.train(write_project(folder), output=folder / "run")
    )
    return folder / "run"


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes the tiny recipe and its data where the test runs; maps old text to new."""

    def write(replace: dict[str, str] | None = None) -> Path:
        text = RECIPE
        for old, new in (replace or {}).items():
            assert old in text
            text = text.replace(old, new)
        write_project(tmp_path, text)
        return Path("tiny.yaml")

    return write


def records_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def test_a_run_holds_both_vocabularies_and_its_scores(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"source_vocabulary.txt", "target_vocabulary.txt", "report.html"} <= names
    found = json.loads((trained / "evaluation.json").read_text())
    assert found["headline"] == "bleu"
    test = found["splits"]["test"]
    assert set(test["scores"]) == {"bleu", "chrf", "perplexity"}
    assert set(test["baselines"]) == {"copy", "translation_memory"}
    assert test["comparison"]["metric"] == "bleu"
    assert "(95 % interval of the paired difference [" in test["comparison"]["sentence"]
    assert 2 < test["scores"]["perplexity"]["low"] < test["scores"]["perplexity"]["high"] < 300
    assert "nrefs:1|case:mixed" in (trained / "report.html").read_text()
    data = json.loads((trained / "environment.json").read_text())["data"]
    assert set(data) == {"train.source", "train.target", "test.source", "test.target"}
    history = records_of(trained / "history.jsonl")
    losses = [record["validation_loss"] for record in history]
    assert min(losses) < 0.9 * losses[0]


def test_predictions_beside_the_truth(trained: Path) -> None:
    records = records_of(trained / "predictions" / "test.jsonl")
    assert [(record["text"], record["true_translation"]) for record in records] == pairs(260)[200:]
    assert any(record["translation"] for record in records)


def test_evaluating_again_gives_the_same_scores(trained: Path) -> None:
    stored = json.loads((trained / "evaluation.json").read_text())["splits"]["test"]["scores"]
    again = textnets.evaluate(trained)
    assert {name: found.as_dict() for name, found in again.scores.items()} == stored
    other = textnets.evaluate(trained, trained.parent / "test.{side}.gz")
    assert other.scores["bleu"].value == stored["bleu"]["value"]


def test_order_batch_and_padding_change_no_prediction(trained: Path) -> None:
    predictor = Predictor.load(trained)
    texts = [source for source, _ in pairs(260)[200:212]]
    texts += ["", "word " * 60, "\u00a0a\u2003b"]
    together: list[Any] = predictor.predict(texts)
    turned: list[Any] = predictor.predict(texts[::-1])[::-1]
    alone: list[Any] = [predictor.predict([text])[0] for text in texts]
    for one, two, three in zip(together, turned, alone, strict=True):
        assert one.translation == two.translation == three.translation
        scores = [found.alternatives[0].score for found in (one, two, three)]
        np.testing.assert_allclose(scores, scores[0], atol=1e-5)


def test_the_best_of_several_and_what_they_look_at(trained: Path) -> None:
    text = "I am very tired."
    ended = succeed("predict", trained, "--text", text, "--n-best", "3", "--format", "jsonl",
                    "--set", "evaluation.attention=true")  # fmt: skip
    record = json.loads(ended.out)
    scores = [record["score"], *(other["score"] for other in record["others"])]
    assert len(scores) == 3
    assert scores == sorted(scores, reverse=True)
    assert record["tokens"][-1] == "[EOS]"
    assert record["source_tokens"] == ["I", "am", "very", "tired", "."]
    weights = np.array(record["attention"])
    assert weights.shape == (len(record["tokens"]), 5)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-3)
    (best, *_) = succeed("predict", trained, "--text", text).lines
    assert best == record["translation"]
    lines = succeed("predict", trained, "--text", text, "--n-best", "2").lines
    assert next(line.split("\t")[1] for line in lines) == best
    greedy = succeed("predict", trained, "--text", text, "--beam-size", "1", "--format", "jsonl")
    found = json.loads(greedy.out)
    assert "others" not in found
    assert found["score"] == found["log_probability"]  # nothing to compete with, so no penalty


RULES = """\
  beam_size: 4
  n_best: 2
  no_repeat_ngram: 2
  coverage_penalty: 0.3
  copy_unknown: true
  baselines: false
"""


@pytest.mark.heavy
def test_words_are_covered_copied_and_not_repeated(
    project: Callable[..., Path], tmp_path: Path
) -> None:
    """Each by hand, from the tokens and the attention that are told of every translation."""
    rules = {
        "  beam_size: 3\n": RULES, "max_tokens: 300": "max_tokens: 40", "epochs: 15": "epochs: 2",
        "cell: gru": "cell: simple",
    }  # fmt: skip
    run = textnets.train(tmp_path / project(rules), output=tmp_path / "run").run.folder
    predictor = TranslationPredictor.load(run)
    texts = [source for source, _ in pairs(260)[200:240]]
    sources = [[token.text for token in row] for row in predictor.tokens(texts)]
    copied = 0
    for translation, source in zip(
        predictor.translate(texts, n_best=2, attention=True), sources, strict=True
    ):
        scores = [one.score for one in translation.alternatives]
        assert scores == sorted(scores, reverse=True)
        for one in translation.alternatives:
            *tokens, end = one.tokens
            assert end == "[EOS]"
            bigrams = list(itertools.pairwise(tokens))
            assert len(set(bigrams)) == len(bigrams)
            seen = np.array(one.attention).sum(axis=0)
            assert len(seen) == len(source)
            covered = np.log(np.clip(seen, 1e-6, 1.0)).sum()
            penalty = (5 + len(one.tokens)) / 6
            wanted = one.log_probability / penalty + 0.3 * covered
            assert one.score == pytest.approx(wanted, rel=1e-3)
            words = [
                source[int(np.argmax(weights))] if token == "[UNK]" else token
                for token, weights in zip(tokens, one.attention, strict=False)
            ]
            copied += tokens.count("[UNK]")
            inference = predictor.inference
            assert one.text == inference._preprocessor.target_text(words)
    assert copied > 5
    # What is scored is what is answered.
    plain = predictor.predict(texts)
    assert not plain[0].alternatives[0].attention
    examples = predictor.task.read(tmp_path / "test.{side}.gz", Progress(), RowCount("pairs"))
    answered = [one.alternatives[0].text for one in predictor.predict(list(examples.texts))]
    by_hand = predictor.evaluation.score_texts(answered, examples.targets, resamples=0)
    stored = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
    assert stored["bleu"]["value"] == by_hand["bleu"].value
    # NumPy alone finds the same, and where it is asked for attention as well.
    exported = textnets.lite.load(export_run(run, "numpy", tmp_path / "out").folder)
    assert_same(exported.predict(texts), [one.as_json() for one in plain])
    # Of a source without any word nothing is left of "[UNK]".
    nothing = Hypothesis(np.array([1], np.int32), -1.0, -1.0, words=())
    assert (
        inference.predictions(["!"], TranslatorOutputs([[nothing]]))[0].alternatives[0].text == ""
    )
    assert exported._alternative(nothing).text == ""
    with pytest.raises(InputError, match=r"evaluation\.copy_unknown: a SavedModel cannot copy"):
        export_run(run, "savedmodel", tmp_path / "saved")
    with pytest.raises(InputError, match=r"evaluation\.copy_unknown: .*stored ids hold none"):
        predictor.outputs(replace(predictor.preprocessor.encode_inputs(texts), texts=None))


@pytest.mark.parametrize("key", ["coverage_penalty: 0.2", "copy_unknown: true"])
def test_what_needs_attention(project: Callable[..., Path], key: str) -> None:
    recipe = project({"luong_general": "none", "  beam_size: 3\n": f"  beam_size: 3\n  {key}\n"})
    refused = refuse("check", recipe)
    assert f"evaluation.{key.partition(':')[0]}: needs attention" in refused
    recipe = project({"  beam_size: 3\n": "  beam_size: 1\n  coverage_penalty: 0.2\n"})
    assert "beam_size of 2 or more" in refuse("check", recipe)


def test_how_long_a_repetition_may_be_looked_for(project: Callable[..., Path]) -> None:
    """A search grows with it: one of 200 tokens took half a minute to build, of more for ever."""
    recipe = project({"  beam_size: 3\n": "  beam_size: 3\n  no_repeat_ngram: 100000\n"})
    assert "evaluation.no_repeat_ngram: expected at most 50, was: 100000" in refuse("check", recipe)


def test_what_cannot_be_asked_of_a_trained_run(trained: Path) -> None:
    message = refuse("predict", trained, "--text", "a", "--set", "model.units=[3]")
    assert "only keys that start with 'evaluation.' can be set now" in message
    message = refuse("predict", trained, "--text", "a", "--n-best", "9")
    assert "is more than the search keeps: beam_size is 3" in message
    message = refuse("predict", trained, "--text", "a", "--beam-size", "0")
    assert "beam_size" in message


def test_recipes_that_contradict_themselves(project: Callable[..., Path]) -> None:
    recipe = project({"  units: [24]\n": "  units: [24]\n  share_embeddings: true\n"})
    assert "needs text.shared_vocabulary: true" in refuse("train", recipe)
    recipe = project({"  max_tokens": "  add_eos: true\n  max_tokens"})
    assert "tiny.yaml:10:3: text.add_eos: has no effect in translation" in refuse("train", recipe)
    recipe = project({"luong_general": "none", "beam_size": "attention: true\n  beam_size"})
    assert "the model has none" in refuse("train", recipe)
    recipe = project({"train.{side}": "train.en"})
    assert "does not tell how the pairs are written" in refuse("train", recipe)


def test_files_that_are_not_parallel(project: Callable[..., Path]) -> None:
    recipe = project()
    with Path("train.fr").open("a", encoding="utf-8") as file:
        file.write("une ligne de trop\n")
    message = refuse("train", recipe)
    assert "train.en: ends after 201 lines, but" in message


def test_check_says_what_is_blank_on_one_side(project: Callable[..., Path]) -> None:
    ended = succeed("check", project())
    assert "train pairs blank on one side" in ended.out
    assert "pairs have a blank text on one side" in ended.err


SUBWORDS = {
    "tokenizer: words": "tokenizer: sentencepiece\n  shared_vocabulary: true",
    # One width for all: JAX compiles each.
    "epochs: 15": "epochs: 1\n  bucket_width: 64",
    "attention: luong_general": "attention: luong_general\n  share_embeddings: true\n"
    "  tie_embeddings: true",
    "beam_size: 3": "beam_size: 2\n  baselines: false",
}


def write_for_jax(folder: Path) -> Path:
    text = RECIPE
    for old, new in SUBWORDS.items():
        assert old in text
        text = text.replace(old, new)
    return write_project(folder, text)


@pytest.mark.heavy
def test_shared_subwords_and_stored_ids_on_jax() -> None:
    """Ids from a store, in a process without TensorFlow; then TensorFlow scores what it made."""
    pytest.importorskip("jax")
    folder = jax_runs() / "translation"
    assert (folder / "ids" / "vocabulary.txt").is_file()
    said = json.loads((jax_runs() / "said.json").read_text())["translation"]
    assert "jax on CPU" in said["err"]
    stored = json.loads((folder / "run/evaluation.json").read_text())["splits"]["test"]["scores"]
    again = textnets.evaluate(folder / "run")
    for name in ("bleu", "chrf", "perplexity"):
        assert again.scores[name].value == pytest.approx(stored[name]["value"], rel=1e-4)


DIGITS = """\
task: translation
data: {train: digits.tsv, validation: 0.1, test: 0.2}
text: {tokenizer: whitespace, shared_vocabulary: true}
model: {builder: encoder_decoder, embedding_width: 24, units: [48], decoder_units: [96]}
training:
  batch_size: 32
  epochs: 20
  learning_rate: 5e-3
  schedule: cosine
  clip_norm: 1.0
  monitor: validation_loss
  bucket_width: 4
evaluation: {resamples: 0, baselines: false, beam_size: 2}
"""


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize(
    "decoder",
    [
        pytest.param({"model.attention": "none", "training.epochs": 28}, id="none"),
        pytest.param(
            {
                "model.attention": "luong_general",
                "model.input_feeding": True,
                "training.epochs": 12,
            },
            id="input_feeding",
        ),
        pytest.param({"model.attention": "luong_dot"}, id="luong_dot"),
        pytest.param({"model.attention": "bahdanau"}, id="bahdanau"),
    ],
)
def test_digits_are_learned_to_be_reversed(tmp_path: Path, decoder: dict[str, Any]) -> None:
    """Every sequence of two or three digits; those of the test split were never seen."""
    sequences = [digits for n in (2, 3) for digits in itertools.product("0123456789", repeat=n)]
    rows = [f"{' '.join(digits)}\t{' '.join(reversed(digits))}\n" for digits in sequences]
    (tmp_path / "digits.tsv").write_text("".join(rows), encoding="utf-8")
    (tmp_path / "reverse.yaml").write_text(DIGITS, encoding="utf-8")
    textnets.train("reverse.yaml", decoder, output="run")
    records = records_of(Path("run/predictions/test.jsonl"))
    wrong = [record for record in records if record["translation"] != record["true_translation"]]
    assert len(records) >= 220
    assert wrong == []
