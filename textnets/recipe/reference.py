"""Every key of a recipe as a page for people, from the same classes that check them."""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from textnets.builders import BUILDERS
from textnets.recipe.model_section import SHARED_KEYS, ModelSection, builder_schema
from textnets.recipe.reading import TaskSchema, fitting_builders
from textnets.recipe.sections import (
    MAX_SEED,
    AverageSection,
    CacheSection,
    Claim,
    EarlyStopping,
    EnsembleSection,
    MemberSection,
    NgramSection,
    Section,
    VirtualAdversarialSection,
)

_HEAD = """\
# Every key of a recipe

Written by `textnets schema --format markdown` from the classes that check recipes; do not edit.
`textnets schema` prints the same as a JSON Schema, which editors complete recipes from.

A recipe has the sections `task`, `data` and `model`, and may have `text`, `training`,
`ensemble`, `evaluation`, `seed` and `claim`. A key that is not listed here is an error. Any key can
be set on the command line: `--set training.epochs=3`.
"""
_SECTIONS = ("data", "text", "training", "evaluation")
_ABOUT = {
    "data": "Where the text comes from. Files are looked for beside the recipe, beside it under "
    "`data/`, under `$TEXTNETS_DATA`, among the sets that ship, and in the user's cache.",
    "text": "From text to ids.",
    "training": "How the weights are found.",
    "evaluation": "How the trained model is measured, and how it answers.",
    "ensemble": "Several models that are trained apart and answer together; see "
    "[ensembles](ensembles.md). With `members`, the recipe's own `text`, `training` and `model` "
    "are what all of them share.",
    "claim": "What the recipe promises of its test split; a run says whether it is met.",
}
_MODEL = """\
## `model`

The signature of the builder; what is found in the data, such as the vocabulary's size, is no key.
Every model has these keys besides:
"""
_OWN = """\
### A builder of your own

`builder: my_models:build_mine` names a function of a module. Its keyword-only, annotated
parameters are the keys; see [extending](extending.md).
"""
#: Sections inside of a section.
_INNER = (
    EarlyStopping,
    VirtualAdversarialSection,
    AverageSection,
    CacheSection,
    NgramSection,
    MemberSection,
)
_NUMBERS = {"integer": "whole number", "number": "number"}
_NAMES = {"string": "text", "boolean": "`true` or `false`", "object": "keys and values"}


@dataclass(frozen=True)
class _Key:
    """One row: all but the tasks that have it."""

    name: str
    values: str
    default: str
    description: str


def recipe_reference(tasks: Mapping[str, TaskSchema], about: Mapping[str, str]) -> str:
    """Every key of every section and of every builder, in Markdown.

    Args:
        tasks: the tasks that there are, by name.
        about: what each of them does, in a sentence.
    """
    parts = [_HEAD, _task_and_seed(about)]
    for section in _SECTIONS:
        kinds = {name: getattr(schema, section) for name, schema in tasks.items()}
        parts.append(f"## `{section}`\n\n{_ABOUT[section]}\n\n{_shared_table(kinds)}")
    shared = _table(_HEADINGS, map(_cells, _keys(ModelSection)))
    parts.append(f"{_MODEL}\n{shared}")
    parts += [_builder(name, tasks) for name in BUILDERS]
    parts.append(_OWN)
    ensemble = _table(_HEADINGS, map(_cells, _keys(EnsembleSection)))
    parts.append(f"## `ensemble`\n\n{_ABOUT['ensemble']}\n\n{ensemble}")
    claim = _table(_HEADINGS, map(_cells, _keys(Claim)))
    parts.append(f"## `claim`\n\n{_ABOUT['claim']}\n\n{claim}")
    return "\n".join(parts)


# --- Sections ---

_HEADINGS = ("key", "value", "default", "what it is")


def _task_and_seed(about: Mapping[str, str]) -> str:
    told = " ".join(f"{_code(name)}: {sentence}" for name, sentence in about.items())
    rows = [
        ("`task`", f"one of {_listed(about)}", "required", f"What kind of problem it is. {told}"),
        (
            "`seed`",
            f"whole number, 0 to {MAX_SEED}",
            "`7`",
            "Of the split, the order of batches and the starting weights.",
        ),
    ]
    return f"## `task` and `seed`\n\n{_table(_HEADINGS, rows)}"


def _shared_table(kinds: Mapping[str, type[BaseModel]]) -> str:
    """The keys of one section in all tasks; alike ones stand in one row."""
    found: dict[_Key, list[str]] = {}
    for task, kind in kinds.items():
        for key in _keys(kind):
            found.setdefault(key, []).append(task)
    order = list(dict.fromkeys(key.name for key in found))
    rows = sorted(found.items(), key=lambda item: order.index(item[0].name))
    return _table(
        (*_HEADINGS, "tasks"),
        ((*_cells(key), "all" if len(having) == len(kinds) else _listed(having))
         for key, having in rows),
    )  # fmt: skip


