"""Padding, made explicit: a mask from the ids, and what is done with it.

Token ids are always padded on the right with 0, and every row holds at least one real
token. Keras's implicit masks are not used: they leak through convolutions and maxima,
and on JAX and PyTorch they keep recurrent layers off the fused GPU kernels. Instead
:class:`PaddingMask` makes one ``<bool>[batch, length]`` and whatever must not see the
padding takes it as a second input.
"""

from __future__ import annotations

from typing import Any

import keras

from textnets.layers.positions import reverse_rows


@keras.saving.register_keras_serializable("textnets")
class PaddingMask(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """True where there is a token, False where there is padding.

    Call with token ids ``<int32>[batch, length]``; returns ``<bool>[batch, length]``.
    """

    def call(self, token_ids: Any) -> Any:
        """``<int32>[batch, length]`` to ``<bool>[batch, length]``."""
        return keras.ops.not_equal(token_ids, 0)

    def compute_output_spec(self, token_ids: Any) -> keras.KerasTensor:
        """The mask's shape and dtype."""
        return keras.KerasTensor(token_ids.shape, dtype="bool")


@keras.saving.register_keras_serializable("textnets")
class MaskedInputs(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Sets the padded positions to zero, so that a convolution may run over them.

    The zeros are then the same as those of ``padding="same"`` beyond the last token.

    Call with ``[sequence, mask]``, ``<float>[batch, length, width]`` and
    ``<bool>[batch, length]``; returns ``<float>[batch, length, width]``.
    """

    def call(self, inputs: Any) -> Any:
        """``[sequence, mask]`` to ``<float>[batch, length, width]``."""
        sequence, mask = inputs
        zero = keras.ops.cast(0.0, sequence.dtype)
        return keras.ops.where(keras.ops.expand_dims(mask, axis=-1), sequence, zero)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the sequence."""
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable("textnets")
class ReverseSequence(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Reverses each row within its own length; the padding stays where it is.

    A recurrent net that reads right-padded rows from left to right never sees the
    padding before a token, so it needs no mask. One that reads from right to left does,
    unless the rows are turned around first: ``a b c 0 0`` becomes ``c b a 0 0``. Done
    twice it is the identity.

    Call with ``[sequence, mask]``, ``<float>[batch, length, width]`` and
    ``<bool>[batch, length]``; returns ``<float>[batch, length, width]``.
    """

    def call(self, inputs: Any) -> Any:
        """``[sequence, mask]`` to ``<float>[batch, length, width]``."""
        sequence, mask = inputs
        return reverse_rows(sequence, mask)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the sequence."""
        return tuple(input_shape[0])
