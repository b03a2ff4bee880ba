"""The strong baseline of a language model: counting n-grams, smoothed as they should be.

Interpolated modified Kneser-Ney (Chen and Goodman 1998, "An Empirical Study of Smoothing
Techniques for Language Modeling"), on arrays: an n-gram is the number of its prefix and its last
token, so that each order is one sort of the training text. Seconds for a million tokens.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Order:
    """The n-grams of one length, by their key: number of the prefix, then the last token.

    Attributes:
        keys: ``<int64>[n-grams]``, sorted; a place in it is an n-gram's number.
        discounted: ``<float64>[n-grams]``: count less discount, over the prefix's total.
        left_over: ``<float64>[prefixes]``: what discounting left for shorter prefixes; 1 where
            a prefix was never followed by anything.
    """

    keys: Integers
    discounted: Floats
    left_over: Floats


class KneserNey:
    """An n-gram model.

    Args:
        token_ids: ``<int32>[tokens]``, the training text, or texts one after the other.
        places: ``<int64>[tokens]``: how many tokens of its own text stand before each.
        vocabulary_size: ids are below it.
        order: n.
        is_scored: ``<bool>[vocabulary]``: tokens that can come next; others only stand before.
    """

    def __init__(
        self,
        token_ids: npt.NDArray[np.int32],
        places: Integers,
        *,
        vocabulary_size: int,
        order: int,
        is_scored: npt.NDArray[np.bool_],
    ) -> None:
        self.vocabulary_size, self.is_scored = vocabulary_size, is_scored
        self._orders: list[_Order] = []
        numbers, keys = self._count(token_ids, places, order)
        counted = [_raw_counts(numbers[-1], keys[-1])]
        for shorter, longer_keys, longer in zip(
            numbers[-2::-1], keys[:0:-1], numbers[:0:-1], strict=True
        ):
            counted.insert(0, _continuations(shorter, longer, longer_keys))
        num_prefixes = 1
        for grams, counts in zip(keys, counted, strict=True):
            self._orders.append(self._discount(grams, counts, num_prefixes))
            num_prefixes = len(grams)

    def surprisals(self, token_ids: npt.NDArray[np.int32], places: Integers) -> Floats:
        """-log p of each token of another text, in nats: ``<float64>[tokens]``.

        A token that is not scored gets 0.
        """
        probability = np.full(len(token_ids), 1.0 / self.is_scored.sum())
        prefix = np.zeros(len(token_ids), np.int64)  # number of the prefix, -1 if unknown
        tokens = token_ids.astype(np.int64)
        for length, order in enumerate(self._orders):
            usable = (prefix >= 0) & (places >= length)
            key = np.where(usable, prefix * self.vocabulary_size + tokens, -1)
            number = np.minimum(np.searchsorted(order.keys, key), len(order.keys) - 1)
            found = usable & (order.keys[number] == key)
            left_over = np.where(usable, order.left_over[np.where(usable, prefix, 0)], 1.0)
            share = np.where(found, order.discounted[number], 0.0)
            probability = share + left_over * probability
            # The prefix of the next order is the n-gram that ends one token earlier.
            prefix = np.concatenate([[-1], np.where(found, number, -1)[:-1]])
        scored: Floats = np.where(self.is_scored[token_ids], -np.log(probability), 0.0)
        return scored

    def _count(
        self, token_ids: npt.NDArray[np.int32], places: Integers, order: int
    ) -> tuple[list[Integers], list[Integers]]:
        """For each order the number of the n-gram that ends at each token, -1 for none, and the
        n-grams' keys."""
        prefix = np.zeros(len(token_ids), np.int64)
        numbers, keys = [], []
        for length in range(order):
            usable = (prefix >= 0) & (places >= length)
            key = prefix * self.vocabulary_size + token_ids
            unique, inverse = np.unique(key[usable], return_inverse=True)
            number = np.full(len(token_ids), -1, np.int64)
            number[usable] = inverse
            numbers.append(number)
            keys.append(unique)
            prefix = np.concatenate([[-1], number[:-1]])
        return numbers, keys

    def _discount(self, keys: Integers, counts: Floats, num_prefixes: int) -> _Order:
        """Take the discounts off the counts, and see how much that leaves."""
        counts = np.where(self.is_scored[keys % self.vocabulary_size], counts, 0.0)
        discounts = _discounts(counts)
        taken = np.minimum(discounts[np.minimum(counts, 3).astype(np.int64)], counts)
        prefixes = keys // self.vocabulary_size
        totals = np.bincount(prefixes, weights=counts, minlength=num_prefixes)
        lost = np.bincount(prefixes, weights=taken, minlength=num_prefixes)
        seen = totals > 0
        safe = np.where(seen, totals, 1.0)
        return _Order(
            keys=keys,
            discounted=(counts - taken) / safe[prefixes],
            left_over=np.where(seen, lost / safe, 1.0),
        )


def _raw_counts(numbers: Integers, keys: Integers) -> Floats:
    return np.bincount(numbers[numbers >= 0], minlength=len(keys)).astype(np.float64)


def _continuations(shorter: Integers, longer: Integers, longer_keys: Integers) -> Floats:
    """For each n-gram, in how many different tokens' wake it stands; for one that never stands
    after anything, as at the start of a text, how often it was seen."""
    plain = np.bincount(shorter[shorter >= 0])
    after = np.zeros(len(plain), np.float64)
    known = longer >= 0
    # One place of each longer n-gram: the shorter one that ends there is its ending.
    one = np.zeros(len(longer_keys), np.int64)
    one[longer[known]] = np.flatnonzero(known)
    np.add.at(after, shorter[one], 1.0)
    return np.where(after > 0, after, plain)


def _discounts(counts: Floats) -> Floats:
    """``<float64>[4]``: of n-grams counted 0, 1, 2 and more times (Chen and Goodman, eq. 26)."""
    times = np.bincount(np.minimum(counts, 5).astype(np.int64), minlength=6)[1:5].astype(float)
    absolute = np.array([0.0, 0.5, 0.5, 0.5])
    if not times.all():  # a tiny text
        return absolute
    share = times[0] / (times[0] + 2 * times[1])
    found = [n - (n + 1) * share * times[n] / times[n - 1] for n in (1, 2, 3)]
    if min(found) <= 0.0:  # counts without order: nothing would be left for what was never seen
        return absolute
    limited: Floats = np.minimum(np.array([0.0, *found]), [0.0, 1.0, 2.0, 3.0])
    return limited
