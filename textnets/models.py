"""A recipe's model: assembled, compiled, run over a split, saved and loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textnets.builders import BUILDERS
from textnets.errors import RunError
from textnets.progress import Progress
from textnets.tasks import Task
from textnets.tasks.task import Outputs
from textnets.text.corpus import EncodedSplit
from textnets.training.devices import Device, precision
from textnets.training.inference import predict_all
from textnets.training.optimizers import build_optimizer
from textnets.training.steps import forward

if TYPE_CHECKING:
    from textnets.layers.kernels import KernelPath

OutputsOf = Callable[[EncodedSplit, Progress], Outputs]


def compile_model(
    task: Task[Any], device: Device, progress: Progress
) -> tuple[Any, dict[str, Any]]:
    """A compiled model, and what a run records of it."""
    import keras

    from textnets.layers.kernels import recurrent_kernel

    keras.utils.set_random_seed(task.recipe.seed)
    model = assemble_model(task, task.sizes(progress))
    loss, metrics = task.losses()
    section = task.recipe.training
    jit = section.xla if device.backend == "tensorflow" else "auto"
    model.compile(build_optimizer(section), loss, metrics=metrics, jit_compile=jit)
    kernel = describe_kernel(recurrent_kernel(model, device.backend), device)
    progress.say(
        f"model: {task.recipe.builder}, {model.count_params():,} parameters; "
        f"{device.backend} on {device.name} ({device.reason}), {section.precision}; "
        f"recurrent kernel: {kernel}"
    )
    return model, {
        "recurrent_kernel": kernel,
        "parameters": int(model.count_params()),
        **task.facts,
    }


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


def outputs_of(task: Task[Any], model: Any) -> OutputsOf:
    """A function from an encoded split to the model's outputs, see :func:`predict_all`."""
    compiled, width = forward(model), task.recipe.training.bucket_width
    names = input_names(model)
    return lambda split, progress: predict_all(
        compiled, split.only(names).inputs, bucket_width=width, progress=progress
    )


def input_names(model: Any) -> list[str]:
    """Which of a split's inputs a model takes."""
    return [tensor.name for tensor in model.inputs]


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
