"""Tags that fit together: the best sequence of them, under the rules of a scheme of spans.

The rules need no conditional random field: over the probabilities of a softmax they forbid
what cannot be, and Viterbi's algorithm finds the best of the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from textnets.layers import LinearChainCRF

# Below every probability that float32 tells from 0.
SMALLEST_PROBABILITY = 1e-30
_LEAST = 1e-7  # of a probability that is mixed, before its logarithm is taken

#: Added to the score of what must not be.
FORBIDDEN = -1e9


@dataclass(frozen=True)
class TagRules:
    """Which tags may stand where.

    Attributes:
        begins: ``<bool>[tags]``: may be a sentence's first.
        follows: ``<bool>[tags, tags]``: whether the second may follow the first.
        ends: ``<bool>[tags]``: may be a sentence's last.
    """

    begins: NDArray[np.bool_]
    follows: NDArray[np.bool_]
    ends: NDArray[np.bool_]


def span_rules(tags: Sequence[str]) -> TagRules:
    """The rules of IOBES where a tag begins with ``E-`` or ``S-``, else those of IOB2 (BIO).

    In IOB2 a span is ``B-X`` and any number of ``I-X``; in IOBES it is ``S-X``, or ``B-X``,
    any number of ``I-X`` and ``E-X``. ``O`` is no span.
    """
    with_ends = have_ends(tags)
    return TagRules(
        np.array([_may_follow("O", tag, with_ends) for tag in tags], np.bool_),
        np.array([[_may_follow(one, two, with_ends) for two in tags] for one in tags], np.bool_),
        np.array([_may_follow(tag, "O", with_ends) for tag in tags], np.bool_),
    )


def breach_of(sentence: Sequence[str], with_ends: bool) -> tuple[int, str] | None:
    """The first tag of a sentence that may not stand where it does, or the sentence's length
    where its last tag may not end it; and what is wrong, in words."""
    pairs = zip(["O", *sentence], [*sentence, "O"], strict=True)
    for place, (one, two) in enumerate(pairs):
        if not _may_follow(one, two, with_ends):
            return place, f"{two!r} after {one!r}"
    return None


def have_ends(tags: Iterable[str]) -> bool:
    """Whether the tags are of IOBES, which marks where spans end."""
    return any(tag[:2] in ("E-", "S-") for tag in tags)


def _may_follow(one: str, two: str, with_ends: bool) -> bool:
    """Whether a tag may follow another; a sentence's edge is like an ``O``."""
    is_open = one[:2] in ("B-", "I-")
    if two[:2] in ("I-", "E-"):
        return is_open and one[2:] == two[2:]
    return not (with_ends and is_open)


def conditional_random_field(model: Any) -> LinearChainCRF | None:
    """The CRF that a tagger ends in, if it does."""
    from textnets.layers import LinearChainCRF

    found = [layer for layer in model.layers if isinstance(layer, LinearChainCRF)]
    return found[-1] if found else None


def tag_decoder(model: Any, rules: TagRules | None = None) -> Any:
    """A model around a tagger that adds the best sequence of tags to what it answers.

    The score of a sequence is that of the tagger's CRF, or the sum of the logarithms of its
    probabilities where there is none.

    Args:
        model: from ``token_ids``, ``<int32>[batch, length]``, and more, to probabilities,
            ``<float32>[batch, length, tags]``.
        rules: what sequences are allowed; ``None`` for all. Where no sequence is allowed, the
            one that breaks the fewest is found.

    Returns:
        A ``keras.Model`` from the same inputs to ``<float32>[batch, length, tags + 1]``: the
        probabilities, and after them the id of the chosen tag.
    """
    import keras

    from textnets import layers

    crf = conditional_random_field(model)
    if crf is not None:
        emissions, mask = crf.input
    else:
        emissions = keras.ops.log(keras.ops.maximum(model.output, SMALLEST_PROBABILITY))
        token_ids = next(tensor for tensor in model.inputs if tensor.name == "token_ids")
        mask = layers.PaddingMask(name="decoding_mask")(token_ids)
    tags = layers.BestTags(crf, *penalties(rules, model.output.shape[-1]), name="best_tags")
    chosen = keras.ops.cast(tags([emissions, mask])[:, :, None], "float32")
    answer = keras.ops.concatenate([model.output, chosen], axis=-1)
    return keras.Model(model.input, answer, name="tag_decoder")


def best_sequence(scores: NDArray[np.floating[Any]], rules: TagRules) -> NDArray[np.int32]:
    """The best sequence of tags that rules allow (Viterbi 1967); where none is allowed, the one
    that breaks the fewest.

    Args:
        scores: ``<float>[length, tags]`` of each tag at each place, which are added up.
        rules: what may stand where.

    Returns:
        ``<int32>[length]``.
    """
    first, pairs, last = (table.astype(np.float64) for table in penalties(rules, scores.shape[1]))
    best, came_from = scores[0] + first, []
    for row in scores[1:]:
        sums = best[:, None] + pairs
        came_from.append(sums.argmax(axis=0))
        best = sums.max(axis=0) + row
    tags = [int((best + last).argmax())]
    for places in reversed(came_from):
        tags.append(int(places[tags[-1]]))
    return np.array(tags[::-1], np.int32)


def mix_tags(
    probabilities: Sequence[NDArray[np.float32]],
    weights: Sequence[float],
    offsets: NDArray[np.int64],
    rules: TagRules | None,
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """What several taggers say together: by the mean of the logarithms of their probabilities.

    Args:
        probabilities: ``<float32>[words, tags]`` of each tagger, all sentences one after the other.
        weights: of each; they sum to 1.
        offsets: ``<int64>[sentences + 1]``.
        rules: which sequences are allowed; ``None`` for all.

    Returns:
        ``<float32>[words, tags]``, and the chosen tag of each word, ``<int32>[words]``: the most
        probable, or that of the best sequence that the rules allow.
    """
    known = [np.clip(one, _LEAST, 1.0) for one in probabilities]
    total = np.sum([w * np.log(one) for w, one in zip(weights, known, strict=True)], axis=0)
    likely = np.exp(total - total.max(axis=1, keepdims=True))
    likely /= likely.sum(axis=1, keepdims=True)
    if rules is None:
        chosen = total.argmax(axis=1).astype(np.int32)
    else:
        bounds = pairwise(offsets.tolist())
        rows = [best_sequence(total[start:end], rules) for start, end in bounds]
        chosen = np.concatenate([np.zeros(0, np.int32), *rows])
    return likely.astype(np.float32), chosen


def penalties(rules: TagRules | None, num_tags: int) -> tuple[NDArray[np.float32], ...]:
    """Of first tags, of pairs and of last tags."""
    if rules is None:
        free = np.zeros(num_tags, np.float32)
        return free, np.zeros((num_tags, num_tags), np.float32), free
    tables = (rules.begins, rules.follows, rules.ends)
    return tuple(np.where(table, 0.0, FORBIDDEN).astype(np.float32) for table in tables)
