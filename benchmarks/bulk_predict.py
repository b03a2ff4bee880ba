"""Predictions in bulk: ``textnets predict --output`` against a prediction a text, and its memory.

    python benchmarks/bulk_predict.py RUN                    # the ratio, in one process
    python benchmarks/bulk_predict.py RUN --rows 2000000 --memory

The texts are the shipped questions of Banking77, each with a number, so that no two are the same.
Both ways read the same csv file and write JSON lines, taking turns; times are without loading
the model.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import resource
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from textnets import Predictor
from textnets.bulk import predict_file
from textnets.recipe.shipped import shipped_folder


def questions() -> list[str]:
    path = shipped_folder() / "data" / "banking77" / "train.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def write_texts(path: Path, rows: int) -> None:
    known = questions()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text"])
        writer.writerows([f"{known[n % len(known)]} {n}"] for n in range(rows))


def a_text_at_a_time(predictor: Predictor, source: Path, output: Path) -> None:
    """As ``textnets predict --format jsonl`` does."""
    with output.open("w", encoding="utf-8") as file:
        for prediction in predictor.predict_stream(predictor.task.input_texts(source)):
            file.write(json.dumps(prediction.as_json(), ensure_ascii=False) + "\n")


def compare(run: Path, folder: Path, rows: int, rounds: int, details: bool) -> None:
    source = folder / "texts.csv"
    write_texts(source, rows)
    predictor = Predictor.load(run, device="cpu")
    predictor.predict(["warm up"])
    used = time.process_time()
    Predictor.load(run, device="cpu", for_many=True).predict(["warm up"])
    loading = time.process_time() - used
    ratios, of_processor = [], []
    for number in range(rounds):
        started, used = time.perf_counter(), time.process_time()
        a_text_at_a_time(predictor, source, folder / "one.jsonl")
        slow, slow_used = time.perf_counter() - started, time.process_time() - used
        used = time.process_time()
        found = predict_file(
            run, source, folder / "bulk.jsonl", details=details, overwrite=True, device="cpu"
        )
        # Loading the model takes as much of the processor's time in bulk as it did above.
        of_processor.append(slow_used / (time.process_time() - used - loading))
        ratios.append(slow / found.seconds)
        print(
            f"round {number + 1}: {rows / slow:,.0f} rows/s a text at a time, "
            f"{rows / found.seconds:,.0f} in bulk, ratio {ratios[-1]:.2f}, "
            f"of the processor's time {of_processor[-1]:.2f}",
            flush=True,
        )
    print(
        f"median of {rounds} rounds: ratio {statistics.median(ratios):.2f}, of the processor's "
        f"time {statistics.median(of_processor):.2f}"
    )


def watch_memory(run: Path, folder: Path, rows: int) -> None:
    source = folder / "texts.csv"
    write_texts(source, rows)
    is_over = threading.Event()
    sizes: list[float] = []

    def watch() -> None:
        while not is_over.wait(5.0):
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            sizes.append(pages * resource.getpagesize() / 2**20)

    thread = threading.Thread(target=watch)
    thread.start()
    found = predict_file(run, source, folder / "bulk.jsonl", device="cpu")
    is_over.set()
    thread.join()
    print(f"{found.rows:,} rows, {found.rows / found.seconds:,.0f} rows/s")
    print("MB of memory, each tenth of the time: ", end="")
    print(", ".join(f"{size:,.0f}" for size in tenths(sizes)))
    with (folder / "bulk.jsonl").open("rb") as file:
        print(f"{sum(1 for _ in file):,} lines written")


def tenths(sizes: list[float]) -> Iterator[float]:
    for tenth in range(1, 11):
        yield sizes[max(0, len(sizes) * tenth // 10 - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("run", type=Path)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--details", action="store_true", help="write all probabilities too")
    parser.add_argument("--memory", action="store_true", help="watch memory instead")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if given.memory:
            watch_memory(given.run, Path(folder), given.rows)
        else:
            compare(given.run, Path(folder), given.rows, given.rounds, given.details)


if __name__ == "__main__":
    main()
