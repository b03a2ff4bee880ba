"""A trained encoder-decoder, taken apart: read a source once, write a target step by step."""

from __future__ import annotations

from typing import Any

import keras

from textnets.backend.recurrence import take_single_steps

#: What the encoder gives: ``states``, a list of ``<float>[batch, units]`` or of caches,
#: ``<float>[batch, room, width]`` (see :func:`with_room`); and what else the decoder reads, with
#: attention for instance ``keys``, ``memory`` and ``mask``.
Encoded = dict[str, Any]


def with_room(states: Any, steps: Any) -> Any:
    """The states before a target that is to be written step by step.

    Caches, which are states of three dimensions, come from the encoder without room for a token.
    Theirs is the only size that depends on how much is to be written.

    Args:
        states: a nest of an encoder's.
        steps: how many, a Python int or a scalar ``<int32>``.

    Returns:
        The same nest; caches ``<float>[batch, steps, width]`` of zeros.
    """
    ops = keras.ops

    def of_one(state: Any) -> Any:
        if len(state.shape) != 3:
            return state
        return ops.zeros((ops.shape(state)[0], steps, state.shape[-1]), dtype=state.dtype)

    return keras.tree.map_structure(of_one, states)


class EncoderDecoder:
    """The parts of a model of :func:`textnets.builders.build_encoder_decoder`, or of
    :func:`textnets.builders.build_transformer_encoder_decoder`.

    Args:
        model: the model, new or loaded.

    Attributes:
        variables: of the model.
    """

    def __init__(self, model: Any) -> None:
        take_single_steps(model)
        names = {layer.name for layer in model.layers}
        self._encoder, self._decoder = model.get_layer("encoder"), model.get_layer("decoder")
        self._target_embedding = model.get_layer("target_embedding")
        shares = "source_embedding" not in names
        self._source_embedding = (
            self._target_embedding if shares else model.get_layer("source_embedding")
        )
        self._logits = model.get_layer("logits") if "logits" in names else None
        self.variables = model.variables

    def encode(self, source_ids: Any) -> Encoded:
        """``<int32>[batch, source_length]`` to what :meth:`decode` takes."""
        vectors = self._source_embedding(source_ids)
        mask = keras.ops.not_equal(source_ids, 0)
        inputs = {"source_vectors": vectors, "source_mask": mask}
        return dict(self._encoder(inputs, training=False))

    def decode(self, target_ids: Any, encoded: Encoded) -> tuple[Any, list[Any], Any]:
        """Scores of each next token.

        Args:
            target_ids: ``<int32>[batch, steps]``, those before it.
            encoded: of :meth:`encode`, with the states after the tokens before these.

        Returns:
            The logits, ``<float32>[batch, steps, vocabulary]``, the states after the last
            step, and the weights of attention, ``<float32>[batch, steps, source_length]``, or
            ``None`` in a model without attention.
        """
        inputs = {"target_vectors": self._target_embedding(target_ids), **encoded}
        found = self._decoder(inputs, training=False)
        if self._logits is None:
            logits = self._target_embedding(found["outputs"], reverse=True)
        else:
            logits = self._logits(found["outputs"])
        return logits, list(found["states"]), found.get("weights")
