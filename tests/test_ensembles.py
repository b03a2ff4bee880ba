"""Several trainings in one run: ensembles, and models trained once more on all examples."""

from __future__ import annotations

import itertools
import json
import shutil
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import textnets
from tests.conftest import read_questions, write_csv
from tests.sharing import made_once
from tests.warm import TEXTNETS, WarmProcess, run_program
from textnets.errors import InputError, RecipeError, RunError
from textnets.text.vocabulary import BOS_ID, EOS_ID

pytestmark = pytest.mark.heavy

MEMBERS = """
task: classification
data: {train: train.csv, test: test.csv, validation: 0.2}
ensemble:
  members:
    - name: bag
      text: {max_tokens: 20000}
      model: {builder: ngram_bag_classifier}
      training: {learning_rate: 0.05}
    - seeds: 2
      model: {builder: mlp_classifier, embedding_width: 8, dense_units: []}
text: {max_tokens: 200}
training: {epochs: 2, batch_size: 20, learning_rate: 0.02, refit: all}
evaluation: {baselines: false}
seed: 3
"""


def write_project(folder: Path, recipe: str = MEMBERS) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for split, most in (("train", 25), ("test", 8)):
        write_csv(folder / f"{split}.csv", read_questions(split, most))
    path = folder / "both.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run() -> Path:
    def make(folder: Path) -> None:
        textnets.train(write_project(folder / "project"), output=folder / "run")

    return made_once("ensemble", make) / "run"


@pytest.fixture
def project(tmp_path) -> Path:
    return write_project(tmp_path / "project")


QUESTIONS = ["Where is my card?", "how do I change my PIN", "", "zzz qqq"]


def test_the_members_runs_are_whole_and_never_saw_the_test_split(run):
    names = sorted(path.name for path in (run / "members").iterdir())
    assert names == ["bag", "mlp_classifier-1", "mlp_classifier-2"]
    for name in names:
        member = textnets.Predictor.load(run / "members" / name)
        assert member.task.recipe.ensemble is None
        assert set(member.run.evaluation()["splits"]) == {"validation"}
        assert len(member.predict(QUESTIONS)) == len(QUESTIONS)


def test_its_answer_is_the_weighted_mean_of_the_members_log_probabilities(run):
    weights = json.loads((run / "mixture.json").read_text())["weights"]
    assert sum(weights.values()) == pytest.approx(1.0)
    assert weights["mlp_classifier-1"] == weights["mlp_classifier-2"]
    total = 0.0
    for name, weight in weights.items():
        predictions = textnets.Predictor.load(run / "members" / name).predict(QUESTIONS)
        rows = np.array([list(found.probabilities.values()) for found in predictions])
        total = total + weight * np.log(np.clip(rows, 1e-7, 1 - 1e-7))
    expected = np.exp(total) / np.exp(total).sum(axis=1, keepdims=True)
    found = textnets.Predictor.load(run).predict(QUESTIONS)
    rows = np.array([list(prediction.probabilities.values()) for prediction in found])
    np.testing.assert_allclose(rows, expected, atol=1e-5)


def test_evaluated_again_it_has_the_same_scores(run):
    stored = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
    found = textnets.evaluate(run).scores
    assert {name: score.value for name, score in found.items()} == pytest.approx(
        {name: score["value"] for name, score in stored.items()}
    )


def test_its_report_shows_the_members_beside_one_another(run):
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "Members" in page
    assert "mlp_classifier-2" in page
    assert "> ensemble<" in page.replace(">ensemble<", "> ensemble<")
    assert "accuracy of validation" in page


def test_once_more_it_trains_on_the_validation_examples_too(run):
    member = run / "members" / "bag"
    chosen = textnets.Predictor.load(member / "selection")
    again = textnets.Predictor.load(member)
    best = chosen.run.environment["best_epoch"]
    assert len(again.run.history()) == best
    assert "validation_accuracy" in chosen.run.history()[0]
    assert "validation_accuracy" not in again.run.history()[0]
    assert len(again.preprocessor.ngrams) > len(chosen.preprocessor.ngrams)
    assert again.run.evaluation()["splits"] == chosen.run.evaluation()["splits"]


