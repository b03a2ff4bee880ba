"""From one vector a text to the probabilities of its classes, as every classifier ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def classify(
    features: Any,
    *,
    num_classes: int,
    multi_label: bool,
    dense_units: Sequence[int],
    activation: str,
    dropout: float,
    l2: float,
    kernel_initializer: str,
    max_norm: float | None = None,
) -> Any:
    """Dense layers, then one layer of probabilities named ``probabilities``.

    Two classes need one probability, that of class 1; more share a softmax; labels that
    do not exclude one another get a probability each. The last layer computes in float32
    under every dtype policy, since a probability near 1 has no digits left in bfloat16.

    Args:
        features: ``<float>[batch, width]``, a Keras tensor.
        num_classes: how many classes or labels there are.
        multi_label: True when a text may have any number of labels.
        dense_units: width of each hidden layer before the last.
        activation: of the hidden layers.
        dropout: share of the features, and of each hidden layer's outputs, to drop.
        l2: strength of the penalty on every kernel.
        kernel_initializer: how every kernel starts.
        max_norm: the largest norm of the weights into one class (Kim 2014), or None.

    Returns:
        ``<float32>[batch, 1]`` for two classes, else ``<float32>[batch, num_classes]``.
    """
    import keras

    if dropout:
        features = keras.layers.Dropout(dropout, name="features_dropout")(features)
    for number, width in enumerate(dense_units, start=1):
        features = keras.layers.Dense(
            width,
            activation=activation,
            kernel_initializer=kernel_initializer,
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name=f"dense_{number}",
        )(features)
        if dropout:
            features = keras.layers.Dropout(dropout, name=f"dense_{number}_dropout")(features)
    is_binary = num_classes == 2 and not multi_label
    return keras.layers.Dense(
        1 if is_binary else num_classes,
        activation="sigmoid" if is_binary or multi_label else "softmax",
        kernel_initializer=kernel_initializer,
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        kernel_constraint=keras.constraints.MaxNorm(max_norm, axis=0) if max_norm else None,
        dtype="float32",
        name="probabilities",
    )(features)
