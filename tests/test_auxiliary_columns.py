"""Columns that taggers learn along with the tags (``data.auxiliary``): trained, and not kept."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import textnets
from tests.cli.conftest import refuse, succeed
from tests.sharing import made_once
from tests.test_hostile import sign
from tests.test_tagging import treebank
from tests.training.test_averaging import Watched
from textnets import InputError
from textnets.backend.accumulation import parted_step
from textnets.backend.steps import train_step
from textnets.builders import BUILDERS
from textnets.builders.auxiliary_model import build_auxiliary_model, shared_states
from textnets.builders.crf_loss_model import build_crf_loss_model
from textnets.errors import StoppedError
from textnets.experiment.models import assemble_model
from textnets.layers import AuxiliaryLoss
from textnets.pipeline import store_ids
from textnets.progress import Progress
from textnets.recipe.sections import VirtualAdversarialSection
from textnets.run.model_file import load_model
from textnets.tasks import read_task
from textnets.text.batches import ExampleBatches
from textnets.text.encoded import EncodedSplit, join_rows
from textnets.training.adversary import with_adversary
from textnets.training.losses import OutputAsLoss
from textnets.training.setup import TrainingSetup

RECIPE = """\
task: tagging
data:
  train: train.conllu
  test: test.conllu
  validation: dev.conllu
  auxiliary: [xpos, feats]
model:
  builder: rnn_tagger
  embedding_width: 8
  cell: simple
  units: [12]
  dropout: 0.2
training:
  batch_size: 8
  epochs: 2
  learning_rate: 0.02
evaluation:
  baselines: false
  resamples: 0
