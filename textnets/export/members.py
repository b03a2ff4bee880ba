"""The models that a run answers with, and what each counts."""

from __future__ import annotations

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


@contextmanager
def plain_kernels(models: Sequence[Any]) -> Iterator[None]:
    """In the block recurrent layers take no kernel that only a GPU has: a graph that was traced
    where there is one would not run elsewhere (Keras issue 21799)."""
    from textnets.layers.kernels import all_layers

    changed = []
    for model in models:
        for layer in all_layers(model):
            if getattr(layer, "use_cudnn", False):
                changed.append((layer, layer.use_cudnn))
                layer.use_cudnn = False
    try:
        yield
    finally:
        for layer, before in changed:
            layer.use_cudnn = before
