"""From a sequence of vectors to one vector a text, in one way or several side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from textnets.errors import InputError


def as_kinds(pooling: str | Sequence[str], builder: str) -> list[str]:
    """What a builder's ``pooling`` names: one kind, or several.

    Raises:
        InputError: one is given twice.
    """
    kinds = [pooling] if isinstance(pooling, str) else list(pooling)
    if twice := [kind for kind, count in Counter(kinds).items() if count > 1]:
        raise InputError(f"{builder}: pooling: each kind once, was twice: {twice[0]}")
    return kinds


def pooled(kinds: Sequence[str], sequence: Any, mask: Any, names: str) -> list[Any]:
    """One vector a text for each kind.

    Args:
        kinds: of ``max``, ``mean`` and ``attention``.
        sequence: ``<float>[batch, length, width]``, a Keras tensor.
        mask: ``<bool>[batch, length]``.
        names: of the layers, with ``{kind}`` in them.

    Returns:
        ``<float>[batch, width]`` each.
    """
    from textnets import layers

    of_kind = {
        "max": layers.MaskedMaxPooling,
        "mean": layers.MaskedMeanPooling,
        "attention": layers.AttentionPooling,
    }
    return [of_kind[kind](name=names.format(kind=kind))([sequence, mask]) for kind in kinds]


def joined(vectors: Sequence[Any], name: str) -> Any:
    """Vectors side by side: ``<float>[batch, width]`` each to ``<float>[batch, sum of widths]``."""
    import keras

    return keras.layers.Concatenate(name=name)(list(vectors)) if len(vectors) > 1 else vectors[0]
