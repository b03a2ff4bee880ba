"""A recurrent net that reads a text and says at every place what comes next."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.parameters import (
    AddedRate,
    Cell,
    Cutoffs,
    EmbeddingVectors,
    Initializer,
    Model,
    Rate,
    Shrink,
    Strength,
    VocabularySize,
    Width,
    Widths,
    WordDropoutRate,
)
from textnets.builders.recurrent_layer import num_states, recurrent_layer
from textnets.builders.recurrent_stack import drop
from textnets.builders.token_embedding import drop_vocabulary, drop_words, scaled_vectors
from textnets.builders.token_tables import build_output_table, start_vectors


@checked
def build_rnn_language_model(
    *,
    vocabulary_size: VocabularySize,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    tie_embeddings: bool = False,
    adaptive_softmax: Cutoffs = (),
    adaptive_shrink: Shrink = 1,
    cell: Cell = "lstm",
    units: Widths = (256,),
    word_dropout: WordDropoutRate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.0,
    variational_dropout: bool = False,
    recurrent_dropout: Rate = 0.0,
    weight_dropout: AddedRate = 0.0,
    vocabulary_dropout: AddedRate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: Initializer = "orthogonal",
) -> Model:
    """Build a recurrent language model (Mikolov et al. 2010; Zaremba et al. 2014).

    Its states go in and come out, so that whoever calls it decides what is carried from where
    to where: a text can be read in pieces, and written token by token.

    A large vocabulary takes most of the time. Token ids follow the tokens' counts, so with
    ``adaptive_softmax: [1500, 9000]`` the 1,500 first are found at once, and any other token by
    its group, from 1500 or from 9000 on, and then within it (Grave et al. 2017). That is exact,
    and far less work, as most tokens of a text are frequent ones. With ``adaptive_shrink: 4`` the
    vectors of each group are a quarter as long as those of the one before it, which is less again.

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        tie_embeddings: Whether the softmax uses the vectors that the net reads.
        adaptive_softmax: First ids of groups of rare tokens, each with a softmax of its own.
        adaptive_shrink: How many times shorter each group's vectors are than those before it.
        cell: The recurrent layer, by name: simple, lstm, gru or one of the LSTM's variants.
        units: Size of the state, one number for each layer.
        word_dropout: Share of the tokens to turn into [UNK] while training.
        embedding_dropout: Share of the components of the token vectors to drop.
        dropout: Share of the outputs of each recurrent layer to drop.
        variational_dropout: Whether both drop the same components at all places of a row.
        recurrent_dropout: Share of the recurrent state to drop; slow on a GPU.
        weight_dropout: Share of the weights from state to state to drop, for a whole batch.
        vocabulary_dropout: Share of the vocabulary that a batch reads as zeros.
        l2: Strength of the penalty on squared kernels of recurrent and dense layers.
        kernel_initializer: How the kernels of recurrent and dense layers start.
        recurrent_initializer: How the kernels from state to state start.

    Returns:
        A model from a dict to a dict. It takes ``token_ids``, ``<int32>[batch, length]``, padded
        on the right with 0, and ``states``, a list of ``<float>[batch, units]``, those of the
        first layer first and zeros before a text. It gives ``logits``,
        ``<float32>[batch, length, vocabulary_size]``, of the token that comes after each
        place, and ``states``, those after the last place (padding included).

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    # --- Layers ---
    recurrent = [
        recurrent_layer(
            cell,
            size,
            name=f"{cell}_{number}",
            recurrent_dropout=recurrent_dropout,
            weight_dropout=weight_dropout,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            l2=l2,
            return_state=True,
        )
        for number, size in enumerate(units, start=1)
    ]
    table: dict[str, Any] = {
        "vocabulary_size": vocabulary_size,
        "trainable": train_embeddings,
        "name": "embedding",
    }
    if tie_embeddings:
        embedding = output_table = build_output_table(
            adaptive_softmax, adaptive_shrink, width=embedding_width, **table
        )
    else:
        embedding = layers.TokenTable(width=embedding_width, with_bias=False, **table)
        output_table = build_output_table(
            adaptive_softmax,
            adaptive_shrink,
            vocabulary_size=vocabulary_size,
            width=units[-1],
            initializer="glorot_uniform",
            name="output_table",
        )

    # --- Model ---
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    initial_states = _state_inputs(recurrent, units)
    seen_ids = drop_words(token_ids, word_dropout)
    sequence = embedding(seen_ids)
    start_vectors(embedding, embedding_vectors)
    if embedding_vectors is None:  # pretrained vectors are large enough to be heard
        sequence = scaled_vectors(sequence)
    sequence = drop_vocabulary(sequence, seen_ids, vocabulary_size, vocabulary_dropout)
    sequence = drop(sequence, embedding_dropout, variational_dropout, "embedding_dropout")
    remaining, states = list(initial_states), []
    for layer in recurrent:
        count = num_states(layer)
        before, remaining = remaining[:count], remaining[count:]
        sequence, *after = layer(sequence, initial_state=before)
        states += after
        sequence = drop(sequence, dropout, variational_dropout, f"{layer.name}_dropout")
    if tie_embeddings and units[-1] != embedding_width:
        sequence = keras.layers.Dense(
            embedding_width,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name="projection",
        )(sequence)
    features = keras.layers.Identity(name="features")(sequence)
    logits = output_table(features, reverse=True)
    return keras.Model(
        {"token_ids": token_ids, "states": initial_states},
        {"logits": logits, "states": states},
        name="rnn_language_model",
    )


def _state_inputs(recurrent: Sequence[Any], units: Sequence[int]) -> list[Any]:
    import keras

    return [
        keras.Input((size,), name=f"{layer.name}_state_{number}")
        for layer, size in zip(recurrent, units, strict=True)
        for number in range(1, num_states(layer) + 1)
    ]
