"""An estimator's parameters: the keys of a recipe under flat names.

Nothing is written twice: names, defaults and rules are those of the task's sections and of the
builder's signature. A name stands for itself wherever its section is, since no two sections
share one.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from pydantic_core import PydanticUndefined

from textnets.errors import InputError
from textnets.recipe import TaskSchema
from textnets.recipe.document import Document
from textnets.recipe.model_section import builder_schema
from textnets.recipe.reading import find_builder
from textnets.recipe.sections import EvaluationSection

# A fit keeps no checkpoints: what is in memory cannot be continued by another process.
# Further columns, which count auxiliary_weight, are of files.
_NO_PARAMETERS = {"checkpoint_minutes", "checkpoint_every", "auxiliary_weight"}


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    Attributes:
        section: of the recipe in which its key stands.
        default: its value unless given; ``None`` also where a builder asks for one.
        is_written: whether the recipe has it in any case, since its own default is another.
    """

    section: str
    default: Any
    is_written: bool = False


def section_parameters(
    schema: TaskSchema, data_keys: Sequence[str], defaults: Mapping[str, Any]
) -> dict[str, Parameter]:
    """The parameters that do not depend on the builder.

    Args:
        schema: of the task.
        data_keys: those of the ``data`` section that are about examples in memory too.
        defaults: where they are not the recipe's.
    """
    of_all = set(EvaluationSection.model_fields)  # about reports, which a fit does not write
    found = {}
    for name, kind in (
        ("data", schema.data),
        ("text", schema.text),
        ("training", schema.training),
        ("evaluation", schema.evaluation),
    ):
        for key, field in kind.model_fields.items():
            left_out = {"data": key not in data_keys, "evaluation": key in of_all}
            if key not in _NO_PARAMETERS and not left_out.get(name, False):
                default = defaults.get(key, field.default)
                found[key] = Parameter(name, default, key in defaults)
    return found


def builder_parameters(
    builder: Any, of_sections: Mapping[str, Parameter]
) -> dict[str, Parameter] | None:
    """All parameters with a builder; ``None`` where there is no such builder.

    Args:
        builder: its name.
        of_sections: those that do not depend on it, but for what it makes of training.
    """
    try:
        found = find_builder(builder) if isinstance(builder, str) else None
        schema = builder_schema(builder, found) if found else None
    except (InputError, TypeError):  # told, with its reason, when the recipe is checked
        return None
    if schema is None:
        return None
    own = {
        key: Parameter("model", None if field.default is PydanticUndefined else field.default)
        for key, field in schema.section.model_fields.items()
        if key != "builder"
    }
    return {**of_sections, **_training_parameters(schema.training), **own}


def _training_parameters(defaults: Mapping[str, Any]) -> dict[str, Parameter]:
    """Parameters of training to which a builder gives a default of its own.

    With as many epochs as ``min_steps`` makes, both are ``None``: a number of epochs that is given
    is told from the builder's that way, and holds.
    """
    open_keys = {"epochs", "min_steps"} if "min_steps" in defaults else set()
    return {
        key: Parameter("training", None if key in open_keys else value)
        for key, value in defaults.items()
    }


def recipe_document(
    source: str,
    sections: Mapping[str, Any],
    parameters: Mapping[str, Parameter],
    values: Mapping[str, Any],
) -> Document:
    """A recipe of the parameters that were changed, to be checked like any other.

    Args:
        source: what to call it in messages.
        sections: keys that are no parameters, by section.
        parameters: all that there are.
        values: of each of them.
    """
    found = {
        name: dict(section) if isinstance(section, Mapping) else section
        for name, section in sections.items()
    }
    for name, parameter in parameters.items():
        if parameter.is_written or not is_same(values[name], parameter.default):
            found.setdefault(parameter.section, {})[name] = plain(values[name])
    return Document(source, found, {})


def is_same(value: Any, default: Any) -> bool:
    """Whether a value is the default: ``[64]`` is ``(64,)``, but 1 is not True."""
    value, default = plain(value), plain(default)
    return type(value) is type(default) and bool(value == default)


def plain(value: Any) -> Any:
    """A value as YAML would give it: tuples as lists, NumPy's numbers as Python's."""
    if isinstance(value, np.generic | np.ndarray):
        return plain(value.tolist())
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, tuple | list):
        return [plain(part) for part in value]
    if isinstance(value, Mapping):
        return {key: plain(part) for key, part in value.items()}
    return value


def show_parameters(init: Any, parameters: Mapping[str, Parameter]) -> None:
    """Make a constructor's signature tell every parameter and its default.

    It takes them as ``**parameters``; ``help()``, editors and scikit-learn read the signature.
    """
    own = list(inspect.signature(init).parameters.values())
    fixed = [one for one in own if one.kind is not inspect.Parameter.VAR_KEYWORD]
    rest = [one for one in own if one.kind is inspect.Parameter.VAR_KEYWORD]
    more = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=parameter.default)
        for name, parameter in parameters.items()
    ]
    init.__signature__ = inspect.Signature([*fixed, *more, *rest])


def changed_values(
    sections: Mapping[str, Any], parameters: Mapping[str, Parameter]
) -> dict[str, Any]:
    """The values that a resolved recipe gives to parameters, where they are no defaults."""
    return {
        key: value
        for name, section in sections.items()
        if isinstance(section, Mapping)
        for key, value in section.items()
        if key in parameters
        and parameters[key].section == name
        and not is_same(value, parameters[key].default)
    }
