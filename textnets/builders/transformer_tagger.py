"""A Transformer that reads a whole sentence at once and tags every word."""

from __future__ import annotations

import functools

from textnets.builders.arguments import checked
from textnets.builders.parameters import (
    Activation,
    Characters,
    Count,
    EmbeddingVectors,
    Initializer,
    Model,
    NumCharacters,
    NumTags,
    Positions,
    Rate,
    Strength,
    TagHead,
    VocabularySize,
    Width,
)
from textnets.builders.recurrent_layer import recurrent_layer
from textnets.builders.spelling import spell_words
from textnets.builders.tag_head import tag_probabilities
from textnets.builders.token_embedding import embed_tokens, scaled_vectors, unit_range
from textnets.builders.transformer_stack import TransformerLayers


@checked
def build_transformer_tagger(
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
    character_units: Width = 32,
    width: Width = 128,
    depth: Count = 2,
    heads: Count = 4,
    feed_forward_width: Width = 256,
    positions: Positions = "sinusoidal",
    max_positions: Count = 512,
    activation: Activation = "relu",
    word_dropout: Rate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.1,
    attention_dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
    head: TagHead = "softmax",
) -> Model:
    """Build a tagger of sentences with the encoder of a Transformer (Vaswani et al. 2017).

    Layers normalize what they read (pre-norm: Xiong et al. 2020). A word's vector can be joined by
    one made of its characters, and ``head: crf`` knows which tags follow which, both as in
    ``rnn_tagger``; the recurrent net over characters is an LSTM.

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        num_tags: How many tags there are.
        num_characters: How many character ids there are, special ids included.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        characters: What reads a word's characters: nothing, a convolution or a recurrent net.
        character_width: Size of a character's vector.
        character_maps: How many features the convolution of cnn finds.
        character_window: How many neighboring characters each feature of cnn sees.
        character_units: Size of the state of the recurrent net over characters, per direction.
        width: Size of the vectors between the layers; a multiple of heads.
        depth: How many layers there are, each of attention and a small net.
        heads: How many ways to look at a sentence each attention has.
        feed_forward_width: Size of the hidden layer of each small net.
        positions: What tells a word's place: waves (sinusoidal), or a vector a place (learned).
        max_positions: How many places are learned; words after them share the last vector.
        activation: Activation of the small nets.
        word_dropout: Share of the words to turn into [UNK] while training.
        embedding_dropout: Share of word vector components to drop, the same for a sentence.
        dropout: Share of what each part of a layer finds, and of the last layer's inputs, to drop.
        attention_dropout: Share of the weights of attention to drop.
        l2: Strength of the penalty on squared kernels of dense and recurrent layers.
        kernel_initializer: How the kernels of dense and recurrent layers start.
        head: Tags each by themselves (softmax), or by their neighbors too (crf).

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, and, unless ``characters`` is none, ``character_ids``,
        ``<int32>[batch, length, characters]``, padded on the right with 0, to
        ``probabilities``, ``<float32>[batch, length, num_tags]``; those of a CRF are marginals.

    Raises:
        InputError: if an argument is out of its range, or two do not go together.
    """
    import keras

    from textnets import layers

    transformer = TransformerLayers(
        "build_transformer_tagger",
        width=width,
        heads=heads,
        feed_forward_width=feed_forward_width,
        activation=activation,
        dropout=dropout,
        attention_dropout=attention_dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
    )

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
    )
    if embedding_vectors is None:
        sequence = scaled_vectors(sequence)
    if characters != "none":
        character_ids = keras.Input((None, None), dtype="int32", name="character_ids")
        inputs["character_ids"] = character_ids
        spelling = spell_words(
            character_ids,
            characters=characters,
            num_characters=num_characters,
            width=character_width,
            maps=character_maps,
            window=character_window,
            recurrent=functools.partial(
                recurrent_layer,
                "lstm",
                character_units,
                kernel_initializer=kernel_initializer,
                l2=l2,
            ),
            kernel_initializer=kernel_initializer,
        )
        sequence = keras.layers.Concatenate(name="word_vectors")([sequence, spelling])
    sequence = transformer.place(sequence, positions, max_positions, scaled=False)
    states = transformer.encode(sequence, mask, depth)
    if dropout:
        states = keras.layers.Dropout(dropout, name="states_dropout")(states)
    probabilities = tag_probabilities(head, states, mask, num_tags, kernel_initializer, l2)
    model_inputs = inputs if len(inputs) > 1 else token_ids
    return keras.Model(model_inputs, probabilities, name="transformer_tagger")
