"""What is trained, and on what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from textnets.backend.inference import input_names
from textnets.recipe.sections import TrainingSection
from textnets.text.batches import ExampleBatches, TrainingBatches
from textnets.text.encoded import EncodedSplit


@dataclass(frozen=True)
class TrainingSetup:
    """How a builder's model is trained; all of it follows from the model and the data.

    Attributes:
        model: a ``keras.Model``, not yet compiled: the builder's, or one around it that shares
            its weights and computes a loss that needs them.
        loss: a ``keras.losses.Loss``.
        batches: of the training split, as ``model`` takes them.
        metrics: Keras metrics to show while training, which do not look at sample weights.
        weighted_metrics: those in which sample weights count.
        begin_epoch: called before each epoch's first batch.
        at_row: told which row of a batch comes next, where memory asks for batches in parts; for
            models that keep something for each row.
    """

    model: Any
    loss: Any
    batches: TrainingBatches
    metrics: Sequence[Any] = ()
    weighted_metrics: Sequence[Any] = ()
    begin_epoch: Callable[[], None] | None = None
    at_row: Callable[[int], None] | None = None

    @property
    def metric_names(self) -> list[str]:
        """Of what is measured on the training split, besides the loss."""
        return [metric.name for metric in (*self.metrics, *self.weighted_metrics)]


def example_batches(
    trained: Any, split: EncodedSplit, section: TrainingSection, seed: int
) -> ExampleBatches:
    """Independent examples, with what a model takes of their inputs.

    Args:
        trained: a ``keras.Model``. One around a builder's may have inputs that no split holds,
            such as the targets.
        split: with its sample weights.
        section: the recipe's ``training:``.
        seed: of the run.
    """
    taken = split.only(name for name in input_names(trained) if name in split.inputs)
    return ExampleBatches(
        taken, batch_size=section.batch_size, bucket_width=section.bucket_width, seed=seed
    )
