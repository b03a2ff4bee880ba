"""Taggers from file to predictions, through the Python doors and the command line."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
from tests.cli.conftest import refuse, succeed
from tests.conftest import ROOT
from tests.jax_runs import jax_runs
from tests.sharing import made_once
from textnets import Predictor
from textnets.backend.inference import predict_all
from textnets.decoding.tags import breach_of
from textnets.errors import InputError
from textnets.estimators import TextTagger
from textnets.pipeline import store_ids
from textnets.progress import Progress
from textnets.tasks import read_task
from textnets.text.encoded import RaggedIds, RaggedOutputs

RECIPE = """\
task: tagging
data:
  train: train.conllu
  test: test.conllu
  validation: 0.2
model:
  builder: rnn_tagger
  embedding_width: 16
  characters: cnn
  character_width: 8
  character_maps: 16
  cell: simple
  units: [16]
  word_dropout: 0.1
training:
  batch_size: 8
  epochs: 6
  learning_rate: 1e-2
evaluation:
  resamples: 50
seed: 3
"""
CHUNKS = "He PRP B-NP\nreckons VBZ B-VP\n\nthe DT B-NP\ndeficit NN I-NP\nwill MD O\n\n"


def treebank(split: str, most: int) -> str:
    """The first sentences of the set that ships."""
    path = ROOT / "recipes" / "data" / "ud_english_ewt" / f"en_ewt-ud-{split}.conllu.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return "\n\n".join(file.read().split("\n\n")[:most]) + "\n\n"


def write_project(folder: Path, recipe: str = RECIPE) -> Path:
    (folder / "train.conllu").write_text(treebank("dev", 200), encoding="utf-8")
    # A tag that training never saw: an error, and nothing worse.
    test = treebank("test", 60).replace("\tPUNCT\t", "\tSTRANGE\t", 1)
    (folder / "test.conllu").write_text(test, encoding="utf-8")
    path = folder / "tiny.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained() -> Path:
    """One tiny run, shared; do not write into it."""
    folder = made_once(
        "tagger", lambda folder: textnets.train(write_project(folder), output=folder / "run")
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


def test_a_run_holds_its_vocabularies_and_scores(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"vocabulary.txt", "characters.txt", "labels.txt", "report.html"} <= names
    found = json.loads((trained / "evaluation.json").read_text())
    assert found["headline"] == "accuracy"
    test = found["splits"]["test"]
    assert set(test["scores"]) == {"accuracy", "sentence_accuracy", "unknown_accuracy"}
    assert set(test["baselines"]) == {"most_frequent_tag", "averaged_perceptron"}
    assert "than that of averaged_perceptron (95 % interval" in test["comparison"]["sentence"]
    # Padding counts neither as right nor as wrong.
    shown = [record["accuracy"] for record in records_of(trained / "history.jsonl")]
    assert 0.0 < shown[0] < shown[-1] < 1.0
    accuracy = test["scores"]["accuracy"]
    assert 0.6 < accuracy["low"] <= accuracy["value"] <= accuracy["high"] < 1.0


def test_predictions_beside_the_truth(trained: Path) -> None:
    records = records_of(trained / "predictions" / "test.jsonl")
    assert len(records) == 60
    right = total = 0
    for record in records:
        true, tags = record["true_tags"].split(), record["tags"].split()
        assert len(true) == len(tags) == len(record["text"].split())
        right += sum(one == other for one, other in zip(true, tags, strict=True))
        total += len(true)
    assert any("STRANGE" in record["true_tags"] for record in records)
    scores = json.loads((trained / "evaluation.json").read_text())["splits"]["test"]["scores"]
    assert scores["accuracy"]["value"] == pytest.approx(right / total)


def test_evaluating_again_gives_the_same_scores(trained: Path) -> None:
    stored = json.loads((trained / "evaluation.json").read_text())["splits"]["test"]["scores"]
    again = textnets.evaluate(trained)
    assert {name: found.as_dict() for name, found in again.scores.items()} == stored
    other = textnets.evaluate(trained, trained.parent / "test.conllu")
    assert other.scores["accuracy"].value == stored["accuracy"]["value"]


def test_order_batch_and_padding_change_no_prediction(trained: Path) -> None:
    predictor = Predictor.load(trained)
    texts = [record["text"] for record in records_of(trained / "predictions" / "test.jsonl")[:20]]
    texts += ["", "word " * 200, "\u00a0a\u2003b"]
    together: list[Any] = predictor.predict(texts)
    turned: list[Any] = predictor.predict(texts[::-1])[::-1]
    alone: list[Any] = [predictor.predict([text])[0] for text in texts]
    for text, one, two, three in zip(texts, together, turned, alone, strict=True):
        assert len(one.tags) == len(one.tokens) == len(text.split())
        assert list(one.tags) == list(two.tags) == list(three.tags)
        np.testing.assert_allclose(one.probabilities, two.probabilities, atol=1e-6)
        np.testing.assert_allclose(one.probabilities, three.probabilities, atol=1e-6)


def test_padding_weighs_nothing(project: Callable[..., Path]) -> None:
    """The loss of a sentence is the same in a wider batch."""
    import keras

    task = read_task(project())
    splits = task.read_splits(task.find_files(Progress()), Progress())
    preprocessor = task.learn(splits["train"])
    split, coverage = preprocessor.encode(splits["train"], Progress(), "")
    assert coverage.tokens == split.lengths.sum()
    rows = np.array([0, 1, 2])
    words = keras.Input((None,), dtype="int32", name="token_ids")
    model = keras.Model(words, keras.layers.Embedding(9, 17)(words))
    loss = task.training_setup(model, preprocessor, split).loss
    found = []
    for width in (48, 96):
        inputs, targets, weights = split.batch(rows, width)
        assert inputs["character_ids"].shape == (3, width, 24)
        assert weights is not None
        assert weights.sum() == split.lengths[rows].sum()
        outputs = np.random.default_rng(0).dirichlet(np.ones(17), (3, 96))[:, :width]
        found.append(float(keras.ops.convert_to_numpy(loss(targets, outputs, weights))))
    assert found[0] == pytest.approx(found[1], rel=1e-6)


def test_ragged_outputs_come_back_in_order() -> None:
    ids = RaggedIds(np.array([5, 6, 7, 8, 9, 4], np.int32), np.array([0, 1, 4, 6]))
    found = predict_all(lambda inputs: np.asarray(inputs)[:, :, None] * 2.0, {"token_ids": ids})
    assert isinstance(found, RaggedOutputs)
    assert [found.row(index)[:, 0].tolist() for index in range(3)] == [[10], [12, 14, 16], [18, 8]]


@pytest.mark.heavy
def test_training_on_stored_ids_gives_the_same_scores(project: Callable[..., Path]) -> None:
    once = {"epochs: 6": "epochs: 1", "resamples: 50": "resamples: 50\n  baselines: false"}
    recipe = project(once)
    store_ids(recipe, "ids")
    plain = textnets.train(recipe, output="plain").evaluation
    stored = textnets.train(recipe, output="stored", store="ids").evaluation
    assert plain is not None
    assert stored is not None
    assert plain.scores == stored.scores
    for path in recipe.parent.glob("*.conllu"):
        path.unlink()  # another machine may have nothing but the ids
    alone = textnets.train(recipe, output="alone", store="ids").evaluation
    assert alone is not None
    assert alone.scores == plain.scores
    assert all(record["tags"] for record in records_of(Path("alone/predictions/test.jsonl")))


@pytest.mark.heavy
def test_words_alone_and_columns_with_spans(tmp_path: Path) -> None:
    for name in ("train.txt", "test.txt"):
        (tmp_path / name).write_text(CHUNKS * 12 + ("etc FW I-LST\n" if name[1] == "e" else ""))
    recipe = RECIPE.replace(".conllu", ".txt").replace("characters: cnn", "characters: none")
    recipe = recipe.replace("  validation", "  format: columns\n  tag_column: 2\n  spans: true\n"
                            "  validation")  # fmt: skip
    (tmp_path / "chunks.yaml").write_text(recipe)
    ended = succeed("train", "chunks.yaml", "--quiet")
    assert "span_f1" in ended.out
    assert ended.lines[-2].startswith("span_f1 ")
    found = json.loads(Path("runs/chunks/evaluation.json").read_text())
    assert found["headline"] == "span_f1"
    scores = found["splits"]["test"]["scores"]
    assert {"span_precision", "span_recall", "span_f1"} <= set(scores)
    assert 0.9 < scores["span_recall"]["value"] < 1.0  # all but I-LST
    assert "By type of span" in Path("runs/chunks/report.html").read_text()


CHUNKER = RECIPE.replace(".conllu", ".txt").replace(
    "  validation", "  format: columns\n  tag_column: 2\n  spans: true\n  validation"
).replace("  cell: simple", "  cell: gru\n  head: crf\n  dropout: 0.1").replace(
    "resamples: 50", "resamples: 50\n  constrained: true\n  baselines: false"
)  # fmt: skip


def write_chunks(folder: Path, recipe: str = CHUNKER) -> Path:
    """Chunks that a rule makes of real words: a noun and what modifies it; a verb's group."""
    kinds = {"NOUN": "NP", "PROPN": "NP", "ADJ": "NP", "DET": "NP", "VERB": "VP", "AUX": "VP"}
    for name, split, most in (("train", "dev", 160), ("test", "test", 60)):
        lines, kind = [], "O"
        for line in treebank(split, most).split("\n"):
            before = kind
            fields = line.split("\t")
            kind = kinds.get(fields[3], "O") if len(fields) > 1 else "O"
            tag = kind if kind == "O" else f"{'I' if kind == before else 'B'}-{kind}"
            if not line.startswith("#"):
                lines.append(f"{fields[1]} {fields[3]} {tag}" if len(fields) > 1 else "")
        (folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    path = folder / "chunks.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.mark.heavy
def test_a_chunker_with_a_crf_from_text_to_predictions(tmp_path: Path) -> None:
    recipe = write_chunks(tmp_path, CHUNKER.replace("epochs: 6", "epochs: 4"))
    plain = textnets.train(recipe, output="plain")
    assert plain.evaluation is not None
    assert plain.evaluation.scores["span_f1"].value > 0.5
    losses = [record["loss"] for record in plain.state.history]
    assert losses[-1] < 0.3 * losses[0]
    # The saved model is all that predicting needs, and no prediction breaks the scheme.
    again = textnets.evaluate("plain")
    assert again.scores == plain.evaluation.scores
    found = records_of(Path("plain/predictions/test.jsonl"))
    tags = [record["tags"].split() for record in found]
    assert all(breach_of(sentence, with_ends=False) is None for sentence in tags)
    prediction: Any = Predictor.load("plain").predict([record["text"] for record in found[:3]])
    assert [list(one.tags) for one in prediction] == tags[:3]
    assert all(0.0 < p <= 1.0 for one in prediction for p in one.probabilities)


def test_constrained_tags_need_a_scheme_that_training_keeps(tmp_path: Path) -> None:
    recipe = write_chunks(tmp_path)
    assert "needs data.spans: true" in refuse("train", recipe, "--set", "data.spans=false")
    text = (tmp_path / "train.txt").read_text()
    (tmp_path / "train.txt").write_text("oddly ADV I-NP\n\n" + text)
    err = refuse("train", recipe, "--set", "data.validation=null")
    assert (
        "train.txt:1: sentence 1 has 'I-NP' after 'O', which evaluation.constrained: true forbids"
        in err
    )


NAMES = """\
task: tagging
data: {train: names.txt, validation: more.txt, format: columns, spans: true}
model: {builder: rnn_tagger, embedding_width: 4, characters: none, cell: simple, units: [4]}
training: {epochs: 1}
evaluation: {resamples: 0, baselines: false}
"""
IOB2 = "Ada B-PER\nLovelace I-PER\nmet O\n\nBob B-PER\nleft O\n"
IOBES = "Ada B-PER\nLovelace E-PER\nmet O\n\nBob S-PER\nleft O\n"
WRONG_TAGS = [
    (IOB2, "in O\nAda 0\n", ":2: data.spans: true needs tags such as B-NP, I-NP and O, was: '0'; "
     "did you mean the letter 'O'?"),
    (IOB2, "Ada B-PER\nLee L-PER\n", ":2: this tag is of IOBES, and those of the training split "
     "are of IOB or IOB2, was: 'E-PER' (or L- of BILOU, which is read so); write I- for E-"),
    (IOB2, "in O\n\nAda B-\n", ":3: data.spans: true needs tags such as"),
    (IOB2, "in O\n\nAda S-PER\n", ":3: this tag is of IOBES, and those of the training split"),
    (IOBES, "in O\nAda B-PER\n", ":2: this tag is of IOB or IOB2, as no tag of the split"),
]  # fmt: skip


def write_names(train: str, more: str) -> None:
    for name, text in (("names.txt", train), ("more.txt", more), ("names.yaml", NAMES)):
        Path(name).write_text(text)


@pytest.mark.parametrize(("train", "more", "said"), WRONG_TAGS)
def test_tags_of_every_split_are_checked(train: str, more: str, said: str) -> None:
    write_names(train, more)
    for verb in ("check", "train"):
        assert f"more.txt{said}" in refuse(verb, "names.yaml")
    as_test = ["--set", "data.validation=null", "--set", "data.test=more.txt"]
    assert f"more.txt{said}" in refuse("train", "names.yaml", *as_test)


@pytest.mark.heavy
@pytest.mark.parametrize("train", [IOB2, IOBES])
def test_tags_of_other_files_are_checked(train: str) -> None:
    """A type that training lacks is none of the faults: the model is wrong there, and scored."""
    unseen = "etc I-LST\n" if train == IOB2 else "etc S-LST\n"
    write_names(train, train + "\n" + unseen)
    succeed("train", "names.yaml", "--quiet")
    for of_train, more, said in WRONG_TAGS:
        if of_train == train:
            Path("other.txt").write_text(more)
            assert f"other.txt{said}" in refuse("evaluate", "runs/names", "--data", "other.txt")
    found = succeed("evaluate", "runs/names", "--data", "more.txt", "--format", "json").out
    assert 0.0 <= json.loads(found)["scores"]["span_recall"]["value"] < 1.0
    tagger = textnets.load("runs/names")
    assert isinstance(tagger, TextTagger)
    with pytest.raises(InputError, match=re.escape("y[1][0]: data.spans: true needs tags")):
        tagger.score([["in"], ["Ada", "Lee"]], [["O"], ["0", "O"]])


def test_rules_hold_in_every_split(tmp_path: Path) -> None:
    recipe = write_chunks(tmp_path)
    text = (tmp_path / "test.txt").read_text()
    (tmp_path / "test.txt").write_text("odd ADJ B-NP\n\noddly ADV O\nodd ADJ I-NP\n\n" + text)
    err = refuse("check", recipe)
    assert "test.txt:4: sentence 2 has 'I-NP' after 'O', which evaluation.constrained: true" in err
    succeed("check", recipe, "--set", "evaluation.constrained=false")


@pytest.mark.heavy
def test_words_with_blanks_keep_their_tags(tmp_path: Path) -> None:
    """From the file to the lines of predictions every word has its own tag."""
    rows = "the\tDET\n10 000\tNUM\nNew\u00a0York\tPROPN\nends\tVERB\n\nthe\tDET\ncity\tNOUN\n"
    write_names(rows, rows)
    succeed("train", "names.yaml", "--quiet", "--set", "data.spans=false")
    first, second = records_of(Path("runs/names/predictions/validation.jsonl"))
    assert first["text"] == "the 10_000 New_York ends"
    assert first["true_tags"] == "DET NUM PROPN VERB"
    assert len(first["tags"].split()) == 4
    assert second["true_tags"] == "DET NOUN"
    line = succeed("predict", "runs/names", "--text", first["text"]).out
    assert [pair.partition("/")[0] for pair in line.split()] == first["text"].split()


def write_for_jax(folder: Path) -> Path:
    # One width, so that JAX compiles once.
    few = {"epochs: 6": "epochs: 3", "  batch_size: 8": "  batch_size: 10\n  bucket_width: 64",
           "characters: cnn": "characters: none",
           "  spans": "  limit: 100\n  auxiliary: [1]\n  spans"}  # fmt: skip
    text = CHUNKER
    for old, new in few.items():
        assert old in text
        text = text.replace(old, new)
    return write_chunks(folder, text)


@pytest.mark.heavy
def test_a_crf_trains_on_jax_and_answers_the_same_on_tensorflow() -> None:
    pytest.importorskip("jax")
    run = jax_runs() / "tagging" / "run"
    said = json.loads((jax_runs() / "said.json").read_text())["tagging"]
    assert "jax on CPU" in said["err"]
    scores = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
    assert scores["accuracy"]["value"] > 0.5
    assert (run / "auxiliary.txt").read_text().startswith("1\n\t")  # parts of speech, learned along
    found = textnets.evaluate(run).scores
    assert {name: score.as_dict() for name, score in found.items()} == scores


def test_the_command_line_tags(trained: Path, tmp_path: Path) -> None:
    ended = succeed("predict", trained, "--text", "The dog barks .")
    words = [pair.rpartition("/") for pair in ended.out.split()]
    assert [word for word, _, _ in words] == ["The", "dog", "barks", "."]
    record = json.loads(succeed("predict", trained, "-t", "a b", "--format", "jsonl").out)
    assert record["tokens"] == ["a", "b"]
    assert len(record["tags"]) == len(record["probabilities"]) == 2
    first = succeed("predict", trained, trained.parent / "test.conllu").lines[0]
    assert first.startswith("What/")
    (tmp_path / "words.jsonl").write_text('{"tokens": ["New York", "is"]}\n')
    assert succeed("predict", trained, "words.jsonl").out.startswith("New_York/")
    assert "'zzzzz'=[UNK]" in succeed("tokenize", trained, "--text", "the zzzzz").out


def test_check_tells_of_unseen_tags(project: Callable[..., Path]) -> None:
    out = succeed("check", project()).out
    assert "test tags that train lacks        STRANGE" in out
    assert "num_tags" in out


@pytest.mark.parametrize(
    ("replace", "said"),
    [
        ({"train.conllu": "none.conllu"}, "none.conllu: there is no such file"),
        ({"builder: rnn_tagger": "builder: rnn_classifier"}, "does not fit this task"),
        ({"characters: cnn": "characters: rnnn"}, "characters"),
        ({"  validation: 0.2": "  validation: 0.2\n  tags: pos"}, "tags"),
        ({"  validation: 0.2": "  validation: 0.2\n  text: text"}, "unknown key"),
        ({"model:\n": "text:\n  tokenizer: words\nmodel:\n"}, "tokenizer"),
        ({"  validation: 0.2": "  validation: 0.2\n  spans: true"}, "data.spans: true needs tags"),
        ({"model:\n": "text:\n  min_count: 10000\nmodel:\n"}, "lower text.min_count"),
    ],
)
def test_bad_recipes_are_one_clear_error(
    project: Callable[..., Path], replace: dict[str, str], said: str
) -> None:
    assert said in refuse("train", project(replace))


def test_bad_data_is_one_clear_error(project: Callable[..., Path]) -> None:
    recipe = project()
    text = Path("train.conllu").read_text()
    Path("train.conllu").write_text(text + "1\tbroken\n")
    err = refuse("train", recipe)
    assert f"train.conllu:{text.count(chr(10)) + 1}: expected the 10 tab-separated fields" in err
    Path("train.conllu").write_text("1\ta\ta\tX\tX\t_\t0\troot\t_\t_\n" * 1)
    err = refuse("train", recipe, "--set", "data.validation=null")
    assert "holds only the tag 'X'" in err


FEATURES = re.sub(r"(?s)(model:\n  builder: )rnn_tagger\n.*?(training:\n)", r"\1feature_tagger\n\2",
                  RECIPE).replace("epochs: 6", "epochs: 3\n  schedule: cosine")  # fmt: skip


@pytest.fixture(scope="session")
def of_features() -> Path:
    """The folder of a tiny run of features, with its recipe; shared, do not write into it."""

    def make(folder: Path) -> None:
        recipe = write_project(folder, FEATURES)
        textnets.train(recipe, {"evaluation.baselines": False}, output=folder / "run")

    return made_once("tagger_of_features", make)


@pytest.mark.heavy
def test_a_tagger_by_features_from_text_to_predictions(of_features: Path) -> None:
    run = of_features / "run"
    names = {path.name for path in run.iterdir()}
    assert {"vocabulary.txt", "characters.txt", "labels.txt", "features.txt"} <= names
    scores = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
    assert scores["accuracy"]["value"] > 0.8  # the recurrent net of this size has 0.7
    again = textnets.evaluate(run)
    assert {name: found.as_dict() for name, found in again.scores.items()} == scores
    assert "The/DET" in succeed("predict", run, "--text", "The dog barks .").out
    assert "num_features" in succeed("check", of_features / "tiny.yaml").out


@pytest.mark.heavy
def test_features_are_the_same_alone_and_in_a_batch(of_features: Path) -> None:
    predictor = Predictor.load(of_features / "run")
    texts = [
        "What if Google Morphed Into GoogleOS ?",
        "",
        "word " * 200,
        "東京 ٣٫١٤ naïve\u0301 C++",
    ]
    together: list[Any] = predictor.predict(texts)
    for text, one in zip(texts, together, strict=True):
        alone: Any = predictor.predict([text])[0]
        assert len(one.tags) == len(text.split())
        assert list(alone.tags) == list(one.tags)
        np.testing.assert_allclose(alone.probabilities, one.probabilities, atol=1e-6)


@pytest.mark.heavy
def test_stored_ids_of_features(of_features: Path, tmp_path: Path) -> None:
    recipe = write_project(tmp_path, FEATURES.replace("resamples: 50", "baselines: false"))
    store_ids(recipe, "ids")
    stored = textnets.train(recipe, output="stored", store="ids").evaluation
    assert stored is not None
    first = json.loads((of_features / "run" / "evaluation.json").read_text())
    values = {name: score.value for name, score in stored.scores.items()}
    told = first["splits"]["test"]["scores"]
    assert values == {name: score["value"] for name, score in told.items()}
    # A net reads them too, and takes no notice of the features.
    rnn = RECIPE.replace("epochs: 6", "epochs: 1").replace("resamples: 50", "baselines: false")
    (tmp_path / "rnn.yaml").write_text(rnn, encoding="utf-8")
    assert textnets.train("rnn.yaml", output="rnn", store="ids").evaluation is not None
    store_ids("rnn.yaml", "fewer")
    assert not Path("fewer/features.txt").exists()
    err = refuse("train", recipe, "--store", "fewer", "--output", "none")
    assert "fewer: holds no feature_ids, which the recipe's model reads; write it anew" in err
    assert not Path("none").exists()


@pytest.mark.heavy
def test_features_are_found_by_a_builder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own_tagger.py").write_text(OWN, encoding="utf-8")
    recipe = write_project(
        tmp_path,
        FEATURES.replace("builder: feature_tagger", "builder: own_tagger:build_own")
        .replace("resamples: 50", "baselines: false"),
    )  # fmt: skip
    ended = succeed("train", recipe, "--output", "own", "--quiet")
    assert ended.code == 0
    assert Path("own/features.txt").is_file()
    said = succeed("predict", "own", "--text", "a b", "--allow-builder", "own_tagger").out
    assert len(said.split()) == 2


OWN = '''
import keras

from textnets import layers
from textnets.builders.parameters import Model, NumFeatures, NumTags


def build_own(*, num_features: NumFeatures, num_tags: NumTags) -> Model:
    """Build a tagger that looks at each word by itself."""
    feature_ids = keras.Input((None, None), dtype="int32", name="feature_ids")
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    scores = layers.FeatureScores(num_features, num_tags, name="scores")(feature_ids)
    probabilities = keras.layers.Softmax(name="probabilities")(scores)
    return keras.Model({"token_ids": token_ids, "feature_ids": feature_ids}, probabilities)
'''
