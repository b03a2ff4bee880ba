"""The ``model:`` section: a builder's own signature is its schema.

Nothing is written twice: keyword, type, range, default and description are read from
the builder function. Parameters marked :class:`~textnets.builders.parameters.FromData`
are filled in by the task and are no recipe keys.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PydanticUserError,
    ValidationError,
    create_model,
    model_validator,
)

from textnets.builders.parameters import FromData, WrittenIfSet
from textnets.recipe.sections import TrainingSection, as_tuple, mistake

Builder = Callable[..., Any]

#: What of another run a model may begin with.
Part = Literal["embeddings", "recurrent", "characters", "convolutions", "output"]


class ModelSection(BaseModel):
    """What the sections of all builders share."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    initialize_from: Annotated[str, Field(min_length=1)] | None = Field(
        None,
        description="A finished run, of any task, whose vectors of shared tokens and whose layers "
        "the model begins with; a path beside the recipe, or from where textnets is run.",
    )
    initialize_parts: (
        Annotated[tuple[Part, ...], Field(min_length=1), BeforeValidator(as_tuple)] | None
    ) = Field(None, description="What of that run the model begins with; by default all that fits.")

    #: Parameters of the builder that are no recipe keys.
    found_in_data: ClassVar[frozenset[str]] = frozenset()
    #: Keys that are left out of what is written where they have their default.
    written_if_set: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="after")
    def _parts_are_of_a_run(self) -> Self:
        if self.initialize_parts is not None and self.initialize_from is None:
            raise mistake("initialize_parts", "has no effect without initialize_from")
        return self

    def as_written(self) -> dict[str, Any]:
        """Plain data with the defaults written out; it reads back."""
        written = self.model_dump(mode="json")
        plain = type(self).model_construct().model_dump(mode="json", warnings=False)
        for key in self.written_if_set:
            if written[key] == plain.get(key):
                del written[key]
        shared = {key: written.pop(key) for key in SHARED_KEYS if key in written}
        return {**written, **shared}


#: Keys of a model that no builder is given.
SHARED_KEYS = tuple(ModelSection.model_fields)


@dataclass(frozen=True)
class BuilderSchema:
    """What a builder's signature says.

    Attributes:
        section: a frozen pydantic model of its recipe keys, ``builder`` included.
        from_data: names of the parameters that the task fills in.
        required_from_data: those of them without a default.
        training: what it makes of the recipe's ``training:`` where that does not say.
    """

    section: type[ModelSection]
    from_data: frozenset[str]
    required_from_data: frozenset[str]
    training: Mapping[str, Any]


@cache
def builder_schema(name: str, builder: Builder) -> BuilderSchema:
    """Read a builder's signature.

    Raises:
        TypeError: the function is no builder: a parameter is positional, a ``**kwargs``, or
            has no annotation, or one that no recipe can be checked by.
    """
    try:
        hints = get_type_hints(builder, include_extras=True)
    except Exception as error:  # an annotation may be any expression
        raise TypeError(f"builder '{name}': an annotation cannot be read: {error}") from error
    try:
        parameters = inspect.signature(builder).parameters.values()
    except ValueError as error:  # of what is written in C, or of a class that hides it
        raise TypeError(f"builder '{name}': has no signature that can be read") from error
    descriptions = _parameter_descriptions(builder)
    fields: dict[str, Any] = {"builder": (Literal[name], Field(description="Which architecture."))}
    from_data, required, written_if_set = set(), set(), set(SHARED_KEYS)
    for parameter in parameters:
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY or parameter.name not in hints:
            raise TypeError(
                f"builder '{name}': parameter '{parameter.name}' must be keyword-only and annotated"
            )
        if parameter.name in ("builder", *SHARED_KEYS):
            raise TypeError(
                f"builder '{name}': parameter '{parameter.name}' is a key of every model; give it "
                "another name"
            )
        has_default = parameter.default is not inspect.Parameter.empty
        if _is_marked(hints[parameter.name], FromData):
            from_data.add(parameter.name)
            required |= set() if has_default else {parameter.name}
            continue
        if _is_marked(hints[parameter.name], WrittenIfSet):
            written_if_set.add(parameter.name)
        default = parameter.default if has_default else ...
        about = descriptions.get(parameter.name)
        fields[parameter.name] = (hints[parameter.name], Field(default, description=about))
    try:
        section = create_model(f"{name}_model", __base__=ModelSection, **fields)
    except (PydanticUserError, NameError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise TypeError(f"builder '{name}': an annotation fits no recipe: {reason}") from error
    section.found_in_data = frozenset(from_data)
    section.written_if_set = frozenset(written_if_set)
    return BuilderSchema(
        section, frozenset(from_data), frozenset(required), _training_defaults(name, builder)
    )


def _training_defaults(name: str, builder: Builder) -> dict[str, Any]:
    """What :func:`textnets.builders.arguments.trained_with` says of a builder."""
    given = getattr(builder, "training_defaults", {})
    try:
        TrainingSection.model_validate(given)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise TypeError(f"builder '{name}': training_defaults: {key}: {first['msg']}") from error
    return dict(given)


def _is_marked(hint: Any, mark: type) -> bool:
    if get_origin(hint) is Annotated:
        return any(isinstance(extra, mark) for extra in get_args(hint)[1:])
    return False


def _parameter_descriptions(builder: Builder) -> dict[str, str]:
    """The ``Args:`` lines of a Google-style docstring."""
    lines = inspect.getdoc(builder) or ""
    _, _, arguments = lines.partition("Args:\n")
    arguments = re.split(r"\n(?=\S)", arguments, maxsplit=1)[0]
    found = re.findall(r"^    (\w+): (.*(?:\n {5,}.*)*)", arguments, flags=re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}
