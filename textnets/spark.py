"""Predictions past one machine, in Spark: a pandas UDF, with a predictor in each Python worker.

>>> import textnets.spark  # doctest: +SKIP
>>> frame = spark.read.parquet("s3://texts/")  # doctest: +SKIP
>>> textnets.spark.predict("runs/x", frame).write.parquet("s3://answers/")  # doctest: +SKIP
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from textnets.errors import InputError, MissingExtraError
from textnets.run.directory import open_run
from textnets.tasks import Predictor

_STRUCT = "prediction"  # until its fields are columns


def predict(
    run: str | Path,
    frame: Any,
    *,
    text: str = "text",
    details: bool = False,
    device: str = "cpu",
    overrides: Sequence[str] = (),
    allow_builders: Sequence[str] = (),
) -> Any:
    """A frame with what a run says of each of its rows.

    Its rows are those of ``frame``, with a column more for each that ``textnets predict --output
    out.csv`` has. Nothing is predicted before the result is used; who loses a worker predicts
    its partition again, as Spark does with every task.

    Args:
        run: a run directory that every worker can read.
        frame: of :mod:`pyspark.sql`, with a column of texts.
        text: the name of that column.
        details: also the probability of each class.
        device: where each worker computes.
        overrides, allow_builders: as :meth:`textnets.Predictor.load`.

    Returns:
        A ``pyspark.sql.DataFrame``.

    Raises:
        MissingExtraError: Spark is not installed.
        RunError: no such run.
        InputError: the frame has no such column.
    """
    if find_spec("pyspark") is None:
        raise MissingExtraError("predicting in Spark", extra="spark")
    from pyspark.sql.functions import col, pandas_udf

    folder = str(open_run(Path(run)).folder.resolve())
    if text not in frame.columns:
        raise InputError(f"the frame has no column {text!r}; it has {', '.join(frame.columns)}")
    how = (folder, device, tuple(overrides), tuple(allow_builders))
    names = _columns(how, ["a text"], details)
    fields = [f"`{name}` {_type_of(values[0])}" for name, values in names.items()]

    # Of pandas' types, which Spark reads from the annotations.
    import pandas as pd

    def answers(parts: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for part in parts:
            yield pd.DataFrame(_columns(how, part.tolist(), details) if len(part) else names)[
                : len(part)
            ]

    answers.__annotations__ = {
        "parts": Iterator[pd.Series],
        "return": Iterator[pd.DataFrame],
    }
    udf = pandas_udf(answers, ", ".join(fields))
    of_struct = [col(_STRUCT)[name].alias(name) for name in names]
    answered = frame.withColumn(_STRUCT, udf(col(text)))
    return answered.select(*[col(f"`{name}`") for name in frame.columns], *of_struct)


@lru_cache(maxsize=1)
def _predictor(how: tuple[str, str, tuple[str, ...], tuple[str, ...]]) -> Predictor:
    """One for each Python worker, which Spark keeps from partition to partition."""
    folder, device, overrides, allow_builders = how
    return Predictor.load(folder, device=device, overrides=overrides, allow_builders=allow_builders)


def _columns(how: Any, texts: Sequence[Any], details: bool) -> dict[str, Sequence[Any]]:
    from textnets.bulk.formats import plain_table
    from textnets.data.values import checked_texts

    columns = _predictor(how).columns(checked_texts(texts, "texts"), flat=True, details=details)
    return plain_table({name: one for name, one in columns.items() if name != "text"})


def _type_of(value: Any) -> str:
    return "string" if isinstance(value, str) else "double"
