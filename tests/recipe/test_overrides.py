from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textnets.errors import RecipeError


def value_of(recipe, path):
    value = recipe
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("training.epochs=7", "training.epochs", 7),
        ("training.learning_rate=1e-3", "training.learning_rate", 0.001),
        ("training.learning_rate = 2", "training.learning_rate", 2.0),
        ("training.early_stopping.patience=9", "training.early_stopping.patience", 9),
        ("training.early_stopping=null", "training.early_stopping", None),
        ("training.clip_norm=", "training.clip_norm", None),
        ("training={epochs: 5}", "training.epochs", 5),
        ("model.units=[64, 64]", "model.units", [64, 64]),
        ("model.bidirectional=false", "model.bidirectional", False),
        ("evaluation.resamples=0", "evaluation.resamples", 0),  # a new section
        ("claim={metric: accuracy, at_least: 0.5}", "claim.at_least", 0.5),
        ("seed=5", "seed", 5),
        ("text.vectors=a=b=c", "text.vectors", "a=b=c"),
        ("data.label=no", "data.label", "no"),
        ("data.label='null'", "data.label", "null"),
        ("data.label=a: b", "data.label", "a: b"),
        ("data.label=a # b", "data.label", "a # b"),
        ("data.label=@x", "data.label", "@x"),
        ("data.label=!!int 3", "data.label", "!!int 3"),
        ("data.label=&a [*a]", "data.label", "&a [*a]"),
        ('data.label="[x]"', "data.label", "[x]"),
        ("data.label=[a-z]+", "data.label", "[a-z]+"),
        ("data.label=2020-01-01", "data.label", "2020-01-01"),
    ],
)
def test_an_override_sets_a_value(read, good, override, path, value):
    assert value_of(read(good, override), path) == value


def test_the_last_override_wins(read, good):
    assert read(good, "seed=5", "seed=6").seed == 6


def test_an_override_mends_a_mistake_of_the_file(read, good):
    assert read(good.replace("epochs: 3", "epochs: x"), "training.epochs=1").training.epochs == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", "training.epoch: unknown key; did you mean 'epochs'?"),
        ("training.early_stoping.patience=3", "training.early_stoping: unknown key; did you mean "
         "'early_stopping'?"),
        ("training.early_stopping.patence=3", "training.early_stopping.patence: unknown key; did "
         "you mean 'patience'?"),
        ("trainig.epochs=3", "trainig: unknown section; did you mean 'training'?"),
        ("training.epochs=0", "training.epochs: expected more than 0, was: 0"),
        ("training.epochs=three", "training.epochs: expected a whole number, was: 'three'"),
        ("training.epochs=[1", "training.epochs: expected a whole number, was: '[1'"),
        ("model.units=[8, x]", "model.units.1: expected a whole number, was: 'x'"),
        ("seed=", "seed: expected a whole number from 0 to 2147483647, was: null"),
        ("training=5", "training: expected a section of keys, was: 5"),
        ("task.x=1", "task.x: 'task' is a value, not a section, so no key can be set in it"),
        ("model.units.1=3", "model.units.1: 'units' has 1 items, counted from 0, so no key can be "
         "set in it"),
        ("data.label=[!!int 3]", "data.label: YAML tags are not allowed in a recipe, was: !!int"),
        ("data.label={a: 1, a: 2}", "data.label: this key is given twice, first in line 1"),
        ("training.epochs", "expected SECTION.KEY=VALUE, such as training.epochs=3"),
        ("=3", "expected SECTION.KEY=VALUE, such as training.epochs=3"),
        ("a..b=3", "expected SECTION.KEY=VALUE, such as training.epochs=3"),
    ],
)  # fmt: skip
def test_a_bad_override_is_named_as_the_origin(mistakes, good, override, message):
    assert mistakes(good, override) == [f"--set {override}: {message}"]


def test_mistakes_of_file_and_overrides_come_together(mistakes, good):
    text = good.replace("seed: 3", "seed: x\nseed: y")
    assert mistakes(text, "training.epochs=0", "oops") == [
        "r.yaml:14:1: seed: expected a whole number from 0 to 2147483647, was: 'x'",
        "r.yaml:15:1: seed: this key is given twice, first in line 14",
        "--set oops: expected SECTION.KEY=VALUE, such as training.epochs=3",
        "--set training.epochs=0: training.epochs: expected more than 0, was: 0",
    ]


def test_another_builder_refuses_the_keys_of_the_first(mistakes, good):
    (line,) = mistakes(good, "model.builder=mlp_classifier")
    assert line.startswith("r.yaml:9:3: model.units: unknown key; did you mean 'dense_units'?")


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    key=st.sampled_from(["seed", "data.label", "model.units", "training.epochs", "x.y", "text"]),
    value=st.text(),
)
def test_any_value_sets_or_is_refused_in_one_line(read, good, key, value):
    said = ""
    try:
        read(good, f"{key}={value}")
    except RecipeError as error:
        said = str(error)
    assert not said or all(line.startswith("--set ") for line in said.split("\n"))
    assert all(line.isprintable() for line in said.split("\n"))
