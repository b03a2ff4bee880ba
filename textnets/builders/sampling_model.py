"""What is trained in order to train a translator that reads some of its own tokens."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def build_sampling_model(
    model: Any, *, share: float, epochs: int, seed: int
) -> tuple[Any, Callable[[], None]]:
    """Put scheduled sampling around a translator, which is called twice.

    Args:
        model: as :func:`textnets.builders.build_encoder_decoder` builds it.
        share, epochs, seed: see :class:`textnets.layers.OwnTokens`.

    Returns:
        A model with the same inputs, outputs and weights, and what is to be called before each
        epoch.
    """
    import keras

    from textnets import layers

    given = {tensor.name: tensor for tensor in model.inputs}
    own = layers.OwnTokens(share, epochs, seed, name="own_tokens")
    mixed = own(given["target_ids"], model(given))
    answers = model({**given, "target_ids": mixed})
    return keras.Model(model.input, answers, name=f"{model.name}_trainer"), own.begin_epoch
