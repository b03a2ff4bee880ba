"""A recipe's model: assembled, compiled, saved and loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textnets.builders import BUILDERS
from textnets.errors import RunError
from textnets.progress import Progress
from textnets.tasks import Task
from textnets.tasks.task import Trainer
from textnets.training.devices import Device, precision
from textnets.training.optimizers import build_optimizer

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
        build_optimizer(section),
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
    builder = BUILDERS[task.recipe.builder]
    with precision(task.recipe.training.precision):
        return builder(**task.recipe.builder_parameters, **sizes)


def save_model(model: Any, path: Path) -> None:
    """Save the model without its optimizer: what predicts, and nothing else."""
    import keras

    keras.Model(model.input, model.output, name=model.name).save(path)


def load_model(path: Path) -> Any:
    """Load a ``.keras`` file that textnets wrote; no code in it is run (Keras safe mode).

    Raises:
        RunError: the file is no such model.
    """
    import keras

    import textnets.layers  # noqa: F401  (registers our layers)

    try:
        model = keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises many kinds for a file that is not its own
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise RunError(f"{path}: the model cannot be loaded: {reason}") from None
    return model
