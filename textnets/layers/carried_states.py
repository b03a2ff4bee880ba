"""States of a recurrent net that outlive a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class CarriedStates(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Keeps the states after one batch for the next, in variables that are not trained.

    Stateful training of Zaremba et al. (2014), "Recurrent Neural Network Regularization": row
    ``i`` of a batch goes on where row ``i`` of the batch before it ended, and no gradient
    crosses the border. As variables of the model, the states are part of a checkpoint.

    Called with anything it gives the kept states, ``<float32>[batch, size]`` each; see
    :class:`KeptStates` for how they are replaced. A batch may be read in parts of some rows
    each: :meth:`begin_at` says where the next part begins.

    Args:
        batch_size: rows of every batch.
        sizes: of each state.
    """

    def __init__(self, batch_size: int, sizes: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.states = [
            self.add_weight(
                shape=(batch_size, size), initializer="zeros", trainable=False, name=f"state_{i}"
            )
            for i, size in enumerate(sizes, start=1)
        ]
        self.first_row = self.add_weight(
            shape=(), initializer="zeros", dtype="int32", trainable=False, name="first_row"
        )

    def call(self, inputs: Any) -> list[Any]:
        """``<float32>[rows, size]`` a state, for ``rows`` rows of inputs."""
        rows = keras.ops.shape(inputs)[0]
        return [
            keras.ops.slice(keras.ops.convert_to_tensor(state), self._start(), (rows, size))
            for state, size in ((state, state.shape[1]) for state in self.states)
        ]

    def compute_output_spec(self, inputs: Any) -> list[keras.KerasTensor]:
        """A row for each of the inputs."""
        return [
            keras.KerasTensor((inputs.shape[0], state.shape[1]), dtype=state.dtype)
            for state in self.states
        ]

    def keep(self, states: Sequence[Any]) -> None:
        """Keep states, ``<float>[rows, size]`` each, for the rows that were read."""
        for kept, state in zip(self.states, states, strict=True):
            new = keras.ops.cast(keras.ops.stop_gradient(state), kept.dtype)
            before = keras.ops.convert_to_tensor(kept)
            kept.assign(keras.ops.slice_update(before, self._start(), new))

    def _start(self) -> Any:
        return keras.ops.stack([keras.ops.cast(self.first_row, "int32"), 0])

    def begin_at(self, row: int) -> None:
        """Say which row of a batch the next part begins with; 0 for whole batches."""
        self.first_row.assign(row)

    def reset(self) -> None:
        """Set every state to zero, as before the first batch."""
        for state in self.states:
            state.assign(keras.ops.zeros(state.shape, dtype=state.dtype))


class ZeroStates(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The states before a text: zeros.

    Called with token ids, ``<int32>[batch, length]``; returns ``<float32>[batch, size]`` each.

    Args:
        sizes: of each state.
    """

    def __init__(self, sizes: Sequence[int], *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.sizes = list(sizes)

    def call(self, inputs: Any) -> list[Any]:
        """``<float32>[batch, size]`` a state."""
        rows = keras.ops.shape(inputs)[0]
        return [keras.ops.zeros((rows, size), dtype="float32") for size in self.sizes]

    def compute_output_spec(self, inputs: Any) -> list[keras.KerasTensor]:
        """One for each size."""
        return [keras.KerasTensor((inputs.shape[0], size), dtype="float32") for size in self.sizes]


class KeptStates(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Gives its first input on, and in training keeps the others for the next batch.

    Call with ``[values, *states]``; returns the values.

    Args:
        carried: where the states are kept.
    """

    def __init__(self, carried: CarriedStates, *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.carried = carried

    def call(self, inputs: Any, training: bool = False) -> Any:
        """The values."""
        values, *states = inputs
        if training:
            self.carried.keep(states)
        return values

    def compute_output_spec(self, inputs: Any, training: bool = False) -> keras.KerasTensor:
        """That of the values."""
        return keras.KerasTensor(inputs[0].shape, dtype=inputs[0].dtype)
