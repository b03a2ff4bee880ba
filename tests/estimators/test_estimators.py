"""The estimators and the recipes are one pipeline."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import textnets
from textnets import (
    InputError,
    TextClassifier,
    TextLanguageModel,
    TextTagger,
    TextTranslator,
)
from textnets.estimators import TextEstimator

WORDS = {"one": "un", "two": "deux", "three": "trois", "four": "quatre"}
PHRASES = [f"{a} {b}" for a in WORDS for b in WORDS] * 2
TRANSLATIONS = [" ".join(WORDS[word] for word in phrase.split()) for phrase in PHRASES]
SENTENCES = [["the", "dog", "barks"], ["a", "cat", "sleeps", "."]] * 10
TAGS = [["DET", "NOUN", "VERB"], ["DET", "NOUN", "VERB", "PUNCT"]] * 10


@dataclass(frozen=True)
class Twin:
    """An estimator, its data, and the recipe with the same settings."""

    estimator: TextEstimator
    data: tuple[Any, ...]
    recipe: str
    file: str  # its content

    def write(self, folder: Path) -> Path:
        (folder / "train.data").write_text(self.file, encoding="utf-8")
        path = folder / "recipe.yaml"
        path.write_text(self.recipe + "\nevaluation: {baselines: false}\nseed: 3\n")
        return path


def as_jsonl(**columns: Sequence[Any]) -> str:
    rows = zip(*columns.values(), strict=True)
    return "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


def twins(texts: list[str], labels: list[str]) -> dict[str, Twin]:
    small = {"epochs": 2, "learning_rate": 0.02, "random_state": 3}
    training = "training: {epochs: 2, learning_rate: 0.02"
    return {
        "classification": Twin(
            TextClassifier("cnn_classifier", maps=4, widths=[1, 2], embedding_width=8, **small),
            (texts, labels),
            "task: classification\n"
            "data: {train: train.data, format: jsonl}\n"
            "model: {builder: cnn_classifier, maps: 4, widths: [1, 2], embedding_width: 8}\n"
            f"{training}}}",
            as_jsonl(text=texts, label=labels),
        ),
        "tagging": Twin(
            TextTagger(units=[8], characters="cnn", validation=0.2, lowercase=False, **small),
            (SENTENCES, TAGS),
            "task: tagging\n"
            "data: {train: train.data, format: jsonl, validation: 0.2}\n"
            "text: {lowercase: false}\n"
            "model: {builder: rnn_tagger, units: [8], characters: cnn}\n"
            f"{training}}}",
            as_jsonl(tokens=SENTENCES, tags=TAGS),
        ),
        "translation": Twin(
            TextTranslator(units=[8], embedding_width=8, dropout=0.2, label_smoothing=0.1, **small),
            (PHRASES, TRANSLATIONS),
            "task: translation\n"
            "data: {train: train.data, format: jsonl}\n"
            "model: {builder: encoder_decoder, units: [8], embedding_width: 8, dropout: 0.2}\n"
            f"{training}, label_smoothing: 0.1}}",
            as_jsonl(source=PHRASES, target=TRANSLATIONS),
        ),
        "language_modeling": Twin(
            TextLanguageModel(units=[8], embedding_width=8, stream=True, window=7, **small),
            (PHRASES,),
            "task: language_modeling\n"
            "data: {train: train.data}\n"
            "model: {builder: rnn_language_model, units: [8], embedding_width: 8}\n"
            f"{training}, window: 7}}",
            "".join(phrase + "\n" for phrase in PHRASES),
        ),
    }


def weights_of(model: Any) -> list[bytes]:
    return [np.asarray(weight).tobytes() for weight in model.weights]


@pytest.mark.parametrize(
    "task",
    [
        "classification",
        "tagging",
        pytest.param("translation", marks=pytest.mark.long),
        "language_modeling",
    ],
)
def test_a_recipe_with_the_same_settings_and_seed_gives_the_same_weights(
    task: str, texts: list[str], labels: list[str], tmp_path: Path
) -> None:
    twin = twins(texts, labels)[task]
    run = textnets.train(twin.write(tmp_path), output=tmp_path / "run")
    fitted = twin.estimator.fit(*twin.data)  # type: ignore[attr-defined]
    assert weights_of(fitted.model_) == weights_of(run.model)
    assert [row["loss"] for row in fitted.history_] == [row["loss"] for row in run.run.history()]
    # And back: what one wrote, the other reads.
    loaded = textnets.load(run.folder)
    assert type(loaded) is type(fitted)
    assert loaded.get_params() == fitted.get_params()
    inputs = twin.data[0][:5]
    answer = "score_samples" if task == "language_modeling" else "predict"
    expected = list(getattr(fitted, answer)(inputs))
    assert list(getattr(loaded, answer)(inputs)) == expected
    fitted.save(tmp_path / "saved")
    assert list(getattr(textnets.load(tmp_path / "saved"), answer)(inputs)) == expected


def test_a_saved_classifier_is_a_run_for_the_command_line(
    classifier: TextClassifier, texts: list[str], labels: list[str], tmp_path: Path
) -> None:
    classifier.fit(texts, labels)
    classifier.save(tmp_path / "run")
    predictor = textnets.Predictor.load(tmp_path / "run")
    found = [prediction.probabilities for prediction in predictor.predict(texts)]  # type: ignore[attr-defined]
    expected = classifier.predict_proba(texts)
    assert [[row[label] for label in classifier.classes_] for row in found] == expected.tolist()
    with (tmp_path / "test.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *zip(texts, labels, strict=True)])
    scored = textnets.evaluate(tmp_path / "run", tmp_path / "test.csv")
    assert scored.scores["accuracy"].value == classifier.score(texts, labels)
    assert scored.scores["accuracy"].low is not None  # with its interval, as of any run
    with pytest.raises(textnets.InputError, match=r"fitted in Python.*--data FILE"):
        textnets.evaluate(tmp_path / "run")
    with pytest.raises(textnets.InputError, match="exists already; --overwrite"):
        classifier.save(tmp_path / "run")
    classifier.save(tmp_path / "run", overwrite=True)


# --- Labels ---


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (0, 1),
        pytest.param(10, 9, marks=pytest.mark.long),
        (False, True),
        pytest.param("b", "a", marks=pytest.mark.long),
        ((1, 2), (0, 3)),
        (1.0, 2.0),
        ("b ", " a\n"),
    ],
)
def test_labels_of_any_kind_come_back_as_they_were(
    first: Any, second: Any, texts: list[str], labels: list[str], tmp_path: Path
) -> None:
    model = TextClassifier("mlp_classifier", epochs=15, learning_rate=0.05, random_state=1)
    model.fit(texts, [first if label == "good" else second for label in labels])
    assert model.classes_.tolist() == sorted([first, second])
    found = model.predict(["fine", "dull"]).tolist()
    assert found == [first, second]
    assert [type(label) for label in found] == [type(first), type(second)]
    chosen = model.classes_[model.predict_proba(["fine", "dull"]).argmax(axis=1)]
    assert chosen.tolist() == found
    if not isinstance(first, tuple):
        model.save(tmp_path / "run")
        assert textnets.load(tmp_path / "run").predict(["fine", "dull"]).tolist() == found  # type: ignore[attr-defined]


def test_labels_that_nothing_orders(texts: list[str], labels: list[str]) -> None:
    mixed = [1 if label == "good" else "1" for label in labels]
    model = TextClassifier("mlp_classifier", epochs=15, learning_rate=0.05, random_state=1)
    assert model.fit(texts, mixed).predict(["fine", "dull"]).tolist() == [1, "1"]


def test_several_labels_a_text(tmp_path: Path) -> None:
    texts = ["red wine", "white wine", "red car", "white car", "red", "white"] * 6
    labels = [[word for word in text.split() if word != "white"] for text in texts]
    model = TextClassifier(
        "mlp_classifier", multi_label=True, epochs=40, learning_rate=0.05, random_state=1
    )
    model.fit(texts, labels)
    assert model.classes_.tolist() == ["car", "red", "wine"]
    assert model.predict(["red wine", "white", "white car"]) == [("red", "wine"), (), ("car",)]
    assert model.score(texts, labels) == 1.0
    assert model.predict_proba(texts).shape == (36, 3)
    # The last column is of a label that no text has.
    names = [*model.classes_, "boat"]
    matrix = np.array([[name in row for name in names] for row in labels], dtype=int)
    model.fit(pd.Series(texts), matrix).save(tmp_path / "run")
    for found in (model, textnets.load(tmp_path / "run")):
        assert isinstance(found, TextClassifier)
        assert found.predict(["red wine", "white"]).tolist() == [[0, 1, 1, 0], [0, 0, 0, 0]]
        assert found.predict_proba(texts)[:, 3].tolist() == [0.0] * 36
        assert found.score(texts, matrix) == 1.0


def test_a_fit_that_fails_leaves_the_fitted_model(
    classifier: TextClassifier, texts: list[str], labels: list[str]
) -> None:
    expected = classifier.fit(texts, labels).predict_proba(texts)
    with pytest.raises(ValueError, match=r"training\.epochs"):
        classifier.set_params(epochs=0).fit(texts, [1 if x == "good" else 0 for x in labels])
    assert classifier.classes_.tolist() == ["bad", "good"]
    assert classifier.predict_proba(texts).tolist() == expected.tolist()


def test_class_weights_are_of_the_labels_as_given() -> None:
    texts, labels = ["so so"] * 20, [0, 1] * 10
    settings = {"epochs": 20, "learning_rate": 0.01, "validation": None, "random_state": 1}
    for favored in (0, 1):
        weights = {favored: 10.0, 1 - favored: 0.1}
        model = TextClassifier("mlp_classifier", class_weights=weights, **settings)
        assert model.fit(texts, labels).predict(["so so"]).tolist() == [favored]
        assert model.class_weights is weights
    with pytest.raises(ValueError, match="class_weights names a label that y lacks: 'one'"):
        model.set_params(class_weights={"one": 1.0}).fit(texts, labels)


# --- Parameters ---


def test_parameters_are_flat_and_those_of_the_builder() -> None:
    model = TextClassifier("rnn_classifier", units=[8, 8], learning_rate=1e-2)
    params = model.get_params()
    assert (params["units"], params["learning_rate"], params["max_tokens"]) == (
        [8, 8],
        1e-2,
        20_000,
    )
    assert "maps" not in params
    model.set_params(units=(64,)).set_params(builder="cnn_classifier", maps=7)
    assert model.get_params()["maps"] == 7
    assert "units" not in model.get_params()
    assert not hasattr(model, "units")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextClassifier(learning_rat=1), "no parameter 'learning_rat'; did you mean 'lear"),
        (lambda: TextClassifier().set_params(map=1), "no parameter 'map'; did you mean 'maps'"),
        (lambda: TextClassifier(units=[3]), "builder='cnn_classifier' has no parameter 'units'"),
        (
            lambda: TextClassifier(maps=3).set_params(builder="rnn_classifier"),
            "no parameter 'maps'",
        ),
    ],
)
def test_an_unknown_parameter_is_refused_with_the_nearest(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_all_mistakes_of_the_values_are_told_when_fitting(
    texts: list[str], labels: list[str]
) -> None:
    model = TextClassifier(epochs=0, optimizer="adm", widths=[0])
    with pytest.raises(ValueError, match=r"training\.epochs") as caught:
        model.fit(texts, labels)
    assert "did you mean 'adam'?" in str(caught.value)
    assert "model.widths" in str(caught.value)
    with pytest.raises(ValueError, match="unknown builder, was: 'cnn_clasifier'; did you mean"):
        TextClassifier("cnn_clasifier").fit(texts, labels)


# --- Bad input ---


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        ("one text", ["a"], r"X: expected a list of texts, was: one string; put it in a list"),
        (["a", float("nan")], ["a", "b"], r"X\[1\]: expected a string, was: float nan; drop or"),
        (["a", None], ["a", "b"], r"X\[1\]: expected a string, was: NoneType None; drop or fill"),
        ([1.5, 2.5], ["a", "b"], r"X\[0\]: expected a string, was: float 1.5; give raw texts"),
        ([b"a", b"b"], ["a", "b"], r"X\[0\]: expected a string, was: bytes b'a'"),
        (np.array([["a"], ["b"]]), ["a", "b"], r"an array of shape \(2, 1\).*select one column"),
        (pd.DataFrame({"text": ["a"]}), ["a"], r"an array of shape \(1, 1\).*select one column"),
        ({"a": 1}, ["a"], r"X: expected a list of texts, was: dict"),
        (["a", "b"], ["a"], r"X and y are not equally long.*\[2, 1\]"),
        ([], [], r"X is empty"),
        (["a", "b"], ["a", "a"], r"expected two or more classes, was: 1 class"),
        (["a", "b"], ["a", None], r"y\[1\]: Input y contains None"),
        (["a", "b"], ["a", float("nan")], r"y\[1\]: Input y contains nan"),
        (["a", "b"], [["a"], ["b"]], r"y\[0\]: expected a hashable label.*multi_label=True"),
        (["a", "b"], [0.5, 0.7], r"continuous"),
        (["a", "b"], None, r"y to be passed, but the target y is None"),
    ],
)
def test_bad_input_of_a_classifier(texts: Any, labels: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextClassifier("mlp_classifier").fit(texts, labels)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1.0], "one weight a text"), ([1.0, -1.0], "0 or more"), ([0, 0], "all are zero"),
     (["a", "b"], "a number for each text")],
)  # fmt: skip
def test_bad_sample_weights(weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TextClassifier("mlp_classifier").fit(["a", "b"], [0, 1], sample_weight=weights)


def test_bad_input_of_the_others() -> None:
    with pytest.raises(ValueError, match=r"X\[0\]: expected a list of words, was: one string"):
        TextTagger().fit(["the dog"], [["DET", "NOUN"]])
    with pytest.raises(ValueError, match=r"y\[0\]: expected a tag for each of the 2 words, was: 1"):
        TextTagger().fit([["the", "dog"]], [["DET"]])
    with pytest.raises(ValueError, match=r"y\[0\]: expected a string, was: int 1"):
        TextTranslator().fit(["a"], [1])
    with pytest.raises(ValueError, match="holds no text"):
        TextLanguageModel().fit(["", " "])


@pytest.mark.parametrize(
    "ask",
    [
        lambda: TextClassifier().predict(["a"]),
        lambda: TextClassifier().save("nowhere"),
        lambda: TextTagger().predict([["a"]]),
        lambda: TextTranslator().score(["a"], ["b"]),
        lambda: TextLanguageModel().sample(),
    ],
)
def test_what_is_not_fitted_says_so(ask: Any) -> None:
    with pytest.raises(NotFittedError):
        ask()


# --- The other tasks ---


def test_a_tagger_learns_and_scores() -> None:
    tagger = TextTagger(units=[16], characters="none", epochs=8, learning_rate=0.05, random_state=1)
    tagger.fit(np.array(SENTENCES, dtype=object), pd.Series(TAGS))
    assert tagger.tags_ == ["DET", "NOUN", "PUNCT", "VERB"]
    assert tagger.predict([["the", "cat", "barks", "."], []]) == [TAGS[1], []]
    assert tagger.score(SENTENCES, TAGS) == 1.0
    assert tagger.score([["the", "dog"]], [["DET", "unseen"]]) == 0.5


def test_a_tagger_by_features_learns_and_scores() -> None:
    tagger = TextTagger(
        "feature_tagger", learning_rate=0.02, schedule="cosine", batch_size=4, random_state=1
    )
    tagger.fit(SENTENCES, TAGS)
    # A cow was never seen, but stands where a dog does.
    assert tagger.predict([["the", "cow", "barks", "."], []]) == [TAGS[1], []]
    assert tagger.score(SENTENCES, TAGS) == 1.0
    with pytest.raises(InputError, match="no parameter 'units'"):
        tagger.set_params(units=[8])


def test_a_language_model_scores_and_writes() -> None:
    model = TextLanguageModel(
        tokenizer="characters", units=[32], epochs=15, learning_rate=0.02, random_state=1
    )
    model.fit(["abcd"] * 60)
    likely, odd = model.score_samples(["abcd", "dcba"])
    assert likely > -0.5 > odd
    assert model.perplexity(["abcd"]) == pytest.approx(np.exp(-likely / 5))  # [EOS] counts
    assert model.sample(2, prompts=["ab"], temperature=0.0) == ["abcd", "abcd"]
    assert model.sample(3, random_state=4) == model.sample(3, random_state=4)


# --- What a builder makes of training ---


def test_a_builders_own_training_is_its_default(texts, labels):
    bag = TextClassifier("ngram_bag_classifier", random_state=1, validation=None)
    shown = bag.get_params()
    assert (shown["learning_rate"], shown["schedule"]) == (0.02, "cosine")
    assert shown["epochs"] is shown["min_steps"] is None  # as many as 500 steps take
    assert bag.fit(texts, labels).n_iter_ == 500
    # A number of epochs that is given holds, be it that of the builder.
    for epochs in (2, 4):
        assert clone(bag).set_params(epochs=epochs).fit(texts, labels).n_iter_ == epochs
    at_least = clone(bag).set_params(epochs=4, min_steps=9)
    assert at_least.fit(texts, labels).n_iter_ == 9
    # Another builder has other defaults; what was set stays.
    other = at_least.set_params(builder="mlp_classifier")
    shown = other.get_params()
    assert (shown["learning_rate"], shown["epochs"], shown["min_steps"]) == (1e-3, 4, 9)


def test_a_loaded_run_is_trained_anew_as_it_was(texts, labels, tmp_path):
    bag = TextClassifier("ngram_bag_classifier", random_state=1, validation=None, min_steps=20)
    expected = bag.fit(texts, labels).predict_proba(texts)
    bag.save(tmp_path / "run")
    again = clone(textnets.load(tmp_path / "run"))
    assert (again.epochs, again.min_steps) == (4, 20)
    np.testing.assert_array_equal(again.fit(texts, labels).predict_proba(texts), expected)
