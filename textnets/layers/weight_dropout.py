"""Recurrent layers that drop weights in training (DropConnect), not states.

Wan et al. (2013), "Regularization of Neural Networks using DropConnect"; for the kernel from state
to state, one mask a batch, Merity et al. (2018), "Regularizing and Optimizing LSTM Language
Models". The mask is drawn before the loop over the steps, so that the loop is the layer's own,
whichever that is: a fused kernel, or :mod:`textnets.backend.recurrence`. Outside of training these
layers are Keras's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


class _WeightDropped:
    """Goes before one of Keras's recurrent layers.

    Args:
        weight_dropout: share of the weights from state to state that are zero for a batch; the
            others are divided by what is left of 1.
        weight_seed: of the draws; random when absent.
    """

    def __init__(
        self, *args: Any, weight_dropout: float, weight_seed: int | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.weight_dropout, self.weight_seed = weight_dropout, weight_seed
        self.weight_seed_generator = keras.random.SeedGenerator(weight_seed)

    def call(
        self, sequences: Any, initial_state: Any = None, mask: Any = None, training: bool = False
    ) -> Any:
        """As of the layer, in training by what is left of the kernel."""
        read: Any = super()
        given = {"initial_state": initial_state, "mask": mask, "training": training}
        if not training:
            return read.call(sequences, **given)
        with self._weights_dropped():
            return read.call(sequences, **given)

    @contextmanager
    def _weights_dropped(self) -> Iterator[None]:
        """Let the cell read a kernel with holes while this lasts."""
        layer: Any = self
        attributes = vars(layer.cell)  # past Keras, which would take a tensor for a change of state
        kernel = layer.cell.recurrent_kernel
        attributes["recurrent_kernel"] = keras.random.dropout(
            keras.ops.convert_to_tensor(kernel),
            self.weight_dropout,
            seed=self.weight_seed_generator,
        )
        try:
            yield
        finally:
            attributes["recurrent_kernel"] = kernel

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        of_layer: dict[str, Any] = super().get_config()  # type: ignore[misc]
        own = {"weight_dropout": self.weight_dropout, "weight_seed": self.weight_seed}
        return {**of_layer, **own}


@keras.saving.register_keras_serializable("textnets")
class WeightDropSimpleRNN(_WeightDropped, keras.layers.SimpleRNN):  # type: ignore[misc]
    """``keras.layers.SimpleRNN`` that drops weights from state to state in training."""


@keras.saving.register_keras_serializable("textnets")
class WeightDropLSTM(_WeightDropped, keras.layers.LSTM):  # type: ignore[misc]
    """``keras.layers.LSTM`` that drops weights from state to state in training."""


@keras.saving.register_keras_serializable("textnets")
class WeightDropGRU(_WeightDropped, keras.layers.GRU):  # type: ignore[misc]
    """``keras.layers.GRU`` that drops weights from state to state in training."""


@keras.saving.register_keras_serializable("textnets")
class WeightDropRNN(_WeightDropped, keras.layers.RNN):  # type: ignore[misc]
    """``keras.layers.RNN`` over one cell, whose ``recurrent_kernel`` has holes in training."""
