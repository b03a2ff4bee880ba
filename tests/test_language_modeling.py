"""Language models from a text to predictions, through the Python doors and the command line."""

from __future__ import annotations

import csv
import gzip
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import textnets
from tests.cli.conftest import refuse, succeed
from tests.conftest import ROOT
from tests.jax_runs import jax_runs
from tests.sharing import made_once
from textnets import Predictor
from textnets.data.counts import RowCount
from textnets.decoding.cache import cache_shares, with_cache
from textnets.decoding.sampling import Sampling
from textnets.errors import DataError, InputError, RecipeError
from textnets.progress import Progress
from textnets.tasks import read_task
from textnets.tasks.language_modeling import LanguageModelPredictor
from textnets.text.encoded import RaggedIds

RECIPE = """\
task: language_modeling
data:
  train: play.txt
  test: 0.1
  validation: 0.05
text:
  tokenizer: characters
model:
  builder: rnn_language_model
  embedding_width: 12
  cell: gru
  units: [32]
  dropout: 0.1
training:
  batch_size: 8
  window: 25
  epochs: 3
  learning_rate: 1e-2
evaluation:
  resamples: 50
seed: 3
"""
SENTENCES = {
    "  train: play.txt\n": "  train: play.txt\n  stream: false\n",
    "tokenizer: characters": "tokenizer: words",
    "  window: 25\n": "",
}


def play(most: int) -> str:
    """The first lines of tiny Shakespeare, which ships."""
    path = ROOT / "recipes" / "data" / "tiny_shakespeare" / "input.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return "".join(line for line, _ in zip(file, range(most), strict=False))


def written(text: str, replace: dict[str, str]) -> str:
    for old, new in replace.items():
        assert old in text
        text = text.replace(old, new)
    return text


def write_project(folder: Path, replace: dict[str, str] | None = None) -> Path:
    (folder / "play.txt").write_text(play(600), encoding="utf-8", newline="")
    path = folder / "tiny.yaml"
    path.write_text(written(RECIPE, replace or {}), encoding="utf-8")
    return path


def trained(name: str, replace: dict[str, str] | None = None) -> Path:
    def train(folder: Path) -> None:
        textnets.train(write_project(folder, replace), output=folder / "run")

    return made_once(name, train) / "run"


@pytest.fixture(scope="session")
def characters() -> Path:
    """A tiny run over one running text, shared; do not write into it."""
    return trained("characters")


@pytest.fixture(scope="session")
def sentences() -> Path:
    """A tiny run over sentences, shared; do not write into it."""
    return trained("sentences", SENTENCES)


@pytest.fixture
def project(tmp_path: Path) -> Callable[..., Path]:
    """Writes the tiny recipe and its data where the test runs; maps old text to new."""

    def write(replace: dict[str, str] | None = None) -> Path:
        write_project(tmp_path, replace)
        return Path("tiny.yaml")

    return write


def records_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


# --- A run ---


def test_scores_stand_beside_those_of_counted_ngrams(characters: Path) -> None:
    found = json.loads((characters / "evaluation.json").read_text())
    assert found["headline"] == "cross_entropy"
    test = found["splits"]["test"]
    assert set(test["scores"]) == {
        "cross_entropy",
        "bits_per_character",
        "perplexity",
        "unknown_share",
    }
    assert list(test["baselines"]) == ["unigram", "kneser_ney_6"]
    nats = test["scores"]["cross_entropy"]
    assert nats["low"] < nats["value"] < nats["high"]
    assert test["scores"]["perplexity"]["value"] == pytest.approx(math.exp(nats["value"]))
    bits = test["scores"]["bits_per_character"]["value"]
    assert bits == pytest.approx(nats["value"] / math.log(2))
    baselines = {n: r["scores"]["cross_entropy"]["value"] for n, r in test["baselines"].items()}
    assert baselines["kneser_ney_6"] < baselines["unigram"] - 0.5
    assert nats["value"] < baselines["unigram"] - 0.3  # it has learned something
    assert test["comparison"]["baseline"] == "kneser_ney_6"
    assert test["comparison"]["value"] == pytest.approx(nats["value"] - baselines["kneser_ney_6"])
    assert test["comparison"]["value"] > 0.0  # more nats
    assert test["comparison"]["sentence"].endswith("]): the baseline is better")
    history = records_of(characters / "history.jsonl")
    assert "tokens_per_second" in history[0]
    assert history[-1]["validation_loss"] == history[-1]["validation_cross_entropy"]


