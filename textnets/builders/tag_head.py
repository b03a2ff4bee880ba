"""From one vector a word to the probabilities of its tags, as every tagging net ends."""

from __future__ import annotations

from typing import Any


def tag_probabilities(
    head: str, states: Any, mask: Any, num_tags: int, initializer: str, l2: float
) -> Any:
    """Tags by themselves, or by their neighbors too.

    Args:
        head: ``softmax`` or ``crf``.
        states: ``<float>[batch, length, width]``, a Keras tensor.
        mask: ``<bool>[batch, length]``.
        num_tags: how many tags there are.
        initializer: how the kernel starts.
        l2: strength of the penalty on the squared kernel.

    Returns:
        ``<float32>[batch, length, num_tags]``.
    """
    import keras

    from textnets import layers

    is_crf = head == "crf"
    scores = keras.layers.Dense(
        num_tags,
        activation=None if is_crf else "softmax",
        kernel_initializer=initializer,
        kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
        dtype="float32",  # a probability near 1 has no digits left in bfloat16
        name="emissions" if is_crf else "probabilities",
    )(states)
    if is_crf:
        scores = layers.LinearChainCRF(num_tags, name="probabilities")([scores, mask])
    return scores
