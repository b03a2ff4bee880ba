"""A recipe's model: assembled, compiled, saved and loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from traceback import extract_tb
from typing import TYPE_CHECKING, Any

import numpy as np

from textnets.backend.devices import Device, precision
from textnets.backend.inference import input_names
from textnets.backend.recurrence import train_recurrence_fast
from textnets.builders.custom import is_custom
from textnets.errors import InputError, TextnetsError
from textnets.experiment.source_runs import SourceRun
from textnets.experiment.warm_start import WarmStart, begin_with_source
from textnets.experiment.word_vectors import WordVectors, pretrained_vectors
from textnets.progress import Progress
from textnets.recipe import Recipe
from textnets.recipe.model_section import builder_schema
from textnets.recipe.reading import find_builder
from textnets.tasks import AnyTask
from textnets.tasks.preprocessor import AnyPreprocessor
from textnets.text.encoded import EncodedSplit
from textnets.training.adversary import with_adversary
from textnets.training.optimizers import build_optimizer, token_tables
from textnets.training.r_drop import with_r_drop
from textnets.training.setup import TrainingSetup

if TYPE_CHECKING:
    from textnets.layers.kernels import KernelPath


@dataclass(frozen=True)
class CompiledModel:
    """A model that is ready to be trained.

    Attributes:
        model: the builder's: what predicts and what is saved.
        setup: how it is trained; its model is compiled.
        recurrent_kernel: which one the model uses, and why.
        vectors: the pretrained word vectors that it began with, by table.
        start: what it began with of another run; ``None`` where there was none.
    """

    model: Any
    setup: TrainingSetup
    recurrent_kernel: str
    vectors: Mapping[str, WordVectors]
    start: WarmStart | None = None

    @property
    def parameters(self) -> int:
        """How many the model has."""
        return int(self.model.count_params())


def compile_model(
    task: AnyTask,
    preprocessor: AnyPreprocessor,
    train: EncodedSplit,
    device: Device,
    progress: Progress,
    *,
    fused: bool = True,
    source: SourceRun | None = None,
) -> CompiledModel:
    """A recipe's model, compiled.

    Args:
        task: of the recipe.
        preprocessor: what was learned from the training split.
        train: that split.
        device: where it will be trained.
        progress: where to say what it is.
        fused: whether a step of training may be computed by what is faster than Keras's own
            operations, with the same result but for the last digits.
        source: the run that it begins with.

    Raises:
        InputError: the builder, or the source, does not fit the recipe.
    """
    import keras

    from textnets.layers.kernels import recurrent_kernel

    # Loaded first: making its layers draws numbers, which are then drawn as without it.
    theirs = source.load_model() if source is not None else None
    keras.utils.set_random_seed(task.recipe.seed)
    vectors = vectors_of(task, preprocessor, progress)
    model = build_model(task, preprocessor, vectors)
    start = None
    if source is not None:
        start = begin_with_source(model, task.recipe, preprocessor, source, theirs)
        progress.say(f"begins with {start.said}")
    section = task.recipe.training
    setup = task.training_setup(model, preprocessor, train)
    setup = with_adversary(setup, section.virtual_adversarial, task.recipe.seed)
    setup = with_r_drop(setup, section.r_drop)
    own_loops: list[str] = []
    if fused and device.backend == "tensorflow" and device.kind == "cpu" and not section.xla:
        own_loops = train_recurrence_fast(setup.model)
    jit = section.xla if device.backend == "tensorflow" else "auto"
    setup.model.compile(
        build_optimizer(section, token_tables(setup.model), fused=fused),
        setup.loss,
        metrics=list(setup.metrics),
        weighted_metrics=list(setup.weighted_metrics),
        jit_compile=jit,
    )
    kernel = describe_kernel(recurrent_kernel(model, device.backend), device)
    if own_loops:
        kernel += "; trained by textnets' own loop"
    compiled = CompiledModel(model, setup, kernel, vectors, start)
    progress.say(
        f"model: {task.recipe.builder}, {compiled.parameters:,} parameters; "
        f"{device.backend} on {device.name} ({device.reason}), {section.precision}; "
        f"recurrent kernel: {kernel}"
    )
    return compiled


def vectors_of(
    task: AnyTask, preprocessor: AnyPreprocessor, progress: Progress
) -> dict[str, WordVectors]:
    """The pretrained vectors that a recipe names, by the table that begins with them."""
    tables = preprocessor.vector_tables
    return {
        name: pretrained_vectors(task.recipe, file, tables[name][1], progress)
        for name, file in preprocessor.vector_files.items()
    }


def vectors_record(vectors: Mapping[str, WordVectors]) -> dict[str, Any] | None:
    """What a run records of its vectors: of several tables by their names."""
    found = {name: one.as_json() for name, one in vectors.items()}
    if "tokens" in found or not found:
        return found.get("tokens")
    return dict(found)


def describe_kernel(path: KernelPath, device: Device) -> str:
    """Which recurrent kernel a model uses on a device, and why."""
    if not path.recurrent:
        return f"none: {path.reason}"
    if not path.fused:
        return f"generic: {path.reason}"
    if device.kind == "cpu":
        return f"generic: {path.reason}, but there is no GPU"
    return f"fused: {path.reason}"


def build_model(
    task: AnyTask, preprocessor: AnyPreprocessor, vectors: Mapping[str, WordVectors]
) -> Any:
    """The builder's model for what was found in the data, uncompiled.

    Raises:
        InputError: the builder takes not what the recipe asks for, or gives back no such model.
    """
    given = {"embedding_vectors": vectors["tokens"].table} if "tokens" in vectors else {}
    model = assemble_model(task.recipe, preprocessor.sizes | given)
    for name, one in vectors.items():
        if name != "tokens":
            _start_table(model, preprocessor.vector_tables[name][0], one)
    if is_custom(task.recipe.builder):
        _check_model(task, preprocessor, model)
    return model


def _start_table(model: Any, name: str, vectors: WordVectors) -> None:
    """Begin a table of a translator with pretrained vectors. The model reads its vectors times
    the root of their width, so that they are divided by it here."""
    layers = {layer.name: layer for layer in model.layers}
    shared = "target_embedding"  # the only table of a model that shares it
    layer = layers.get(name) or layers.get(shared)
    if layer is None or tuple(layer.embeddings.shape) != vectors.table.shape:
        raise InputError(
            f"text.vectors: the model has no table {name!r} of {vectors.table.shape[0]:,} vectors "
            f"of {vectors.table.shape[1]}"
        )
    layer.embeddings.assign(vectors.table / vectors.table.shape[1] ** 0.5)


def assemble_model(recipe: Recipe, sizes: Mapping[str, Any]) -> Any:
    """What a recipe's builder makes of sizes that are found in data.

    Raises:
        InputError: see :func:`build_model`.
    """
    import keras

    name = recipe.builder
    builder = find_builder(name)
    takes = builder_schema(name, builder).from_data
    for size, value in sizes.items():
        if size not in takes and (value is True or isinstance(value, np.ndarray)):
            raise InputError(f"model.builder: {name} takes no {size}, which the recipe asks for")
    given = {size: value for size, value in sizes.items() if size in takes}
    with precision(recipe.training.precision), _told_as_input_errors(name, builder):
        model = builder(**recipe.builder_parameters, **given)
    if not isinstance(model, keras.Model):
        raise InputError(
            f"model.builder: {name} must return a keras.Model, was: {type(model).__name__}"
        )
    tables, factor = token_tables(model), recipe.training.embedding_rate
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


@contextmanager
def _told_as_input_errors(name: str, builder: Any) -> Iterator[None]:
    """Say where a custom builder failed; those of textnets do not, but for what they refuse."""
    try:
        yield
    except Exception as error:
        if not is_custom(name) or isinstance(error, TextnetsError):
            raise
        path = getattr(getattr(builder, "__code__", None), "co_filename", None)
        lines = [f.lineno for f in extract_tb(error.__traceback__) if f.filename == path]
        where = f" ({path}:{lines[-1]})" if lines else ""
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"model.builder: {name} raised {type(error).__name__}{where}: {reason}"
        ) from error


def _check_model(task: AnyTask, preprocessor: AnyPreprocessor, model: Any) -> None:
    """Refuse what the builder of a user's own gave back, where no training could use it."""
    name = task.recipe.builder
    if strangers := sorted(set(input_names(model)) - set(task.input_names)):
        raise InputError(
            f"model.builder: {name} returned a model with an input {strangers[0]!r}; this task "
            f"gives {' and '.join(task.input_names)} (keras.Input(..., name=...))"
        )
    width = preprocessor.output_width
    if width is not None and model.output_shape[-1] != width:
        raise InputError(
            f"model.builder: {name} returned a model whose output ends in {model.output_shape[-1]} "
            f"values, expected {width}: {preprocessor.output_rule}"
        )
