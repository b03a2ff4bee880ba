"""A vector for each word from the characters that it is written with."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("textnets")
class CharacterConvolution(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A convolution over the characters of each word and its maximum over the word.

    The character CNN of dos Santos and Zadrozny (2014), "Learning Character-level
    Representations for Part-of-Speech Tagging", with a ReLU before the maximum. Padding is
    seen as zeros, as many as anybody likes; a word without characters (padding of the
    sentence) becomes a vector of zeros.

    Args:
        maps: how many features are found.
        width: how many neighboring characters one feature sees.
        kernel_initializer: how the kernel starts.

    Call with ``[characters, character_ids]``, ``<float>[batch, length, characters, width]``
    and ``<int32>[batch, length, characters]``; returns ``<float>[batch, length, maps]``.
    """

    def __init__(
        self,
        maps: int,
        width: int,
        kernel_initializer: Any = "glorot_uniform",
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.maps, self.width = maps, width
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape: Any) -> None:
        """Make the kernel for the width of a character's vector."""
        self.kernel = self.add_weight(
            shape=(self.width, input_shape[0][-1], self.maps),
            initializer=self.kernel_initializer,
            name="kernel",
        )
        self.bias = self.add_weight(shape=(self.maps,), initializer="zeros", name="bias")

    def call(self, inputs: Any) -> Any:
        """``[characters, character_ids]`` to ``<float>[batch, length, maps]``."""
        characters, character_ids = inputs
        batch, length, size, width = keras.ops.shape(characters)
        mask = keras.ops.cast(keras.ops.not_equal(character_ids, 0), characters.dtype)
        mask = keras.ops.reshape(mask, (batch * length, size, 1))
        words = keras.ops.reshape(characters, (batch * length, size, width)) * mask
        found = keras.ops.conv(words, self.kernel, strides=1, padding="same")
        found = keras.ops.relu(found + self.bias) * mask  # all 0 or more: 0 never wins unduly
        return keras.ops.reshape(keras.ops.max(found, axis=1), (batch, length, self.maps))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``[batch, length, maps]``."""
        return (*input_shape[0][:2], self.maps)

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {
            **super().get_config(),
            "maps": self.maps,
            "width": self.width,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


@keras.saving.register_keras_serializable("textnets")
class WordsAsRows(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """Each word of each sentence as a row of its own, for a net that reads characters.

    A row that has no characters (padding of the sentence) becomes one vector of zeros, since a
    recurrent net needs a token in every row; :class:`RowsAsWords` clears what comes of it.

    Call with ``[characters, character_ids]``, ``<float>[batch, length, characters, width]``
    and ``<int32>[batch, length, characters]``; returns ``<float>[batch * length, characters,
    width]``, zero where there is padding, and the mask ``<bool>[batch * length, characters]``.
    """

    def call(self, inputs: Any) -> Any:
        """``[characters, character_ids]`` to ``(words, mask)``."""
        characters, character_ids = inputs
        batch, length, size, width = keras.ops.shape(characters)
        ids = keras.ops.reshape(character_ids, (batch * length, size))
        is_character = keras.ops.not_equal(ids, 0)
        words = keras.ops.reshape(characters, (batch * length, size, width))
        words = words * keras.ops.cast(is_character, words.dtype)[:, :, None]
        is_first = keras.ops.equal(keras.ops.arange(size), 0)[None, :]
        return words, keras.ops.logical_or(is_character, is_first)

    def compute_output_spec(self, inputs: Any) -> Any:
        """Shapes and dtypes of the words and their mask."""
        characters, _ = inputs
        _, _, size, width = characters.shape
        return (
            keras.KerasTensor((None, size, width), dtype=characters.dtype),
            keras.KerasTensor((None, size), dtype="bool"),
        )


@keras.saving.register_keras_serializable("textnets")
class RowsAsWords(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A vector a word back to the places of the words; zeros where a word has no characters.

    Call with ``[rows, character_ids]``, ``<float>[batch * length, width]`` and
    ``<int32>[batch, length, characters]``; returns ``<float>[batch, length, width]``.
    """

    def call(self, inputs: Any) -> Any:
        """``[rows, character_ids]`` to ``<float>[batch, length, width]``."""
        rows, character_ids = inputs
        batch, length, _ = keras.ops.shape(character_ids)
        words = keras.ops.reshape(rows, (batch, length, rows.shape[-1]))
        is_word = keras.ops.any(keras.ops.not_equal(character_ids, 0), axis=-1, keepdims=True)
        return words * keras.ops.cast(is_word, words.dtype)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``[batch, length, width]``."""
        return (*input_shape[1][:2], input_shape[0][-1])
