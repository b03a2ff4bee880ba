"""The JSON Schema of recipes, from the same classes that check them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from textnets.builders import BUILDERS
from textnets.recipe.model_section import builder_schema
from textnets.recipe.reading import TaskSchema, fitting_builders
from textnets.recipe.sections import MAX_SEED, Claim, EnsembleSection

# A builder of the user's own: only its signature, which is not at hand, knows its keys.
_OWN_MODEL = {
    "type": "object",
    "required": ["builder"],
    "properties": {
        "builder": {
            "type": "string",
            "pattern": "^[^:]+:[^:]+$",
            "description": "Your own function, as MODULE:FUNCTION.",
        }
    },
}


def recipe_schema(tasks: Mapping[str, TaskSchema]) -> dict[str, Any]:
    """A JSON Schema (2020-12) that editors complete recipes from."""
    definitions: dict[str, Any] = {}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "textnets recipe",
        "type": "object",
        "required": ["task", "data"],
        "anyOf": [
            {"required": ["model"]},
            {"properties": {"ensemble": {"required": ["members"]}}, "required": ["ensemble"]},
        ],
        "properties": {
            "task": {"enum": sorted(tasks), "description": "What kind of problem it is."},
            "seed": {
                "type": "integer",
                "minimum": 0,
                "maximum": MAX_SEED,
                "default": 7,
                "description": "Of the split, the order of batches and the starting weights.",
            },
            "claim": _section(Claim, definitions),
            "ensemble": _section(EnsembleSection, definitions),
            "data": {},
            "text": {},
            "model": {},
            "training": {},
            "evaluation": {},
        },
        "additionalProperties": False,
        "allOf": [_task_rule(name, schema, definitions) for name, schema in tasks.items()],
        "$defs": definitions,
    }


def _task_rule(name: str, schema: TaskSchema, definitions: dict[str, Any]) -> dict[str, Any]:
    models = [
        _section(builder_schema(builder, BUILDERS[builder]).section, definitions)
        for builder in fitting_builders(schema)
    ]
    return {
        "if": {"properties": {"task": {"const": name}}},
        "then": {
            "properties": {
                "data": _section(schema.data, definitions),
                "text": _section(schema.text, definitions),
                "training": _section(schema.training, definitions),
                "model": {"oneOf": [*models, _OWN_MODEL]},
                "evaluation": _section(schema.evaluation, definitions),
            }
        },
    }


def _section(kind: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = kind.model_json_schema(ref_template="#/$defs/{model}")
    definitions.update(schema.pop("$defs", {}))
    return schema
