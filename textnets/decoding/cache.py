"""A continuous cache: words that a text held lately are likelier to come again.

Grave, Joulin and Usunier (2017), "Improving Neural Language Models with a Continuous Cache". Next
to the softmax stands a memory of the last places of the text: of each the vector that the softmax
read there, and the token that came. A token is the likelier the more alike its places are::

    p(w) = (1 - weight) p_softmax(w) + weight p_cache(w)
    p_cache(w) ~ sum over the last places i after which w came of exp(theta h . h_i)

Nothing is trained. It needs the text that came before, so it is for running text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from textnets.text.encoded import IntArray

Floats = npt.NDArray[np.float32]

_BLOCK = 256  # places at a time
_LARGEST = 2**24  # scores at a time


@dataclass(frozen=True)
class CacheRule:
    """How a cache is made and mixed in.

    Attributes:
        size: places that it holds.
        theta: how much likeness counts; 0 counts words.
        weight: its share of the probability.
    """

    size: int
    theta: float
    weight: float


def cache_shares(features: Floats, target_ids: IntArray, *, size: int, theta: float) -> Floats:
    """What a cache alone gives each token of a text.

    Args:
        features: ``<float32>[tokens, width]``, what the softmax read at each place.
        target_ids: ``<int32>[tokens]``, what came there.
        size, theta: see :class:`CacheRule`.

    Returns:
        ``<float32>[tokens]``, probabilities; at the first place, before which there is nothing, 0.
    """
    total = len(target_ids)
    shares = np.zeros(total, np.float32)
    block = max(1, min(_BLOCK, _LARGEST // (size + _BLOCK)))
    for start in range(0, total, block):
        stop, begin = min(start + block, total), max(0, start - size)
        here, before = np.arange(start, stop)[:, None], np.arange(begin, stop)[None, :]
        held = (before < here) & (before >= here - size)
        scores = np.float32(theta) * (features[start:stop] @ features[begin:stop].T)
        scores = np.where(held, scores, -np.inf)
        top = scores.max(axis=1, keepdims=True)
        likeness = np.exp(scores - np.where(np.isfinite(top), top, 0.0))
        same = target_ids[begin:stop][None, :] == target_ids[start:stop][:, None]
        whole = likeness.sum(axis=1)
        found = np.where(same, likeness, 0.0).sum(axis=1)
        shares[start:stop] = found / np.where(whole > 0.0, whole, 1.0)
    return shares


def with_cache(surprisals: Floats, shares: Floats, weight: float) -> Floats:
    """Surprisals of a softmax with a cache beside it, in nats.

    Args:
        surprisals: ``<float32>[tokens]``, of the softmax.
        shares: ``<float32>[tokens]``, of :func:`cache_shares`.
        weight: see :class:`CacheRule`; at the first place, where the cache is empty, 0.
    """
    counts = np.full(len(surprisals), float(weight))
    counts[:1] = 0.0
    # Of logarithms: a probability may be too small for a number.
    with np.errstate(divide="ignore"):
        of_cache = np.log(counts * shares)
    mixed = np.logaddexp(np.log1p(-counts) - surprisals.astype(np.float64), of_cache)
    found: Floats = (-mixed).astype(np.float32)
    return found