seed: 3
"""
TRANSFORMER = "transformer_tagger\n  width: 12\n  heads: 2\n  depth: 1\n  feed_forward_width: 12"


def lacking(sentences: str) -> str:
    """Sentences of CoNLL-U whose XPOS and FEATS are empty cells, which no column may hold."""
    lines = [line.split("\t") for line in sentences.split("\n")]
    return "\n".join(
        "\t".join([*row[:4], "", "", *row[6:]] if len(row) == 10 else row) for row in lines
    )


def write_project(folder: Path, recipe: str = RECIPE) -> Path:
    (folder / "train.conllu").write_text(treebank("dev", 60), encoding="utf-8")
    # Only what is learned from needs the columns.
    (folder / "dev.conllu").write_text(lacking(treebank("test", 20)), encoding="utf-8")
    (folder / "test.conllu").write_text(lacking(treebank("test", 20)), encoding="utf-8")
    path = folder / "tiny.yaml"
    path.write_text(recipe, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def kept() -> Path:
    """A project and its run; do not write into it."""

    def make(folder: Path) -> None:
        textnets.train(write_project(folder), output=folder / "run")

    return made_once("auxiliary_columns", make)


# --- The loss ---

IDS = np.array([[5, 6, 7, 8], [9, 5, 0, 0]], np.int32)
TAGS = np.array([[0, 1, 2, 0], [1, 1, 0, 0]], np.int32)
# Of two columns: 1 and 4 stand for values that training lacks, 2 to 3 and 5 to 7 for values.
VALUES = np.array([[[2, 5], [3, 6], [2, 7], [1, 4]], [[3, 5], [2, 5], [0, 0], [0, 0]]], np.int32)
WEIGHT = 0.4


def log_softmax(logits: Any) -> Any:
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def by_hand(logits: Sequence[Any], values: Any = VALUES) -> float:
    total = 0.0
    for number, (first, scores) in enumerate(zip((2, 5), logits, strict=True)):
        found = [
            -log_softmax(np.asarray(scores))[row, place, values[row, place, number] - first]
            for row, place in itertools.product(*map(range, values.shape[:2]))
            if values[row, place, number] >= first
        ]
        total += float(np.mean(found))
    return total


def test_padding_and_values_that_training_lacks_count_nothing() -> None:
    draw = np.random.default_rng(0)
    logits = [draw.normal(size=(2, 4, size)).astype("float32") for size in (2, 3)]
    answers = draw.normal(size=(2, 4, 5)).astype("float32")
    layer = AuxiliaryLoss((2, 5), WEIGHT)
    np.testing.assert_array_equal(layer([answers, VALUES, *logits]), answers)
    assert not layer.losses
    np.testing.assert_array_equal(layer([answers, VALUES, *logits], training=True), answers)
    assert float(layer.losses[0]) == pytest.approx(WEIGHT * by_hand(logits), rel=1e-5)
    nothing = layer.cross_entropy(np.zeros_like(VALUES), logits)
    assert float(nothing) == 0.0


def tagger(head: str) -> Any:
    keras.utils.set_random_seed(4)
    return BUILDERS["rnn_tagger"](
        vocabulary_size=10, num_tags=3, embedding_width=4, cell="simple", units=[5], head=head
    )


def around(model: Any, head: str) -> tuple[Any, Any]:
    """What is trained, and its loss."""
    if head == "softmax":
        trained, scores = model, model.output
        loss: Any = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    else:
        crf = model.get_layer("probabilities")
        trained, scores = build_crf_loss_model(model, crf, "target_ids"), crf.input[0]
        loss = OutputAsLoss()
    return build_auxiliary_model(
        trained,
        shared_states(model, scores),
        first_ids=[2, 5],
        sizes=[2, 3],
        weight=WEIGHT,
        input_name="auxiliary_ids",
    ), loss


@pytest.mark.heavy
@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_the_losses_add_up_and_so_do_parts_of_a_batch(head: str) -> None:
    model = tagger(head)
    trained, loss = around(model, head)
    values = np.where(VALUES == 1, 2, np.where(VALUES == 4, 6, VALUES))  # all known, as in training
    inputs = {"token_ids": IDS, "auxiliary_ids": values}
    if head == "crf":
        inputs["target_ids"] = TAGS
    batch = (inputs, TAGS, (IDS > 0).astype("float32"))
    states = keras.Model(model.input, shared_states(model, model.output) if head == "softmax"
                         else model.get_layer("emissions").input)  # fmt: skip
    logits = [trained.get_layer(f"auxiliary_{number}")(states(IDS)) for number in (1, 2)]
    trained.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    plain = keras.Model(model.input, model.output) if head == "softmax" else build_crf_loss_model(
        model, model.get_layer("probabilities"), "target_ids"
    )  # fmt: skip
    plain.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
    own = IDS if head == "softmax" else {"token_ids": IDS, "target_ids": TAGS}
    wanted = train_step(plain, own, *batch[1:])(own, *batch[1:])["loss"]
    wanted += WEIGHT * by_hand(logits, values)
    assert train_step(trained, *batch)(*batch)["loss"] == pytest.approx(wanted, rel=1e-5)
    assert parted_step(trained)(*batch, 2)["loss"] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.heavy
def test_an_adversary_moves_the_answers_of_the_tags_alone() -> None:
    model = tagger("softmax")
    trained, loss = around(model, "softmax")
    split = EncodedSplit(
        {"token_ids": join_rows([[5, 6]]), "auxiliary_ids": join_rows([[[2, 5], [3, 6]]])},
        join_rows([[0, 1]]),
    )
    setup = TrainingSetup(trained, loss, ExampleBatches(split, 8, 4, seed=1))
    section = VirtualAdversarialSection(epsilon=1e-6)
    found = with_adversary(setup, section, 1).model
    batch = ({"token_ids": IDS, "auxiliary_ids": VALUES}, TAGS, (IDS > 0).astype("float32"))
    losses = []
    for one in (trained, found):
        one.compile(keras.optimizers.SGD(0.0), loss, jit_compile=False)
        losses.append(train_step(one, *batch)(*batch)["loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)  # that of the columns counts once


def test_each_value_of_the_training_split_is_a_class_of_its_column(tmp_path: Path) -> None:
    task = read_task(write_project(tmp_path))
    splits = task.read_splits(task.find_files(Progress()), Progress())
    learned = task.learn(splits["train"])
    encoded, _ = learned.encode(splits["train"], Progress(), "")
    model = assemble_model(task.recipe, learned.sizes)
    trained = task.training_setup(model, learned, encoded).model
    ids, first_ids = (
        encoded.inputs["auxiliary_ids"].ids,
        trained.get_layer("auxiliary_loss").first_ids,
    )
    for number, first in enumerate(first_ids):
        size = trained.get_layer(f"auxiliary_{number + 1}").units
        assert set((ids[:, number] - first).tolist()) == set(range(size))
    # None of the others' ids, nor that of a value which training lacks.
    assert first_ids == (2, 2 + trained.get_layer("auxiliary_1").units + 1)
    assert "auxiliary_ids" not in task.input_names


# --- Runs ---


def test_what_answers_has_no_heads_and_needs_no_columns(kept: Path, tmp_path: Path) -> None:
    run = kept / "run"
    names = {layer.name for layer in load_model(run / "model.keras").layers}
    assert not {name for name in names if "auxiliary" in name}
    lines = (run / "auxiliary.txt").read_text(encoding="utf-8").split("\n")
    assert {"xpos", "feats", "\tNN", "\tNumber=Sing"} <= set(lines)
    assert read_task(run / "recipe.yaml").recipe.data.auxiliary == ("xpos", "feats")
    said = succeed("predict", run, "--text", "the dog barks")
    assert len(said.out.split()) == 3
    assert succeed("evaluate", run, "--data", kept / "test.conllu").code == 0
    assert succeed("predict", run, kept / "test.conllu").code == 0
    rows = [{"tokens": ["a", "b"], "tags": ["X", "Y"]}]
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert succeed("evaluate", run, "--data", "more.jsonl").code == 0


@pytest.mark.heavy
def test_the_shared_weights_begin_as_without_and_end_elsewhere(kept: Path, tmp_path: Path) -> None:
    # At no learning rate to speak of, the weights are those that a run begins with.
    still = ["training.epochs=1", "training.learning_rate=1e-30", "data.limit=10"]
    write_project(tmp_path)
    for name, extra in {"with": [], "without": ["data.auxiliary=null"]}.items():
        textnets.train("tiny.yaml", [*still, *extra], output=name)
    found = [load_model(tmp_path / name / "model.keras").weights for name in ("with", "without")]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), atol=1e-20)
    textnets.train("tiny.yaml", ["data.auxiliary=null"], output="plain")
    assert (tmp_path / "plain/model.keras").read_bytes() != (kept / "run/model.keras").read_bytes()
    written = (tmp_path / "plain" / "recipe.yaml").read_text()
    assert "auxiliary" not in written
    assert not (tmp_path / "plain" / "auxiliary.txt").exists()
    histories = [
        json.loads((folder / "history.jsonl").read_text().split("\n")[0])
        for folder in (tmp_path / "plain", kept / "run")
    ]
    # ln of 45 values or so and of 100: two heads that know nothing yet.
    assert 1.0 < histories[1]["loss"] - histories[0]["loss"] < 0.3 * (np.log(60) + np.log(200))
    assert set(histories[0]) == set(histories[1])


@pytest.mark.heavy
def test_a_run_that_is_stopped_anywhere_ends_with_the_same_bytes(tmp_path: Path) -> None:
    more = ["training.average={kind: ema, decay: 0.9}", "training.checkpoint_every=3",
            "data.limit=40", "training.auxiliary_weight=0.5"]  # fmt: skip
    recipe = write_project(tmp_path)
    whole = textnets.train(recipe, more, output="whole").folder

    class Stops(Watched):
        def __init__(self) -> None:
            super().__init__(keras.Model())
            self.stop = 7

    with pytest.raises(StoppedError):
        textnets.train(recipe, more, output="broken", progress=Stops())
    broken = textnets.train(recipe, more, output="broken", resume=True).folder
    for name in ("model.keras", "auxiliary.txt", "evaluation.json"):
        assert (broken / name).read_bytes() == (whole / name).read_bytes()
    # What a checkpoint holds and a model does not: the heads.
    refused = refuse("train", recipe, "--resume", "-o", "whole", "--set", "data.auxiliary=[xpos]",
                     "--set", "training.epochs=3", *words(more))  # fmt: skip
    assert "data.auxiliary: ['xpos', 'feats'] before, ['xpos'] now" in refused


def words(overrides: Sequence[str]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


@pytest.mark.heavy
def test_stored_ids_give_the_same_run(kept: Path, tmp_path: Path) -> None:
    few = ["data.limit=30", "training.epochs=1"]
    recipe = write_project(tmp_path)
    store_ids(recipe, "ids", few)
    names = {path.name for path in Path("ids").iterdir()}
    assert "train.auxiliary_ids.ids.npy" in names
    assert "test.auxiliary_ids.ids.npy" not in names
    stored = textnets.train(recipe, few, store="ids", output="stored").folder
    plain = textnets.train(recipe, few, output="plain").folder
    for name in ("model.keras", "auxiliary.txt"):
        assert (stored / name).read_bytes() == (plain / name).read_bytes()
    # A store without them is refused, also where it is signed.
    store_ids(recipe, "bare", [*few, "data.auxiliary=null"])
    with pytest.raises(InputError, match="was made for other data or text settings"):
        textnets.train(recipe, few, store="bare", output="other")


@pytest.mark.heavy
def test_once_more_on_all_examples_needs_them_of_validation_too(tmp_path: Path) -> None:
    recipe = write_project(tmp_path)
    refit = ["training.refit=all", "training.epochs=1"]
    with pytest.raises(InputError, match=r"dev\.conllu:\d+: the xpos is empty"):
        textnets.check(recipe, refit)
    (tmp_path / "dev.conllu").write_text(treebank("train", 20), encoding="utf-8")
    run = textnets.train(recipe, refit, output="run").folder
    again, first = ((folder / "auxiliary.txt").read_text() for folder in (run, run / "selection"))
    assert set(again.split("\n")) > set(first.split("\n"))  # values that only validation has


@pytest.mark.heavy
def test_members_that_have_states_learn_along(tmp_path: Path) -> None:
    members = """\
