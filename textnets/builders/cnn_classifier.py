"""Convolutions of several widths and a maximum over time, after Kim (2014)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.classification_head import classify
from textnets.builders.parameters import (
    Activation,
    EmbeddingVectors,
    Initializer,
    Levels,
    MaxNorm,
    Model,
    MultiLabel,
    NumClasses,
    OptionalWidths,
    Poolings,
    Rate,
    Strength,
    VocabularySize,
    Width,
    Widths,
    WordDropoutRate,
)
from textnets.builders.pooled import as_kinds, joined, pooled
from textnets.builders.token_embedding import embed_tokens
from textnets.errors import InputError

_EPSILON = 1e-5  # below a variance


@checked
def build_cnn_classifier(
    *,
    vocabulary_size: VocabularySize,
    num_classes: NumClasses,
    multi_label: MultiLabel = False,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    widths: Widths = (3, 4, 5),
    maps: Width = 100,
    depth: Levels = 1,
    pooling: Poolings = "max",
    dense_units: OptionalWidths = (),
    activation: Activation = "relu",
    word_dropout: WordDropoutRate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.5,
    max_norm: MaxNorm = 3.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
) -> Model:
    """Build the convolutional classifier of Kim (2014).

    Kim, "Convolutional Neural Networks for Sentence Classification". Its defaults are
    kept: three widths of 100 maps, half of the pooled features dropped, and the weights
    into each class held to a norm of 3.

    With ``depth`` above 1 convolutions stand on each other, as in very deep nets over characters
    (Conneau et al. 2017): between two of them the sequence is made half as long, by the larger
    value of every two neighbors, so that each sees twice as far as the one below. Each but the
    first reads its input normalized, and what it finds is added to that input (as in Johnson and
    Zhang 2017, "Deep Pyramid Convolutional Neural Networks for Text Categorization").

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        num_classes: How many classes or labels there are.
        multi_label: Whether a text may have any number of labels.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        widths: How many neighboring tokens each convolution sees; each width once.
        maps: How many features each convolution finds.
        depth: How many convolutions of a width stand on each other, the text halved in between.
        pooling: What of each feature over a text: max, mean, attention, or a list of them.
        dense_units: Sizes of hidden layers between the pooled features and the classes.
        activation: Activation of convolutions and hidden layers.
        word_dropout: Share of the tokens to turn into [UNK] while training.
        embedding_dropout: Share of token vector components to drop, the same for a whole text.
        dropout: Share of the pooled features, and of each hidden layer's outputs, to drop.
        max_norm: Largest norm of the weights into one class; null for none.
        l2: Strength of the penalty on squared kernels of convolutions and dense layers.
        kernel_initializer: How the kernels of convolutions and dense layers start.

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, to ``probabilities``: ``<float32>[batch, 1]`` (that
        of class 1) for two classes, else ``<float32>[batch, num_classes]``.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    _check_widths(widths)
    kinds = as_kinds(pooling, "build_cnn_classifier")

    # --- Layers ---
    towers = [
        [
            keras.layers.Conv1D(
                maps,
                width,
                # A text shorter than the filter still has a feature (Kim pads with zeros too).
                padding="same",
                activation=activation,
                kernel_initializer=kernel_initializer,
                kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
                name=f"convolution_{width}" if level == 1 else f"convolution_{width}_{level}",
            )
            for level in range(1, depth + 1)
        ]
        for width in widths
    ]

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
    sequence = layers.MaskedInputs(name="masked_embeddings")([sequence, mask])
    features = [
        vector
        for tower in towers
        for vector in _pool(kinds, *_climb(tower, sequence, mask), tower[0].name)
    ]
    probabilities = classify(
        joined(features, "features"),
        num_classes=num_classes,
        multi_label=multi_label,
        dense_units=dense_units,
        activation=activation,
        dropout=dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
        max_norm=max_norm,
    )
    return keras.Model(token_ids, probabilities, name="cnn_classifier")


def _climb(tower: Sequence[Any], sequence: Any, mask: Any) -> tuple[Any, Any]:
    """Read a text with convolutions that stand on each other.

    Args:
        tower: the convolutions, the lowest first.
        sequence: ``<float>[batch, length, width]``, zero where there is padding.
        mask: ``<bool>[batch, length]``.

    Returns:
        Features, ``<float>[batch, shorter, maps]``, and a mask of their length.
    """
    import keras

    from textnets import layers

    lowest, *others = tower
    sequence = lowest(sequence)
    for convolution in others:
        name = convolution.name
        sequence, mask = layers.HalvedByMaximum(name=f"{name}_halved")([sequence, mask])
        normal = keras.layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_norm")(sequence)
        normal = layers.MaskedInputs(name=f"{name}_inputs")([normal, mask])
        sequence = keras.layers.Add(name=f"{name}_sum")([sequence, convolution(normal)])
    return sequence, mask


def _pool(kinds: Sequence[str], features: Any, mask: Any, name: str) -> list[Any]:
    """A vector a text for each kind; a maximum has the name that it had before there were more."""
    names = f"{name}_maximum" if kinds == ["max"] else f"{name}_{{kind}}"
    return pooled(kinds, features, mask, names)


def _check_widths(widths: Sequence[int]) -> None:
    """Refuse a width given twice: layers are named by their width."""
    twice = [width for width, count in Counter(widths).items() if count > 1]
    if twice:
        raise InputError(
            f"build_cnn_classifier: widths: each width once (raise maps for more features), "
            f"was: {list(widths)}"
        )