def test_a_single_model_can_be_trained_once_more(project):
    overrides = {"ensemble": None, "model": {"builder": "mlp_classifier", "embedding_width": 4}}
    done = textnets.train(project, overrides, output=project.parent / "one")
    assert (done.folder / "selection" / "model.keras").is_file()
    splits = done.run.evaluation()["splits"]
    assert set(splits) == {"validation", "test"}
    with pytest.raises(RunError, match="not trained on; start again with --overwrite"):
        textnets.train(
            project, {**overrides, "training.epochs": 3}, output=done.folder, resume=True
        )
    assert textnets.evaluate(done.folder).examples == 32


def test_once_more_is_at_the_rates_that_validation_chose(project):
    overrides = {
        "ensemble": None,
        "model": {"builder": "mlp_classifier", "embedding_width": 4},
        "training.epochs": 12,
        "training.learning_rate": 0.3,
        "training.schedule": "cosine",
        "training.monitor": "validation_loss",
    }
    done = textnets.train(project, overrides, output=project.parent / "rates")
    chosen = textnets.Predictor.load(done.folder / "selection").run.environment["best_epoch"]
    assert 0 < chosen < 12  # else it says nothing
    lines = (done.folder / "selection" / "history.jsonl").read_text().splitlines()
    first = [json.loads(line) for line in lines]
    assert len(first) == 12
    assert len(done.history) == chosen
    rates = done.history["learning_rate"].tolist()
    # The last step of an epoch is a little later in it where an epoch has more steps.
    assert rates == pytest.approx([row["learning_rate"] for row in first[:chosen]], abs=0.01)
    assert rates[-1] > 0.03


def test_one_model_with_several_seeds(project):
    overrides = {
        "ensemble": {"seeds": 2},
        "model": {"builder": "mlp_classifier", "embedding_width": 4},
        "training.refit": None,
    }
    done = textnets.train(project, overrides, output=project.parent / "seeds")
    weights = json.loads((done.folder / "mixture.json").read_text())["weights"]
    assert weights == {"mlp_classifier-1": 0.5, "mlp_classifier-2": 0.5}
    one, two = (
        textnets.Predictor.load(done.folder / "members" / name).predict(QUESTIONS)
        for name in weights
    )
    assert one != two
    assert len(done.history) == 0
    with pytest.raises(InputError, match="an ensemble has several models"):
        _ = done.model


