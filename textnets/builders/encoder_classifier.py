"""Dense layers over the vectors of a pretrained sentence encoder, which is kept as it is."""

from __future__ import annotations

from textnets.builders.arguments import checked
from textnets.builders.classification_head import classify
from textnets.builders.parameters import (
    Activation,
    EncoderVectors,
    Initializer,
    Model,
    MultiLabel,
    NumClasses,
    OptionalWidths,
    Rate,
    Strength,
    UnitLength,
)
from textnets.errors import InputError


@checked
def build_encoder_classifier(
    *,
    encoder_vectors: EncoderVectors,
    num_classes: NumClasses,
    unit_length: UnitLength = False,
    multi_label: MultiLabel = False,
    dense_units: OptionalWidths = (512,),
    activation: Activation = "relu",
    dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
) -> Model:
    """Build a classifier of sentence vectors that others have trained on much text.

    A text's vector is the mean of its tokens' vectors, which were distilled from a Transformer
    (Tulkens and van Dongen 2024, "Model2Vec"); these are never trained here. What is trained are
    the dense layers after them. The folder of the encoder says ``text.encoder``.

    Args:
        encoder_vectors: The vector of each token id, special ids included.
        num_classes: How many classes or labels there are.
        unit_length: Whether a text's vector is divided by its length.
        multi_label: Whether a text may have any number of labels.
        dense_units: Sizes of hidden layers between the text's vector and the classes.
        activation: Activation of these hidden layers.
        dropout: Share of the text's vector, and of each hidden layer's outputs, to drop.
        l2: Strength of the penalty on squared kernels of dense layers.
        kernel_initializer: How the kernels of dense layers start.

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, to ``probabilities``: ``<float32>[batch, 1]`` (that
        of class 1) for two classes, else ``<float32>[batch, num_classes]``. The encoder's
        vector of a text is the output of the layer ``encoder_vector``.

    Raises:
        InputError: if an argument is out of its range, or the vectors are no table.
    """
    import keras
    import numpy as np

    from textnets import layers

    shape = np.shape(encoder_vectors)
    if len(shape) != 2 or min(shape) < 1:
        raise InputError(
            "encoder_vectors: must be of shape [vocabulary_size, width], was: " + str(list(shape))
        )

    # --- Encoder ---
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = layers.PaddingMask(name="padding_mask")(token_ids)
    embedding = keras.layers.Embedding(
        *shape, embeddings_initializer="zeros", trainable=False, name="embedding"
    )
    sequence = embedding(token_ids)
    # Assigned, not passed as an initializer, which would write them into the config.
    embedding.embeddings.assign(np.asarray(encoder_vectors, dtype="float32"))
    name = "mean_vector" if unit_length else "encoder_vector"
    vector = layers.MaskedMeanPooling(name=name)([sequence, mask])
    if unit_length:
        vector = keras.layers.UnitNormalization(name="encoder_vector")(vector)
        # Components of about 1, as the initializers of dense layers expect them.
        vector = keras.layers.Rescaling(shape[1] ** 0.5, name="scaled_vector")(vector)

    # --- Head ---
    probabilities = classify(
        vector,
        num_classes=num_classes,
        multi_label=multi_label,
        dense_units=dense_units,
        activation=activation,
        dropout=dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
    )
    return keras.Model(token_ids, probabilities, name="encoder_classifier")