def _builder(name: str, tasks: Mapping[str, TaskSchema]) -> str:
    builder = BUILDERS[name]
    fitting = [task for task, schema in tasks.items() if name in fitting_builders(schema)]
    summary = (inspect.getdoc(builder) or "").splitlines()[0]
    schema = builder_schema(name, builder)
    found = _keys(schema.section)
    keys = [key for key in found if key.name not in ("builder", *SHARED_KEYS)]
    table = _table(_HEADINGS, map(_cells, keys)) if keys else "It has no keys.\n"
    training = _of_training(schema.training)
    return f"### `builder: {name}`\n\nFor {_listed(fitting)}. {summary}\n\n{training}{table}"


def _of_training(defaults: Mapping[str, Any]) -> str:
    """What a builder makes of ``training``, as a paragraph; nothing where that is nothing."""
    if not defaults:
        return ""
    keys = ", ".join(
        f"`{key}: {json.dumps(value)}`".replace('"', "") for key, value in defaults.items()
    )
    but = " (`min_steps` only where `epochs` is not given)" if "min_steps" in defaults else ""
    return f"Where `training` does not say otherwise: {keys}{but}.\n\n"


def _keys(kind: type[BaseModel], prefix: str = "") -> Iterator[_Key]:
    schema = kind.model_json_schema()
    conditions = kind.only_with if issubclass(kind, Section) else {}
    for name, about in schema["properties"].items():
        description = about.get("description", "")
        if name in conditions and conditions[name][0] not in description:
            owner, values = conditions[name]
            wanted = " or ".join(str(value).lower() for value in values)
            description += f" With {owner}: {wanted}."
        default = _code(_yaml(about["default"])) if "default" in about else "required"
        yield _Key(f"{prefix}{name}", _values(about), default, description)
        for inner in _INNER:
            if _refers(about, inner):
                yield from _keys(inner, f"{name}.")


def _refers(about: Mapping[str, Any], inner: type[Section]) -> bool:
    """Whether a key holds the keys of an inner section, or a list of such."""
    listed = [part["items"] for part in _parts(about) if isinstance(part.get("items"), dict)]
    parts = [*_parts(about), *listed]
    return any(_is_of(part, inner) for part in parts)


def _is_of(part: Mapping[str, Any], inner: type[Section]) -> bool:
    return bool(part.get("$ref", "").endswith(f"/{inner.__name__}"))


def _cells(key: _Key) -> tuple[str, str, str, str]:
    return (_code(key.name), key.values, key.default, key.description)


# --- Values ---


def _values(about: Mapping[str, Any]) -> str:
    """What a key may be, in words."""
    return ", or ".join(_value(part) for part in _parts(about))


def _parts(about: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    parts: Sequence[Mapping[str, Any]] = about.get("anyOf", [about])
    return parts


def _value(part: Mapping[str, Any]) -> str:
    if "$ref" in part:
        is_listed = any(_is_of(part, inner) for inner in _INNER)
        return "the keys below" if is_listed else "keys and values"
    if "const" in part:
        return _code(part["const"])
    if "enum" in part:
        return f"one of {_listed(part['enum'])}"
    kind = part["type"]
    if kind == "null":
        return "`null`"
    if kind in _NUMBERS:
        return _NUMBERS[kind] + _range(part)
    if "prefixItems" in part:
        return f"list of {len(part['prefixItems'])} {_plural(_value(part['prefixItems'][0]))}"
    if kind == "array":
        items = _plural(_values(part["items"]))
        least = part.get("minItems", 0)
        return f"list of {items}" + (f"; {least} at least" if least else "")
    if kind == "object" and isinstance(part.get("additionalProperties"), dict):
        return f"a {_value(part['additionalProperties'])} for each name"
    return _NAMES[kind]


def _range(part: Mapping[str, Any]) -> str:
    low, high = part.get("minimum"), part.get("maximum")
    if low is not None and high is not None:
        return f", {_yaml(low)} to {_yaml(high)}"
    bounds = {
        "minimum": ", {} or more",
        "exclusiveMinimum": " above {}",
        "maximum": ", {} at most",
        "exclusiveMaximum": ", below {}",
    }
    return "".join(words.format(_yaml(part[key])) for key, words in bounds.items() if key in part)


def _plural(value: str) -> str:
    return value.replace("number", "numbers", 1)


def _yaml(value: Any) -> str:
    """A value as a recipe would write it."""
    if isinstance(value, str):
        return value if value.replace("_", "").isalnum() else json.dumps(value)
    if isinstance(value, float) and value.is_integer():
        return f"{value:.1f}"
    return json.dumps(value)


# --- Markdown ---


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(map(_code, names))


def _code(text: Any) -> str:
    return f"`{text}`"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [headings, ["---"] * len(headings), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines)


def _cell(text: str) -> str:
    """Text that stays in its cell; a bare ``<`` would begin a tag."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
