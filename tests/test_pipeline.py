"""Train, evaluate, predict: the whole journey through the Python doors."""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
from tests.conftest import RECIPE, RNN_MODEL, read_questions, write_csv, write_recipe
from tests.sharing import made_once
from textnets import Predictor
from textnets.errors import DataError, RecipeError, RunError
from textnets.experiment.results import SplitEvaluation
from textnets.pipeline import store_ids
from textnets.run.model_file import load_model

MakeRecipe = Callable[..., Path]


def weights_of(run: Path) -> bytes:
    model = load_model(run / "model.keras")
    # Not model.variables: those hold the seeds of dropout too, which a .keras file lacks.
    return b"".join(variable.numpy().tobytes() for variable in model.weights)


@pytest.fixture(scope="session")
def trained() -> Path:
    """One tiny run, shared; do not write into it."""

    def train(folder: Path) -> None:
        recipe = write_recipe(folder, replace={"epochs: 2": "epochs: 8"})
        textnets.train(recipe, output=folder / "run")

    return made_once("classifier", train) / "run"


def test_a_run_holds_what_it_promises(trained: Path) -> None:
    assert {path.name for path in trained.iterdir()} == {
        "recipe.yaml",
        "environment.json",
        "vocabulary.txt",
        "labels.txt",
        "words.txt",
        "model.keras",
        "checkpoint",
        "history.jsonl",
        "evaluation.json",
        "predictions",
        "report.html",
    }
    environment = json.loads((trained / "environment.json").read_text())
    assert environment["versions"]["keras"]
    assert set(environment["data"]) == {"train", "test"}
    assert environment["device"]["kind"] == "cpu"
    assert environment["examples"] == {"train": 192, "validation": 48, "test": 160}


def test_it_learned_real_questions(trained: Path) -> None:
    scores = json.loads((trained / "evaluation.json").read_text())["splits"]["test"]
    model, majority = scores["scores"], scores["baselines"]["majority"]["scores"]
    assert model["accuracy"]["low"] > majority["accuracy"]["high"]
    assert model["accuracy"]["low"] <= model["accuracy"]["value"] <= model["accuracy"]["high"]


def test_evaluating_again_gives_the_same_scores(trained: Path) -> None:
    stored = json.loads((trained / "evaluation.json").read_text())["splits"]["test"]
    again = textnets.evaluate(trained)
    assert {name: found.as_dict() for name, found in again.scores.items()} == stored["scores"]
    assert [baseline.name for baseline in again.baselines] == list(stored["baselines"])


def test_a_sentence_gets_the_same_probability_everywhere(trained: Path) -> None:
    lines = (trained / "predictions" / "test.jsonl").read_text(encoding="utf-8").split("\n")
    stored = [json.loads(line) for line in lines if line]
    texts = [record["text"] for record in stored]
    predictor = Predictor.load(trained)
    together = predictor.predict(texts)
    for record, prediction in zip(stored, together, strict=True):
        assert prediction.as_fields()["label"] == record["label"]
        assert prediction.as_fields()["probability"] == pytest.approx(
            record["probability"], abs=2e-6
        )


def test_order_batch_and_padding_change_no_prediction(trained: Path) -> None:
    predictor = Predictor.load(trained)
    texts = [*[text for text, _ in read_questions("test")][:40], "", "card " * 500]
    together: list[Any] = predictor.predict(texts)
    turned: list[Any] = predictor.predict(texts[::-1])[::-1]
    alone: list[Any] = [predictor.predict([text])[0] for text in texts]
    for one, two, three in zip(together, turned, alone, strict=True):
        assert one.labels == two.labels == three.labels
        for label, value in one.probabilities.items():
            assert two.probabilities[label] == pytest.approx(value, abs=1e-6)
            assert three.probabilities[label] == pytest.approx(value, abs=1e-6)