ensemble:
  members:
    - model: {builder: feature_tagger}
    - model: {builder: rnn_tagger, embedding_width: 4, cell: simple, units: [4], head: crf}
      training: {auxiliary_weight: 0.5}
training: {epochs: 1, batch_size: 16}
"""
    text = RECIPE[: RECIPE.index("model:")] + members + RECIPE[RECIPE.index("evaluation:") :]
    run = textnets.train(write_project(tmp_path, text), ["data.limit=20"], output="run").folder
    losses = [
        json.loads((run / "members" / name / "history.jsonl").read_text())["loss"]
        for name in ("feature_tagger", "rnn_tagger")
    ]
    assert losses[0] < 3.0 < losses[1]  # ln 17 at most, and more than that
    assert len(textnets.Predictor.load(run).predict(["the dog"])) == 1


@pytest.mark.heavy
def test_transformers_and_further_columns_and_a_warm_start(kept: Path, tmp_path: Path) -> None:
    recipe = RECIPE.replace("rnn_tagger", TRANSFORMER).replace(
        "  cell: simple\n  units: [12]\n", ""
    )
    recipe = recipe.replace("epochs: 2", "epochs: 1\n  r_drop: 0.5").replace(
        "  dropout",
        f"  initialize_from: {kept / 'run'}\n  initialize_parts: [embeddings]\n  dropout",
    )
    run = textnets.train(write_project(tmp_path, recipe), output="transformer").folder
    record = json.loads((run / "history.jsonl").read_text())
    assert record["loss"] > record["validation_loss"] + 0.3
    recipe = RECIPE.replace("[xpos, feats]", "[xpos]\n  features: [deprel]")
    write_project(tmp_path, recipe)
    run = textnets.train("tiny.yaml", ["data.limit=20", "training.epochs=1"], output="run").folder
    assert (run / "columns.txt").read_text().startswith("deprel\n")
    assert (run / "auxiliary.txt").read_text().startswith("xpos\n")


# --- What is refused ---


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[xpos, feats]", "[upos]"), "data.auxiliary: 'upos' is the column of the words, or"),
        (("[xpos, feats]", "[form]"), "data.auxiliary: 'form' is the column of the words"),
        (("[xpos, feats]", "[xpos, xpos]"), "data.auxiliary: names 'xpos' twice"),
        (("[xpos, feats]", "[xpos]\n  features: [xpos]"), "'xpos' is read by the model"),
        (("[xpos, feats]", "[pos]"), "CoNLL-U has no further column 'pos'; it has lemma"),
        (("[xpos, feats]", "[2]"), "files in conllu have names of columns, was: 2"),
        (("[xpos, feats]", "[]"), "data.auxiliary: expected 1 or more items"),
        (("[xpos, feats]", "[deps]"), "data.auxiliary: holds only the value '_' in 'deps'"),
        (("  epochs", "  auxiliary_weight: 0\n  epochs"), "expected more than 0"),
        (
            ("  auxiliary: [xpos, feats]\n", ""),
            "training.auxiliary_weight: has no effect without data.auxiliary",
        ),
        (("model:", "model:\n  builder: feature_tagger\nold:"), "feature_tagger has no states"),
    ],
)
def test_a_wrong_key_is_one_clear_error(
    tmp_path: Path, change: tuple[str, str], message: str
) -> None:
    recipe = RECIPE.replace(*change)
    if not change[1]:
        recipe = recipe.replace("  epochs", "  auxiliary_weight: 0.2\n  epochs")
    if "old:" in recipe:
        recipe = recipe[: recipe.index("old:")] + recipe[recipe.index("training:") :]
    write_project(tmp_path, recipe)
    train = treebank("dev", 60).split("\n")
    rows = [line.split("\t") for line in train]
    (tmp_path / "train.conllu").write_text(
        "\n".join("\t".join([*row[:8], "_", "_"] if len(row) == 10 else row) for row in rows)
    )
    assert message in refuse("check", "tiny.yaml")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "train.txt",
            "a N x\nb V y\n\nc N\n",
            r"train.txt:4: there is no column 2 \(data.auxiliary: 2",
        ),
        ("train.txt", "a N\nb V\n", r"train.txt:1: there is no column 2 \(data.auxiliary: 2"),
        ("train.jsonl", '{"tokens": ["a"], "tags": ["N"]}\n', "'pos'"),
        (
            "train.jsonl",
            '{"tokens": ["a", "b"], "tags": ["N", "V"], "pos": ["x"]}\n',
            "each token needs a value of 'pos', was: 2 in 'tokens' and 1 in 'pos'",
        ),
        ("train.jsonl", '{"tokens": ["a"], "tags": ["N"], "pos": "x"}\n', "'pos' must be a list"),
    ],
)
def test_rows_that_lack_the_columns(tmp_path: Path, name: str, content: str, message: str) -> None:
    named = "[2]\n  format: columns" if name.endswith("txt") else "[pos]"
    recipe = RECIPE.replace("train.conllu", name).replace("[xpos, feats]", named)
    recipe = recipe.replace("  test: test.conllu\n  validation: dev.conllu\n", "")
    (tmp_path / name).write_text(content)
    (tmp_path / "tiny.yaml").write_text(recipe)
    with pytest.raises(InputError, match=message):
        textnets.check("tiny.yaml")


MODULE = """
import keras
from textnets.builders.parameters import Model, NumTags, VocabularySize

