"""What is trained in order to train a model that ends in a CRF: a model around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from textnets.layers import LinearChainCRF


def build_crf_loss_model(model: Any, crf: LinearChainCRF, target_name: str) -> Any:
    """A model that shares the weights of a tagger and computes its loss.

    Args:
        model: a ``keras.Model`` that ends in ``crf``.
        crf: its last layer.
        target_name: of the input that the right tags take.

    Returns:
        A ``keras.Model`` from the tagger's inputs and the tags, ``<int32>[batch, length]``, to
        minus the log-likelihood of the tags, as :class:`textnets.layers.CRFLoss` gives it.
    """
    import keras

    from textnets import layers

    emissions, mask = crf.input
    target_ids = keras.Input((None,), dtype="int32", name=target_name)
    losses = layers.CRFLoss(crf, name="crf_loss")([emissions, mask, target_ids])
    inputs = {tensor.name: tensor for tensor in [*model.inputs, target_ids]}
    return keras.Model(inputs, losses, name=f"{model.name}_trainer")
