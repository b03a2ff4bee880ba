"""What is exported: a loaded run, and how it is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textnets.run.directory import Run
from textnets.tasks import AnyTask, Predictor


def compute_in_float32(models: Sequence[Any]) -> bool:
    """Let models that were trained in a shorter type compute in float32; before they are called.

    Returns:
        Whether one of them did otherwise.
    """
    found = False
    for model in models:
        for layer in model._flatten_layers(include_self=True):
            if layer.compute_dtype in ("bfloat16", "float16"):
                layer.dtype_policy = "float32"
                found = True
    return found


@dataclass(frozen=True)
class Subject:
    """A run that is exported.

    Attributes:
        predictor: of the run, on a CPU. Where the weights are quantized, its models have the
            weights that the quantized ones stand for.
        quantize: how the weights are made smaller; empty for not.
    """

    predictor: Predictor
    quantize: str = ""

    @property
    def run(self) -> Run:
        """The run directory."""
        return self.predictor.run

    @property
    def task(self) -> AnyTask:
        """Of the run."""
        return self.predictor.task

    @property
    def models(self) -> Sequence[Any]:
        """The Keras models: one, or those of an ensemble that were loaded, in their order."""
        return self.predictor.models
