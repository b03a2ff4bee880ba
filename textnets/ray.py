"""Predictions past one machine, over Ray Data: a predictor in each worker.

>>> import textnets.ray  # doctest: +SKIP
>>> texts = ray.data.read_parquet("s3://texts/")  # doctest: +SKIP
>>> textnets.ray.predict("runs/x", texts).write_parquet("s3://answers/")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from textnets.errors import InputError, MissingExtraError
from textnets.run.directory import open_run

_BATCH = 8192  # texts: sorted by length, a batch of them holds little padding


def predict(
    run: str | Path,
    dataset: Any,
    *,
    text: str = "text",
    details: bool = False,
    workers: int = 2,
    batch_size: int = _BATCH,
    gpus: float = 0,
    overrides: Sequence[str] = (),
    allow_builders: Sequence[str] = (),
) -> Any:
    """A Ray dataset with what a run says of each of its rows.

    Nothing is predicted before the result is used, as always in Ray Data. Its rows are those of
    ``dataset``, in their order, with a column more for each that ``textnets predict --output
    out.csv`` has. A worker that dies is started again, and its rows are predicted again.

    Args:
        run: a run directory that every worker can read.
        dataset: of :mod:`ray.data`, with a column of texts.
        text: the name of that column.
        details: also the probability of each class.
        workers: actors, each of which holds one predictor.
        batch_size: rows that a worker is given at once.
        gpus: of each worker; 0 for a CPU's core.
        overrides, allow_builders: as :meth:`textnets.Predictor.load`.

    Returns:
        A ``ray.data.Dataset``.

    Raises:
        MissingExtraError: Ray is not installed.
        RunError: no such run.
        InputError: the dataset has no such column.
    """
    if find_spec("ray") is None:
        raise MissingExtraError("predicting over Ray", extra="ray")
    folder = open_run(Path(run)).folder.resolve()
    columns = dataset.columns()
    if columns is not None and text not in columns:
        raise InputError(f"the dataset has no column {text!r}; it has {', '.join(columns)}")
    # Else rows come in the order in which workers are done.
    dataset.context.execution_options.preserve_order = True
    return dataset.map_batches(
        _Worker,
        fn_constructor_kwargs={
            "run": str(folder),
            "text": text,
            "details": details,
            "overrides": list(overrides),
            "allow_builders": list(allow_builders),
            "device": "gpu" if gpus else "cpu",
        },
        batch_size=batch_size,
        batch_format="numpy",
        concurrency=workers,
        num_gpus=gpus or None,
    )


class _Worker:
    """What an actor holds."""

    def __init__(self, run: str, text: str, details: bool, **how: Any) -> None:
        from textnets.tasks import Predictor

        self._predictor = Predictor.load(run, for_many=True, **how)
        self._text, self._details = text, details

    def __call__(self, batch: Mapping[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
        from textnets.bulk.formats import plain_table
        from textnets.data.values import checked_texts

        texts = checked_texts(batch[self._text].tolist(), self._text)
        columns = self._predictor.columns(texts, flat=True, details=self._details)
        found = plain_table({name: one for name, one in columns.items() if name != "text"})
        return {**batch, **{name: _array(values) for name, values in found.items()}}


def _array(values: Sequence[Any]) -> npt.NDArray[Any]:
    return np.array(values, object if isinstance(values[0], str) else None)
