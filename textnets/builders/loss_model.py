"""What is trained in order to train a language model: a model around it, with its weights."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from textnets.errors import InputError


@dataclass(frozen=True)
class LossModel:
    """A language model with its loss.

    Attributes:
        model: from ``token_ids`` and ``target_ids``, ``<int32>[batch, length]``, to the loss at
            each place, ``<float32>[batch, length]``, in nats.
        reset: sets the carried states to zero; ``None`` where none are carried.
        begin_at: says which row of a batch comes next, where a batch is read in parts; ``None``
            where no states are carried.
    """

    model: Any
    reset: Callable[[], None] | None
    begin_at: Callable[[int], None] | None


def build_loss_model(
    core: Any,
    *,
    streams: int | None,
    num_sampled: int | None,
    seed: int,
    r_drop: float | None = None,
) -> LossModel:
    """Put a loss, and states that are carried or zero, around a language model.

    Args:
        core: as :func:`textnets.builders.build_rnn_language_model` builds it. A sampled softmax
            needs its layers ``features`` and ``output_table`` (or a tied ``embedding``).
        streams: rows of every batch, each of which goes on where it ended in the batch before
            (Zaremba et al. 2014); ``None`` for rows that are texts of their own.
        num_sampled: size of the sampled softmax's sample; ``None`` for the full softmax.
        seed: of the sampling.
        r_drop: what the divergence of neighboring rows counts, each of which is the same text read
            with another dropout (:class:`textnets.layers.PairedSoftmaxLoss`); ``None`` for rows
            that have nothing to do with each other.

    Raises:
        InputError: a softmax is to be sampled, or answers are to be compared, and the model has
            not the layers for it.
    """
    import keras

    from textnets import layers

    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    sizes = [state.shape[-1] for state in core.input["states"]]
    carried = layers.CarriedStates(streams, sizes, name="carried_states") if streams else None
    before = carried or layers.ZeroStates(sizes, name="zero_states")
    read = {"token_ids": token_ids, "states": before(token_ids)}
    inner, output, loss = split_at_loss(core, num_sampled=num_sampled, seed=seed)
    if r_drop is not None:
        if output != "logits":
            raise InputError(
                "training.r_drop: compares the probabilities of all tokens, which an adaptive or "
                "a sampled softmax does not give; remove one of the two keys"
            )
        loss = layers.PairedSoftmaxLoss(r_drop, name="loss")
    outputs = inner(read)
    losses = loss([outputs[output], target_ids])
    if carried is not None:
        losses = layers.KeptStates(carried, name="kept_states")([losses, *outputs["states"]])
    model = keras.Model({"token_ids": token_ids, "target_ids": target_ids}, losses)
    if carried is None:
        return LossModel(model, None, None)
    return LossModel(model, carried.reset, carried.begin_at)


def split_at_loss(
    core: Any, *, num_sampled: int | None = None, seed: int | None = None
) -> tuple[Any, str, Any]:
    """Where the loss of a language model begins: in front of logits that it can do without.

    Args:
        core, num_sampled, seed: as for :func:`build_loss_model`.

    Returns:
        A model with ``core``'s inputs and weights, which of its outputs the loss reads, and the
        loss, a layer: ``[that output, target_ids]`` to ``<float32>[batch, length]``, in nats.
        Its other output is ``states``.

    Raises:
        InputError: a softmax is to be sampled, and the model has not the layers for it.
    """
    import keras

    from textnets import layers

    named = {layer.name: layer for layer in core.layers}
    table = named.get("output_table", named.get("embedding"))
    has_features = "features" in named and isinstance(table, layers.TokenTable)
    is_adaptive = has_features and isinstance(table, layers.AdaptiveTokenTable)
    loss: Any
    if num_sampled is not None:
        if not has_features or is_adaptive:
            raise InputError(
                "training.sampled_softmax: needs a model with the layers 'features' and "
                "'output_table' (or 'embedding'), a textnets.layers.TokenTable; remove the key"
            )
        loss = layers.SampledSoftmaxLoss(table, num_sampled, seed, name="loss")
    elif is_adaptive:
        loss = layers.AdaptiveSoftmaxLoss(table, name="loss")
    else:
        return core, "logits", layers.FullSoftmaxLoss(name="loss")
    inner = {"features": named["features"].output, "states": core.output["states"]}
    return keras.Model(core.input, inner), "features", loss
