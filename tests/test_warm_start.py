"""A model that begins with the vectors and layers of another run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
from tests.conftest import read_questions, write_csv
from tests.sharing import made_once
from tests.test_continuation import kill_in, what_it_learned
from tests.test_ensembles import write_project as write_ensemble
from tests.test_hostile import change_config, lambda_layer, sign
from tests.test_tagging import RECIPE as TAGGER
from tests.test_tagging import write_project as write_tagger
from tests.test_translation import RECIPE as TRANSLATOR
from tests.test_translation import write_project as write_translator
from tests.warm import start_program
from textnets import InputError, TextClassifier
from textnets.progress import Progress
from textnets.run.model_file import load_model, save_model
from textnets.text.token_mapping import Writing, map_tokens
from textnets.text.vocabulary import Vocabulary

# Words with their case, so that a classifier of lower-cased ones maps them.
SOURCE = """\
task: language_modeling
data: {train: lm.txt, stream: false, validation: 0.1}
text: {tokenizer: words, max_tokens: 150}
model: {builder: rnn_language_model, embedding_width: 16, cell: simple, units: [6]}
training: {epochs: 1, batch_size: 20, learning_rate: 0.02}
evaluation: {baselines: false, resamples: 0}
"""
# Its weights are those that it began with: as a float32 the rate is 0.
CLASSIFIER = """\
task: classification
data: {train: train.csv, validation: 0.2}
model:
  builder: rnn_classifier
  embedding_width: 16
  cell: simple
  units: [6]
  initialize_from: lm
training: {epochs: 1, batch_size: 20, optimizer: sgd, learning_rate: 1e-50}
evaluation: {baselines: false, resamples: 0}
"""
FIRST = 4  # the first id of an ordinary token


def write_project(folder: Path) -> None:
    questions = read_questions("train", 20)
    lines = "".join(" ".join(text.split()) + "\n" for text, _ in questions)
    (folder / "lm.txt").write_text(lines, encoding="utf-8")
    (folder / "lm.yaml").write_text(SOURCE)
    (folder / "tiny.yaml").write_text(CLASSIFIER)
    write_csv(folder / "train.csv", questions)


@pytest.fixture(scope="session")
def kept() -> Path:
    """A folder with the run of a language model; do not write into it."""

    def make(folder: Path) -> None:
        write_project(folder)
        textnets.train(folder / "lm.yaml", output=folder / "lm")

    return made_once("warm_start", make)


@pytest.fixture
def project(kept: Path, tmp_path: Path) -> Path:
    """Where the test runs: a recipe, its data, and the run ``lm``."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return tmp_path


