"""Smaller weights, and what they cost.

The run's own model is given the weights that the small ones stand for, so that it is scored, and
compared with what was written, as it will answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import InputError
from textnets.export.subject import Subject
from textnets.lite.weights import is_large, packed, unpacked
from textnets.pipeline import recorded_splits
from textnets.progress import Progress


@dataclass(frozen=True)
class Weights:
    """The floats of a model.

    Attributes:
        variables: Keras's.
        tables: whether each is a table of rows that are looked up.
    """

    variables: Sequence[Any]
    tables: Sequence[bool]

    @classmethod
    def of(cls, model: Any) -> Weights:
        """Those of a model that predict."""
        variables = [one for one in model.weights if "float" in str(one.dtype)]
        return cls(variables, [one.path.endswith("embeddings") for one in variables])


def quantize_weights(weights: Weights, kind: str) -> None:
    """Give each variable the values that its small form stands for."""
    for variable, is_table in zip(weights.variables, weights.tables, strict=True):
        values: npt.NDArray[np.float32] = np.asarray(variable, np.float32)
        if is_large(values):
            variable.assign(unpacked(packed(values, kind, by_row=is_table)))


def validation_score(subject: Subject, progress: Progress) -> float:
    """The task's headline on the run's validation split.

    Raises:
        InputError: there is none.
    """
    predictor = subject.predictor
    splits = recorded_splits(predictor, progress)
    if "validation" not in splits:
        raise InputError(
            f"{subject.run.folder}: the recipe has no validation split, which would tell what "
            "--quantize costs; leave --quantize out, or train with data.validation"
        )
    encoded, _ = predictor.preprocessor.encode(
        splits["validation"], progress, "encoding validation"
    )
    outputs = predictor.outputs(encoded, progress)
    values = predictor.evaluation.values(outputs, predictor.as_scored(encoded))
    return float(values[subject.task.headline])