def test_a_running_text_is_cut_at_its_end(characters: Path) -> None:
    task = read_task(characters / "recipe.yaml")
    splits = task.read_splits({"train": characters.parent / "play.txt"}, Progress())
    joined = ["".join(splits[name].texts) for name in ("train", "validation", "test")]
    assert "".join(joined) == play(600)
    shares = np.array([len(text) for text in joined]) / len(play(600))
    np.testing.assert_allclose(shares, [0.85, 0.05, 0.1], atol=0.005)


def test_predictions_sum_up_to_the_score(characters: Path) -> None:
    records = records_of(characters / "predictions" / "test.jsonl")
    assert "".join(record["text"] for record in records) == play(600)[-sum(
        len(record["text"]) for record in records
    ) :]  # fmt: skip
    total = sum(record["log_probability"] for record in records)
    tokens = sum(record["tokens"] for record in records)
    found = json.loads((characters / "evaluation.json").read_text())["splits"]["test"]["scores"]
    assert -total / tokens == pytest.approx(found["cross_entropy"]["value"], abs=1e-4)


def test_evaluating_again_gives_the_same(characters: Path, sentences: Path) -> None:
    for run in (characters, sentences):
        found = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
        again = textnets.evaluate(run).scores
        assert {name: score.as_dict() for name, score in again.items()} == found


def test_a_test_split_left_unseen_meets_the_same_rivals_later(
    characters: Path, project: Callable[..., Path]
) -> None:
    textnets.train(project(), {"evaluation.test": False, "training.epochs": 1}, output="unseen")
    assert "test" not in json.loads(Path("unseen/evaluation.json").read_text())["splits"]
    found, expected = map(textnets.evaluate, ("unseen", characters))
    assert len(found.baselines) == 2
    assert [(baseline.name, baseline.scores) for baseline in found.baselines] == [
        (baseline.name, baseline.scores) for baseline in expected.baselines
    ]


@pytest.mark.heavy
def test_sentences_begin_and_end(sentences: Path) -> None:
    task = read_task(sentences / "recipe.yaml")
    preprocessor = task.load(sentences)
    splits = task.read_splits({"train": sentences.parent / "play.txt"}, Progress())
    assert all(text.strip() for text in splits["train"].texts)
    split, _ = preprocessor.encode(splits["test"], Progress(), "encoding")
    assert isinstance(split.targets, RaggedIds)
    for index in range(5):
        read, said = split.inputs["token_ids"].row(index), split.targets.row(index)
        assert (read[0], said[-1]) == (2, 3)  # [BOS] w1 .. wn is read, w1 .. wn [EOS] is said
        np.testing.assert_array_equal(read[1:], said[:-1])
    scores = json.loads((sentences / "evaluation.json").read_text())["splits"]["test"]
    assert set(scores["scores"]) == {"cross_entropy", "bits", "perplexity", "unknown_share"}
    assert list(scores["baselines"]) == ["unigram", "kneser_ney_4"]


def test_lines_of_a_stream_may_end_in_a_token(project: Callable[..., Path]) -> None:
    recipe = project({"tokenizer: characters": "tokenizer: whitespace\n  add_eos: true"})
    task = read_task(recipe)
    splits = task.read_splits({"train": Path("play.txt")}, Progress())
    preprocessor = task.learn(splits["train"])
    split, coverage = preprocessor.encode(splits["test"], Progress(), "encoding")
    lines = splits["test"].texts
    assert "" in lines  # a blank line is an end and nothing else
    words = sum(len(line.split()) for line in lines)
    assert coverage.tokens == words
    assert isinstance(split.targets, RaggedIds)
    assert len(split.targets.ids) == words + len(lines)
    np.testing.assert_array_equal(split.inputs["token_ids"].ids[1:], split.targets.ids[:-1])
    assert split.inputs["token_ids"].ids[0] == 3  # as if behind another line


