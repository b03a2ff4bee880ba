"""``fit`` for some batches, without what it needs to begin."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import keras


class Stopwatch(keras.callbacks.Callback):
    """Seconds from the first batch to the end of the last: the start of ``fit`` takes tenths of a
    second, which an epoch would not notice, and a round would."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        if batch == 0:
            self.started, self.used = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seconds = time.perf_counter() - self.started
        self.processor_seconds = time.process_time() - self.used


def fit(model: Any, inputs: Any, targets: Any, **how: Any) -> Mapping[str, float]:
    """One epoch of ``model.fit`` over what is given."""
    stopwatch = Stopwatch()
    history = model.fit(inputs, targets, verbose=0, callbacks=[stopwatch], **how)
    return {
        "seconds": stopwatch.seconds,
        "processor_seconds": stopwatch.processor_seconds,
        "loss": history.history["loss"][-1],
    }


def said(how: str) -> str:
    """Version and settings, for the table."""
    return f"Keras {keras.__version__} on {keras.config.backend()}: {how}"
