"""A pretrained encoder in a run: kept as it is, held by the run itself, and never fetched."""

from __future__ import annotations

import json
import pickle
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from model2vec import StaticModel

import textnets
from tests.conftest import read_questions, write_csv
from tests.encoder_folders import unigram, words, write_encoder
from tests.sharing import made_once
from tests.test_continuation import kill_in, what_it_learned
from tests.test_hostile import sign
from tests.warm import start_program
from textnets import InputError, TextClassifier, TextEnsemble
from textnets.errors import MissingExtraError
from textnets.export.exporting import export_run
from textnets.export.formats import FORMATS
from textnets.pipeline import learn_preprocessor, store_ids
from textnets.progress import Progress
from textnets.run.model_file import load_model

RECIPE = """\
task: classification
data: {train: train.csv, validation: 0.2}
text: {encoder: potion}
model: {builder: encoder_classifier, dense_units: [6], dropout: 0.2}
training: {epochs: 1, batch_size: 16, learning_rate: 0.01}
evaluation: {baselines: false, resamples: 0}
"""
BOTH = """\
task: classification
data: {train: train.csv, validation: 0.2}
text: {lowercase: false}
ensemble:
  members:
    - {name: bag, model: {builder: ngram_bag_classifier}}
    - {name: encoder, text: {encoder: potion}, model: {builder: encoder_classifier}}
training: {epochs: 1, batch_size: 16}
evaluation: {baselines: false, resamples: 0}
"""
ASKED = ["my card is lost", "", "how do i change my pin ?", "\ud800 文", "[CLS] zzz"]


@pytest.fixture(scope="session")
def finished() -> Path:
    """A folder with an encoder and a run over it; do not write into it."""

    def make(folder: Path) -> None:
        write_encoder(folder / "potion", clusters=40, with_weights=True, normalize=True)
        write_csv(folder / "train.csv", read_questions("train", 20))
        (folder / "r.yaml").write_text(RECIPE)
        textnets.train(folder / "r.yaml", output=folder / "run")

    return made_once("pretrained_encoder", make)


