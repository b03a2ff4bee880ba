from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from textnets.builders import BUILDERS
from textnets.errors import RecipeError
from textnets.tasks import TASKS, read_task

EPOCHS, UNITS, TOKENS, TEST = "epochs: 3", "units: [8]", "max_tokens: 100", "test: test.csv"
STOPPING = "  early_stopping:\n    patience: 3"
SEED = "seed: 3"
JARGON = re.compile(
    r"Input|should be|_parsing|valid (integer|number|string)|a integer|instance of|dictionary|None"
    r"|True|False|constrained|literal\[|validation error|pydantic|dict\[|str\b|Sequence|bool"
)

MISTAKES = [
    # Keys that are not known, at every level, and the nearest that is.
    ("patience", "patence", "13:5: training.early_stopping.patence: unknown key; "
     "did you mean 'patience'?"),
    (EPOCHS, "epoch: 3", "11:3: training.epoch: unknown key; did you mean 'epochs'?"),
    ("training:", "trainig:", "10:1: trainig: unknown section; did you mean 'training'?"),
    (UNITS, "unitz: [8]", "9:3: model.unitz: unknown key; did you mean 'units'?"),
    (STOPPING, "  early_stopping: {zzz: 1}", "12:20: training.early_stopping.zzz: unknown key; "
     "known: metric, min_delta, patience"),
    (SEED, "1: 3", "14:1: 1: unknown section; known: claim, data, ensemble, evaluation, "
     "model, seed, task, text, training"),
    (SEED, '"a\\nb c": 3', "14:1: 'a\\nb c': unknown section; known: claim, data, "
     "ensemble, evaluation, model, seed, task, text, training"),
    # Keys given twice.
    (EPOCHS, "epochs: 1\n  epochs: 2", "12:3: training.epochs: this key is given twice, "
     "first in line 11"),
    (SEED, "seed: 3\nseed: 4", "15:1: seed: this key is given twice, first in line 14"),
    (SEED, "seed: 3\n'seed': 3", "15:1: seed: this key is given twice, first in line 14"),
    # Keys and sections that are missing.
    (f"text:\n  {TOKENS}", "text:\n  tokenizer: regex", "5:1: text.pattern: this key is missing; "
     "tokenizer: regex needs it"),
    ("train: train.csv\n  ", "", "2:1: data.train: name a 'train' file, or a 'dataset' of the "
     "catalog"),
    ("task: classification\n", "", " task: this section is missing"),
    (f"model:\n  builder: rnn_classifier\n  {UNITS}\n", "", " model: this section is missing"),
    (SEED, "claim: {at_least: 0.5}", "14:1: claim.metric: this key is missing (A metric of the "
     "test split, such as accuracy)"),
    (SEED, "claim: {metric: accuracy}", "14:1: claim.at_least: give 'at_least' or 'at_most', and "
     "not both"),
    # Wrong types.
    (EPOCHS, "epochs: '3'", "11:3: training.epochs: expected a whole number, was: '3'"),
    (EPOCHS, "epochs: 1.5", "11:3: training.epochs: expected a whole number, was: 1.5"),
    (EPOCHS, "epochs: true", "11:3: training.epochs: expected a whole number, was: true"),
    (EPOCHS, "epochs: null", "11:3: training.epochs: expected a whole number, was: null"),
    (EPOCHS, "epochs: {a: [1, x y]}", "11:3: training.epochs: expected a whole number, was: "
     "{a: [1, 'x y']}"),
    (EPOCHS, "xla: yes", "11:3: training.xla: expected true or false, was: 'yes'"),
    (EPOCHS, "learning_rate: fast", "11:3: training.learning_rate: expected a number, was: 'fast'"),
    (TEST, "text: 1e-3", "4:3: data.text: expected text or a list, was: 0.001"),
    (UNITS, "units: 64", "9:3: model.units: expected a list, was: 64"),
    (UNITS, "units: [8, a]", "9:14: model.units.1: expected a whole number, was: 'a'"),
    (UNITS, "bidirectional: 1", "9:3: model.bidirectional: expected true or false, was: 1"),
    (STOPPING, "  early_stopping: true", "12:3: training.early_stopping: expected a section of "
     "keys, was: true"),
    (SEED, "claim: 3", "14:1: claim: expected a section of keys, was: 3"),
    ("data:\n  train: train.csv\n  test: test.csv", "data: x", "2:1: data: expected a section of "
     "keys, was: 'x'"),
    # Out of range.
    (EPOCHS, "epochs: 0", "11:3: training.epochs: expected more than 0, was: 0"),
    (EPOCHS, "clip_norm: -1", "11:3: training.clip_norm: expected more than 0, was: -1"),
    (EPOCHS, "learning_rate: .inf", "11:3: training.learning_rate: expected a finite number, "
     "was: .inf"),
    (EPOCHS, "warmup_steps: -2", "11:3: training.warmup_steps: expected at least 0, was: -2"),
    (UNITS, "dropout: 1.0", "9:3: model.dropout: expected less than 1, was: 1.0"),
    (UNITS, "units: []", "9:3: model.units: expected 1 or more items, was: []"),
    (UNITS, "units: [8, -1]", "9:14: model.units.1: expected more than 0, was: -1"),
    (TEST, "label_separator: ''", "4:3: data.label_separator: expected 1 or more characters, "
     "was: ''"),
    (TEST, "label_separator: ','", "4:3: data.label_separator: has no effect with multi_label: "
     "false; it goes with multi_label: true, was: ','"),
    (SEED, "seed: -1", "14:1: seed: expected a whole number from 0 to 2147483647, was: -1"),
    (SEED, "seed: null", "14:1: seed: expected a whole number from 0 to 2147483647, was: null"),
    (SEED, "evaluation: {confidence: 2}", "14:14: evaluation.confidence: expected less than 1, "
     "was: 2"),
    # Choices.
    (UNITS, "cell: ltsm", "9:3: model.cell: expected one of simple, lstm, gru, peephole_lstm, "
     "prototype_lstm, layer_norm_lstm, was: 'ltsm'; did you mean 'lstm'?"),
    (UNITS, "cell: 3", "9:3: model.cell: expected one of simple, lstm, gru, peephole_lstm, "
     "prototype_lstm, layer_norm_lstm, was: 3"),
    (EPOCHS, "precision: half", "11:3: training.precision: expected one of float32, "
     "mixed_bfloat16, was: 'half'"),
    ("task: classification", "task: clasification", "1:1: task: unknown task, was: "
     "'clasification'; did you mean 'classification'?"),
    ("task: classification", "task: [1]", "1:1: task: unknown task, was: [1]; known: "
     + ", ".join(sorted(TASKS))),
    ("train: train.csv", "dataset: imbd", "3:3: data.dataset: unknown dataset, was: 'imbd'; "
     "did you mean 'imdb'?"),
    # One of several types.
    (TEST, "validation: 1.5", "4:3: data.validation: expected less than 1, was: 1.5"),
    (TEST, "validation: true", "4:3: data.validation: expected a number or text or a list, "
                               "was: true"),
    (TEST, "validation: .nan", "4:3: data.validation: expected a finite number, was: .nan"),
    (EPOCHS, "class_weights: balancd", "11:3: training.class_weights: expected balanced, was: "
     "'balancd'; did you mean 'balanced'?"),
    (EPOCHS, "class_weights: {a: 1, b c: -1}", "11:25: training.class_weights.'b c': expected "
     "more than 0, was: -1"),
    (EPOCHS, "class_weights: [1]", "11:3: training.class_weights: expected balanced or a section "
     "of keys, was: [1]"),
    # The builder's signature is the schema.
    ("rnn_classifier", "rnn_clasifier", "8:3: model.builder: unknown builder, was: "
     "'rnn_clasifier'; did you mean 'rnn_classifier'?"),
    ("rnn_classifier", "7", "8:3: model.builder: unknown builder, was: 7; known: "
     + ", ".join(sorted(BUILDERS))),
    ("  builder: rnn_classifier\n", "", "7:1: model.builder: this key is missing; one of "
     "rnn_classifier, cnn_classifier, mlp_classifier, transformer_classifier, "
     "ngram_bag_classifier, encoder_classifier"),
    (f"model:\n  builder: rnn_classifier\n  {UNITS}", "model:", "7:1: model.builder: this key is "
     "missing; one of rnn_classifier, cnn_classifier, mlp_classifier, transformer_classifier, "
     "ngram_bag_classifier, encoder_classifier"),
    (f"model:\n  builder: rnn_classifier\n  {UNITS}", "model: rnn_classifier", "7:1: model: "
     "expected a section of keys with a builder (one of rnn_classifier, cnn_classifier, "
     "mlp_classifier, transformer_classifier, ngram_bag_classifier, encoder_classifier), was: "
     "'rnn_classifier'"),
    (UNITS, "vocabulary_size: 5", "9:3: model.vocabulary_size: this size is found in the data; "
     "remove the key"),
    # Keys that would have no effect, or that contradict each other.
    (EPOCHS, "momentum: 0.5", "11:3: training.momentum: has no effect with optimizer: adam; it "
     "goes with optimizer: momentum or nesterov, was: 0.5"),
    (EPOCHS, "clip_norm: 1\n  clip_value: 2", "12:3: training.clip_value: give 'clip_norm' or "
     "'clip_value', not both, was: 2"),
    (TOKENS, "pattern: a{3}", "6:3: text.pattern: has no effect without tokenizer: regex, "
     "was: 'a{3}'"),
    (TOKENS, "max_length: 2\n  add_bos: true\n  add_eos: true", "6:3: text.max_length: expected "
     "at least 3: [BOS], [EOS] and a token of the text, was: 2"),
    # YAML that would construct something, or hide something.
    (TOKENS, "max_tokens: !!python/object/apply:os.system ['touch /tmp/pwned']", "6:3: "
     "text.max_tokens: YAML tags are not allowed in a recipe, was: "
     "!!python/object/apply:os.system"),
    (TOKENS, "max_tokens: !!set {a, b}", "6:3: text.max_tokens: YAML tags are not allowed in a "
     "recipe, was: !!set"),
    (TOKENS, "max_tokens: !!int 30", "6:3: text.max_tokens: YAML tags are not allowed in a "
     "recipe, was: !!int"),
    ("text:\n", "text: !x\n", "5:1: text: YAML tags are not allowed in a recipe, was: !x"),
    (TOKENS, "<<: {max_tokens: 50}", "6:3: text.<<: merge keys are not allowed in a recipe; "
     "write the keys out"),
    (UNITS, "units: &a [*a]", "9:14: model.units.0: the alias *a stands for nothing that was "
     "given before it"),
    (SEED, "? [a, b]\n: 3", "14:3: [...]: a key is plain text"),
    (TEST, r'label: "\ud800"', r"4:3: data.label: holds half of a surrogate pair, was: '\ud800'"),
    # No YAML.
    (f"  {EPOCHS}", f"\t{EPOCHS}", "11:1: not valid YAML: a tab stands where only blanks may; "
     "indent with blanks"),
    (EPOCHS, "epochs: [3", "12:17: not valid YAML: expected ',' or ']', but got ':'"),
    (SEED, "seed: 3\n---\nseed: 3", "15:1: a recipe is one YAML document, not several"),
    (SEED, "seed: \x07", "14:7: not valid YAML: the character U+0007 is not allowed"),
    ("task: classification", "%YAML 1.1\n---\ntask: classification", "1:1: a recipe is YAML 1.2; "
     "remove the %YAML line"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "message"), MISTAKES)
