"""The tables of a language model: what makes its logits, and pretrained vectors."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from textnets.errors import InputError


def build_output_table(
    cutoffs: Sequence[int], shrink: int, *, vocabulary_size: int, **settings: Any
) -> Any:
    """What makes the logits.

    Args:
        cutoffs: of an adaptive softmax; none for a plain one.
        shrink: how many times shorter the vectors of each group are than those before it.
        vocabulary_size: how many token ids there are.
        settings: what :class:`textnets.layers.TokenTable` takes besides.

    Raises:
        InputError: if the cutoffs are no places of the vocabulary, one after the other, or vectors
            shrink without any.
    """
    from textnets import layers

    if shrink > 1 and not cutoffs:
        raise InputError("adaptive_shrink: shortens the vectors of groups; set adaptive_softmax")
    if not cutoffs:
        return layers.TokenTable(vocabulary_size, **settings)
    borders = [*cutoffs, vocabulary_size]
    if any(one >= other for one, other in itertools.pairwise(borders)):
        raise InputError(
            "adaptive_softmax: expected cutoffs that rise and are below the vocabulary's size, "
            f"{vocabulary_size}, was: {list(cutoffs)}"
        )
    if shrink > 1:
        return layers.ReducedTokenTable(vocabulary_size, cutoffs=cutoffs, shrink=shrink, **settings)
    return layers.AdaptiveTokenTable(vocabulary_size, cutoffs=cutoffs, **settings)


def start_vectors(embedding: Any, vectors: Any) -> None:
    """Put pretrained vectors into the table.

    Args:
        embedding: a :class:`textnets.layers.TokenTable` that has been called.
        vectors: ``<float32>[vocabulary_size, width]``, or None to leave it as it started.

    Raises:
        InputError: if they are not the table's shape.
    """
    import numpy as np

    if vectors is None:
        return
    if embedding.rows < embedding.vocabulary_size:
        raise InputError(
            "embedding_vectors: with adaptive_shrink only frequent tokens have vectors of full "
            "length; leave text.vectors out, or untie the embeddings (tie_embeddings: false)"
        )
    found, expected = np.shape(vectors), (embedding.vocabulary_size, embedding.width)
    if found != expected:
        raise InputError(
            f"embedding_vectors: must be of shape [vocabulary_size, embedding_width] = "
            f"{list(expected)}, was: {list(found)}"
        )
    embedding.embeddings.assign(np.asarray(vectors, dtype="float32"))