@pytest.mark.heavy
@pytest.mark.parametrize("tokenizer", ["sentencepiece\n  max_tokens: 200", "words"])
def test_subwords_and_words_go_on_where_the_prompt_ends(
    project: Callable[..., Path], tokenizer: str
) -> None:
    if tokenizer.startswith("sentencepiece"):
        pytest.importorskip("sentencepiece")
    recipe = project({"tokenizer: characters": f"tokenizer: {tokenizer}", "epochs: 3": "epochs: 1"})
    result = textnets.train(recipe, output="run")
    assert result.evaluation is not None
    assert set(result.evaluation.scores) == {"cross_entropy", "bits", "perplexity", "unknown_share"}
    for text in Predictor.load("run").write("We are account", length=8, count=5):
        record: Any = text.as_json()
        behind = record["continued"].removeprefix("We are account")
        assert behind != record["continued"]
        first = record["tokens"][0]
        glued = not first.startswith("▁") if tokenizer != "words" else first in ",.:;?!"
        assert behind[:1].isspace() is not glued
        plain = "".join(record["tokens"]).replace("▁", "")
        assert "".join(behind.split()) == plain


CHINESE = ["今天老师讨论苹果", "他们从来不学习数学作业", "我明天想念家乡的味道", "小猫经常看见窗户"]


