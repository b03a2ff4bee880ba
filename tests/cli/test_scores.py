"""The same model gives the same numbers, whoever asks and however."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Trained, listing, refuse, succeed
from textnets.data.sources import sha256_of
from textnets.run.files import write_json
from textnets.run.integrity import write_environment

Project = Callable[..., Path]


def stored_predictions(run: Path) -> list[dict[str, object]]:
    lines = (run / "predictions" / "test.jsonl").read_bytes().decode().split("\n")[:-1]
    return [json.loads(line) for line in lines]


def test_evaluate_repeats_what_train_stored(trained: Trained) -> None:
    before = listing(trained.run)
    found = json.loads(succeed("evaluate", trained.run, "--format", "json").out)
    stored = json.loads((trained.run / "evaluation.json").read_text())["splits"]["test"]
    assert found["split"] == "test"
    assert found["examples"] == stored["examples"]
    assert found["scores"] == stored["scores"]
    assert found["baselines"] == {
        name: entry["scores"] for name, entry in stored["baselines"].items()
    }
    assert listing(trained.run) == before
    assert succeed("evaluate", trained.run).lines == trained.ended.lines[:-1]


@pytest.mark.heavy
def test_what_the_scores_mean_is_said_in_words(project: Project) -> None:
    """In train, evaluate, the report and the files, and again of a run that is finished."""
    words = ("train", project(), "--set", "claim={metric: accuracy, at_least: 0.999}", "--quiet")
    trained = succeed(*words)
    stored = json.loads(Path("runs/tiny/evaluation.json").read_text())
    test, claim = stored["splits"]["test"], stored["claim"]
    ours, theirs = (system["scores"]["accuracy"]["value"]
                    for system in (test, test["baselines"]["tfidf_svm"]))  # fmt: skip
    comparison = test["comparison"]
    assert comparison["value"] == pytest.approx(ours - theirs)
    assert comparison["low"] <= comparison["value"] <= comparison["high"]
    assert comparison["sentence"].startswith(
        f"accuracy {ours:.3f} is {abs(ours - theirs):.3f} lower than that of tfidf_svm "
        "(95 % interval of the paired difference ["
    )
    assert claim["sentence"] == (
        f"the recipe's claim is not met: accuracy {ours:.3f} on the test split, claimed at least "
        "0.999"
    )
    assert (claim["met"], claim["holds"]) == (False, False)
    said = [comparison["sentence"], claim["sentence"]]
    assert trained.lines[-3:-1] == said
    assert succeed("evaluate", "runs/tiny").lines[-2:] == said
    found = json.loads(succeed("evaluate", "runs/tiny", "--format", "json").out)
    assert (found["comparison"], found["claim"]) == (comparison, claim)
    assert succeed(*words, "--resume").lines[-3:-1] == said
    report = Path("runs/tiny/report.html").read_text()
    assert f"<p>{comparison['sentence']}.</p>" in report
    assert "claim is not met" in report
    # Another file has no baselines, and the claim is not about it.
    other = json.loads(
        succeed("evaluate", "runs/tiny", "--data", "test.csv", "--format", "json").out
    )
    assert (other["comparison"], other["claim"]) == (None, None)


@pytest.mark.heavy
def test_all_baselines_are_trained_on_request(project: Project) -> None:
    """And the model is compared with the best of them."""
    words = ("train", project(), "--set", "evaluation.baselines=all", "--set", "training.epochs=1")
    trained = succeed(*words)
    test = json.loads(Path("runs/tiny/evaluation.json").read_text())["splits"]["test"]
    names = list(test["baselines"])
    assert names[:3] == ["majority", "tfidf_svm", "nb_svm"]
    assert names[3:] == ["naive_bayes", "logistic_regression", "nearest_neighbors",
                         "random_forest", "gradient_boosting"]  # fmt: skip
    assert [line.split()[0] for line in trained.lines[3:11]] == names
    accuracies = {n: one["scores"]["accuracy"]["value"] for n, one in test["baselines"].items()}
    assert accuracies[test["comparison"]["baseline"]] == max(accuracies.values())
    report = Path("runs/tiny/report.html").read_text()
    assert all(one["description"].split(",")[-1] in report for one in test["baselines"].values())


def test_runs_of_versions_without_a_comparison_have_one_without_interval(run_copy: Path) -> None:
    path = run_copy / "evaluation.json"
    content = json.loads(path.read_text())
    del content["splits"]["test"]["comparison"]
    write_json(path, content)
    environment = json.loads((run_copy / "environment.json").read_text())
    environment["files"]["evaluation.json"] = sha256_of(path)
    write_environment(run_copy, environment)
    sentence = succeed("evaluate", run_copy).lines[-1]
    assert "than that of tfidf_svm" in sentence
    assert "interval" not in sentence


def test_evaluate_on_another_file(trained: Trained) -> None:
    words = ("evaluate", trained.run, "--format", "json")
    own = json.loads(succeed(*words).out)
    same = json.loads(succeed(*words, "--data", trained.folder / "test.csv").out)
    assert same["scores"] == own["scores"]
    assert same["baselines"] == {}
    other = json.loads(succeed(*words, "--data", trained.folder / "train.csv").out)
    assert other["examples"] == 240
    assert other["scores"] != own["scores"]


def test_evaluate_notices_that_the_data_has_changed(trained: Trained, tmp_path: Path) -> None:
    moved = shutil.copytree(trained.folder, tmp_path / "moved")
    with (moved / "test.csv").open("a") as file:
        file.write("one more,change_pin\n")
    # The run looks where it was trained first; there nothing has changed.
    succeed("evaluate", moved / "runs" / "tiny")
    run = moved / "runs" / "tiny"
    content = (run / "environment.json").read_text().replace(str(trained.folder), str(moved))
    write_environment(run, json.loads(content))
    err = refuse("evaluate", moved / "runs" / "tiny")
    assert "test.csv: the test data has changed since the run was trained" in err
    assert "--data FILE" in err


def test_predictions_do_not_depend_on_their_company(trained: Trained) -> None:
    stored = stored_predictions(trained.run)
    known = {str(record["text"]): record for record in stored}
    texts = list(known)
    random.Random(1).shuffle(texts)
    long = " ".join(["padding"] * 400)
    batches = [
        [*texts, long],
        [long, *texts[:7]],
        texts[:1],
        texts[1:3],
    ]
    for batch in batches:
        piped = "".join(text + "\n" for text in batch).encode()
        out = succeed("predict", trained.run, "--format", "jsonl", stdin=piped).lines
        records = [json.loads(line) for line in out]
        assert [record["text"] for record in records] == batch
        for record in records:
            if record["text"] != long:
                expected = known[record["text"]]
                assert record["label"] == expected["label"]
                assert record["probability"] == pytest.approx(expected["probability"], abs=2e-6)


def test_predict_on_the_test_file_equals_the_stored_predictions(trained: Trained) -> None:
    test_file = trained.folder / "test.csv"
    lines = succeed("predict", trained.run, test_file, "--format", "jsonl").lines
    stored = stored_predictions(trained.run)
    assert len(lines) == len(stored) == 80
    for line, expected in zip(lines, stored, strict=True):
        record = json.loads(line)
        assert record["text"] == expected["text"]
        assert record["label"] == expected["label"]
        assert record["probability"] == pytest.approx(expected["probability"], abs=1e-6)
        assert sum(record["probabilities"].values()) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.heavy
def test_a_recurrent_model_too(recurrent: Path) -> None:
    stored = {str(record["text"]): record for record in stored_predictions(recurrent)}
    texts = [*list(stored)[::9], "word " * 60]
    piped = "\n".join(texts).encode()
    out = succeed("predict", recurrent, "--format", "jsonl", stdin=piped).lines
    for line in out[:-1]:
        record = json.loads(line)
        expected = stored[record["text"]]
        assert record["probability"] == pytest.approx(expected["probability"], abs=2e-6)
    facts = succeed("check", recurrent.parent / "tiny.yaml").out
    assert "fused GPU kernel" in facts
    assert "recurrent_dropout" in facts
