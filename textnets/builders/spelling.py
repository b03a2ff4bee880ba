"""From the characters of each word to a vector a word."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textnets.builders.token_embedding import unit_range


def spell_words(
    character_ids: Any,
    *,
    characters: str,
    num_characters: int,
    width: int,
    maps: int,
    window: int,
    recurrent: Callable[..., Any],
    kernel_initializer: str,
) -> Any:
    """A vector for each word: by a convolution (dos Santos and Zadrozny 2014), or by a recurrent
    net that reads it from both of its ends (Lample et al. 2016).

    Args:
        character_ids: ``<int32>[batch, length, characters]``, a Keras tensor.
        characters: what reads them: ``cnn`` or ``rnn``.
        num_characters: how many character ids there are.
        width: of a character's vector.
        maps: how many features the convolution finds.
        window: how many neighboring characters one of them sees.
        recurrent: makes the recurrent layer of a given name.
        kernel_initializer: how the convolution's kernel starts.

    Returns:
        ``<float>[batch, length, maps]``, or ``<float>[batch, length, 2 * units]``.
    """
    from textnets import layers

    vectors = _character_vectors(character_ids, num_characters, width)
    if characters == "cnn":
        return layers.CharacterConvolution(
            maps, window, kernel_initializer=kernel_initializer, name="character_convolution"
        )([vectors, character_ids])
    return _spell(vectors, character_ids, recurrent)


def _character_vectors(character_ids: Any, num_characters: int, width: int) -> Any:
    """``<int32>[batch, length, characters]`` to ``<float>[batch, length, characters, width]``."""
    import keras

    reach = unit_range(width)
    return keras.layers.Embedding(
        num_characters,
        width,
        embeddings_initializer=keras.initializers.RandomUniform(-reach, reach),
        name="character_embedding",
    )(character_ids)


def _spell(vectors: Any, character_ids: Any, recurrent: Callable[..., Any]) -> Any:
    """Read each word from both of its ends, up to the other end.

    Args:
        vectors: ``<float>[batch, length, characters, width]``.
        character_ids: ``<int32>[batch, length, characters]``.
        recurrent: makes the recurrent layer of a given name.

    Returns:
        ``<float>[batch, length, 2 * units]``, 0 where a word has no characters.
    """
    import keras

    from textnets import layers

    words, mask = layers.WordsAsRows(name="words")([vectors, character_ids])
    turned = layers.ReverseSequence(name="words_from_the_end")([words, mask])
    states = [
        layers.LastState(name=f"character_{way}_state")(
            [recurrent(name=f"character_{way}")(sequence), mask]
        )
        for way, sequence in (("forward", words), ("backward", turned))
    ]
    found = keras.layers.Concatenate(name="spellings")(states)
    return layers.RowsAsWords(name="spelling")([found, character_ids])