def test_a_mistake_gives_one_clear_line(change, old, new, message):
    line = change(old, new)
    assert line == f"r.yaml:{message}"
    assert not JARGON.search(line), line


def test_all_mistakes_come_at_once_in_file_order(mistakes):
    lines = mistakes("""\
task: clasification
data:
  train: 3
  validation: 2
model:
  units: [-1]
  builder: rnn_classifier
  units: [4]
training:
  epoch: 3
  learning_rate: !!float 3
  early_stopping:
    patience: 0
seed: 1.5
evaluation: {resamples: many}
zzz: 1
""")
    assert [line.split(": ")[:2] for line in lines] == [
        ["r.yaml:1:1", "task"],
        ["r.yaml:3:3", "data.train"],
        ["r.yaml:4:3", "data.validation"],
        ["r.yaml:6:11", "model.units.0"],
        ["r.yaml:8:3", "model.units"],
        ["r.yaml:10:3", "training.epoch"],
        ["r.yaml:11:3", "training.learning_rate"],  # once, though its value is no number either
        ["r.yaml:13:5", "training.early_stopping.patience"],
        ["r.yaml:14:1", "seed"],
        ["r.yaml:15:14", "evaluation.resamples"],
        ["r.yaml:16:1", "zzz"],
    ]


def test_a_misspelt_builder_key_is_named_beside_the_missing_one(mistakes, good):
    assert mistakes(good.replace("builder:", "bulder:")) == [
        "r.yaml:7:1: model.builder: this key is missing; one of rnn_classifier, cnn_classifier, "
        "mlp_classifier, transformer_classifier, ngram_bag_classifier, encoder_classifier",
        "r.yaml:8:3: model.bulder: unknown key; did you mean 'builder'?",
    ]


