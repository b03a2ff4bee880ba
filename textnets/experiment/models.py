"""A recipe's model: assembled, compiled, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from textnets.backend.devices import Device, precision
from textnets.backend.inference import input_names
from textnets.builders.own import is_own
from textnets.errors import InputError
from textnets.progress import Progress
from textnets.recipe.model_section import builder_schema
from textnets.recipe.reading import find_builder
from textnets.tasks import Task
from textnets.tasks.task import Trainer
from textnets.training.optimizers import build_optimizer, token_tables

if TYPE_CHECKING:
    from textnets.layers.kernels import KernelPath


@dataclass(frozen=True)
class CompiledModel:
    """A model that is ready to be trained.

    Attributes:
        model: the builder's: what predicts and what is saved.
        trainer: what is trained in order to train it, compiled.
        facts: what a run records of it.
    """

    model: Any
    trainer: Trainer
    facts: dict[str, Any]


def compile_model(task: Task[Any], device: Device, progress: Progress) -> CompiledModel:
    """A recipe's model, compiled."""
    import keras

    from textnets.layers.kernels import recurrent_kernel

    keras.utils.set_random_seed(task.recipe.seed)
    model = assemble_model(task, task.sizes(progress))
    trainer = task.trainer(model)
    loss, metrics = task.losses()
    section = task.recipe.training
    jit = section.xla if device.backend == "tensorflow" else "auto"
    trainer.model.compile(
        build_optimizer(section, token_tables(trainer.model)),
        loss,
        metrics=metrics,
        weighted_metrics=list(trainer.weighted_metrics),
        jit_compile=jit,
    )
    kernel = describe_kernel(recurrent_kernel(model, device.backend), device)
    progress.say(
        f"model: {task.recipe.builder}, {model.count_params():,} parameters; "
        f"{device.backend} on {device.name} ({device.reason}), {section.precision}; "
        f"recurrent kernel: {kernel}"
    )
    facts = {"recurrent_kernel": kernel, "parameters": int(model.count_params()), **task.facts}
    return CompiledModel(model, trainer, facts)


def describe_kernel(path: KernelPath, device: Device) -> str:
    """Which recurrent kernel a model uses on a device, and why."""
    if not path.recurrent:
        return f"none: {path.reason}"
    if not path.fused:
        return f"generic: {path.reason}"
    if device.kind == "cpu":
        return f"generic: {path.reason}, but there is no GPU"
    return f"fused: {path.reason}"


def assemble_model(task: Task[Any], sizes: Mapping[str, Any]) -> Any:
    """The builder's model for the sizes found in the data, uncompiled."""
    name = task.recipe.builder
    builder = find_builder(name)
    takes = builder_schema(name, builder).from_data
    for size, value in sizes.items():
        if size not in takes and (value is True or isinstance(value, np.ndarray)):
            raise InputError(f"model.builder: {name} takes no {size}, which the recipe asks for")
    with precision(task.recipe.training.precision):
        model = builder(
            **task.recipe.builder_parameters,
            **{size: value for size, value in sizes.items() if size in takes},
        )
    if is_own(name):
        _check_model(name, model, task)
    tables, factor = token_tables(model), task.recipe.training.embedding_rate
    if factor != 1.0 and not tables:
        raise InputError(
            f"training.embedding_rate: {name} makes a model without a table of token vectors that "
            f"is trained, so the key has no effect, was: {factor:g}; remove it"
        )
    for table in tables:
        # Rows are looked up, then cast. Keras casts the table first, and JAX then adds up the
        # gradients of a token's places in reduced precision, where 128 + 0.4 is 128.
        table._autocast = False
    return model


def _check_model(name: str, model: Any, task: Task[Any]) -> None:
    """Refuse what the builder of a user's own gave back, where no training could use it."""
    import keras

    if not isinstance(model, keras.Model):
        raise InputError(
            f"model.builder: {name} must return a keras.Model, was: {type(model).__name__}"
        )
    if strangers := sorted(set(input_names(model)) - set(task.input_names)):
        raise InputError(
            f"model.builder: {name} returned a model with an input {strangers[0]!r}; this task "
            f"gives {' and '.join(task.input_names)} (keras.Input(..., name=...))"
        )
    width = task.output_width
    if width is not None and model.output_shape[-1] != width:
        raise InputError(
            f"model.builder: {name} returned a model whose output ends in {model.output_shape[-1]} "
            f"values, expected {width}: {task.output_rule}"
        )
