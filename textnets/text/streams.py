"""Batches of one running text: contiguous streams, read side by side in windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from textnets.text.batches import Rows, TrainingBatches
from textnets.text.encoded import Batch, IntArray


@dataclass(frozen=True)
class StreamBatches(TrainingBatches):
    """A text cut into ``batch_size`` streams of equal length (Zaremba et al. 2014).

    Row ``i`` of each batch goes on where row ``i`` of the batch before it ended, so that a model
    can carry its states from batch to batch. Every token is trained on once an epoch, and each
    epoch is the same: what lies beyond a stream's end is padding of weight 0.

    Attributes:
        token_ids: ``<int32>[tokens]``, the text as a model reads it.
        target_ids: ``<int32>[tokens]``, what comes next at each place.
        batch_size: streams.
        window: tokens of each stream in a batch; all batches are this wide.
    """

    unit: ClassVar[str] = "tokens"

    token_ids: IntArray
    target_ids: IntArray
    batch_size: int
    window: int

    @property
    def stream_length(self) -> int:
        """Tokens of the longest stream, which is the first."""
        return -(-len(self.token_ids) // self.batch_size)

    def __len__(self) -> int:
        return len(self.token_ids)

    def of_epoch(self, epoch: int) -> list[Rows]:
        """Each batch's places in a stream."""
        length = self.stream_length
        return [
            np.arange(start, min(start + self.window, length), dtype=np.int64)
            for start in range(0, length, self.window)
        ]

    def count(self, rows: Rows) -> int:
        return int((self._places(rows) < len(self)).sum())

    def load(self, rows: Rows) -> Batch:
        """Token ids, target ids and weights, each ``[batch_size, window]``."""
        places = self._places(rows)
        inside = places < len(self)
        places = np.where(inside, places, 0)
        wide = ((0, 0), (0, self.window - len(rows)))
        token_ids, target_ids = (
            np.pad(np.where(inside, ids[places], 0).astype(np.int32, copy=False), wide)
            for ids in (self.token_ids, self.target_ids)
        )
        return token_ids, target_ids, np.pad(inside.astype(np.float32), wide)

    def _places(self, rows: Rows) -> Rows:
        """``<int64>[batch_size, places]``: places in the whole text."""
        # The streams' starts are shared, so a place beyond the first stream's end is never read.
        starts = np.arange(self.batch_size, dtype=np.int64) * self.stream_length
        return starts[:, None] + rows
