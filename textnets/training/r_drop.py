"""R-Drop: what two dropouts make of an example shall be alike (Wu et al. 2021)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textnets.errors import InputError
from textnets.text.batches import RowsTwice
from textnets.training.setup import TrainingSetup

_RATES = ("rate", "stddev", "dropout", "recurrent_dropout")


def with_r_drop(setup: TrainingSetup, weight: float | None) -> TrainingSetup:
    """A training whose batches hold each example twice, and whose loss compares the answers.

    Args:
        setup: not yet compiled; one whose batches hold rows twice already is left as it is.
        weight: the recipe's ``training.r_drop``.

    Raises:
        InputError: the model has no dropout, or a loss of which nobody knows how far two answers
            are apart.
    """
    from textnets.training.losses import PairedLoss, has_divergence

    if weight is None:
        return setup
    if not has_dropout(setup.model):
        raise InputError(
            "training.r_drop: compares what two dropouts make of an example, and this model has "
            "none that differs within a batch; set model.dropout, or remove the key"
        )
    if setup.batches.rows_together > 1:
        return setup
    if not has_divergence(setup.loss):
        raise InputError(
            f"training.r_drop: is not there for a model that is trained by its own loss, was: one "
            f"with the loss {setup.loss.name}; remove the key (a tagger has head: softmax instead)"
        )
    return replace(setup, loss=PairedLoss(setup.loss, weight), batches=RowsTwice(setup.batches))


def has_dropout(model: Any) -> bool:
    """Whether two rows of a batch that are the same text are read otherwise in training, as far as
    a model's layers tell. Dropped weights and dropped words of the vocabulary are the same for a
    whole batch."""
    from textnets.layers import VocabularyDropout

    layers = list(model._flatten_layers(include_self=False))
    return any(
        bool(getattr(layer, name, 0))
        for layer in layers
        if not isinstance(layer, VocabularyDropout)
        for name in _RATES
    )
