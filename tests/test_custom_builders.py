"""A builder of a user's own is checked, trained, saved and loaded like ours."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import textnets
from tests.cli.conftest import textnets as command
from tests.warm import TEXTNETS, run_program
from textnets import InputError, TextClassifier
from textnets.pipeline import store_ids
from textnets.tasks import read_task

MODULE = '''
import keras

from textnets.builders.parameters import Model, NumClasses, VocabularySize, Width

imported = True


@keras.saving.register_keras_serializable(package="mine")
class Half(keras.layers.Layer):
    def call(self, inputs):
        return inputs / 2


class Forgotten(keras.layers.Layer):  # not registered
    def call(self, inputs):
        return inputs / 2


def build(classes, vocabulary_size, width, layer, outputs=None, name="token_ids"):
    token_ids = keras.Input((None,), dtype="int32", name=name)
    vectors = keras.layers.Embedding(vocabulary_size, width, name="embedding")(token_ids)
    pooled = layer(keras.layers.GlobalAveragePooling1D(name="mean")(vectors))
    units = outputs or (classes if classes > 2 else 1)
    activation = "softmax" if classes > 2 else "sigmoid"
    return keras.Model(token_ids, keras.layers.Dense(units, activation, name="top")(pooled))


def build_mine(
    *, vocabulary_size: VocabularySize, num_classes: NumClasses, width: Width = 8
) -> Model:
    """Build a bag of words.

    Args:
        width: Size of a token's vector.
    """
    return build(num_classes, vocabulary_size, width, Half(name="half"))


def build_forgetful(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    return build(num_classes, vocabulary_size, 4, Forgotten(name="half"))


def build_lambda(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    return build(num_classes, vocabulary_size, 4, keras.layers.Lambda(lambda x: x, name="half"))


def build_wide(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    return build(num_classes, vocabulary_size, 4, Half(name="half"), outputs=9)


def build_strange_input(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    return build(num_classes, vocabulary_size, 4, Half(name="half"), name="ids")


def build_nothing(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    return "no model"


def build_faulty(*, vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model:
    return keras.Model(keras.Input((None,)) + "no tensor")
def build_by_place(vocabulary_size: VocabularySize, num_classes: NumClasses) -> Model: ...
def build_bare(*, vocabulary_size, num_classes): ...
def build_misfit(*, vocabulary_size: VocabularySize) -> Model: ...
def build_odd(
    *, vocabulary_size: VocabularySize, num_classes: NumClasses, by: keras.Model
) -> Model: ...
def build_misspelt(*, vocabulary_size: "Vocabulary", num_classes: NumClasses) -> Model: ...
'''


@pytest.fixture
def recipe(make_recipe: Callable[..., Path]) -> Iterator[Path]:
    """A small recipe in the current folder, where ``my_models.py`` lies too."""
    Path("my_models.py").write_text(MODULE)
    Path("broken_models.py").write_text("import no_such_thing\n")
    path = make_recipe()
    text = path.read_text() + "  baselines: false\n"
    start, end = text.index("model:"), text.index("training:")
    section = "model:\n  builder: my_models:build_mine\n  width: 4\n"
    text = text[:start] + section + text[end:]
    path.write_text(text.replace("seed: 3\n  baselines: false\n", "  baselines: false\nseed: 3\n"))
    paths = list(sys.path)
    yield path
    sys.path[:] = paths
    for name in ("my_models", "broken_models"):
        sys.modules.pop(name, None)


@pytest.mark.heavy
def test_it_is_trained_saved_and_loaded(recipe: Path) -> None:
    run = textnets.train(recipe, output="run")
    assert run.model.get_layer("embedding").output.shape[-1] == 4
    texts = ["my card still has not arrived", "how do I change my PIN"]
    expected = [found.probabilities for found in run.predict(texts)]  # type: ignore[attr-defined]
    # Another process, which has not imported the module.
    refused = command("predict", "run", "--text", texts[0])
    assert refused.code == 2
    assert "--allow-builder my_models imports that module" in refused.err
    allowed = command("predict", "run", "--text", texts[0], "--allow-builder", "my_models")
    assert allowed.code == 0, allowed.err
    loaded = textnets.load("run", allow_builders=["my_models"])
    assert isinstance(loaded, TextClassifier)
    found = loaded.predict_proba(texts)
    assert found.tolist() == [[row[name] for name in loaded.classes_] for row in expected]
    # More epochs, and the other verbs.
    longer = textnets.train(recipe, {"training.epochs": 3}, output="run", resume=True)
    assert len(longer.run.history()) == 3
    assert textnets.evaluate("run", allow_builders=["my_models"]).split == "test"


@pytest.mark.heavy
def test_no_code_of_it_runs_unless_the_caller_says_so(recipe: Path) -> None:
    textnets.train(recipe, output="run")
    sys.modules.pop("my_models")
    for opens in (textnets.load, textnets.Predictor.load, textnets.evaluate):
        with pytest.raises(InputError, match=r"allow_builders=\['my_models'\]"):
            opens("run")
        with pytest.raises(InputError, match="none of textnets' own"):
            opens("run", allow_builders=["my_models.more", "other"])
    assert "my_models" not in sys.modules


@pytest.mark.heavy
def test_an_estimator_takes_it_with_its_parameters(recipe: Path) -> None:
    texts, labels = ["a fine film", "a dull film"] * 10, ["good", "bad"] * 10
    model = TextClassifier("my_models:build_mine", width=6, epochs=20, learning_rate=0.05)
    assert model.get_params()["width"] == 6
    assert model.fit(texts, labels).predict(["fine", "dull"]).tolist() == ["good", "bad"]
    with pytest.raises(InputError, match="no parameter 'widht'; did you mean 'width'"):
        TextClassifier("my_models:build_mine", widht=6)
    with pytest.raises(InputError, match="must be keyword-only and annotated"):
        TextClassifier("my_models:build_by_place").fit(texts, labels)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("width", "-1", "model.width: expected more than 0, was: -1"),
        ("widht", "1", "model.widht: unknown key; did you mean 'width'?"),
        ("builder", "my_models:build_min", "no function 'build_min'; did you mean 'build_mine'?"),
        ("builder", "my_modles:build_mine", "there is no module 'my_modles'"),
        ("builder", "my_models.more:build", "there is no module 'my_models.more'"),
        ("builder", "broken_models:build", "importing broken_models fails: No module named 'no_"),
        ("builder", "my_models:imported", "no function 'imported'"),
        ("builder", "my models:x", "expected MODULE:FUNCTION, such as my_models:build_mine"),
        ("builder", "my_models:build_by_place", "must be keyword-only and annotated"),
        ("builder", "my_models:build_bare", "must be keyword-only and annotated"),
        ("builder", "my_models:build_misfit", "does not fit this task.*num_classes"),
        ("builder", "my_models:build_odd", "an annotation fits no recipe"),
        ("builder", "my_models:build_misspelt", "an annotation cannot be read"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_work(
    recipe: Path, key: str, value: str, message: str
) -> None:
    text = recipe.read_text().replace("  width: 4\n", "" if key == "builder" else "  width: 4\n")
    recipe.write_text(text)
    with pytest.raises(InputError, match=message):
        read_task(recipe, [f"model.{key}={value}"])


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("builder", "message"),
    [
        ("build_nothing", "must return a keras.Model, was: str"),
        ("build_faulty", r"build_faulty raised \w+ \(.*my_models\.py:\d+\): ."),
        ("build_strange_input", "an input 'ids'; this task gives token_ids"),
        ("build_wide", "output ends in 9 values, expected 4: the probability of each class"),
        ("build_forgetful", "cannot be loaded"),
        ("build_lambda", "the layer Lambda may run code of its own"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused_before_training(
    recipe: Path, builder: str, message: str
) -> None:
    recipe.write_text(recipe.read_text().replace("  width: 4\n", ""))
    with pytest.raises(InputError, match=message):
        textnets.train(recipe, {"model.builder": f"my_models:{builder}"}, output="run")
    assert not Path("run").exists()
    assert not Path("run.partial").exists()


# --- A tagger that ends in a CRF ---

TAGGER = """
import keras

