"""A recurrent net that reads a sentence in one or both directions and tags every word."""

from __future__ import annotations

import functools
from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.parameters import (
    AddedRate,
    AddedSwitch,
    Cell,
    Characters,
    ColumnWidth,
    EmbeddingVectors,
    Initializer,
    Model,
    NumCharacters,
    NumColumns,
    NumColumnValues,
    NumTags,
    Rate,
    Strength,
    TagHead,
    VocabularySize,
    Width,
    Widths,
)
from textnets.builders.recurrent_layer import recurrent_layer
from textnets.builders.recurrent_stack import drop, read_sequence
from textnets.builders.spelling import spell_words
from textnets.builders.tag_head import tag_probabilities
from textnets.builders.token_embedding import embed_tokens, unit_range


@checked
def build_rnn_tagger(
    *,
    vocabulary_size: VocabularySize,
    num_tags: NumTags,
    num_characters: NumCharacters = 5,
    num_columns: NumColumns = 0,
    num_column_values: NumColumnValues = 0,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    characters: Characters = "none",
    character_width: Width = 32,
    character_maps: Width = 64,
    character_window: Width = 3,
    character_units: Width = 32,
    column_width: ColumnWidth = 16,
    cell: Cell = "lstm",
    units: Widths = (128,),
    bidirectional: bool = True,
    word_dropout: Rate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    variational_dropout: AddedSwitch = False,
    weight_dropout: AddedRate = 0.0,
    vocabulary_dropout: AddedRate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: Initializer = "orthogonal",
    head: TagHead = "softmax",
) -> Model:
    """Build a tagger of sentences with recurrent layers (Huang et al. 2015).

    A word's vector can be joined by one made of its characters, which tells what a word unseen
    in training may be: by a convolution (dos Santos and Zadrozny 2014) or by a recurrent net
    that reads the word from both of its ends (Lample et al. 2016).

    With ``head: crf`` a linear-chain conditional random field knows which tags follow which.
    It is trained by its own loss (``textnets.layers.CRFLoss``), and its best sequence of tags
    (``textnets.layers.BestTags``) need not be the most probable tag of each word.

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        num_tags: How many tags there are.
        num_characters: How many character ids there are, special ids included.
        num_columns: How many further columns stand beside each word.
        num_column_values: How many ids of their values there are, that of padding included.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        characters: What reads a word's characters: nothing, a convolution or a recurrent net.
        character_width: Size of a character's vector.
        character_maps: How many features the convolution of cnn finds.
        character_window: How many neighboring characters each feature of cnn sees.
        character_units: Size of the state of the recurrent net over characters, per direction.
        column_width: Size of the vector of a value of each further column (data.features).
        cell: The recurrent layer: simple (Elman), lstm or gru.
        units: Size of the state, one number for each layer, per direction.
        bidirectional: Whether a second net reads each sentence from its end.
        word_dropout: Share of the words to turn into [UNK] while training.
        embedding_dropout: Share of word vector components to drop, the same for a sentence.
        dropout: Share of the inputs of each recurrent layer and of the last layer to drop.
        recurrent_dropout: Share of the recurrent state to drop; slow on a GPU.
        variational_dropout: Whether dropout drops the same components at all places.
        weight_dropout: Share of the weights from state to state to drop, for a whole batch.
        vocabulary_dropout: Share of the vocabulary that a batch reads as zeros.
        l2: Strength of the penalty on squared kernels of recurrent and dense layers.
        kernel_initializer: How the kernels of recurrent and dense layers start.
        recurrent_initializer: How the kernels from state to state start.
        head: Tags each by themselves (softmax), or by their neighbors too (crf).

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, and, unless ``characters`` is none, ``character_ids``,
        ``<int32>[batch, length, characters]``, padded on the right with 0, and, with
        ``num_columns``, ``column_ids``, ``<int32>[batch, length, num_columns]``, to
        ``probabilities``, ``<float32>[batch, length, num_tags]``; those of a CRF are marginals.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    # --- Model ---
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = layers.PaddingMask(name="padding_mask")(token_ids)
    inputs = {"token_ids": token_ids}
    sequence = embed_tokens(
        token_ids,
        vocabulary_size=vocabulary_size,
        embedding_width=embedding_width,
        embedding_vectors=embedding_vectors,
        train_embeddings=train_embeddings,
        embedding_dropout=embedding_dropout,
        word_dropout=word_dropout,
        initial_range=unit_range(embedding_width),
        vocabulary_dropout=vocabulary_dropout,
    )
    if characters != "none":
        character_ids = keras.Input((None, None), dtype="int32", name="character_ids")
        inputs["character_ids"] = character_ids
        recurrent = functools.partial(
            recurrent_layer,
            cell,
            character_units,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            l2=l2,
        )
        spelling = spell_words(
            character_ids,
            characters=characters,
            num_characters=num_characters,
            width=character_width,
            maps=character_maps,
            window=character_window,
            recurrent=recurrent,
            kernel_initializer=kernel_initializer,
        )
        sequence = keras.layers.Concatenate(name="word_vectors")([sequence, spelling])
    if num_columns:
        column_ids = keras.Input((None, num_columns), dtype="int32", name="column_ids")
        inputs["column_ids"] = column_ids
        values = _column_vectors(column_ids, num_column_values, column_width)
        sequence = keras.layers.Concatenate(name="words_and_columns")([sequence, values])
    sequence = drop(sequence, dropout, variational_dropout, "word_vectors_dropout")
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
        variational_dropout=variational_dropout,
        weight_dropout=weight_dropout,
    )
    states = drop(states, dropout, variational_dropout, "states_dropout")
    probabilities = tag_probabilities(head, states, mask, num_tags, kernel_initializer, l2)
    return keras.Model(inputs if len(inputs) > 1 else token_ids, probabilities, name="rnn_tagger")


def _column_vectors(column_ids: Any, num_values: int, width: int) -> Any:
    """``<int32>[batch, length, columns]`` to ``<float>[batch, length, columns * width]``: columns
    share no id, so that one table has a part for each."""
    import keras

    reach = unit_range(width)
    vectors = keras.layers.Embedding(
        num_values,
        width,
        embeddings_initializer=keras.initializers.RandomUniform(-reach, reach),
        name="column_embedding",
    )(column_ids)
    return keras.layers.Reshape((-1, column_ids.shape[-1] * width), name="columns")(vectors)
