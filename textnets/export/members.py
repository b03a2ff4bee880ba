"""The models that a run answers with, and what each counts."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from textnets.export.subject import Subject
from textnets.tasks.ensemble import EnsemblePreprocessor, read_weights
from textnets.tasks.preprocessor import AnyPreprocessor


@dataclass(frozen=True)
class Member:
    """One model that counts.

    Attributes:
        model: of Keras.
        weight: of the model; all sum to 1.
        place: of its preprocessor among :func:`preprocessors_of`.
    """

    model: Any
    weight: float
    place: int


def members_of(subject: Subject) -> list[Member]:
    """The models of a run that count: one, or those of an ensemble with a weight above 0."""
    task = subject.task
    if task.recipe.ensemble is None:
        return [Member(subject.models[0], 1.0, 0)]
    weights = read_weights(task, subject.run.folder)
    places = [0 if task.writes_together else run.member for run in task.recipe.member_runs]
    return [
        Member(*found)
        for found in zip(subject.models, weights, places, strict=True)
        if found[1] > 0.0
    ]


def preprocessors_of(subject: Subject) -> Sequence[AnyPreprocessor]:
    """Those of the members, or the one."""
    found = subject.predictor.preprocessor
    return found.members if isinstance(found, EnsemblePreprocessor) else [found]


def is_language_model(model: Any) -> bool:
    """Whether a model carries states from token to token: it reads and writes on."""
    return isinstance(model.input, dict) and "states" in model.input


def is_encoder_decoder(model: Any) -> bool:
    """Whether a model is asked in two parts: the source once, then token by token."""
    return {"source_ids", "target_ids"} <= {tensor.name for tensor in model.inputs}


def state_sizes(model: Any) -> list[int]:
    """The width of each state that a language model carries."""
    return [int(state.shape[-1]) for state in model.input["states"]]


@contextmanager
def plain_kernels(models: Sequence[Any], *, unroll: bool = False) -> Iterator[None]:
    """In the block recurrent layers take no kernel that only a GPU has: a graph that was traced
    where there is one would not run elsewhere (Keras issue 21799). Nor have they dropout, whose
    seeds would be in the graph though nothing reads them.

    Args:
        models: of Keras.
        unroll: whether each of their steps is written out.
    """
    wanted = {"use_cudnn": False, "dropout": 0.0, "recurrent_dropout": 0.0}
    wanted |= {"unroll": True} if unroll else {}
    changed = []
    for model in models:
        for layer in _recurrent_layers(model):
            for one in (layer, layer.cell):
                for name, value in wanted.items():
                    is_own = not isinstance(getattr(type(one), name, None), property)
                    if is_own and hasattr(one, name):
                        changed.append((one, name, getattr(one, name)))
                        setattr(one, name, value)
    try:
        yield
    finally:
        for one, name, before in reversed(changed):
            setattr(one, name, before)


def _recurrent_layers(model: Any) -> list[Any]:
    import keras

    from textnets.layers.kernels import all_layers

    return [layer for layer in all_layers(model) if isinstance(layer, keras.layers.RNN)]


@contextmanager
def quiet_converters() -> Iterator[None]:
    """In the block converters are silent: they tell of their own work, of which no user can change
    anything."""
    loggers = [logging.getLogger(name) for name in ("tf2onnx", "tensorflow", "absl")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