def test_a_stream_of_predictions_keeps_order_and_number(trained: Path) -> None:
    predictor = Predictor.load(trained)
    texts = [f"question {number} about my card" for number in range(1500)]
    found = list(predictor.predict_stream(iter(texts)))
    assert [prediction.text for prediction in found] == texts


def test_a_single_string_is_no_list_of_texts(trained: Path) -> None:
    with pytest.raises(TypeError, match="one string"):
        Predictor.load(trained).predict("where is my card")
    assert Predictor.load(trained).predict([]) == []


def test_a_moved_run_still_predicts(trained: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(trained, moved)
    text = "where is my card"
    before, after = (Predictor.load(run).predict([text])[0] for run in (trained, moved))
    assert before == after


@pytest.mark.heavy
@pytest.mark.parametrize("model", ["cnn", "rnn"])
def test_the_same_recipe_gives_the_same_bytes(
    make_recipe: MakeRecipe, recurrent: Path, model: str
) -> None:
    start = RECIPE.index("model:")
    section = RECIPE[start : RECIPE.index("training:")]
    recipe = make_recipe(replace={section: RNN_MODEL} if model == "rnn" else None)
    settings = {"training.epochs": 1, "evaluation.baselines": False}
    first = recurrent if model == "rnn" else textnets.train(recipe, settings, output="one").folder
    textnets.train(recipe, settings, output="two")
    assert weights_of(first) == weights_of(Path("two"))
    if model == "cnn":
        textnets.train(recipe, {**settings, "seed": 4}, output="three")
        assert weights_of(first) != weights_of(Path("three"))


def test_a_store_is_refused_for_another_text_section(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe()
    store_ids(recipe, "store")
    with pytest.raises(RunError, match="other data or text settings"):
        textnets.train(recipe, {"text.lowercase": False}, store="store")
    assert not Path("runs").exists()


def test_stored_ids_are_not_overwritten_unasked(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe()
    store_ids(recipe, "store")
    with pytest.raises(RunError, match="--overwrite"):
        store_ids(recipe, "store")
    store_ids(recipe, "store", overwrite=True)
    Path("notes").mkdir()
    with pytest.raises(RunError, match="left alone"):
        store_ids(recipe, "notes", overwrite=True)


@pytest.mark.heavy
def test_multi_label(make_cheap_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_cheap_recipe(
        replace={"  test: test.csv": "  test: test.csv\n  multi_label: true"}
    )
    for name in ("train", "test"):
        rows = [
            (text, "|".join(["card"] * ("card" in text) + [label.split("_")[0]]))
            for text, label in read_questions(name)
        ]
        rows.append(("nothing at all", ""))
        write_csv(tmp_path / f"{name}.csv", rows)
    result = textnets.train(recipe, {"training.epochs": 6}, output="run")
    assert result.headline == "micro_f1"
    assert result.evaluation is not None
    assert set(result.evaluation.scores) == {"micro_f1", "macro_f1", "exact_match"}
    names = [baseline.name for baseline in result.evaluation.baselines]
    assert names == ["majority", "tfidf_svm", "nb_svm"]
    found: Any = Predictor.load("run").predict(["I lost my card"])[0]
    assert "card" in found.labels
    assert all(0 <= value <= 1 for value in found.probabilities.values())


@pytest.mark.heavy
def test_two_classes_have_one_output(make_cheap_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_cheap_recipe()
    rows = [row for row in read_questions("train") if row[1] in ("card_arrival", "change_pin")]
    write_csv(tmp_path / "train.csv", rows)
    tests = [row for row in read_questions("test") if row[1] in ("card_arrival", "change_pin")]
    write_csv(tmp_path / "test.csv", tests)
    result = textnets.train(recipe, {"training.epochs": 8}, output="run")
    assert load_model(Path("run/model.keras")).output_shape == (None, 1)
    found: Any = Predictor.load("run").predict(["how do I change my pin"])[0]
    assert found.labels == ("change_pin",)
    assert sum(found.probabilities.values()) == pytest.approx(1.0)
    assert result.evaluation is not None
    assert result.evaluation.scores["accuracy"].value > 0.85


@pytest.mark.heavy
def test_class_weights_move_the_model(make_cheap_recipe: MakeRecipe, finished: Path) -> None:
    recipe = make_cheap_recipe()
    heavy = {"training.class_weights": {"change_pin": 50.0}, "evaluation.baselines": False}
    textnets.train(recipe, heavy, output="heavy")
    texts = [text for text, _ in read_questions("test")]
    counts = [
        sum(found.labels == ("change_pin",) for found in Predictor.load(run).predict(texts))  # type: ignore[attr-defined]
        for run in (finished, "heavy")
    ]
    assert counts[1] > counts[0]
    with pytest.raises(DataError, match="'chnge_pin'"):
        textnets.train(recipe, {"training.class_weights": {"chnge_pin": 2.0}}, output="none")


@pytest.mark.heavy
def test_pretrained_vectors_start_the_embedding(make_recipe: MakeRecipe, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    words = ("card", "my", "pin", "rate", "the")
    lines = [f"{word} " + " ".join(f"{x:.4f}" for x in random.normal(size=16)) for word in words]
    with gzip.open(tmp_path / "vectors.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")
    recipe = make_recipe(replace={"max_tokens: 500": "max_tokens: 500\n  vectors: vectors.txt.gz"})
    frozen = {"model.train_embeddings": False, "training.epochs": 1}
    textnets.train(recipe, frozen, output="run")
    table = load_model(Path("run/model.keras")).get_layer("embedding").get_weights()[0]
    vocabulary = Path("run/vocabulary.txt").read_text().split("\n")
    for line in lines:
        word, *values = line.split(" ")
        assert table[vocabulary.index(word)] == pytest.approx([float(v) for v in values], abs=1e-6)
    with pytest.raises(DataError, match=r"embedding_width: 16, was: 12"):
        textnets.train(recipe, {"model.embedding_width": 12}, output="none")
    assert not Path("none").exists()
    assert not Path("none.partial").exists()


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("schedule", "optimizer"),
    [("cosine", "adamw"), ("halving", "nesterov"), ("plateau", "rmsprop")],
)
def test_schedules_and_optimizers_train(
    make_cheap_recipe: MakeRecipe, schedule: str, optimizer: str
) -> None:
    settings = {
        "training.schedule": schedule,
        "training.optimizer": optimizer,
        "training.clip_norm": 1.0,
        "training.warmup_steps": 3,
        "evaluation.baselines": False,
    }
    result = textnets.train(make_cheap_recipe(), settings, output="run")
    losses = [row["loss"] for row in result.state.history]
    assert losses[-1] < losses[0]


@pytest.mark.heavy
def test_mixed_precision_trains_and_predicts_in_float32(make_recipe: MakeRecipe) -> None:
    import keras

    settings = {"training.precision": "mixed_bfloat16", "evaluation.baselines": False}
    textnets.train(make_recipe(), settings, output="run")
    model = load_model(Path("run/model.keras"))
    assert model.get_layer("convolution_2").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"  # the caller's own was put back


@pytest.mark.heavy
def test_without_a_test_split_the_validation_split_is_scored(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe(replace={"  test: test.csv\n": ""})
    result = textnets.train(recipe, {"training.epochs": 1}, output="run")
    assert result.evaluation is not None
    assert result.evaluation.split == "validation"


@pytest.mark.heavy
def test_a_share_can_be_the_test_split(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe(replace={"test: test.csv": "test: 0.25"})
    result = textnets.train(recipe, {"training.epochs": 1}, output="run")
    assert result.evaluation is not None
    assert (result.evaluation.split, result.evaluation.examples) == ("test", 60)
    again = textnets.evaluate("run")
    assert again.scores == result.evaluation.scores


@pytest.mark.heavy
def test_without_validation_the_last_weights_are_kept(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe(replace={"validation: 0.2": "validation: null"})
    result = textnets.train(recipe, {"evaluation.baselines": False}, output="run")
    assert not any(name.startswith("validation") for name in result.state.history[0])
    assert result.state.best_epoch == 2
    # A rate that grows the loss again: the last epoch's weights are kept all the same.
    settings = {"training.learning_rate": 3.0, "training.optimizer": "sgd"}
    worse = textnets.train(recipe, {**settings, "evaluation.baselines": False}, output="worse")
    assert worse.state.best_epoch == 2


@pytest.mark.heavy
def test_early_stopping_names_its_metric(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe()
    with pytest.raises(
        RecipeError, match=r"validation_acuracy.*did you mean 'validation_accuracy'"
    ):
        textnets.train(recipe, {"training.early_stopping.metric": "validation_acuracy"})
    settings = {
        "training.early_stopping.metric": "validation_loss",
        "training.early_stopping.patience": 1,
        "training.epochs": 60,
        "training.learning_rate": 0.05,
        "evaluation.baselines": False,
    }
    result = textnets.train(recipe, settings, output="run")
    assert len(result.state.history) < 60
    assert "validation_loss" in result.state.stopped


@pytest.mark.heavy
def test_changed_data_is_noticed_by_evaluate(make_cheap_recipe: MakeRecipe, tmp_path: Path) -> None:
    recipe = make_cheap_recipe()
    textnets.train(recipe, {"training.epochs": 1, "evaluation.baselines": False}, output="run")
    write_csv(tmp_path / "test.csv", read_questions("test")[:20])
    with pytest.raises(DataError, match="has changed since"):
        textnets.evaluate("run")
    assert textnets.evaluate("run", tmp_path / "test.csv").examples == 20


@pytest.mark.heavy
def test_every_tokenizer_journeys(make_cheap_recipe: MakeRecipe) -> None:
    recipe = make_cheap_recipe()
    for name in ("whitespace", "characters", "wordpiece", "sentencepiece"):
        settings = {
            "text.tokenizer": name,
            "training.epochs": 1,
            "evaluation.baselines": False,
            "text.add_eos": True,
        }
        textnets.train(recipe, settings, output=name)
        predictor = Predictor.load(name)
        assert predictor.predict(["Is my card lost?"])
        assert predictor.tokens(["lost"])[0][-1].text == "[EOS]"


def test_published_bilstm_has_its_published_size() -> None:
    from tests.conftest import ROOT
    from textnets.builders import build_rnn_classifier
    from textnets.tasks import read_task

    recipe = read_task(ROOT / "recipes" / "imdb_bilstm_published.yaml").recipe
    assert recipe.text.truncate == "start"
    model = build_rnn_classifier(
        **recipe.builder_parameters, vocabulary_size=recipe.text.max_tokens, num_classes=2
    )
    assert model.count_params() == 2_757_761


@pytest.mark.heavy
def test_the_test_split_can_be_left_unseen(make_cheap_recipe: MakeRecipe) -> None:
    result = textnets.train(make_cheap_recipe(), {"evaluation.test": False}, output="run")
    assert result.evaluation is not None
    assert result.evaluation.split == "validation"
    found = json.loads(Path("run/evaluation.json").read_text())
    assert set(found["splits"]) == {"validation"}
    assert [path.name for path in Path("run/predictions").iterdir()] == ["validation.jsonl"]
    assert "no test split was scored" in Path("run/report.html").read_text()
    # Once the recipe is chosen, the test split is a command away, and its baselines with it.
    found = textnets.evaluate("run")
    expected = textnets.train(make_cheap_recipe(), output="at_once").evaluation
    assert found.split == "test"
    assert expected is not None
    assert rivals_of(found) == rivals_of(expected)
    assert "majority" in rivals_of(found)


def rivals_of(evaluation: SplitEvaluation) -> dict[str, Any]:
    return {baseline.name: baseline.scores for baseline in evaluation.baselines}
