"""A Transformer that reads a whole text at once, then names its class."""

from __future__ import annotations

from textnets.builders.arguments import checked
from textnets.builders.classification_head import classify
from textnets.builders.parameters import (
    Activation,
    Count,
    EmbeddingVectors,
    Initializer,
    Model,
    MultiLabel,
    NumClasses,
    OptionalWidths,
    Positions,
    Rate,
    Strength,
    TokenPoolings,
    VocabularySize,
    Width,
)
from textnets.builders.pooled import as_kinds, joined, pooled
from textnets.builders.token_embedding import embed_tokens, unit_range
from textnets.builders.transformer_stack import TransformerLayers


@checked
def build_transformer_classifier(
    *,
    vocabulary_size: VocabularySize,
    num_classes: NumClasses,
    multi_label: MultiLabel = False,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    width: Width = 128,
    depth: Count = 2,
    heads: Count = 4,
    feed_forward_width: Width = 256,
    positions: Positions = "sinusoidal",
    max_positions: Count = 512,
    pooling: TokenPoolings = "mean",
    dense_units: OptionalWidths = (),
    activation: Activation = "relu",
    word_dropout: Rate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.1,
    attention_dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
) -> Model:
    """Build a classifier of texts with the encoder of a Transformer (Vaswani et al. 2017).

    In each layer every token looks at all of them, so the time that a text takes grows with the
    square of its length. Layers normalize what they read (pre-norm: Xiong et al. 2020).

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        num_classes: How many classes or labels there are.
        multi_label: Whether a text may have any number of labels.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        width: Size of the vectors between the layers; a multiple of heads.
        depth: How many layers there are, each of attention and a small net.
        heads: How many ways to look at a text each attention has.
        feed_forward_width: Size of the hidden layer of each small net.
        positions: What tells a token's place: waves (sinusoidal), or a vector a place (learned).
        max_positions: How many places are learned; tokens after them share the last vector.
        pooling: What of each component over a text: max, mean, attention, or a list of them.
        dense_units: Sizes of hidden layers between the pooled vector and the classes.
        activation: Activation of the small nets and of these hidden layers.
        word_dropout: Share of the tokens to turn into [UNK] while training.
        embedding_dropout: Share of token vector components to drop, the same for a whole text.
        dropout: Share of what each part of a layer finds, and of the pooled vector, to drop.
        attention_dropout: Share of the weights of attention to drop.
        l2: Strength of the penalty on squared kernels of dense layers.
        kernel_initializer: How the kernels of dense layers start.

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, to ``probabilities``: ``<float32>[batch, 1]`` (that
        of class 1) for two classes, else ``<float32>[batch, num_classes]``.

    Raises:
        InputError: if an argument is out of its range, or two do not go together.
    """
    import keras

    from textnets import layers

    kinds = as_kinds(pooling, "build_transformer_classifier")
    transformer = TransformerLayers(
        "build_transformer_classifier",
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
    sequence = transformer.place(
        sequence, positions, max_positions, scaled=embedding_vectors is None
    )
    sequence = transformer.encode(sequence, mask, depth)
    probabilities = classify(
        joined(pooled(kinds, sequence, mask, "{kind}_pooling"), "pooled"),
        num_classes=num_classes,
        multi_label=multi_label,
        dense_units=dense_units,
        activation=activation,
        dropout=dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
    )
    return keras.Model(token_ids, probabilities, name="transformer_classifier")
