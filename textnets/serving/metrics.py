"""Counts of what has been served, as Prometheus reads them."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


@dataclass
class _Histogram:
    """How many values are at most so large."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def add(self, value: float) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def lines(self, name: str) -> list[str]:
        found, so_far = [], 0
        counts = self.counts or [0] * (len(self.bounds) + 1)
        for bound, count in zip((*map(str, self.bounds), "+Inf"), counts, strict=True):
            so_far += count
            found.append(f'{name}_bucket{{le="{bound}"}} {so_far}')
        return [*found, f"{name}_sum {self.total:.6f}", f"{name}_count {so_far}"]


class Metrics:
    """Counts since the start; touched by the thread of the event loop only."""

    def __init__(self) -> None:
        self._requests = Counter[tuple[str, int]]()
        self._seconds, self._batches = _Histogram(_SECONDS), _Histogram(_TEXTS)
        self._texts = self._tokens = 0
        self.in_flight = 0

    def request(self, path: str, status: int, seconds: float) -> None:
        """A request was answered."""
        self._requests[path, status] += 1
        if path == "/predict":
            self._seconds.add(seconds)

    def batch(self, texts: int) -> None:
        """The model was given so many texts at once."""
        self._batches.add(texts)
        self._texts += texts

    def token(self) -> None:
        """A token of a stream was sent."""
        self._tokens += 1

    def as_text(self) -> str:
        """In the text format of Prometheus, version 0.0.4."""
        requests = [
            f'textnets_requests_total{{path="{path}",status="{status}"}} {count}'
            for (path, status), count in sorted(self._requests.items())
        ]
        parts = [
            ("textnets_requests_total", "counter", "Requests answered.", requests),
            ("textnets_request_seconds", "histogram", "From a request of /predict to its answer.",
             self._seconds.lines("textnets_request_seconds")),
            ("textnets_batch_texts", "histogram", "Texts that the model was given at once.",
             self._batches.lines("textnets_batch_texts")),
            ("textnets_texts_total", "counter", "Texts that the model was given.",
             [f"textnets_texts_total {self._texts}"]),
            ("textnets_streamed_tokens_total", "counter", "Tokens written one by one.",
             [f"textnets_streamed_tokens_total {self._tokens}"]),
            ("textnets_requests_in_flight", "gauge", "Requests that are not answered yet.",
             [f"textnets_requests_in_flight {self.in_flight}"]),
        ]  # fmt: skip
        return "".join(
            "\n".join([f"# HELP {name} {words}", f"# TYPE {name} {kind}", *lines]) + "\n"
            for name, kind, words, lines in parts
        )
