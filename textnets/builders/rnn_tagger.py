"""A recurrent net that reads a sentence in one or both directions and tags every word."""

from __future__ import annotations

from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.parameters import (
    Cell,
    Characters,
    EmbeddingVectors,
    Initializer,
    Model,
    NumCharacters,
    NumTags,
    Rate,
    Strength,
    VocabularySize,
    Width,
    Widths,
)
from textnets.builders.recurrent_stack import read_sequence
from textnets.builders.token_embedding import embed_tokens


@checked
def build_rnn_tagger(
    *,
    vocabulary_size: VocabularySize,
    num_tags: NumTags,
    num_characters: NumCharacters = 5,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    characters: Characters = "none",
    character_width: Width = 32,
    character_maps: Width = 64,
    character_window: Width = 3,
    cell: Cell = "lstm",
    units: Widths = (128,),
    bidirectional: bool = True,
    word_dropout: Rate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: Initializer = "orthogonal",
) -> Model:
    """Build a tagger of sentences with recurrent layers (Huang et al. 2015).

    With ``characters: cnn`` a word's vector is joined by one made of its characters (dos
    Santos and Zadrozny 2014), which tells what a word unseen in training may be.

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        num_tags: How many tags there are.
        num_characters: How many character ids there are, special ids included.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        characters: What is made of a word's characters: nothing, or a convolution's maximum.
        character_width: Size of a character's vector.
        character_maps: How many features the convolution over characters finds.
        character_window: How many neighboring characters each feature sees.
        cell: The recurrent layer: simple (Elman), lstm or gru.
        units: Size of the state, one number for each layer, per direction.
        bidirectional: Whether a second net reads each sentence from its end.
        word_dropout: Share of the words to turn into [UNK] while training.
        embedding_dropout: Share of word vector components to drop, the same for a sentence.
        dropout: Share of the inputs of each recurrent layer and of the last layer to drop.
        recurrent_dropout: Share of the recurrent state to drop; slow on a GPU.
        l2: Strength of the penalty on squared kernels of recurrent and dense layers.
        kernel_initializer: How the kernels of recurrent and dense layers start.
        recurrent_initializer: How the kernels from state to state start.

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, and, unless ``characters`` is none, ``character_ids``,
        ``<int32>[batch, length, characters]``, padded on the right with 0, to
        ``probabilities``, ``<float32>[batch, length, num_tags]``.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    # --- Model ---
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = layers.PaddingMask(name="padding_mask")(token_ids)
    inputs = {"token_ids": token_ids}
    seen_ids = (
        layers.WordDropout(word_dropout, name="word_dropout")(token_ids)
        if word_dropout
        else token_ids
    )
    sequence = embed_tokens(
        seen_ids,
        vocabulary_size=vocabulary_size,
        embedding_width=embedding_width,
        embedding_vectors=embedding_vectors,
        train_embeddings=train_embeddings,
        embedding_dropout=embedding_dropout,
    )
    if characters == "cnn":
        character_ids = keras.Input((None, None), dtype="int32", name="character_ids")
        inputs["character_ids"] = character_ids
        spelling = _read_characters(
            character_ids,
            num_characters=num_characters,
            character_width=character_width,
            maps=character_maps,
            window=character_window,
            kernel_initializer=kernel_initializer,
        )
        sequence = keras.layers.Concatenate(name="word_vectors")([sequence, spelling])
    if dropout:
        sequence = keras.layers.Dropout(dropout, name="word_vectors_dropout")(sequence)
    states, _ = read_sequence(
        sequence,
        mask,
        cell=cell,
        units=units,
        bidirectional=bidirectional,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
        recurrent_initializer=recurrent_initializer,
    )
    if dropout:
        states = keras.layers.Dropout(dropout, name="states_dropout")(states)
    probabilities = keras.layers.Dense(
        num_tags,
        activation="softmax",
        kernel_initializer=kernel_initializer,
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        dtype="float32",  # a probability near 1 has no digits left in bfloat16
        name="probabilities",
    )(states)
    return keras.Model(inputs if len(inputs) > 1 else token_ids, probabilities, name="rnn_tagger")


def _read_characters(
    character_ids: Any,
    *,
    num_characters: int,
    character_width: int,
    maps: int,
    window: int,
    kernel_initializer: str,
) -> Any:
    """``<int32>[batch, length, characters]`` to ``<float>[batch, length, maps]``."""
    import keras

    from textnets import layers

    vectors = keras.layers.Embedding(num_characters, character_width, name="character_embedding")(
        character_ids
    )
    return layers.CharacterConvolution(
        maps, window, kernel_initializer=kernel_initializer, name="character_convolution"
    )([vectors, character_ids])