def test_killed_in_a_member_and_continued_it_ends_with_the_same_models(run, project):
    output = project.parent / "killed"
    words = ["train", project, "-o", output, "--set", "training.checkpoint_every=1"]
    process = WarmProcess(TEXTNETS, words)
    begun = output.with_name("killed.partial") / "members" / "mlp_classifier-1.partial"
    until = time.monotonic() + 120
    while not (begun / "selection.partial" / "checkpoint" / "state.npz").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not output.exists()
    run_program(TEXTNETS, *words, "--resume")
    for name in ("bag", "mlp_classifier-1", "mlp_classifier-2"):
        for one, two in zip(
            textnets.Predictor.load(output / "members" / name).model.get_weights(),
            textnets.Predictor.load(run / "members" / name).model.get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(one, two)
    assert (output / "mixture.json").read_bytes() == (run / "mixture.json").read_bytes()
    assert (output / "evaluation.json").read_bytes() == (run / "evaluation.json").read_bytes()


def test_a_finished_one_is_left_alone(run, capsys):
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    textnets.train(run.parent / "project" / "both.yaml", output=run, resume=True)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_continued_with_other_members_it_is_refused(run, tmp_path):
    with pytest.raises(RunError, match=r"cannot continue this run|is not trained on"):
        textnets.train(
            run.parent / "project" / "both.yaml",
            {"ensemble.members.0.training.epochs": 5},
            output=run,
            resume=True,
        )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("members/bag/model.keras", "is not the file that was written"),
        ("members/bag/ngrams.npy", "is not the file that was written"),
        ("mixture.json", "is not the file that was written"),
    ],
)
def test_a_damaged_member_is_one_error(run, tmp_path, name, message):
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / name).write_bytes(b"{}")
    with pytest.raises(RunError, match=message):
        textnets.Predictor.load(copy)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("seeds: 2", "seed: 2",
         r"10:7: ensemble.members.1.seed: unknown key; did you mean 'seeds'"),
        ("learning_rate: 0.05", "learning_rte: 0.05",
         r"ensemble.members.0.training.learning_rte: unknown key; did you mean 'learning_rate'"),
        ("epochs: 2", "epochs: two", r"yaml:13:12: training.epochs: expected a whole number"),
        ("builder: mlp_classifier", "builder: mlp_classifer",
         r"ensemble.members.1.model.builder: unknown builder"),
        ("- seeds: 2", "- name: bag\n      seeds: 2",
         r"ensemble.members.1.name: two members are called 'bag'"),
        ("name: bag", "name: ../bag", r"ensemble.members.0.name: "),
        ("ensemble:\n", "ensemble:\n  seeds: 2\n", r"give 'members', or the 'seeds' of one model"),
        ("ensemble:\n", "ensemble:\n  weights: [1.0]\n", r"expected 2, one a member"),
        ("validation: 0.2", "validation: null", r"training.refit: needs data.validation"),
        ("refit: all", "refit: all, schedule: plateau",
         r"training.refit: needs a schedule known beforehand"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_at_its_place(tmp_path, old, new, message):
    assert old in MEMBERS
    path = write_project(tmp_path, MEMBERS.replace(old, new))
    with pytest.raises(RecipeError, match=message):
        textnets.check(path)


def test_ids_cannot_be_stored_for_several_models(project, tmp_path):
    from textnets.pipeline import store_ids

    with pytest.raises(InputError, match="ids are stored for one model"):
        store_ids(project, tmp_path / "ids")


def test_check_tells_of_every_member(project):
    facts = [(fact.name, fact.value) for fact in textnets.check(project)]
    assert [value for name, value in facts if name == "member"] == ["bag", "mlp_classifier-1"]
    assert ("num_classes", "4") in facts
    assert any(name == "num_features" for name, _ in facts)


def test_a_member_can_be_a_recipe_of_its_own(project):
    (project.parent / "net.yaml").write_text(
        "task: classification\ndata: {train: x.csv}\n"
        "model: {builder: cnn_classifier, maps: 4}\ntext: {lowercase: false}\n",
        encoding="utf-8",
    )
    net = "- seeds: 2\n      model: {builder: mlp_classifier, embedding_width: 8, dense_units: []}"
    assert net in MEMBERS
    recipe = MEMBERS.replace(net, "- recipe: net.yaml")
    project.write_text(recipe, encoding="utf-8")
    facts = [fact.value for fact in textnets.check(project) if fact.name == "member"]
    assert facts == ["bag", "cnn_classifier"]


FOLDS = """
task: classification
data: {train: train.csv, folds: 3, validation: 0.2}
model: {builder: ngram_bag_classifier}
training: {epochs: 1, learning_rate: 0.05}
claim: {metric: accuracy, at_least: 0.5}
seed: 3
"""


def test_each_example_is_tested_once_by_a_model_that_never_saw_it(tmp_path):
    done = textnets.train(write_project(tmp_path, FOLDS), output=tmp_path / "run")
    tested = [
        [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()]
        for path in sorted((tmp_path / "run" / "folds").glob("*/predictions/test.jsonl"))
    ]
    assert [len(fold) for fold in tested] == [34, 33, 33]
    everything = [text for text, _ in read_questions("train", 25)]
    assert sorted(text for fold in tested for text in fold) == sorted(everything)
    scores = [
        json.loads(path.read_text())["splits"]["test"]["scores"]["accuracy"]["value"]
        for path in (tmp_path / "run" / "folds").glob("*/evaluation.json")
    ]
    assert done.evaluation.examples == 100
    assert done.evaluation.scores["accuracy"].value == pytest.approx(np.mean(scores))
    assert {baseline.name for baseline in done.evaluation.baselines} >= {"majority", "tfidf_svm"}
    assert done.evaluation.claim.met
    assert "Folds" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    with pytest.raises(InputError, match="has a model for each fold"):
        textnets.Predictor.load(tmp_path / "run")
    assert textnets.Predictor.load(tmp_path / "run" / "folds" / "1").predict(QUESTIONS)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("folds: 3", "folds: 3, test: 0.2", "each fold is a test split; remove data.test"),
        ("folds: 3", "folds: 1", "data.folds: expected at least 2, was: 1"),
        ("validation: 0.2", "validation: train.csv", "each fold has its own validation split"),
        ("seed: 3", "evaluation: {test: false}", "scores test splits"),
    ],
)
def test_mistakes_about_folds(tmp_path, old, new, message):
    assert old in FOLDS
    with pytest.raises(RecipeError, match=message):
        textnets.check(write_project(tmp_path, FOLDS.replace(old, new)))


