"""What is trained where a tagger learns further columns along: a model around it, with heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def shared_states(model: Any, scores: Any) -> Any:
    """What the head of a tagger reads, and other heads can read too.

    Args:
        model: a ``keras.Model``.
        scores: its probabilities, or the emissions of its CRF; a Keras tensor.

    Returns:
        ``<float>[batch, length, width]``, a Keras tensor; ``None`` where no ``keras.layers.Dense``
        makes the scores of states.
    """
    import keras

    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense) and layer.output is scores:
            return layer.input
    return None


def build_auxiliary_model(
    trained: Any,
    states: Any,
    *,
    first_ids: Sequence[int],
    sizes: Sequence[int],
    weight: float,
    input_name: str,
) -> Any:
    """A model that shares the weights of another one, and learns more of the same states.

    Each further column has a softmax over its values. What is saved and answers is the tagger
    alone, which has none of these heads.

    Args:
        trained: a ``keras.Model``: a tagger, or one around it that computes its loss.
        states: that the tagger's head reads, as :func:`shared_states` finds them.
        first_ids: of each column the id of its first value.
        sizes: how many values each column has.
        weight: of the loss of each of them.
        input_name: of the input that takes the values.

    Returns:
        A ``keras.Model`` from the inputs of ``trained`` and the ids of the values,
        ``<int32>[batch, length, columns]``, to the outputs of ``trained``; in training it adds the
        loss of :class:`textnets.layers.AuxiliaryLoss`.
    """
    import keras

    from textnets import layers

    value_ids = keras.Input((None, len(sizes)), dtype="int32", name=input_name)
    logits = [
        keras.layers.Dense(size, dtype="float32", name=f"auxiliary_{number}")(states)
        for number, size in enumerate(sizes, start=1)
    ]
    loss = layers.AuxiliaryLoss(first_ids, weight, name="auxiliary_loss")
    outputs = loss([trained.output, value_ids, *logits])
    inputs = {tensor.name: tensor for tensor in [*trained.inputs, value_ids]}
    return keras.Model(inputs, outputs, name=f"{trained.name}_with_columns")