class Heard(Progress):
    """Keeps what is said."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def say(self, message: str) -> None:
        self.lines.append(message)


def layers_of(run: Path) -> dict[str, list[np.ndarray]]:
    model = load_model(run / "model.keras")
    found = {layer.name: layer for layer in model.layers}
    for inner in ("encoder", "decoder"):
        found |= {layer.name: layer for layer in getattr(found.get(inner), "layers", [])}
    return {name: layer.get_weights() for name, layer in found.items()}


def tokens_of(run: Path, name: str = "vocabulary.txt") -> list[str]:
    return (run / name).read_text(encoding="utf-8").split("\n")[:-1]


def assert_equal(ours: Any, theirs: Any) -> None:
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(one, other)


def refused(recipe: str | Path, settings: dict[str, Any] | None = None, **named: Any) -> str:
    with pytest.raises(InputError) as refusal:
        textnets.train(recipe, settings or {}, output="refused", **named)
    assert not list(Path().glob("refused*"))
    return str(refusal.value)


# --- What is taken ---


def test_a_classifier_begins_with_a_language_models_vectors_and_layers(project):
    said = Heard()
    run = textnets.train("tiny.yaml", output="warm", progress=said).folder
    plain = textnets.train("tiny.yaml", {"model.initialize_from": None}, output="plain").folder
    warm, source, without = layers_of(run), layers_of(Path("lm")), layers_of(plain)
    ours, theirs = tokens_of(run), tokens_of(Path("lm"))
    # The language model reads its vectors times the root of their width.
    wanted = without["embedding"][0].copy()
    wanted[:FIRST] = 4 * source["embedding"][0][:FIRST]
    shared = 0
    for row, token in enumerate(ours[FIRST:], FIRST):
        spelled = [there for there in theirs[FIRST:] if there in (token, token.lower())]
        folded = [there for there in theirs[FIRST:] if there.lower() == token]
        found = token if token in theirs else (spelled + folded + [None])[0]
        if found is not None:
            shared += 1
            wanted[row] = 4 * source["embedding"][0][theirs.index(found)]
    assert 50 < shared < len(ours) - FIRST
    np.testing.assert_array_equal(warm["embedding"][0], wanted)
    assert_equal(warm["simple_1_forward"], source["simple_1"])
    for untouched in ("simple_1_backward", "probabilities"):
        assert_equal(warm[untouched], without[untouched])
    assert not np.array_equal(warm["simple_1_forward"][0], without["simple_1_forward"][0])

    told = (
        "lm (language_modeling, rnn_language_model): embedding "
        f"({shared:,} of {len(ours) - FIRST:,} tokens), simple_1_forward from simple_1. Not taken: "
        "output_table: only lm has it; simple_1_backward: lm does not read backward"
    )
    assert f"begins with {told}" in said.lines
    assert {fact.name: fact.value for fact in textnets.check("tiny.yaml")}["begins with"] == told
    assert told in (run / "report.html").read_text()
    record = json.loads((run / "environment.json").read_text())
    digest = json.loads(Path("lm/environment.json").read_text())["digest"]
    assert record["initialized"]["sha256"] == record["sources"]["lm"]["sha256"] == digest
    assert record["initialized"]["taken"][0]["tokens"] == shared
    assert "initialize_from: lm" in (run / "recipe.yaml").read_text()
    assert "initialize_from" not in (plain / "recipe.yaml").read_text()
    assert "initialized" not in json.loads((plain / "environment.json").read_text())
    # Nothing of the source is needed any more.
    shutil.rmtree("lm")
    assert textnets.evaluate(run).examples == 16


def test_parts_of_a_run(project):
    settings = {"model.initialize_parts": ["recurrent"], "model.bidirectional": False}
    settings["model.embedding_width"] = 8
    assert "simple_1_forward: it reads inputs that are 8 wide, and those of lm are 16 wide" in (
        refused("tiny.yaml", settings)
    )
    facts = textnets.check("tiny.yaml", {"model.initialize_parts": ["embeddings"]})
    (told,) = [fact.value for fact in facts if fact.name == "begins with"]
    assert told.startswith("lm (language_modeling, rnn_language_model): embedding (")
    assert "simple" not in told
    message = refused("tiny.yaml", {"model.initialize_parts": []})
    assert "model.initialize_parts: expected 1 or more items" in message
    one = {"model.initialize_from": None, "model.initialize_parts": ["recurrent"]}
    assert "initialize_parts: has no effect without initialize_from" in refused("tiny.yaml", one)


def test_an_extended_vocabulary_keeps_the_ids_and_a_language_model_its_logits(project):
    text = SOURCE.replace("tokenizer: words,", "tokenizer: words, vocabulary: extend,")
    text = text.replace("units: [6]", "units: [6], initialize_from: lm")
    text = text.replace(
        "batch_size: 20, learning_rate: 0.02", "optimizer: sgd, learning_rate: 1e-50"
    )
    Path("more.yaml").write_text(text)
    Path("lm.txt").write_text("my zebra card\n" * 9 + "Where is the giraffe?\n" * 9)
    run = textnets.train("more.yaml", output="more").folder
    before, after = tokens_of(Path("lm")), tokens_of(run)
    assert after[: len(before)] == before
    assert sorted(after[len(before) :]) == ["giraffe", "zebra"]
    source, found = layers_of(Path("lm")), layers_of(run)
    for table in ("embedding", "output_table"):
        for ours, theirs in zip(found[table], source[table], strict=True):
            np.testing.assert_array_equal(ours[: len(before)], theirs)
            assert len(ours) == len(before) + 2
    assert_equal(found["simple_1"], source["simple_1"])
    # With nothing new the two are one model.
    Path("lm.txt").write_text("my card\n" * 9)
    same = textnets.train("more.yaml", output="same").folder
    assert_equal(*(load_model(one / "model.keras").get_weights() for one in (same, Path("lm"))))

    assert "set text.lowercase: false (was: true)" in refused(
        "tiny.yaml", {"text.vocabulary": "extend"}
    )
    regex = text.replace("tokenizer: words", r"tokenizer: regex, pattern: '\w+'")
    Path("regex.yaml").write_text(regex.replace("vocabulary: extend, ", "").replace(
        ", initialize_from: lm", ""))  # fmt: skip
    textnets.train("regex.yaml", output="regex")
    Path("other.yaml").write_text(regex.replace(r"\w+", r"\S+").replace("from: lm", "from: regex"))
    assert r"set text.pattern: \w+ (was: \S+)" in refused("other.yaml")
    message = refused("tiny.yaml", {"text.vocabulary": "extend", "model.initialize_from": None})
    assert "text.vocabulary: extend: needs the run that is extended" in message
    assert textnets.load("same").get_params()["vocabulary"] == "extend"


@pytest.mark.long
def test_a_tagger_begins_with_characters_and_a_translator_with_an_encoder(project):
    tagger = TAGGER.replace("epochs: 6", "epochs: 1")
    write_tagger(project, tagger)
    first = textnets.train("tiny.yaml", {"data.limit": 40}, output="first").folder
    still = {"training.optimizer": "sgd", "training.learning_rate": 1e-50, "data.limit": 60}
    second = textnets.train(
        "tiny.yaml", {**still, "model.initialize_from": "first"}, output="second"
    ).folder
    source, found = layers_of(first), layers_of(second)
    for layer in ("character_convolution", "simple_1_forward", "simple_1_backward"):
        assert_equal(found[layer], source[layer])
    for table, names in (("embedding", "vocabulary"), ("character_embedding", "characters")):
        ours, theirs = tokens_of(second, f"{names}.txt"), tokens_of(first, f"{names}.txt")
        shared = [token for token in ours if token in theirs]
        assert len(shared) > 10
        np.testing.assert_array_equal(
            found[table][0][[ours.index(token) for token in shared]],
            source[table][0][[theirs.index(token) for token in shared]],
        )
    message = refused("tiny.yaml", {"model.character_maps": 9, "model.initialize_from": "first"})
    assert "model.character_maps: 9 here, 16 of first; set model.character_maps: 16" in message

    text = TRANSLATOR.replace("cell: gru", "cell: simple").replace("[24]", "[6]")
    text = text.replace("learning_rate: 1e-2", "optimizer: sgd\n  learning_rate: 1e-50")
    text = text.replace("epochs: 15", "epochs: 1").replace("beam_size: 3", "baselines: false")
    write_translator(
        project, text.replace("tokenizer: words", "tokenizer: words\n  lowercase: true")
    )
    settings = {"model.initialize_from": "lm", "model.decoder_units": [12], "data.limit": 40}
    run = textnets.train("tiny.yaml", settings, output="translator").folder
    source, found = layers_of(Path("lm")), layers_of(run)
    assert_equal(found["simple_1_forward"], source["simple_1"])
    ours, theirs = tokens_of(run, "source_vocabulary.txt"), tokens_of(Path("lm"))
    shared = [token for token in ours if token in theirs]
    assert len(shared) > 10
    np.testing.assert_array_equal(  # both read their vectors times the root of the width
        found["source_embedding"][0][[ours.index(token) for token in shared]],
        source["embedding"][0][[theirs.index(token) for token in shared]],
    )
    left = json.loads((run / "environment.json").read_text())["initialized"]["left"]
    assert left["target_embedding"] == "lm has no vectors of the target"
    assert left["decoder_simple_1"] == "lm has none"


def test_tokens_are_mapped_by_how_each_vocabulary_writes_them():
    here = Vocabulary(["paris", "Rome", "café", "oslo", "x"])
    there = Vocabulary(["PARIS", "Paris", "rome", "cafe\u0301", "Oslo", "oslo"])
    lower, cased = Writing("words", "nfc", True), Writing("words", "nfc", False)
    assert map_tokens(here, lower, there, cased).tolist() == [0, 1, 2, 3, 4, -1, 7, 9, -1]
    assert map_tokens(here, cased, there, lower).tolist() == [0, 1, 2, 3, -1, 6, 7, 9, -1]
    assert Writing("regex", "nfc", True).is_like(Writing("pretokenized", "none", False))
    assert not Writing("characters", "nfc", True).is_like(lower)


def test_an_estimator_begins_with_a_run(project):
    texts, labels = zip(*read_questions("train", 10), strict=True)
    classifier = TextClassifier(
        "mlp_classifier", initialize_from=project / "lm", embedding_width=16, dense_units=[],
        epochs=1, optimizer="sgd", learning_rate=1e-50, random_state=1, validation=None,
    )  # fmt: skip
    classifier.fit(texts, labels)
    vocabulary = classifier._predictor.preprocessor.text.vocabulary
    row = tokens_of(Path("lm")).index("card")
    rows = classifier.model_.get_layer("embedding").get_weights()[0]
    np.testing.assert_array_equal(
        rows[vocabulary.encode_token("card")], 4 * layers_of(Path("lm"))["embedding"][0][row]
    )
    assert classifier.get_params()["initialize_from"] == project / "lm"
    with pytest.raises(InputError, match="there is no such run"):
        classifier.set_params(initialize_from="nowhere").fit(texts, labels)


# --- What goes on ---

DRIVER = """
import sys
from textnets.pipeline import train
settings = ["training.learning_rate=0.05", "training.epochs=3", "training.checkpoint_every=1",
            "data.test=train.csv", "model.dropout=0.2"]