def build_odd(*, vocabulary_size: VocabularySize, num_tags: NumTags) -> Model:
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    states = keras.layers.Embedding(vocabulary_size, 4)(token_ids)
    scores = keras.layers.Dense(num_tags)(states)
    return keras.Model(token_ids, keras.layers.Softmax()(scores))

def build_even(*, vocabulary_size: VocabularySize, num_tags: NumTags) -> Model:
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    states = keras.layers.Embedding(vocabulary_size, 4)(token_ids)
    return keras.Model(token_ids, keras.layers.Dense(num_tags, "softmax")(states))
"""


@pytest.mark.heavy
def test_a_builder_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("own_taggers.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path))
    recipe = RECIPE[: RECIPE.index("model:")] + RECIPE[RECIPE.index("training:") :]
    few = ["data.limit=20", "training.epochs=1"]
    write_project(tmp_path, recipe + "model: {builder: own_taggers:build_even}\n")
    assert textnets.train("tiny.yaml", few, output="run").state.history[0]["loss"] > 3.0
    write_project(tmp_path, recipe + "model: {builder: own_taggers:build_odd}\n")
    with pytest.raises(InputError, match=r"data\.auxiliary: .*build_odd makes a model whose last"):
        textnets.train("tiny.yaml", few, output="other")


def test_a_damaged_list_of_values(kept: Path, tmp_path: Path) -> None:
    import shutil

    run = shutil.copytree(kept / "run", tmp_path / "run")
    text = (run / "auxiliary.txt").read_text()
    for changed, message in {
        text.replace("feats\n", "", 1): "holds other columns than the recipe names",
        text.replace("\tNN\n", "\tNN\n\tNN\n"): "the values of xpos are out of order",
        "\tx\n" + text: "no list of columns",
    }.items():
        (run / "auxiliary.txt").write_text(changed)
        sign(run)
        with pytest.raises(InputError, match=message):
            textnets.Predictor.load(run)


def test_what_is_told_before_training(tmp_path: Path) -> None:
    facts = {fact.name: fact.value for fact in textnets.check(write_project(tmp_path))}
    assert facts["values of xpos, learned along"].endswith("%)")
    assert int(facts["values of feats, learned along"].partition(",")[0]) > 30
    assert read_task(tmp_path / "tiny.yaml").recipe.training.auxiliary_weight == 0.3
