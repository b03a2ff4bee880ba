"""The JSON Schema accepts what the reader accepts."""

from __future__ import annotations

import copy
import inspect
import json
import re
from typing import Any

import pytest
from ruamel.yaml import YAML

from textnets.builders import BUILDERS
from textnets.recipe.model_section import SHARED_KEYS, builder_schema
from textnets.recipe.reading import SECTIONS
from textnets.recipe.schema import recipe_schema
from textnets.recipe.shipped import shipped_recipes
from textnets.tasks import TASKS

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
BOUNDS = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
    "minLength": lambda value, bound: len(value) >= bound,
    "maxLength": lambda value, bound: len(value) <= bound,
    "minItems": lambda value, bound: len(value) >= bound,
    "pattern": lambda value, bound: re.search(bound, value) is not None,
}
WORDS = {
    "$schema", "$defs", "title", "description", "default", "$ref", "type", "enum", "const", "anyOf",
    "oneOf", "allOf", "if", "then", "properties", "required", "additionalProperties", "items",
} | set(BOUNDS)  # fmt: skip


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return recipe_schema({name: task.schema for name, task in TASKS.items()})


def is_type(value: Any, name: str) -> bool:
    if name in ("integer", "number"):
        kinds = int if name == "integer" else (int, float)
        return isinstance(value, kinds) and not isinstance(value, bool)
    return isinstance(value, TYPES[name])


def accepts(rule: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    """As much of JSON Schema as recipes need; an unknown keyword is an error of this test."""
    assert set(rule) <= WORDS, set(rule) - WORDS
    if "$ref" in rule and not accepts(root["$defs"][rule["$ref"].split("/")[-1]], value, root):
        return False
    if "type" in rule and not is_type(value, rule["type"]):
        return False
    if "enum" in rule and value not in rule["enum"]:
        return False
    if "const" in rule and value != rule["const"]:
        return False
    if not all(test(value, rule[word]) for word, test in BOUNDS.items() if word in rule):
        return False
    if not _accepts_parts(rule, value, root):
        return False
    if "anyOf" in rule and not any(accepts(part, value, root) for part in rule["anyOf"]):
        return False
    if "oneOf" in rule and sum(accepts(part, value, root) for part in rule["oneOf"]) != 1:
        return False
    if not all(accepts(part, value, root) for part in rule.get("allOf", [])):
        return False
    return not ("if" in rule and accepts(rule["if"], value, root)) or accepts(
        rule["then"], value, root
    )


def _accepts_parts(rule: dict[str, Any], value: Any, root: dict[str, Any]) -> bool:
    if isinstance(value, list) and "items" in rule:
        return all(accepts(rule["items"], item, root) for item in value)
    if not isinstance(value, dict):
        return True
    known = rule.get("properties", {})
    if not set(rule.get("required", [])) <= set(value):
        return False
    if not all(accepts(known[key], item, root) for key, item in value.items() if key in known):
        return False
    rest = rule.get("additionalProperties", True)
    others = [item for key, item in value.items() if key not in known]
    if isinstance(rest, dict):
        return all(accepts(rest, item, root) for item in others)
    return rest or not others


def shipped() -> list[Any]:
    yaml = YAML(typ="safe", pure=True)
    return [
        pytest.param(yaml.load(recipe.path.read_text(encoding="utf-8")), id=recipe.name)
        for recipe in shipped_recipes()
    ]


@pytest.mark.parametrize("recipe", shipped())
def test_every_shipped_recipe_is_accepted_and_a_misspelt_key_is_not(schema, recipe):
    assert accepts(schema, recipe, schema)
    for name in ("data", "text", "model", "training"):
        misspelt = copy.deepcopy(recipe)
        misspelt.setdefault(name, {})["patence"] = 3
        assert not accepts(schema, misspelt, schema), name
    assert not accepts(schema, {**recipe, "trainig": {}}, schema)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("training", "epochs", 0),
        ("training", "epochs", "3"),
        ("training", "optimizer", "adma"),
        ("training", "early_stopping", {"patence": 3}),
        ("training", "class_weights", {"a": -1}),
        ("text", "max_tokens", 4),
        ("data", "validation", 1.5),
        ("model", "builder", "rnn_clasifier"),
        ("model", "dropout", 1.0),
        ("model", "cell", "ltsm"),
        ("model", "units", []),
        ("model", "vocabulary_size", 5),
    ],
)
def test_what_the_reader_refuses_the_schema_refuses(schema, section, key, value):
    recipe = {
        "task": "classification",
        "data": {"train": "train.csv"},
        "model": {"builder": "rnn_classifier"},
    }
    assert accepts(schema, recipe, schema)
    recipe[section] = {**recipe.get(section, {}), key: value}
    assert not accepts(schema, recipe, schema)


def test_a_builder_of_a_users_own_has_keys_that_only_it_knows(schema):
    recipe = {"task": "tagging", "data": {"train": "a.jsonl"}, "model": {"builder": "mine:build"}}
    assert accepts(schema, recipe, schema)
    recipe["model"]["whatever"] = 3
    assert accepts(schema, recipe, schema)


def test_it_is_json_and_names_every_key_with_a_description(schema):
    json.dumps(schema, allow_nan=False)
    assert set(schema["properties"]) == set(SECTIONS)
    kind = TASKS["classification"].schema
    sections = schema["allOf"][0]["then"]["properties"]
    for name in ("data", "text", "training"):
        fields = getattr(kind, name).model_fields
        assert sections[name]["properties"].keys() == fields.keys()
        assert all(about["description"] for about in sections[name]["properties"].values())
    assert all(
        about["description"] for about in schema["properties"]["claim"]["properties"].values()
    )


@pytest.mark.parametrize("name", BUILDERS)
def test_a_builder_s_keys_are_its_parameters_with_their_descriptions(schema, name):
    (model,) = (
        model
        for rule in schema["allOf"]
        for model in rule["then"]["properties"]["model"]["oneOf"]
        if model["properties"]["builder"].get("const") == name
    )
    parameters = set(inspect.signature(BUILDERS[name]).parameters)
    found = builder_schema(name, BUILDERS[name]).from_data
    assert set(model["properties"]) == {"builder", *SHARED_KEYS} | (parameters - found)
    assert all(about["description"] for about in model["properties"].values())


def test_a_function_that_is_no_builder_is_refused():
    def positional(units: int) -> None: ...

    def bare(*, units) -> None: ...

    def open_ended(**units: int) -> None: ...

    for function in (positional, bare, open_ended):
        with pytest.raises(TypeError, match="'units' must be keyword-only and annotated"):
            builder_schema(function.__name__, function)