from textnets import layers
from textnets.builders.parameters import Model, NumTags, VocabularySize


def build_mine(*, vocabulary_size: VocabularySize, num_tags: NumTags) -> Model:
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(vocabulary_size, 8, name="embedding")(token_ids)
    emissions = keras.layers.Dense(num_tags, name="emissions")(vectors)
    mask = keras.ops.not_equal(token_ids, 0)
    return keras.Model(token_ids, layers.LinearChainCRF(num_tags, name="crf")([emissions, mask]))
"""
TAGGING = """
task: tagging
data: {train: train.jsonl, validation: 0.25}
model: {builder: "my_taggers:build_mine"}
training: {epochs: 25, learning_rate: 0.1}
evaluation: {baselines: false}
"""
SENTENCES = [("the dog barks", "DET NOUN VERB"), ("a cat sleeps", "DET NOUN VERB"),
             ("the cat barks loudly", "DET NOUN VERB ADV")]  # fmt: skip


@pytest.fixture
def tagging(tmp_path: Path) -> Iterator[Path]:
    """A recipe of a custom tagger in the current folder, with its module and its data."""
    Path("my_taggers.py").write_text(TAGGER)
    rows = [{"tokens": words.split(), "tags": tags.split()} for words, tags in SENTENCES * 8]
    Path("train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("tagging.yaml").write_text(TAGGING)
    paths = list(sys.path)
    yield Path("tagging.yaml")
    sys.path[:] = paths
    sys.modules.pop("my_taggers", None)


@pytest.mark.heavy
def test_its_model_decides_how_it_is_trained(tagging: Path) -> None:
    """A custom tagger has no key that says that it ends in a CRF."""
    run = textnets.train(tagging, output="run")
    assert run.evaluation is not None
    assert run.evaluation.scores["accuracy"].value == 1.0
    assert "accuracy" not in run.run.history()[-1]  # a CRF's loss has no tags to count
    with pytest.raises(InputError, match="does not measure 'accuracy'"):
        textnets.train(tagging, {"training.monitor": "accuracy"}, output="other")
    assert not Path("other.partial").exists()


@pytest.mark.heavy
def test_it_trains_on_jax(tagging: Path) -> None:
    pytest.importorskip("jax")
    store_ids(tagging, "ids", allow_builders=["my_taggers"])
    run_program(TEXTNETS, "train", tagging, "--store", "ids", "-o", "run", backend="jax")
    scores = json.loads(Path("run/evaluation.json").read_text())["splits"]["validation"]["scores"]
    assert scores["accuracy"]["value"] == 1.0