train("tiny.yaml", settings, output=sys.argv[1], resume=True)
"""


def test_a_killed_run_goes_on_to_the_same_bytes_without_its_source(project):
    whole = start_program(DRIVER, "whole")
    assert whole.wait(600) == 0, whole.communicate()[1][-3000:]
    kill_in("broken", start_program(DRIVER, "broken"), after=4)
    Path("lm").rename("away")
    said = Heard()
    settings = ["training.learning_rate=0.05", "training.epochs=3", "training.checkpoint_every=1",
                "data.test=train.csv", "model.dropout=0.2"]  # fmt: skip
    textnets.train("tiny.yaml", settings, output="broken", resume=True, progress=said)
    assert what_it_learned(Path("broken")) == what_it_learned(Path("whole"))
    assert any(
        "lm is not there, or not whole; what was taken of it is" in one for one in said.lines
    )
    assert any("continuing from the checkpoint" in one for one in said.lines)
    records = [
        json.loads(Path(name, "environment.json").read_text()) for name in ("whole", "broken")
    ]
    assert records[0]["initialized"] == records[1]["initialized"]
    # Another run to begin with would be another run.
    with pytest.raises(InputError, match=r"model\.initialize_from: 'lm' before, 'away' now"):
        textnets.train(
            "tiny.yaml", [*settings, "model.initialize_from=away"], output="broken", resume=True
        )


def test_members_and_folds_begin_with_what_was_there_when_their_run_began(project):
    text = CLASSIFIER.replace("  initialize_from: lm\n", "").replace("1e-50", "1e-3")
    text += "ensemble:\n  members:\n    - model: {initialize_from: lm}\n    - name: plain\n"
    Path("both.yaml").write_text(text)
    run = textnets.train("both.yaml", output="both").folder
    records = [
        json.loads((run / "members" / name / "environment.json").read_text())
        for name in ("rnn_classifier", "plain")
    ]
    assert records[0]["initialized"]["name"] == "lm"
    assert "initialized" not in records[1]
    # Of a run that goes on, what has not begun needs the same source.
    shutil.move(run, "both.partial")
    environment = json.loads(Path("both.partial/environment.json").read_text())
    del environment["format"], environment["files"]
    from textnets.run.integrity import write_environment

    del environment["digest"]
    write_environment(Path("both.partial"), environment)
    shutil.rmtree("both.partial/members/rnn_classifier")
    Path("both.partial/mixture.json").unlink()
    source = json.loads(Path("lm/environment.json").read_text())
    del source["digest"]
    write_environment(Path("lm"), {**source, "command": "another training"})
    with pytest.raises(InputError, match="lm: has changed since this run was begun; put it back"):
        textnets.train("both.yaml", output="both", resume=True)


# --- What is refused ---


def test_widths_and_cells_that_do_not_fit_are_named_on_both_sides(project):
    settings = {"model.embedding_width": 8, "model.cell": "gru", "model.units": [4, 6]}
    assert refused("tiny.yaml", settings).splitlines() == [
        "model.initialize_from: lm (lm) does not fit this recipe:",
        "  model.embedding_width: 8 here, 16 of lm; set model.embedding_width: 16",
        "  model.cell: gru here, simple of lm; set model.cell: simple",
        "  model.units: gru_1_forward has 4 here, 6 of lm; set model.units: [6, 6]",
        "or take only a part of it: model.initialize_parts",
    ]
    message = refused("tiny.yaml", {"text.tokenizer": "characters"})
    assert "text.tokenizer: characters here, words of lm; set text.tokenizer: words" in message
    bag = CLASSIFIER.replace("rnn_classifier", "ngram_bag_classifier")
    bag = bag.replace("  embedding_width: 16\n  cell: simple\n  units: [6]\n", "")
    Path("bag.yaml").write_text(bag)
    message = refused("bag.yaml")
    assert "this recipe's model, ngram_bag_classifier, has nothing that lm, rnn_language_model" in (
        message
    )


def test_a_run_that_is_not_whole_or_of_one_model(project, kept):
    assert "there is no such run; looked for" in refused(
        "tiny.yaml", {"model.initialize_from": "none"}
    )
    message = refused("tiny.yaml", {"model.initialize_from": "train.csv"})
    assert "train.csv: is a file, expected a run directory" in message
    Path("begun.partial").mkdir()
    message = refused("tiny.yaml", {"model.initialize_from": "begun"})
    assert "begun: training has not finished" in message
    with pytest.raises(InputError, match="lm is the run that is written, or one is inside of"):
        textnets.train("tiny.yaml", output="lm", overwrite=True)
    with pytest.raises(InputError, match="lm is the run that is written, or one is inside of"):
        textnets.train("tiny.yaml", output="lm/inside")
    assert_equal(*(layers_of(one / "lm")["embedding"] for one in (kept, project)))

    def make(folder: Path) -> None:
        textnets.train(write_ensemble(folder / "project"), output=folder / "run")

    ensemble = made_once("ensemble", make) / "run"
    message = refused("tiny.yaml", {"model.initialize_from": str(ensemble)})
    weights = json.loads((ensemble / "mixture.json").read_text())["weights"]
    best = max(weights, key=weights.__getitem__)
    assert f"is an ensemble; name one of its models, such as {ensemble}/members/{best}" in message


def test_a_damaged_run_and_one_that_was_made_to_do_harm(project):
    def damaged(name: str) -> Path:
        shutil.copytree("lm", name)
        return Path(name)

    (damaged("short") / "vocabulary.txt").write_text("[PAD]\n")
    message = refused("tiny.yaml", {"model.initialize_from": "short"})
    assert "vocabulary.txt is not the file that was written" in message

    run = damaged("harmful")
    change_config(run, lambda config: config["config"]["layers"].insert(1, lambda_layer()))
    message = refused("tiny.yaml", {"model.initialize_from": "harmful"})
    assert "the layer Lambda may run code" in message
    assert not Path("harm").exists()

    run = damaged("strange")
    Path("my_models.py").write_text("open('harm', 'w')\n")
    recipe = (run / "recipe.yaml").read_text()
    (run / "recipe.yaml").write_text(recipe.replace("rnn_language_model", "my_models:build"))
    sign(run)
    message = refused("tiny.yaml", {"model.initialize_from": "strange"})
    assert "its builder 'my_models:build' is none of textnets' own, and its code is not" in message
    assert not Path("harm").exists()

    run = damaged("endless")
    model = load_model(run / "model.keras")
    model.get_layer("simple_1").set_weights(
        [np.full_like(weight, np.nan) for weight in model.get_layer("simple_1").get_weights()]
    )
    save_model(model, run / "model.keras")
    sign(run)
    message = refused("tiny.yaml", {"model.initialize_from": "endless"})
    assert "its weights are not all finite numbers" in message

    run = damaged("lacking")
    lines = (run / "vocabulary.txt").read_text().split("\n")
    (run / "vocabulary.txt").write_text("\n".join([*lines[:-9], ""]))
    sign(run)
    message = refused("tiny.yaml", {"model.initialize_from": "lacking"})
    assert "the vocabularies and the model do not fit" in message


def test_a_builder_may_not_take_the_key_for_itself(project):
    from textnets.builders.parameters import Model, NumClasses, VocabularySize
    from textnets.recipe.model_section import builder_schema

    def build(
        *, vocabulary_size: VocabularySize, num_classes: NumClasses, initialize_from: str
    ) -> Model: ...

    build.__annotations__ = {
        "vocabulary_size": VocabularySize, "num_classes": NumClasses, "initialize_from": str,
        "return": Any,
    }  # fmt: skip
    with pytest.raises(TypeError, match="'initialize_from' is a key of every model"):
        builder_schema("mine:build", build)


@pytest.mark.parametrize(
    ("shrink", "tied", "taken"),
    [(1, False, True), (1, True, True), (2, False, True), (2, True, False)],
)
def test_tables_of_an_adaptive_softmax(project, shrink, tied, taken):
    """All may give their vectors; one whose rare tokens have shorter ones takes none of others."""
    text = SOURCE.replace("units: [6]", "units: [6], initialize_from: lm")
    Path("more.yaml").write_text(text)
    Path("lm.txt").write_text(Path("lm.txt").read_text() + "my zebra card\n" * 9)
    settings = {"model.adaptive_softmax": [20, 40], "model.adaptive_shrink": shrink,
                "model.tie_embeddings": tied}  # fmt: skip
    if not taken:
        message = refused("more.yaml", settings)
        assert "set model.tie_embeddings: false" in message
        return
    facts = {fact.name: fact.value for fact in textnets.check("more.yaml", settings)}
    assert "embedding (" in facts["begins with"]
    reason = "only lm has it" if tied else "an adaptive softmax fits its own vocabulary alone"
    assert f"output_table: {reason}" in facts["begins with"]