@pytest.mark.heavy
def test_text_without_blanks_between_words_is_told_before_and_while_training(
    project: Callable[..., Path],
) -> None:
    """Else a vocabulary of whole sentences has a perplexity near 1, of [UNK]."""
    lines = [f"{one}，{two}，{three}。" for one in CHINESE for two in CHINESE for three in CHINESE]
    recipe = project({**SENTENCES, "epochs: 3": "epochs: 1"})
    Path("play.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    warning = "warning: train: has no blanks between its words: 100% of the letters stand in tokens"
    assert succeed("check", recipe).err.count(warning) == 1
    assert succeed("train", recipe).err.count(warning) == 1
    as_characters = succeed("check", recipe, "--set", "text.tokenizer=characters")
    assert "warning" not in as_characters.err
    Path("play.txt").write_text(play(600), encoding="utf-8")
    assert "warning" not in succeed("check", recipe).err
    Path("play.txt").write_text("".join(f"w{index}\n" for index in range(900)), encoding="utf-8")
    lexicon = succeed("check", recipe).err
    assert "warning: validation: 100% of the tokens are [UNK]" in lexicon
    assert "blanks between" not in lexicon


# --- score ---


def test_score_adds_up_and_asks_nobody_else(characters: Path) -> None:
    texts = ["First Citizen:", "zzzz", "First"]
    flags = [word for text in texts for word in ("--text", text)]
    records = list(map(json.loads, succeed("score", characters, "--format", "jsonl", *flags).lines))
    for text, record in zip(texts, records, strict=True):
        assert record["tokens"] == list(text)
        assert len(record["surprisals"]) == len(text)
        total = -sum(record["surprisals"])
        assert record["log_probability"] == pytest.approx(total, abs=1e-4)
        assert record["perplexity"] == pytest.approx(math.exp(-total / len(text)), rel=1e-4)
    # A beginning is scored as the beginning of any text that goes on.
    np.testing.assert_allclose(records[0]["surprisals"][:5], records[2]["surprisals"], atol=1e-5)
    assert records[1]["perplexity"] > 3 * records[0]["perplexity"]
    alone = json.loads(succeed("score", characters, "--format", "jsonl", "-t", "zzzz").out)
    assert alone["log_probability"] == pytest.approx(records[1]["log_probability"], abs=1e-5)


def test_score_reads_files_and_pipes(characters: Path, tmp_path: Path) -> None:
    path = tmp_path / "lines.txt"
    path.write_text("To be\n\nor not\n")
    of_file = succeed("score", characters, path)
    assert of_file.out == succeed("score", characters, stdin=b"To be\n\nor not\n").out
    assert [line.split("\t")[3] for line in of_file.lines] == ["To be", "", "or not"]
    assert of_file.lines[1] == "0.000\t1.000\t0.000\t"  # nothing was said
    csv = succeed("score", characters, path, "--format", "csv").out.splitlines()
    assert csv[0] == "text,log_probability,tokens,perplexity,unknown_share"


@pytest.mark.heavy
def test_the_share_of_unknown_tokens_stands_beside_every_perplexity(
    sentences: Path, tmp_path: Path
) -> None:
    """Counted here by the vocabulary, over all that is scored, ends included."""
    vocabulary = set((sentences / "vocabulary.txt").read_text(encoding="utf-8").split("\n"))
    counts = {}
    for name in ("validation", "test"):
        records = records_of(sentences / "predictions" / f"{name}.jsonl")
        texts = [record["text"] for record in records]
        rows = [[t.text for t in row] for row in Predictor.load(sentences).tokens(texts)]
        shares = [sum(token not in vocabulary for token in row) / len(row) for row in rows]
        np.testing.assert_allclose(
            [record["unknown_share"] for record in records], shares, atol=1e-4
        )
        tokens = [token for row in rows for token in row]
        counts[name] = sum(token not in vocabulary for token in tokens) / len(tokens)
    assert counts["test"] > 0.05
    found = json.loads((sentences / "evaluation.json").read_text())["splits"]
    for name, expected in counts.items():
        systems = [found[name], *found[name]["baselines"].values()]
        for scores in (system["scores"] for system in systems):
            assert scores["unknown_share"]["value"] == pytest.approx(expected)
            assert scores["unknown_share"]["low"] < expected < scores["unknown_share"]["high"]
    history = records_of(sentences / "history.jsonl")
    assert history[0]["validation_unknown_share"] == pytest.approx(counts["validation"])
    out = succeed("evaluate", sentences).lines
    assert out[1].split()[-2:] == ["perplexity", "unknown_share"]
    assert all(f"{counts['test']:.3f} [" in line for line in out[2:5])
    assert "unknown share" in (sentences / "report.html").read_text(encoding="utf-8")
    # Of a single text, and through the estimator.
    lines = succeed("score", sentences, "-t", "the xylophone", "-t", "the").lines
    assert [line.split("\t")[2] for line in lines] == ["0.333", "0.000"]
    record = json.loads(succeed("score", sentences, "-t", "xylophone", "--format", "jsonl").out)
    assert record["unknown"] == [True, False]
    model: Any = textnets.load(sentences)
    assert model.unknown_share(["the xylophone", "the"]) == pytest.approx(1 / 5)


def test_nobody_chooses_by_the_share_of_unknown_tokens(project: Callable[..., Path]) -> None:
    recipe = project()
    for key in (
        "training.monitor=validation_unknown_share",
        "claim={metric: unknown_share, at_most: 1}",
    ):
        assert "unknown metric" in refuse("train", recipe, "--set", key)


@pytest.mark.heavy
def test_a_cache_has_scores_of_its_own(characters: Path) -> None:
    """What the model scores without it is the same as ever."""
    keys = [
        "evaluation.cache.size=300",
        "evaluation.cache.theta=0.1",
        "evaluation.cache.weight=0.2",
    ]
    plain = Predictor.load(characters)
    cached = Predictor.load(characters, overrides=keys)
    examples = plain.task.read(characters.parent / "play.txt", Progress(), RowCount("lines"))
    split = plain.preprocessor.encode(examples, Progress(), "encoding")[0].beginning(20, 60)
    known = plain.evaluation.score(plain.outputs(split), split)
    found = cached.evaluation.score(cached.outputs(split), split)
    assert {name: found[name] for name in known} == known
    own = {"cache_cross_entropy", "cache_bits_per_character", "cache_perplexity"}
    assert found.keys() - known.keys() == own
    assert own < set(cached.task.score_names)
    assert found["cache_cross_entropy"].low < found["cache_cross_entropy"].value
    # By the vectors that the softmax reads, of the text read in one piece.
    core, ids = plain.model, split.inputs["token_ids"].ids
    features = keras.Model(core.input, core.get_layer("features").output)
    states = [np.zeros((1, state.shape[-1]), "float32") for state in core.input["states"]]
    read = np.asarray(features({"token_ids": ids[None], "states": states}))[0]
    targets = split.ragged_targets.ids
    shares = cache_shares(read, targets, size=300, theta=0.1)
    surprisals = plain.outputs(split).values
    by_hand = with_cache(surprisals, shares, 0.2).mean()
    assert found["cache_cross_entropy"].value == pytest.approx(float(by_hand), abs=1e-4)
    assert cached.outputs(split).cached is not None
    assert cached.inference.outputs(split, Progress(), quick=True).cached is None


@pytest.mark.heavy
def test_caches_are_tried_on_a_text_of_ones_own(characters: Path, tmp_path: Path) -> None:
    predictor = LanguageModelPredictor.load(characters)
    path = tmp_path / "valid.txt"
    path.write_text(play(40), encoding="utf-8")
    found = predictor.try_caches(path, sizes=[50], thetas=[0.0, 0.1], weights=[0.05, 0.9])
    assert [one.cross_entropy for one in found] == sorted(one.cross_entropy for one in found)
    assert {(one.theta, one.weight) for one in found} == {
        (0.0, 0.05), (0.1, 0.05), (0.0, 0.9), (0.1, 0.9),
    }  # fmt: skip
    keys = [
        f"evaluation.cache.{key}={getattr(found[0], key)}" for key in ("size", "theta", "weight")
    ]
    with_it = Predictor.load(characters, overrides=keys)
    split = with_it.preprocessor.encode(
        with_it.task.read(path, Progress(), RowCount("lines")), Progress(), "encoding"
    )[0]
    scored = with_it.evaluation.values(with_it.outputs(split), split)
    assert scored["cache_cross_entropy"] == pytest.approx(found[0].cross_entropy, rel=1e-5)
    settings = [word for key in keys for word in ("--set", key)]
    ended = succeed("evaluate", characters, "--data", path, *settings, "--format", "json")
    told = json.loads(ended.out)
    assert told["scores"]["cache_cross_entropy"]["value"] == pytest.approx(
        found[0].cross_entropy, rel=1e-5
    )
    with pytest.raises(InputError, match=r"weights: not in the range .* was: 1\.5"):
        predictor.try_caches(path, weights=[1.5])


@pytest.mark.heavy
def test_sentences_have_no_cache(sentences: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"evaluation.cache.*data.stream: true"):
        Predictor.load(sentences, overrides=["evaluation.cache.size=10"])
    with pytest.raises(InputError, match="this run reads sentences"):
        LanguageModelPredictor.load(sentences).try_caches(tmp_path / "none.txt")


@pytest.mark.heavy
def test_a_sentence_pays_for_its_end(sentences: Path) -> None:
    record = json.loads(succeed("score", sentences, "--format", "jsonl", "-t", "").out)
    assert record["tokens"] == ["[EOS]"]
    assert record["log_probability"] < 0


# --- generate ---


def test_the_same_seed_writes_the_same_texts(characters: Path) -> None:
    words = ("generate", characters, "--prompt", "First", "--length", "30", "--format", "jsonl")
    three = succeed(*words, "--count", "3", "--seed", "4").lines
    assert len({json.loads(line)["continued"] for line in three}) == 3
    assert succeed(*words, "--seed", "4").lines == three[:1]
    assert succeed(*words, "--seed", "5").lines != three[:1]
    for line in three:
        record = json.loads(line)
        assert record["continued"] == "First" + "".join(record["tokens"])
        assert len(record["tokens"]) == 30


def test_written_probabilities_are_those_that_score_gives(characters: Path) -> None:
    predictor = Predictor.load(characters)
    (written_text,) = predictor.write("First", length=20, sampling=Sampling(temperature=0.7))
    found: Any = written_text.as_json()
    (scored,) = list(predictor.score([found["continued"]]))
    surprisals = scored.as_json()["surprisals"][len("First") :]
    np.testing.assert_allclose(np.exp(-np.array(surprisals)), found["probabilities"], atol=1e-4)


def test_temperature_0_takes_the_first_alternative(characters: Path) -> None:
    words = ("--prompt", "KING", "--length", "12", "--temperature", "0")
    out = succeed("generate", characters, *words, "--show-alternatives", "5").out
    text, steps = out.rstrip("\n").split("\n")[:-12], out.rstrip("\n").split("\n")[-12:]
    assert "\n".join(text).startswith("KING")
    for step in steps:
        chosen, _, likely = step.partition("  of  ")
        assert likely.startswith(chosen)
        assert len(likely.split("  ")) == 5


def test_predict_continues(characters: Path, sentences: Path) -> None:
    first = succeed("predict", characters, "--format", "jsonl", "-t", "First").out
    assert first == succeed("predict", characters, "--format", "jsonl", "-t", "First").out
    record = json.loads(first)
    assert record["continued"].startswith("First")
    assert len(record["tokens"]) == 200
    two = succeed("predict", sentences, "-t", "the", "-t", "to be").lines
    assert two[0].startswith("the")
    assert two[1].startswith("to be")


@pytest.mark.heavy
def test_a_sentence_ends_where_the_model_ends_it(sentences: Path) -> None:
    texts = Predictor.load(sentences).write(length=60, count=20, seed=1)
    records: list[Any] = [text.as_json() for text in texts]
    ended = [record for record in records if "[EOS]" in record["tokens"]]
    assert ended
    for record in ended:
        assert record["tokens"].index("[EOS]") == len(record["tokens"]) - 1
        assert "[EOS]" not in record["continued"]
        assert "\n" not in record["continued"]
    assert not any({"[UNK]", "[PAD]", "[BOS]"} & set(record["tokens"]) for record in records)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("generate", "{run}", "--temperature", "-1"), "--temperature"),
        (("generate", "{run}", "--top-p", "0"), "--top-p"),
        (("generate", "{run}", "--top-k", "0"), "--top-k"),
        (("generate", "{run}", "--count", "0"), "--count"),
        (("generate", "{run}", "--length", "many"), "--length"),
        (("generate", "{run}", "--prompt", "\udcff"), "is not UTF-8"),
        (("generate", "nowhere"), "nowhere"),
        (("score", "{run}", "lines.txt", "--text", "a"), "two sources of texts"),
        (("score", "{run}", "missing.txt"), "missing.txt"),
        (("score", "nowhere", "--text", "a"), "nowhere"),
    ],
)
def test_bad_words_are_refused(characters: Path, words: tuple[str, ...], message: str) -> None:
    assert message in refuse(*(word.format(run=characters) for word in words))