@pytest.fixture
def project(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the test runs: a recipe, its data, the encoder ``potion``, and the run ``run``."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Heard(Progress):
    """Keeps what is said, and ends the work at a message that begins so."""

    def __init__(self, until: str = "\0") -> None:
        super().__init__()
        self.lines: list[str] = []
        self._until = until

    def say(self, message: str) -> None:
        self.lines.append(message)
        if message.startswith(self._until):
            raise RuntimeError("pulled the plug")


def answers(run: str | Path) -> Any:
    return [one.probabilities for one in textnets.Predictor.load(run).predict(ASKED)]


def refused(settings: dict[str, Any], recipe: str = "r.yaml", **named: Any) -> str:
    with pytest.raises(InputError) as refusal:
        textnets.train(recipe, settings, output="refused", **named)
    assert not list(Path().glob("refused*"))
    return str(refusal.value)


# --- What a run holds ---


def test_the_run_answers_without_the_folder_and_without_a_network(project, monkeypatch):
    expected = answers("run")
    shutil.rmtree("potion")

    def no_network(*_: object) -> None:
        raise AssertionError("it asks the network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    assert answers("run") == expected
    assert expected[1] == expected[3]  # of which the encoder knows nothing
    names = {path.name for path in Path("run").iterdir()}
    assert {"tokenizer.json", "encoder.json", "vocabulary.txt"} <= names


def test_the_vectors_are_the_encoders_own_after_training_too(project):
    model = load_model(Path("run/model.keras"))
    predictor = textnets.Predictor.load("run")
    vectors = keras.Model(model.input, model.get_layer("encoder_vector").output)
    ids = predictor.preprocessor.encode_inputs(ASKED).inputs["token_ids"]
    padded = ids.pad(np.arange(len(ASKED)), int(ids.lengths.max()))
    expected = StaticModel.from_pretrained("potion").encode([*ASKED[:3], "\ufffd 文", ASKED[4]])
    np.testing.assert_allclose(np.asarray(vectors(padded)), expected, atol=1e-6)


def test_the_record_has_the_hash_of_the_encoder(project):
    environment = json.loads(Path("run/environment.json").read_text())
    record = environment["encoders"]
    assert environment["versions"]["tokenizers"]
    assert list(record) == ["potion"]
    assert record["potion"]["path"].endswith("/potion")
    assert record["potion"]["sha256"] == json.loads(Path("run/encoder.json").read_text())["sha256"]
    facts = {fact.name: fact.value for fact in textnets.check("r.yaml")}
    assert facts["encoder sha256"] == record["potion"]["sha256"]
    plain = {"text.encoder": None, "model": {"builder": "ngram_bag_classifier"}}
    other = textnets.train("r.yaml", plain, output="plain").folder
    found = json.loads((other / "environment.json").read_text())
    assert "encoders" not in found
    assert "tokenizers" not in found["versions"]
    assert "encoder" not in (other / "recipe.yaml").read_text()


def test_people_see_the_encoders_tokens(project):
    _, learned = learn_preprocessor("r.yaml")
    shown = [[token.text for token in row] for row in learned.tokens(["My cards, zzz", ""])]
    assert shown == [["my", "card", "##s", ","], [""]]
    assert textnets.pipeline.word_space("run").vectors.shape[1] == 6


# --- What goes on ---

DRIVER = """
import sys
from textnets.pipeline import train
settings = ["training.epochs=3", "training.checkpoint_every=1"]
train("r.yaml", settings, output=sys.argv[1], resume=True)
"""


@pytest.mark.heavy
def test_a_killed_run_goes_on_to_the_same_bytes_without_the_folder(project):
    whole = start_program(DRIVER, "whole")
    assert whole.wait(600) == 0, whole.communicate()[1][-3000:]
    kill_in("broken", start_program(DRIVER, "broken"), after=4)
    shutil.rmtree("potion")
    said = Heard()
    settings = ["training.epochs=3", "training.checkpoint_every=1"]
    textnets.train("r.yaml", settings, output="broken", resume=True, progress=said)
    assert what_it_learned(Path("broken")) == what_it_learned(Path("whole"))
    assert any("potion is not there, or not whole; the run has its" in one for one in said.lines)


def test_a_member_that_has_not_begun_refuses_an_encoder_that_has_changed(project):
    Path("both.yaml").write_text(BOTH)
    with pytest.raises(RuntimeError, match="pulled the plug"):
        textnets.train("both.yaml", output="both", progress=Heard("member 2 of 2"))
    Path("potion").rename("kept")
    write_encoder(Path("potion"), clusters=40, with_weights=True, normalize=True, seed=1)
    with pytest.raises(InputError, match=r"text\.encoder: .*potion: has changed since this run"):
        textnets.train("both.yaml", output="both", resume=True)
    shutil.rmtree("potion")
    with pytest.raises(InputError, match=r"text\.encoder: potion: there is no such file"):
        textnets.train("both.yaml", output="both", resume=True)
    Path("kept").rename("potion")
    run = textnets.train("both.yaml", output="both", resume=True)
    record = json.loads((run.folder / "members/encoder/environment.json").read_text())
    assert list(record["encoders"]) == ["potion"]
    assert len(run.predict(ASKED)) == len(ASKED)


def test_stored_ids_are_of_one_encoder(project):
    store_ids("r.yaml", "ids")
    run = textnets.train("r.yaml", store="ids", output="stored").folder
    assert answers(run) == answers("run")
    write_encoder(Path("potion"), clusters=40, with_weights=True, normalize=True, seed=1)
    with pytest.raises(InputError, match="is not the encoder that the texts were turned into ids"):
        textnets.train("r.yaml", store="ids", output="other")


def test_no_other_model_begins_with_a_run_over_an_encoder(project):
    model = {"builder": "mlp_classifier", "embedding_width": 6, "initialize_from": "run"}
    message = refused({"text.encoder": None, "model": model})
    assert "run: its vectors are those of a pretrained encoder, whose tokens no other" in message


# --- In Python ---


@pytest.mark.heavy
def test_estimators_take_the_folder(project):
    questions = read_questions("train", 10)
    texts, labels = [text for text, _ in questions], [label for _, label in questions]
    settings = {"encoder": project / "potion", "dense_units": (), "epochs": 1, "random_state": 1}
    fitted = TextClassifier("encoder_classifier", **settings).fit(texts, labels)
    assert fitted.get_params()["encoder"] == project / "potion"
    bag = TextClassifier("ngram_bag_classifier", epochs=1)
    net = TextClassifier("encoder_classifier", encoder="potion", dense_units=(), epochs=1)
    both = TextEnsemble([("bag", bag), ("net", net)], random_state=1).fit(texts, labels)
    expected = fitted.predict_proba(texts)
    fitted.save("saved")
    kept = pickle.dumps([fitted, both])
    shutil.rmtree("potion")
    again, together = pickle.loads(kept)
    np.testing.assert_array_equal(again.predict_proba(texts), expected)
    np.testing.assert_array_equal(textnets.load("saved").predict_proba(texts), expected)
    assert len(together.predict(texts)) == len(texts)
    with pytest.raises(InputError, match=r"text\.encoder: potion: there is no such file"):
        net.fit(texts, labels)


# --- What is refused ---

KEYS: list[tuple[dict[str, Any], str]] = [
    ({"text.encoder": None},
     "text.encoder: this key is missing; encoder_classifier needs the folder of a pretrained"),
    ({"model": {"builder": "mlp_classifier"}},
     "text.encoder: has no effect with mlp_classifier, which learns vectors of its own; set "
     "model.builder: encoder_classifier, or remove it"),
    ({"model": {"builder": "ngram_bag_classifier"}}, "has no effect with ngram_bag_classifier"),
    ({"text.lowercase": False},
     "text.lowercase: has no effect with encoder_classifier: the encoder's own tokenizer cuts"),
    ({"text.max_tokens": 50}, "text.max_tokens: has no effect with encoder_classifier"),
    ({"text.vectors": "x.vec"}, "text.vectors: has no effect with encoder_classifier"),
    ({"text.ngrams": {"words": 2}}, "text.ngrams: has no effect with encoder_classifier"),
    ({"model.initialize_from": "run"}, "model.initialize_from: has no effect with encoder_"),
    ({"model.encoder_vectors": [[1.0]]}, "model.encoder_vectors: this size is found in the data"),
    ({"text.encoder": 3}, "text.encoder: expected text, was: 3"),
    ({"text.encoder": "none"}, "text.encoder: none: there is no such file; looked for"),
    ({"text.encoder": "train.csv"}, "text.encoder: train.csv: is a file; expected a folder as"),
    ({"text.encoder": "run"}, "text.encoder: run: holds no"),
    ({"training.embedding_rate": 0.5}, "makes a model without a table of token vectors that is"),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "message"), KEYS)
def test_keys_that_do_not_go_together_and_folders_that_are_none(project, settings, message):
    assert message in refused(settings)


def test_members_of_an_ensemble_are_checked_each(project):
    Path("both.yaml").write_text(BOTH.replace("text: {encoder: potion}, ", ""))
    assert "both.yaml:7" in (message := refused({}, "both.yaml"))
    assert "ensemble.members.1.text.encoder: this key is missing" in message
    Path("both.yaml").write_text(BOTH.replace("lowercase: false", "encoder: potion"))
    assert "text.encoder: has no effect with ngram_bag_classifier" in refused({}, "both.yaml")


@pytest.mark.parametrize("form", FORMATS)
def test_no_export_holds_it_and_says_so(project, form):
    with pytest.raises(InputError, match="no export holds a model whose texts are cut by an enc"):
        export_run("run", form, "exported")
    assert not Path("exported").exists()


@pytest.mark.parametrize("package", ["tokenizers", "safetensors"])
def test_without_the_extra_one_error_names_it(project, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert "pip install 'textnets[encoder]'" in refused({})
    if package == "tokenizers":  # a run needs no safetensors
        with pytest.raises(MissingExtraError, match=r"textnets\[encoder\]"):
            answers("run")
    else:
        assert answers("run")


def changed(settings: dict[str, Any]) -> None:
    path = Path("run/encoder.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **settings}))


HARM: dict[str, tuple[Sequence[Any], str]] = {
    "a length below": ([changed, {"max_length": -5}], r"encoder.json: is not what was written"),
    "a width of words": ([changed, {"width": "x"}], r"encoder.json: is not what was written"),
    "no settings": ([lambda: Path("run/encoder.json").write_text("[]")], "is not what was written"),
    "no tokenizer": ([lambda: Path("run/tokenizer.json").unlink()], "tokenizer.json: cannot be"),
    "another's": ([lambda: words().save("run/tokenizer.json")], "has other tokens than vocabulary"),
    "no JSON": ([lambda: Path("run/tokenizer.json").write_text("{")], "cannot be read as the tok"),
}


@pytest.mark.parametrize("name", HARM)
def test_a_run_whose_parts_do_not_fit_is_refused(project, name):
    (change, *given), message = HARM[name]
    change(*given)
    sign(Path("run"))
    with pytest.raises(InputError, match=message):
        answers("run")


def test_a_vocabulary_that_the_model_has_no_rows_for(project):
    tokenizer = unigram()
    other = write_encoder(Path("other"), tokenizer)
    shutil.copy(other / "tokenizer.json", "run/tokenizer.json")
    tokens = [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda one: one[1])]
    lines = ["[PAD]", "[UNK]", "[BOS]", "[EOS]", *tokens]
    Path("run/vocabulary.txt").write_text("".join(f"{line}\n" for line in lines))
    sign(Path("run"))
    with pytest.raises(InputError, match="the vocabularies and the model do not fit"):
        answers("run")
