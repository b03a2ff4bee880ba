"""Taggers that read further columns of their files, such as parts of speech (``data.features``)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import textnets
from tests.cli.conftest import refuse, succeed
from tests.serving.conftest import serving
from tests.sharing import made_once
from tests.test_tagging import treebank
from textnets import InputError, lite
from textnets.builders import BUILDERS
from textnets.pipeline import store_ids
from textnets.run.model_file import load_model
from textnets.text.word_columns import COLUMN_MARK, WordColumns
from textnets.text.word_features import SLOTS, TEMPLATES, WordFeatures, column_templates

# The tag is the second column, turned around: nothing else tells it.
RECIPE = """\
task: tagging
data:
  train: train.txt
  test: test.txt
  validation: 0.2
  format: columns
  tag_column: 3
  features: [1, 2]
model:
  builder: rnn_tagger
  embedding_width: 8
  cell: simple
  units: [12]
training:
  batch_size: 8
  epochs: 12
  learning_rate: 0.02
evaluation:
  baselines: false
  resamples: 0
seed: 3
"""
LINEAR = """\
model:
  builder: feature_tagger
"""


def linear(recipe: str = RECIPE) -> str:
    text = recipe[: recipe.index("model:")] + LINEAR + recipe[recipe.index("training:") :]
    return text.replace("learning_rate: 0.02", "learning_rate: 0.1")


def columns(split: str, most: int) -> str:
    """Words of the treebank, a random value, one that tells the tag, and the tag."""
    draw = np.random.default_rng(len(split))
    lines = []
    for sentence in treebank(split, most).split("\n\n"):
        rows = [line.split("\t") for line in sentence.split("\n") if line[:1].isdigit()]
        for row in rows:
            if row[0].isdigit():
                value = "xyz"[draw.integers(3)]
                word = row[1].replace(" ", "_")
                lines.append(f"{word} {'pq'[draw.integers(2)]} {value} {value.upper()}")
        lines.append("")
    return "\n".join(lines) + "\n"


def write_project(folder: Path, recipe: str = RECIPE) -> Path:
    (folder / "train.txt").write_text(columns("dev", 80), encoding="utf-8")
    (folder / "test.txt").write_text(columns("test", 20), encoding="utf-8")
    path = folder / "tiny.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def kept() -> Path:
    """Runs of both builders; do not write into them."""

    def make(folder: Path) -> None:
        textnets.train(write_project(folder), output=folder / "net")
        textnets.train(write_project(folder, linear()), output=folder / "linear")

    return made_once("columns_of_words", make)


@pytest.fixture
def project(kept: Path, tmp_path: Path) -> Path:
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.mark.parametrize("name", ["net", "linear"])
def test_what_only_a_column_tells_is_learned(kept, name):
    scores = json.loads((kept / name / "evaluation.json").read_text())["splits"]["test"]["scores"]
    # Each word has thirty features that tell nothing here: a linear tagger learns some of them too.
    assert scores["accuracy"]["value"] >= {"net": 1.0, "linear": 0.9}[name]
    sentence = f"Zxq{COLUMN_MARK}p{COLUMN_MARK}y the{COLUMN_MARK}q{COLUMN_MARK}x"
    predictor = textnets.Predictor.load(kept / name)
    found: Any = predictor.predict([sentence, ""])
    assert found[0].tokens == ["Zxq", "the"]
    assert found[0].tags[0] == "Y"
    assert found[1].tags == []
    strange: Any = predictor.predict([f"the{COLUMN_MARK}q{COLUMN_MARK}neverseen"])
    assert len(strange[0].tags) == 1


@pytest.mark.parametrize("name", ["net", "linear"])
def test_files_with_the_columns_are_predicted_and_plain_sentences_refused(project, name):
    lines = Path("test.txt").read_text().split("\n\n")[0].split("\n")
    untagged = [line.rpartition(" ")[0] for line in lines]
    Path("new.txt").write_text("\n".join(untagged) + "\n")
    said = succeed("predict", name, "new.txt", "--format", "jsonl")
    answer = json.loads(said.out.splitlines()[0])
    assert answer["tokens"] == [line.split(" ")[0] for line in lines]
    record = json.loads(Path(name, "predictions/test.jsonl").read_text().splitlines()[0])
    (same,) = textnets.Predictor.load(name).predict([record["text"]])
    assert answer["tags"] == list(same.tags)  # type: ignore[attr-defined]
    message = refuse("predict", name, "--text", "the dog barks")
    assert "reads more of each word (data.features: 1, 2), so plain sentences do not do" in message
    assert f"words as word{COLUMN_MARK}1{COLUMN_MARK}2" in message
    Path("narrow.txt").write_text("the p\ndog q\n\nthe p\n")
    assert "plain sentences do not do" in refuse("predict", name, "narrow.txt")
    Path("narrow.txt").write_text("the\tp\ndog\tq\n\nthe\tp\n")
    assert "there is no column 2 (data.features: 2" in refuse("predict", name, "narrow.txt")
    assert succeed("evaluate", name, "--data", "test.txt").code == 0


@pytest.mark.parametrize("name", ["net", "linear"])
def test_numpy_answers_as_the_run_does_and_a_graph_of_texts_refuses(project, name):
    succeed("export", name, "--to", "numpy", "--output", "out")
    texts = [json.loads(line)["text"] for line in
             Path(name, "predictions/test.jsonl").read_text().splitlines()]  # fmt: skip
    assert COLUMN_MARK in texts[0]
    ours, theirs = textnets.Predictor.load(name).predict(texts), lite.load("out").predict(texts)
    for one, other in zip(ours, theirs, strict=True):
        assert one.tags == other["tags"]  # type: ignore[attr-defined]
        assert one.tokens == other["tokens"]  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="plain sentences do not do, was: 'the'"):
        lite.load("out").predict(["the dog"])
    message = refuse("export", name, "--to", "savedmodel", "--output", "graph")
    assert "savedmodel cannot hold a model that reads" in message


def test_stored_ids_and_a_damaged_run(project):
    store_ids("tiny.yaml", "ids", ["data.limit=20"])
    run = textnets.train(
        "tiny.yaml", ["data.limit=20", "training.epochs=1"], store="ids", output="s"
    )
    assert (run.folder / "columns.txt").read_text() == (Path("ids") / "columns.txt").read_text()
    from tests.test_hostile import sign

    text = (Path("net") / "columns.txt").read_text()
    for changed, message in {
        text.replace("\tz\n", ""): "the columns and the model do not fit",
        text.replace("\tp\n\tq\n", "\tq\n\tp\n"): "the values of 1 are out of order",
        "3\n" + text: "holds other columns than the recipe names",
        "\tx\n" + text: "no list of columns",
    }.items():
        (Path("net") / "columns.txt").write_text(changed)
        sign(Path("net"))
        with pytest.raises(InputError, match=message):
            textnets.Predictor.load("net")


def test_columns_of_conllu_and_jsonl(tmp_path):
    recipe = RECIPE.replace("  format: columns\n  tag_column: 3\n", "").replace(".txt", ".conllu")
    recipe = recipe.replace("[1, 2]", "[xpos, deprel]")
    for split in ("train", "test"):
        (tmp_path / f"{split}.conllu").write_text(treebank("dev", 30), encoding="utf-8")
    (tmp_path / "tiny.yaml").write_text(recipe)
    facts = {fact.name: fact.value for fact in textnets.check("tiny.yaml")}
    assert facts["num_columns"] == "2"
    assert int(facts["num_column_values"]) > 40
    rows = [{"tokens": ["a", "b"], "tags": ["X", "Y"], "pos": ["p", "q"]}] * 8
    rows += [{"tokens": ["a"], "tags": ["X"], "pos": ["p", "q"]}]
    for split, some in (("train", rows[:8]), ("test", rows[8:])):
        lines = "".join(json.dumps(row) + "\n" for row in some)
        (tmp_path / f"{split}.jsonl").write_text(lines)
    (tmp_path / "tiny.yaml").write_text(
        recipe.replace("conllu", "jsonl").replace("xpos, deprel", "pos")
    )
    with pytest.raises(
        InputError, match="each token needs a value of 'pos', was: 1 in 'tokens' and 2"
    ):
        textnets.check("tiny.yaml")
    with pytest.raises(
        InputError, match=r"CoNLL-U has no further column 'pos'; it has lemma, upos"
    ):
        textnets.check("tiny.yaml", {"data.train": "train.conllu", "data.test": "test.conllu"})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[1, 2]", "[3]"), "data.features: 3 is the column of the words, or the tags'"),
        (("[1, 2]", "[0]"), "data.features: 0 is the column of the words"),
        (("[1, 2]", "[1, 1]"), "data.features: names 1 twice"),
        (("[1, 2]", "[pos]"), "files in columns have the numbers of columns, was: 'pos'"),
        (("[1, 2]", "[]"), "data.features: expected 1 or more items"),
        (("[1, 2]", "[-1]"), "data.features"),
        (("[1, 2]", "[7]"), "there is no column 7 (data.features: 7, counted from 0)"),
    ],
)
def test_a_wrong_key_is_one_clear_error(tmp_path, change, message):
    with pytest.raises(InputError) as refusal:
        textnets.check(write_project(tmp_path, RECIPE.replace(*change)))
    assert message in str(refusal.value)


def test_no_two_columns_share_an_id():
    found = WordColumns.learn(("1", "x"), [("b", "a"), ("a", "a"), ("b", "c")])
    assert found.values == (("a", "b"), ("a", "c"))
    assert len(found) == 7
    ids = found.encode([[("a", "a"), ("?", "c")], []])
    assert ids.ids.tolist() == [[2, 5], [1, 6], [1, 4]]
    assert ids.offsets.tolist() == [0, 2, 3]


def test_features_of_columns_are_saved_and_loaded(tmp_path):
    sentences = [["the", "dog"], ["a", "cat", "the"]] * 2
    values = [[("D", "1"), ("N", "2")], [("D", "1"), ("N", "1"), ("D", "2")]] * 2
    templates = (*TEMPLATES, *column_templates(2))
    found = WordFeatures.learn(sentences, templates, values)
    assert found.slots == (*SLOTS, "column1", "column2")
    found.save(tmp_path / "features.txt")
    again = WordFeatures.load(tmp_path / "features.txt")
    asked = [["dog", "new"], [""]], [[("N", "2"), ("Q", "1")], []]
    np.testing.assert_array_equal(found.encode(*asked).ids, again.encode(*asked).ids)
    other = found.encode(asked[0], [[("D", "2"), ("Q", "1")], []]).ids
    assert (found.encode(*asked).ids != other).any()


def test_padding_and_the_vectors_of_columns_in_a_model():
    sizes = {"vocabulary_size": 9, "num_tags": 3, "num_columns": 2, "num_column_values": 7}
    model = BUILDERS["rnn_tagger"](
        **sizes, embedding_width=4, column_width=3, cell="simple", units=[5]
    )
    assert model.get_layer("simple_1_forward").get_weights()[0].shape == (4 + 2 * 3, 5)
    inputs = {"token_ids": np.array([[4, 5]]), "column_ids": np.array([[[2, 5], [3, 6]]])}
    padded = {
        "token_ids": np.array([[4, 5, 0, 0]]),
        "column_ids": np.array([[[2, 5], [3, 6], [0, 0], [0, 0]]]),
    }
    plain, wide = model(inputs).numpy(), model(padded).numpy()
    np.testing.assert_allclose(wide[:, :2], plain, atol=1e-6)
    inputs["column_ids"][0, 1, 1] = 5
    assert np.abs(model(inputs).numpy() - plain).max() > 1e-4


@pytest.mark.heavy
def test_recipes_without_columns_are_written_as_before(tmp_path):
    recipe = RECIPE.replace("  features: [1, 2]\n", "").replace("epochs: 12", "epochs: 1")
    run = textnets.train(write_project(tmp_path, recipe), ["data.limit=20"], output="run").folder
    assert "column_width" not in (run / "recipe.yaml").read_text()
    assert "features" not in (run / "recipe.yaml").read_text()
    names = {layer.name for layer in load_model(run / "model.keras").layers}
    assert "column_embedding" not in names


@pytest.mark.parametrize("name", ["net", "linear"])
def test_onnx_answers_as_the_run_does_and_its_card_shows_how_to_ask(project, name):
    pytest.importorskip("tf2onnx")
    import textnets.lite.onnx

    # Where neither data nor predictions are left, it is tried on texts that are made up.
    shutil.rmtree(Path(name, "predictions"))
    for file in ("train.txt", "test.txt"):
        Path(file).unlink()
    said = succeed("export", name, "--to", "onnx", "--output", "out")
    assert "tried in a fresh process on 66 texts: largest difference" in said.out
    asked = [f"Zxq{COLUMN_MARK}p{COLUMN_MARK}y the{COLUMN_MARK}q{COLUMN_MARK}neverseen", ""]
    model = textnets.lite.onnx.load("out")
    for one, other in zip(textnets.Predictor.load(name).predict(asked), model.predict(asked),
                          strict=True):  # fmt: skip
        assert one.tags == other["tags"]  # type: ignore[attr-defined]
        np.testing.assert_allclose(one.probabilities, other["probabilities"], atol=1e-5)  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="plain sentences do not do, was: 'the'"):
        model.predict(["the dog"])
    card = Path("out", "README.md").read_text(encoding="utf-8")
    code = card.partition("```python\n")[2].partition("```")[0].replace('load(".")', 'load("out")')
    exec(code, {})  # what the card shows is true


def test_a_service_takes_words_with_their_columns(kept, tmp_path):
    with serving(kept / "net", tmp_path) as server:
        (found,) = server.predict(text=f"Zxq{COLUMN_MARK}p{COLUMN_MARK}y")
        assert (found["tokens"], found["tags"]) == (["Zxq"], ["Y"])
        status, message = server.refusal({"texts": ["the dog"]})
        assert (status, "plain sentences do not do, was: 'the'" in message) == (422, True)
        assert server.predict(text="")[0]["tags"] == []