def test_more_folds_than_examples(tmp_path):
    path = write_project(tmp_path, FOLDS.replace("folds: 3", "folds: 100, limit: 20"))
    with pytest.raises(InputError, match="100 folds need as many examples"):
        textnets.train(path, output=tmp_path / "run")
    assert not list(tmp_path.glob("run*"))


TAGGERS = """
task: tagging
data: {train: train.txt, test: test.txt, validation: 0.3, format: columns, tag_column: 2,
       spans: true}
ensemble:
  members:
    - name: features
      model: {builder: feature_tagger}
      training: {learning_rate: 0.05}
    - name: net
      model: {builder: rnn_tagger, embedding_width: 8, cell: simple, units: [6]}
training: {epochs: 2, batch_size: 4, learning_rate: 0.02}
evaluation: {baselines: false, resamples: 10, constrained: true}
"""
CHUNKED = (
    "He PRP B-NP\nreckons VBZ B-VP\nthe DT B-NP\ndeficit NN I-NP\nwill MD B-VP\nfall VB I-VP\n\n"
)


def test_taggers_answer_together_and_by_the_rules_of_spans(tmp_path):
    for split, times in (("train", 20), ("test", 4)):
        words = ["deficit", "surplus", "price", "rate"]
        rows = [CHUNKED.replace("deficit", words[i % 4]) for i in range(times)]
        (tmp_path / f"{split}.txt").write_text("".join(rows), encoding="utf-8")
    (tmp_path / "both.yaml").write_text(TAGGERS, encoding="utf-8")
    done = textnets.train(tmp_path / "both.yaml", output=tmp_path / "run")
    again = textnets.evaluate(tmp_path / "run").scores
    name = done.headline
    assert again[name].value == pytest.approx(done.evaluation.scores[name].value)
    weights = json.loads((tmp_path / "run" / "mixture.json").read_text())["weights"]
    assert list(weights) == ["features", "net"]
    sentence = ["He reckons the rate will fall", "fall the", ""]
    for found in textnets.Predictor.load(tmp_path / "run").predict(sentence):
        assert len(found.tags) == len(found.tokens)
        for one, two in zip(["O", *found.tags], found.tags, strict=False):
            assert not two.startswith("I-") or one[1:] == two[1:]


PAIRS = """
task: translation
data: {train: pairs.tsv, test: 0.2, validation: 0.2}
ensemble: {seeds: 2}
model: {builder: encoder_decoder, embedding_width: 8, cell: simple, units: [8],
        decoder_units: [12]}
training: {epochs: 3, batch_size: 16, learning_rate: 0.03}
evaluation: {baselines: false, resamples: 10, beam_size: 2, attention: true}
"""
NUMBERS = {"one": "un", "two": "deux", "three": "trois", "four": "quatre"}


@pytest.fixture
def pairs(tmp_path) -> Path:
    rows = [
        f"{' '.join(words)}\t{' '.join(NUMBERS[word] for word in words)}\n"
        for size in (1, 2, 3)
        for words in itertools.product(NUMBERS, repeat=size)
    ]
    (tmp_path / "pairs.tsv").write_text("".join(rows), encoding="utf-8")
    path = tmp_path / "two.yaml"
    path.write_text(PAIRS, encoding="utf-8")
    return path


@pytest.mark.long
def test_translators_write_together_by_the_mean_of_their_log_probabilities(pairs):
    done = textnets.train(pairs, output=pairs.parent / "run")
    weights = json.loads((done.folder / "mixture.json").read_text())["weights"]
    assert weights == {"encoder_decoder-1": 0.5, "encoder_decoder-2": 0.5}
    predictor = textnets.Predictor.load(done.folder)
    texts = ["one two three", "four one"]
    for found in predictor.predict(texts):
        # Token after token, each model by itself given what both have written.
        known = predictor.preprocessor
        source = known.encode_inputs([found.text]).inputs["source_ids"].ids[None]
        target = [
            known.target.encoder.vocabulary.encode_token(token)
            for token in found.alternatives[0].tokens[:-1]
        ]
        inputs = {"source_ids": source, "target_ids": np.array([[BOS_ID, *target]], "int32")}
        mean = sum(0.5 * keras.ops.log_softmax(model(inputs)[0]) for model in predictor.models)
        mixed = np.array(keras.ops.log_softmax(mean))
        expected = sum(mixed[place, token] for place, token in enumerate([*target, EOS_ID]))
        assert found.alternatives[0].log_probability == pytest.approx(expected, abs=1e-4)
        rows = np.array(found.alternatives[0].attention)
        np.testing.assert_allclose(rows.sum(axis=1), 1.0, atol=1e-3)
    again = textnets.evaluate(done.folder).scores
    assert again["bleu"].value == pytest.approx(done.evaluation.scores["bleu"].value)
    assert again["perplexity"].value == pytest.approx(done.evaluation.scores["perplexity"].value)
    assert "bleu of validation" in (done.folder / "report.html").read_text(encoding="utf-8")


