"""The mean of a text's word vectors and a few dense layers, after Iyyer et al. (2015)."""

from __future__ import annotations

from textnets.builders.arguments import checked
from textnets.builders.classification_head import classify
from textnets.builders.parameters import (
    Activation,
    EmbeddingVectors,
    Initializer,
    Model,
    MultiLabel,
    NumClasses,
    OptionalWidths,
    Poolings,
    Rate,
    Strength,
    VocabularySize,
    Width,
    WordDropoutRate,
)
from textnets.builders.pooled import as_kinds, joined, pooled
from textnets.builders.token_embedding import embed_tokens


@checked
def build_mlp_classifier(
    *,
    vocabulary_size: VocabularySize,
    num_classes: NumClasses,
    multi_label: MultiLabel = False,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    pooling: Poolings = "mean",
    dense_units: OptionalWidths = (64,),
    activation: Activation = "relu",
    word_dropout: WordDropoutRate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
) -> Model:
    """Build a deep averaging network: fast, blind to word order, and hard to beat.

    Iyyer et al. (2015), "Deep Unordered Composition Rivals Syntactic Methods for Text
    Classification". Without hidden layers it is the classifier of fastText (Joulin et al.
    2017) on single tokens.

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        num_classes: How many classes or labels there are.
        multi_label: Whether a text may have any number of labels.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        pooling: What of the token vectors: mean, max, attention, or a list of them.
        dense_units: Sizes of hidden layers between the pooled vector and the classes.
        activation: Activation of these hidden layers.
        word_dropout: Share of the tokens to turn into [UNK] while training.
        embedding_dropout: Share of token vector components to drop, the same for a whole text.
        dropout: Share of the pooled vector, and of each hidden layer's outputs, to drop.
        l2: Strength of the penalty on squared kernels of dense layers.
        kernel_initializer: How the kernels of dense layers start.

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, to ``probabilities``: ``<float32>[batch, 1]`` (that
        of class 1) for two classes, else ``<float32>[batch, num_classes]``.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    kinds = as_kinds(pooling, "build_mlp_classifier")

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
    )
    vectors = pooled(kinds, sequence, mask, "{kind}_vector")
    probabilities = classify(
        joined(vectors, "text_vector"),
        num_classes=num_classes,
        multi_label=multi_label,
        dense_units=dense_units,
        activation=activation,
        dropout=dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
    )
    return keras.Model(token_ids, probabilities, name="mlp_classifier")
