"""States of a recurrent net that outlive a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class CarriedStates(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Keeps the states behind one batch for the next, in variables that are not trained.

    Stateful training of Zaremba et al. (2014), "Recurrent Neural Network Regularization": row
    ``i`` of a batch goes on where row ``i`` of the batch before it ended, and no gradient
    crosses the border. As variables of the model, the states are part of a checkpoint.

    Called with anything it gives the kept states, ``<float32>[batch, size]`` each; see
    :class:`KeptStates` for how they are replaced.

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

    def call(self, inputs: Any) -> list[Any]:
        """``<float32>[batch, size]`` a state."""
        return [keras.ops.convert_to_tensor(state) for state in self.states]

    def compute_output_spec(self, inputs: Any) -> list[keras.KerasTensor]:
        """The variables' own."""
        return [keras.KerasTensor(state.shape, dtype=state.dtype) for state in self.states]

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
            for kept, state in zip(self.carried.states, states, strict=True):
                kept.assign(keras.ops.cast(keras.ops.stop_gradient(state), kept.dtype))
        return values

    def compute_output_spec(self, inputs: Any, training: bool = False) -> keras.KerasTensor:
        """That of the values."""
        return keras.KerasTensor(inputs[0].shape, dtype=inputs[0].dtype)