LINES = """
task: language_modeling
data: {train: lines.txt, validation: 0.2, test: 0.2, stream: %s}
ensemble:
  members:
    - {name: narrow, model: {builder: rnn_language_model, embedding_width: 4, units: [4]}}
    - {name: wide, model: {builder: rnn_language_model, embedding_width: 8, units: [16]}}
training: {epochs: 3, batch_size: 4, learning_rate: 0.03}
evaluation: {baselines: false, resamples: 10}
"""


@pytest.fixture(params=["true", "false"])
def lines(tmp_path, request) -> Path:
    words = ["to", "be", "or", "not", "seen"]
    random = np.random.default_rng(1)
    rows = [" ".join(random.choice(words, 5)) + "\n" for _ in range(300)]
    (tmp_path / "lines.txt").write_text("".join(rows), encoding="utf-8")
    path = tmp_path / "two.yaml"
    path.write_text(LINES % request.param, encoding="utf-8")
    return path


def test_language_models_mix_their_probabilities(lines):
    done = textnets.train(lines, output=lines.parent / "run")
    weights = json.loads((done.folder / "mixture.json").read_text())["weights"]
    assert sum(weights.values()) == pytest.approx(1.0)
    predictor = textnets.Predictor.load(done.folder)
    text = "to be or not to be seen"
    of_members = [
        next(textnets.Predictor.load(done.folder / "members" / name).score([text])).surprisals
        for name in weights
    ]
    shares = np.array(list(weights.values()))[:, None]
    expected = -np.log((shares * np.exp(-np.array(of_members))).sum(axis=0))
    np.testing.assert_allclose(next(predictor.score([text])).surprisals, expected, atol=1e-5)
    # What it writes has the probabilities by which it reads.
    written = predictor.write("to be", length=4, seed=3)[0]
    read = next(predictor.score([written.continued.rstrip("\n")])).surprisals
    chosen = [choice.probability for choice in written.choices]
    np.testing.assert_allclose(
        np.exp(-np.array(read[2:6]))[: len(chosen)], chosen[: len(read) - 2], atol=1e-5
    )
    again = textnets.evaluate(done.folder).scores
    assert again["perplexity"].value == pytest.approx(done.evaluation.scores["perplexity"].value)
    assert f"{done.headline} of validation" in (done.folder / "report.html").read_text(
        encoding="utf-8"
    )


def test_trained_once_more_they_are_scored_by_their_own_tokens_only(lines):
    path = lines.parent / "lines.txt"
    rows = path.read_text(encoding="utf-8").splitlines()
    rows[150:280] = [f"{row} w{number}" for number, row in enumerate(rows[150:280])]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    settings = {"training.refit": "all", "training.epochs": 1}
    done = textnets.train(lines, settings, output=lines.parent / "run")
    place = done.folder / "members" / "narrow"
    sizes = [
        len(textnets.Predictor.load(folder).preprocessor.vocabulary)
        for folder in (place, place / "selection")
    ]
    assert sizes[0] > sizes[1]  # else it says nothing
    assert set(done.run.evaluation()["splits"]) == {"test"}
    again = textnets.evaluate(done.folder).scores
    assert again["perplexity"].value == pytest.approx(done.evaluation.scores["perplexity"].value)


def test_models_that_write_together_have_the_same_tokens(lines):
    recipe = lines.read_text(encoding="utf-8")
    lines.write_text(recipe.replace("name: wide", "name: wide, text: {lowercase: true}"))
    message = (
        r"two.yaml:7:20: ensemble.members.1.text: models that write together have the same tok"
    )
    with pytest.raises(InputError, match=message):
        textnets.check(lines)
