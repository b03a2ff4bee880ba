"""Which examples stand in which batch: a pure function of (seed, epoch).

Because nothing here has a state, a run can continue from any step. Batches hold texts of
similar length, so little of a batch is padding.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from textnets.text.encoded import Batch, EncodedSplit

# Batches that are sorted together. Wide enough that lengths in a batch are close, narrow
# enough that an epoch's batches still differ from the last one's.
POOL_BATCHES = 50

Rows = npt.NDArray[np.int64]


class TrainingBatches(ABC):
    """What training reads. What stands in which batch is a pure function of (seed, epoch)."""

    #: What is counted, in progress bars and in the history's rates.
    unit: ClassVar[str] = "examples"
    #: So many rows of a batch belong together, one after the other, where it is read in parts.
    rows_together: ClassVar[int] = 1

    @abstractmethod
    def __len__(self) -> int:
        """How much an epoch holds, in :attr:`unit`."""

    @abstractmethod
    def of_epoch(self, epoch: int) -> list[Rows]:
        """What each batch of an epoch (0-based) holds; for :meth:`load`."""

    @abstractmethod
    def count(self, rows: Rows) -> int:
        """How much a batch holds, in :attr:`unit`."""

    @abstractmethod
    def load(self, rows: Rows) -> Batch:
        """A batch's arrays."""


@dataclass(frozen=True)
class ExampleBatches(TrainingBatches):
    """Independent examples, shuffled: see :func:`training_batches`."""

    split: EncodedSplit
    batch_size: int
    bucket_width: int
    seed: int

    def __len__(self) -> int:
        return len(self.split)

    def of_epoch(self, epoch: int) -> list[Rows]:
        return training_batches(
            self.split.lengths,
            batch_size=self.batch_size,
            bucket_width=self.bucket_width,
            seed=self.seed,
            epoch=epoch,
        )

    def count(self, rows: Rows) -> int:
        return len(rows)

    def load(self, rows: Rows) -> Batch:
        return self.split.batch(rows, self.bucket_width)


@dataclass(frozen=True)
class TargetsAsInput(TrainingBatches):
    """Batches whose targets are an input too, for a model that computes its own loss.

    The targets stay where they are as well: :class:`textnets.training.losses.OutputAsLoss`
    does not look at them.

    Attributes:
        batches: what is read.
        input_name: of the input that takes the targets.
        only_input: the name of the other input where the batches have just one.
    """

    batches: TrainingBatches
    input_name: str = "target_ids"
    only_input: str = "token_ids"

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", self.batches.unit)
        object.__setattr__(self, "rows_together", self.batches.rows_together)

    def __len__(self) -> int:
        return len(self.batches)

    def of_epoch(self, epoch: int) -> list[Rows]:
        return self.batches.of_epoch(epoch)

    def count(self, rows: Rows) -> int:
        return self.batches.count(rows)

    def load(self, rows: Rows) -> Batch:
        inputs, targets, weights = self.batches.load(rows)
        named = inputs if isinstance(inputs, dict) else {self.only_input: inputs}
        return {**named, self.input_name: targets}, targets, weights


@dataclass(frozen=True)
class RowsTwice(TrainingBatches):
    """Batches with each row twice in a row, so that a model with dropout answers it in two ways.

    Attributes:
        batches: what is read.
    """

    rows_together: ClassVar[int] = 2

    batches: TrainingBatches

    def __post_init__(self) -> None:
        object.__setattr__(self, "unit", self.batches.unit)

    def __len__(self) -> int:
        return len(self.batches)

    def of_epoch(self, epoch: int) -> list[Rows]:
        return self.batches.of_epoch(epoch)

    def count(self, rows: Rows) -> int:
        return self.batches.count(rows)

    def load(self, rows: Rows) -> Batch:
        inputs, targets, weights = self.batches.load(rows)
        twice: Any = (
            {name: np.repeat(ids, 2, axis=0) for name, ids in inputs.items()}
            if isinstance(inputs, dict)
            else np.repeat(inputs, 2, axis=0)
        )
        return (
            twice,
            np.repeat(targets, 2, axis=0),
            None if weights is None else np.repeat(weights, 2, axis=0),
        )


def training_batches(
    lengths: npt.NDArray[np.int64], *, batch_size: int, bucket_width: int, seed: int, epoch: int
) -> list[Rows]:
    """The batches of one epoch, in order.

    The examples are shuffled, cut into pools of ``POOL_BATCHES`` batches, sorted by bucket
    inside a pool (ties stay shuffled), cut into batches, and the batches are shuffled.

    Args:
        lengths: ``<int64>[examples]``, in tokens.
        batch_size: examples a batch; the last one may hold fewer.
        bucket_width: lengths are equal for sorting when they round up to the same multiple.
        seed: of the run.
        epoch: 0-based.

    Returns:
        ``<int64>[batch]`` row numbers for each batch; every example once.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    buckets = -(-lengths // bucket_width)
    pool = batch_size * POOL_BATCHES
    batches: list[Rows] = []
    for start in range(0, len(order), pool):
        rows = order[start : start + pool]
        rows = rows[np.argsort(buckets[rows], kind="stable")]
        batches += [rows[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    return [batches[index] for index in random.permutation(len(batches))]


def prediction_batches(lengths: npt.NDArray[np.int64], *, batch_size: int) -> list[Rows]:
    """All examples from short to long, in batches."""
    order = np.argsort(lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
