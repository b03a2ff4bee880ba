"""Predictions over Ray Data and in Spark, each on a local cluster of two workers.

``make test-clusters`` installs both, which takes a minute and 600 MB, and runs these.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.conftest import ROOT, read_questions
from textnets import Predictor
from textnets.errors import InputError

pytestmark = [pytest.mark.heavy, pytest.mark.long]

ROWS = 20_000


@pytest.fixture(scope="module")
def texts() -> list[str]:
    questions = [text for text, _ in read_questions("test")]
    return [f"{questions[n % len(questions)]} {n}" for n in range(ROWS)]


@pytest.fixture(scope="module")
def wanted(finished: Path, texts: list[str]) -> list[tuple[str, str]]:
    """What one process says."""
    predictor = Predictor.load(finished)
    return [(one.text, one.labels[0]) for one in predictor.predict_stream(texts)]


#: In the environment of every process of the clusters, and of no other.
MARK = f"TEXTNETS_TESTS_CLUSTER={os.getpid()}"


def kill_one(name: str) -> Thread:
    """Kill -9 the first of our processes that has loaded TensorFlow and whose command tells this
    name."""

    def wait_and_kill() -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for place in Path("/proc").glob("[0-9]*"):
                try:
                    told = (place / "cmdline").read_bytes().decode(errors="replace")
                    if MARK.encode() not in (place / "environ").read_bytes().split(b"\0"):
                        continue
                    if name in told and b"_pywrap_tensorflow" in (place / "maps").read_bytes():
                        os.kill(int(place.name), signal.SIGKILL)
                        killed.append(told)
                        return
                except OSError:
                    continue
            time.sleep(0.1)

    killed: list[str] = []
    thread = Thread(target=wait_and_kill)
    thread.killed = killed  # type: ignore[attr-defined]
    thread.start()
    return thread


# --- Ray ---


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    os.environ |= dict([MARK.split("=")])
    paths = {"env_vars": {"PYTHONPATH": str(ROOT)}}
    ray.init(num_cpus=3, include_dashboard=False, runtime_env=paths, log_to_driver=False)
    yield ray
    ray.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_ray_says_the_same_in_the_same_order(
    cluster: Any, finished: Path, texts: list[str], wanted: list[tuple[str, str]]
) -> None:
    import textnets.ray

    rows = cluster.data.from_items([{"n": n, "text": text} for n, text in enumerate(texts)])
    rows = rows.repartition(8)
    found = textnets.ray.predict(finished, rows, batch_size=1000, workers=2).take_all()
    assert [row["n"] for row in found] == list(range(ROWS))
    assert [(row["text"], row["label"]) for row in found] == wanted
    assert set(found[0]) == {"n", "text", "label", "probability"}
    with pytest.raises(InputError, match="no column 'body'; it has n, text"):
        textnets.ray.predict(finished, rows, text="body")


@pytest.mark.filterwarnings("ignore")
def test_ray_loses_nothing_with_a_worker(
    cluster: Any, finished: Path, texts: list[str], wanted: list[tuple[str, str]]
) -> None:
    import textnets.ray

    rows = cluster.data.from_items([{"text": text} for text in texts]).repartition(16)
    thread = kill_one("ray::")
    found = textnets.ray.predict(finished, rows, batch_size=500, workers=2).take_all()
    thread.join()
    assert thread.killed  # type: ignore[attr-defined]
    assert [(row["text"], row["label"]) for row in found] == wanted


# --- Spark ---


@pytest.fixture(scope="module")
def spark() -> Iterator[Any]:
    sql = pytest.importorskip("pyspark.sql")
    os.environ |= dict([MARK.split("=")])
    os.environ |= {"PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable}
    builder = sql.SparkSession.builder.master("local[2, 4]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.execution.arrow.maxRecordsPerBatch", "1000").getOrCreate()
    yield session
    session.stop()


@pytest.mark.filterwarnings("ignore")
def test_spark_says_the_same_in_the_same_order(
    spark: Any, finished: Path, texts: list[str], wanted: list[tuple[str, str]]
) -> None:
    import textnets.spark

    frame = spark.createDataFrame(list(enumerate(texts)), ["n", "text"]).repartitionByRange(4, "n")
    found = textnets.spark.predict(finished, frame).collect()
    assert [row["n"] for row in found] == list(range(ROWS))
    assert [(row["text"], row["label"]) for row in found] == wanted
    assert found[0].asDict().keys() == {"n", "text", "label", "probability"}
    with pytest.raises(InputError, match="no column 'body'; it has n, text"):
        textnets.spark.predict(finished, frame, text="body")


@pytest.mark.filterwarnings("ignore")
def test_spark_loses_nothing_with_a_worker(
    spark: Any, finished: Path, texts: list[str], wanted: list[tuple[str, str]]
) -> None:
    import textnets.spark

    frame = spark.createDataFrame(list(enumerate(texts)), ["n", "text"]).repartitionByRange(8, "n")
    thread = kill_one("pyspark.daemon")
    found = textnets.spark.predict(finished, frame, details=True).collect()
    thread.join()
    assert thread.killed  # type: ignore[attr-defined]
    assert [(row["text"], row["label"]) for row in found] == wanted
    assert "probabilities.change_pin" in found[0].asDict()