def test_every_size_from_the_data_is_refused_as_a_key(change):
    for name in ("vocabulary_size", "num_classes", "multi_label", "embedding_vectors"):
        assert "found in the data; remove the key" in change(UNITS, f"{name}: 3")


@pytest.mark.parametrize("key", ["momentum", "weight_decay", "decay_rate", "plateau_factor"])
def test_a_key_without_effect_is_a_mistake_even_at_its_default(change, key):
    assert f"training.{key}: has no effect" in change(EPOCHS, f"{key}: 0.9")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "r.yaml: the recipe is empty"),
        (b"\n# only a comment\n", "r.yaml: the recipe is empty"),
        (b"null", "r.yaml: the recipe is empty"),
        (b"[1, 2]", "r.yaml:1:1: a recipe is a mapping of sections, was: a list"),
        (b"hello", "r.yaml:1:1: a recipe is a mapping of sections, was: 'hello'"),
        (b"\xff\xfet\x00", "r.yaml: not UTF-8 at byte 0; save the recipe as UTF-8"),
        (b"task: caf\xe9", "r.yaml: not UTF-8 at byte 9; save the recipe as UTF-8"),
        (b"\x00", "r.yaml:1:1: not valid YAML: the character U+0000 is not allowed"),
        (b"a: b: c", "r.yaml:1:5: not valid YAML: mapping values are not allowed here"),
        (b"x" * 300_000, "r.yaml: a recipe is a small YAML file, was: 300,000 bytes"),
        (b"[" * 3000, "r.yaml:1:13: nested too deeply"),
        (b"- " * 3000, "r.yaml:1:25: nested too deeply"),
    ],
)
def test_a_file_that_is_no_recipe(mistakes, content, message):
    assert mistakes(content) == [message]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(RecipeError, match=r"nowhere\.yaml: no such recipe; 'textnets recipes'"):
        read_task(tmp_path / "nowhere.yaml")
    with pytest.raises(RecipeError, match="cannot be read: Is a directory"):
        read_task(tmp_path)


