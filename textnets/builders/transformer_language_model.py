"""A Transformer that reads a text and says at every place what comes next."""

from __future__ import annotations

from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.parameters import (
    Activation,
    Count,
    Cutoffs,
    EmbeddingVectors,
    Initializer,
    Model,
    Rate,
    Shrink,
    Strength,
    VocabularySize,
    Width,
)
from textnets.builders.token_embedding import drop_words, scaled_vectors
from textnets.builders.token_tables import build_output_table, start_vectors
from textnets.builders.transformer_stack import TransformerLayers
from textnets.errors import InputError

_LARGEST_STATE = 2**20  # numbers a row; no model's file may hold a larger one


@checked
def build_transformer_language_model(
    *,
    vocabulary_size: VocabularySize,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    tie_embeddings: bool = False,
    adaptive_softmax: Cutoffs = (),
    adaptive_shrink: Shrink = 1,
    width: Width = 128,
    depth: Count = 2,
    heads: Count = 4,
    feed_forward_width: Width = 256,
    context: Count = 128,
    activation: Activation = "relu",
    word_dropout: Rate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.1,
    attention_dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
) -> Model:
    """Build a language model of attention alone (Vaswani et al. 2017; pre-norm: Xiong et al. 2020).

    In each layer a token looks at itself and at the ``context`` tokens before it, whatever they
    were read together with: their keys and values go in and come out as states, and are carried as
    those of a recurrent model are (Dai et al. 2019, "Transformer-XL", whose memory this is). So a
    text that is read in pieces, or token by token, is the same as in one piece. Places are told by
    turned queries and keys (rotary: Su et al. 2021), of which only distances count, so that a text
    may go on for ever. Layer after layer, a token is reached by what stands up to ``depth`` times
    ``context`` before it.

    A large vocabulary is met by ``adaptive_softmax`` as in ``rnn_language_model``.

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        tie_embeddings: Whether the softmax uses the vectors that the net reads.
        adaptive_softmax: First ids of groups of rare tokens, each with a softmax of its own.
        adaptive_shrink: How many times shorter each group's vectors are than those before it.
        width: Size of the vectors between the layers; a multiple of twice the heads.
        depth: How many layers there are, each of attention and a small net.
        heads: How many ways to look at what was read each attention has.
        feed_forward_width: Size of the hidden layer of each small net.
        context: How many tokens before its own one each sees in a layer, and are kept of a text.
        activation: Activation of the small nets.
        word_dropout: Share of the tokens to turn into [UNK] while training.
        embedding_dropout: Share of the components of the token vectors to drop.
        dropout: Share of what each part of a layer finds, and of the last vectors, to drop.
        attention_dropout: Share of the weights of attention to drop.
        l2: Strength of the penalty on squared kernels of dense layers.
        kernel_initializer: How the kernels of dense layers start.

    Returns:
        A model from a dict to a dict. It takes ``token_ids``, ``<int32>[batch, length]``, padded
        on the right with 0, and ``states``, zeros before a text: which places of the others are
        filled, ``<float>[batch, context]``, then the keys and the values of each layer,
        ``<float>[batch, context * width]`` each. It gives ``logits``,
        ``<float32>[batch, length, vocabulary_size]``, of the token that comes after each
        place, and ``states``, those after the last place (padding included).

    Raises:
        InputError: if an argument is out of its range, or two do not go together.
    """
    import keras

    from textnets import layers

    _check_sizes(width, heads, context)

    # --- Layers ---
    transformer = TransformerLayers(
        "build_transformer_language_model",
        width=width,
        heads=heads,
        feed_forward_width=feed_forward_width,
        activation=activation,
        dropout=dropout,
        attention_dropout=attention_dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
    )
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
            width=width,
            initializer="glorot_uniform",
            name="output_table",
        )

    # --- Model ---
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    states = [
        keras.Input((size,), name=name)
        for name, size in [
            ("filled", context),
            *(
                (f"attention_{number}_{what}", context * width)
                for number in range(1, depth + 1)
                for what in ("keys", "values")
            ),
        ]
    ]
    sequence = embedding(drop_words(token_ids, word_dropout))
    start_vectors(embedding, embedding_vectors)
    if embedding_vectors is None:  # pretrained vectors are large enough to be heard
        sequence = scaled_vectors(sequence)
    if embedding_dropout:
        sequence = keras.layers.Dropout(embedding_dropout, name="embedding_dropout")(sequence)
    if embedding_width != width:
        sequence = transformer.dense(width, "token_projection")(sequence)
    seen, _, filled = layers.CausalMask(banded=True, name="causal_mask")(sequence, states[0])
    after = [filled]
    for number in range(1, depth + 1):
        keys, values = states[2 * number - 1 : 2 * number + 1]
        sequence, *kept = transformer.look_back(
            sequence, keys, values, seen, f"attention_{number}", rotary=True
        )
        after += kept
        sequence = transformer.think(sequence, f"feed_forward_{number}")
    sequence = transformer.normalized(sequence, "output_norm")
    if dropout:
        sequence = keras.layers.Dropout(dropout, name="output_dropout")(sequence)
    if tie_embeddings and width != embedding_width:
        sequence = transformer.dense(embedding_width, "projection")(sequence)
    features = keras.layers.Identity(name="features")(sequence)
    return keras.Model(
        {"token_ids": token_ids, "states": states},
        {"logits": output_table(features, reverse=True), "states": after},
        name="transformer_language_model",
    )


def _check_sizes(width: int, heads: int, context: int) -> None:
    if width % (2 * heads):
        raise InputError(
            "build_transformer_language_model: width: each head turns pairs of components, so it "
            f"must be a multiple of twice the heads, {2 * heads}, was: {width}"
        )
    if context * width > _LARGEST_STATE:
        raise InputError(
            f"build_transformer_language_model: context: times width, {width}, it must be at most "
            f"{_LARGEST_STATE:,} (the numbers kept of a text), was: {context}"
        )