# --- Recipes and data ---


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        ({"window: 25": "window: 0"}, "training.window: expected more than 0"),
        ({"  test: 0.1": "  stream: false\n  test: 0.1"}, "data.stream: true only"),
        ({"tokenizer: characters": "max_length: 9"}, "data.stream: false only"),
        ({"tokenizer: characters": "add_bos: true"}, "remove the key"),
        ({**SENTENCES, "tokenizer: characters": "add_eos: true"}, "have [EOS] in any case"),
        ({"rnn_language_model": "rnn_tagger"}, "builder"),
        ({"cell: gru": "softmax: full"}, "softmax"),
        (
            {"cell: gru": "adaptive_softmax: [9]", "epochs": "sampled_softmax: 9\n  epochs"},
            "training.sampled_softmax: model.adaptive_softmax needs no sample",
        ),
        ({"cell: gru": "adaptive_softmax: [3]"}, "model.adaptive_softmax.0: expected more than 4"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_recipes(project: Callable[..., Path], replace: dict[str, str], message: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        read_task(project(replace))
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("replace", "message"),
    [
        ({"test: 0.1": "test: 0.96"}, "hold out"),
        ({"test: 0.1": "test: tests.csv"}, "is a table; name the column .* with data.text"),
        ({"test: 0.1": "test: 0.1\n  text: words"}, "play.txt: data.text names the column of a"),
        ({"play.txt\n": "tests.csv\n  text: words\n"}, "tests.csv:1: .*'words'"),
        ({"play.txt\n": "blank.csv\n  text: text\n"}, "no text in column 'text'"),
        ({"play.txt\n": "lists.jsonl\n  text: text\n"}, "lists.jsonl:1: .* holds a list"),
        ({"batch_size: 8": "batch_size: 100000"}, "100000 streams cannot be made"),
        ({"train: play.txt": "train: blank.txt"}, "there is no text in it"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_data(project: Callable[..., Path], replace: dict[str, str], message: str) -> None:
    recipe = project(replace)
    Path("tests.csv").write_text("text\na\n")
    Path("blank.csv").write_text('text,label\n" ",pos\n')
    Path("lists.jsonl").write_text('{"text": ["a", "b"]}\n')
    Path("blank.txt").write_text("\n \n")
    with pytest.raises(DataError, match=message):
        textnets.train(recipe, output="run")


@pytest.mark.parametrize("kind", ["letters", "ends", "sentences"])
def test_texts_of_a_column_are_read_as_lines(project: Callable[..., Path], kind: str) -> None:
    """Whatever the file is called, quoted or packed; breaks inside a text do not end it."""
    ends = {"tokenizer: characters": "tokenizer: words\n  add_eos: true"}
    replace = {"letters": {}, "ends": ends, "sentences": SENTENCES}[kind]
    spoken = [line for line in play(60).splitlines() if line.strip()]
    rows = ["one and\r\nthe other", 'he said, "no"', "  ", "\t", *spoken]
    # A break is a letter like others, or a blank; what is blank altogether says nothing.
    first = ["one and", "the other"] if kind == "letters" else ["one and the other"]
    lines = [*first, 'he said, "no"', *spoken]

    recipe = project(replace)
    Path("play.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    expected = textnets.check(recipe)
    with gzip.open("play.csv.gz", "wt", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("page", "text"), *enumerate(rows)])
    records = [json.dumps({"text": row, "page": [1]}) for row in rows]
    Path("play.jsonl").write_text("\n".join(records), encoding="utf-8")
    for name in ("play.csv.gz", "play.jsonl"):
        found = textnets.check(recipe, {"data.train": name, "data.text": "text"})
        told = ("train file", "read of train")
        assert [f for f in found if f.name not in told] == [
            f for f in expected if f.name not in told
        ]


@pytest.mark.heavy
def test_a_run_on_a_column_reads_tables_and_plain_texts(project: Callable[..., Path]) -> None:
    """Scored, evaluated and measured by a limit; a key that is not given is not written."""
    recipe = project(SENTENCES)
    lines = [line for line in play(80).splitlines() if line.strip()]
    with Path("play.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["words"], *([line] for line in lines)])
    overrides = {"data.train": "play.csv", "data.text": "words", "training.epochs": 1}
    textnets.train(recipe, overrides, output="run")
    assert "\n  text: words\n" in Path("run/recipe.yaml").read_text()

    Path("plain.txt").write_text("".join(f"{line}\n" for line in lines))
    by_column = succeed("score", "run", "play.csv")
    assert by_column.lines == succeed("score", "run", "plain.txt").lines
    assert "this model" in succeed("evaluate", "run", "--data", "play.csv").out
    facts = {f.name: f.value for f in textnets.check(recipe, {**overrides, "data.limit": 40})}
    assert facts["read of train"].startswith(f"{len(lines)} rows in the file, 40 read")


def test_reviews_of_the_catalog_are_read_without_their_labels(tmp_path: Path) -> None:
    """A set of labeled texts is a set of texts; one of columns or pairs is not."""
    Path("imdb").mkdir()
    for split in ("train", "test"):
        with gzip.open(f"imdb/{split}.csv.gz", "wt", encoding="utf-8") as file:
            file.write("text,label,rating\n" + '"a fine, fine film",pos,9\n' * 40)
    recipe = write_project(tmp_path, {"train: play.txt\n  test: 0.1": "dataset: imdb"})
    facts = {fact.name: fact.value for fact in textnets.check(recipe)}
    assert facts["train characters"] == f"{38 * len('a fine, fine film ')}"
    assert facts["test characters"] == f"{40 * len('a fine, fine film ')}"
    for name in ("conll2000", "multi30k_en_de"):
        with pytest.raises(RecipeError) as refusal:
            read_task(write_project(tmp_path, {"train: play.txt": f"dataset: {name}"}))
        assert f"tiny.yaml:3:3: data.dataset: no dataset of this task, was: '{name}'" in str(
            refusal.value
        )


def test_check_counts_steps(project: Callable[..., Path]) -> None:
    facts = {fact.name: fact.value for fact in textnets.check(project())}
    tokens = int(facts["train characters"].replace(",", ""))
    steps = math.ceil(math.ceil(tokens / 8) / 25)
    assert facts["steps an epoch"] == f"{steps}, {3 * steps} at most"


# --- Learning ---


def write_for_jax(folder: Path) -> Path:
    better = {"epochs: 3": "epochs: 1", "cell: gru": "adaptive_softmax: [15, 30]\n  cell: gru",
              "resamples: 50": "resamples: 50\n  baselines: false"}  # fmt: skip
    return write_project(folder, better)


@pytest.mark.heavy
def test_stored_ids_train_on_jax_and_score_alike() -> None:
    pytest.importorskip("jax")
    run = jax_runs() / "language_modeling" / "run"
    found = json.loads((run / "evaluation.json").read_text())["splits"]["test"]["scores"]
    again = textnets.evaluate(run).scores  # on TensorFlow
    assert again["cross_entropy"].value == pytest.approx(found["cross_entropy"]["value"], abs=1e-4)
    generated = json.loads((jax_runs() / "said.json").read_text())["generate"]
    (text,) = Predictor.load(run).write(length=20, seed=2)
    assert generated["out"] == f"{text.as_fields()['continued']}\n"


@pytest.mark.heavy
@pytest.mark.slow
@pytest.mark.long
def test_brackets_close_what_was_opened(tmp_path: Path) -> None:
    """A language that no n-gram knows: ``( [ ] )`` is a sentence, ``( ]`` begins none."""
    random = np.random.default_rng(0)

    def sentence() -> list[str]:
        words, open_brackets = list[str](), list[str]()
        while len(words) < 2 or open_brackets:
            if len(open_brackets) < 4 and random.random() < (0.5 if len(words) < 10 else 0.0):
                open_brackets.append(str(random.choice(["(", "["])))
                words.append(open_brackets[-1])
            elif open_brackets:
                words.append(")" if open_brackets.pop() == "(" else "]")
        return words

    lines = "".join(" ".join(sentence()) + "\n" for _ in range(3000))
    (tmp_path / "play.txt").write_text(lines)
    recipe = tmp_path / "tiny.yaml"
    better = {
        **SENTENCES, "tokenizer: words": "tokenizer: whitespace", "cell: gru": "cell: lstm",
        "  dropout: 0.1\n": "", "batch_size: 8": "batch_size: 32", "epochs: 3": "epochs: 12",
    }  # fmt: skip
    recipe.write_text(written(RECIPE, better))
    result = textnets.train(recipe, {"evaluation.baselines": False}, output=tmp_path / "run")
    predictor = Predictor.load(result.run.folder)
    illegal = ["( ]", "[ ( ]", "( [ ] ]", "( ( ) ( [ ( ) ) ) )", "[ )"]
    for text in illegal:
        (scored,) = list(predictor.score([text]))
        place = {"( ( ) ( [ ( ) ) ) )": 7}.get(text, len(text.split()) - 1)
        assert math.exp(-scored.as_json()["surprisals"][place]) < 0.01, text
    (ended,) = list(predictor.score(["( ["]))  # a sentence does not end in the open
    assert math.exp(-ended.as_json()["surprisals"][-1]) < 0.01
    (legal,) = list(predictor.score(["( [ ] )"]))
    assert math.exp(-legal.as_json()["surprisals"][2]) > 0.2