def test_aliases_that_multiply_stay_bounded(mistakes):
    rows = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    for name, below in zip("bcdefghijk", "abcdefghij", strict=True):
        rows.append(f"{name}: &{name} [{', '.join([f'*{below}'] * 9)}]")
    assert mistakes("\n".join(rows)) == ["r.yaml:5:12: more values than a recipe has"]


def test_keys_that_nest_without_end_stay_bounded(mistakes):
    assert mistakes("{" * 50_000)[-1].endswith("nested too deeply")
    assert mistakes("? " * 50_000)[-1].endswith("nested too deeply")


# --- What is no mistake ---


def test_values_are_what_yaml_1_2_says(read, good):
    text = good.replace(EPOCHS, "learning_rate: 1e-3\n  class_weights: {no: 1, 1: 2, null: 3}")
    recipe = read(text.replace(TEST, "label: no\n  text: 2020-01-01\n  test: 1:30"))
    assert recipe.training.learning_rate == 0.001
    assert recipe.training.class_weights == {"no": 1, "1": 2, "null": 3}
    assert (recipe.data.label, recipe.data.text, recipe.data.test) == ("no", "2020-01-01", "1:30")


def test_bom_and_crlf_change_nothing(read, good):
    plain = read(good)
    assert read(b"\xef\xbb\xbf" + good.encode()) == plain
    assert read(good.replace("\n", "\r\n")) == plain


def test_lines_are_right_after_bom_and_crlf(mistakes, good):
    text = b"\xef\xbb\xbf" + good.replace("seed: 3", "seed: x").replace("\n", "\r\n").encode()
    assert mistakes(text)[0].startswith("r.yaml:14:1: seed:")
    assert mistakes(b"\xef\xbb\xbftusk: x\n")[0].startswith("r.yaml:1:1: tusk:")


def test_an_alias_is_a_copy(read, good):
    recipe = read(good.replace(UNITS, "units: &sizes [8, 9]\n  dense_units: *sizes"))
    assert recipe.model["dense_units"] == recipe.model["units"] == [8, 9]
    changed = read(
        good.replace("text:\n  max_tokens: 100", "text: &x {}").replace(
            "seed: 3", "evaluation: *x"
        ),
        "text.max_length=9",
    )
    assert changed.text.max_length == 9


def test_an_empty_section_takes_its_defaults(read, good):
    assert read(good.replace("text:\n  max_tokens: 100", "text:")).text.max_tokens == 20_000


def test_all_baselines_are_for_classifiers(read, good, change, mistakes):
    asked = good.replace("seed: 3", "evaluation: {baselines: all}\nseed: 3")
    assert read(asked).evaluation.baselines == "all"
    assert read(asked.replace("all", "true")).evaluation.baselines is True
    assert change("seed: 3", "evaluation: {baselines: al}") == (
        "r.yaml:14:14: evaluation.baselines: expected all, was: 'al'; did you mean 'all'?"
    )
    tagger = "task: tagging\ndata: {train: a.conllu}\nmodel: {builder: rnn_tagger}\n"
    assert mistakes(tagger + "evaluation: {baselines: all}") == [
        "r.yaml:4:14: evaluation.baselines: expected true or false, was: 'all'"
    ]


def test_a_dataset_fills_in_what_the_recipe_leaves_out(read, good):
    files = "train: train.csv\n  test: test.csv"
    recipe = read(good.replace(files, "dataset: imdb"))
    assert recipe.data.train == "imdb/train.csv.gz"
    assert recipe.data.test == "imdb/test.csv.gz"
    own = read(good.replace(files, "dataset: imdb\n  test: mine.csv\n  label: stars"))
    assert (own.data.train, own.data.test) == ("imdb/train.csv.gz", "mine.csv")
    assert own.data.label == "stars"


def test_the_defaults_of_the_builder_fill_in(read, good):
    model = read(good).model
    assert model["cell"] == "lstm"
    assert model["dense_units"] == []
    assert "vocabulary_size" not in model


# --- Whatever is done to a recipe ---

LINES = """\
task: classification
data:
  train: train.csv
  validation: 0.1
  test: test.csv
  multi_label: false
text:
  tokenizer: words
  max_tokens: 100
  truncate: start
model:
  builder: cnn_classifier
  widths: [3, 4]
  dropout: 0.5
training:
  optimizer: adam
  learning_rate: 1e-3
  clip_norm: 1.0
  class_weights: {a: 1, b: 2.5}
  early_stopping:
    patience: 3
evaluation: {confidence: 0.9, baselines: false}
seed: 3
claim: {metric: accuracy, at_least: 0.5}
""".splitlines()

SCALARS = st.one_of(
    st.sampled_from(
        ["", "~", "no", "true", "-1", "0", "1e-3", ".nan", ".inf", "[]", "{}", "[[]]", "*a", "&a 1",
         "!!int 3", "!x", "!!python/name:os.system", "'", '"', "|", ">", "%", "@", "`", "- 1",
         "? a", "<<: 1", "2020-01-01", "1_000", "0x1F", "9" * 5000, "\t", "#", ": :",
         "{a: 1, a: 2}", "[1, 2", '"\\ud800"', '"\\0"', "\u2028", "\ufeff", "{? [a]: 1}",
         "words", "a b"]
    ),
    st.text(max_size=8),
)  # fmt: skip


@st.composite
def mutated(draw: st.DrawFn) -> str:
    lines = list(LINES)
    for _ in range(draw(st.integers(1, 3))):
        index = draw(st.integers(0, len(lines) - 1))
        line = lines[index]
        key, _, value = line.partition(":")
        lines[index : index + 1] = draw(
            st.one_of(
                st.just([]),
                st.just([line, line]),
                st.builds(lambda name: [f"{name}:{value}"], SCALARS),  # noqa: B023
                st.builds(lambda other: [f"{key}: {other}"], SCALARS),  # noqa: B023
                st.builds(lambda blanks: [" " * blanks + line.strip()], st.integers(0, 6)),  # noqa: B023
                st.builds(lambda other: [line + other], SCALARS),  # noqa: B023
            )
        ) or ["# gone"]
    return "\n".join(lines)


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(text=mutated())
@example(text="\n".join(LINES))
@example(text="a: !%0A x")
def test_a_mutated_recipe_reads_or_is_refused_in_lines(tmp_path: Path, text: str):
    path = tmp_path / "r.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    error = None
    try:
        read_task(path)
    except RecipeError as refusal:
        error = refusal
    if error is not None:
        lines = str(error).split("\n")
        assert len(lines) == len(error.problems)
        assert all(line.startswith(f"{path}:") for line in lines)
        said = [problem.message.split(", was: ")[0] for problem in error.problems]
        assert not any(re.search("Input should|_type|Traceback|pydantic", what) for what in said)
