"""Holding out a share of the examples, and noticing when two splits overlap."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Iterable, Sequence
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError


def fingerprint(text: str) -> bytes:
    """16 bytes that are equal for texts equal up to letter case and white space."""
    normalized = " ".join(text.casefold().split())
    return blake2b(normalized.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def count_shared(texts_a: Iterable[str], texts_b: Iterable[str]) -> int:
    """How many of ``texts_b`` also stand in ``texts_a``, up to letter case and white space."""
    known = {fingerprint(text) for text in texts_a}
    return sum(fingerprint(text) in known for text in texts_b)


def count_repeated(texts: Iterable[str]) -> int:
    """How many texts stand earlier in ``texts`` already, up to letter case and white space."""
    seen: set[bytes] = set()
    total = 0
    for text in texts:
        seen.add(fingerprint(text))
        total += 1
    return total - len(seen)


def stratified_share(
    labels: Sequence[Hashable], share: float, *, seed: int, purpose: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hold out a share of the examples, each label in proportion.

    The answer depends on the arguments alone. Every label keeps at least one example in the
    rest, so a label with a single example is never held out: a model could not know it.

    Args:
        labels: one label an example.
        share: the part to hold out, between 0 and 1 (both excluded).
        seed: 0 or more.
        purpose: what the held-out part is for, such as ``"validation"``: two purposes get
            independent draws from one seed.

    Returns:
        ``rest`` and ``held_out``: ``<int64>[rest]`` and ``<int64>[held_out]``, sorted indices.
        Together they are all examples; ``held_out`` has ``round(share * len(labels))`` of
        them, or fewer where the labels do not give so many.

    Raises:
        DataError: the share is out of range, or one of the two parts would be empty.
    """
    if not 0.0 < share < 1.0:
        raise DataError(f"{purpose}: a share must lie between 0 and 1, was: {share}")
    groups = _indices_by_label(labels)
    counts = [len(group) for group in groups]
    quotas = _held_out_counts(counts, int(share * len(labels) + 0.5))
    if not sum(quotas):
        raise DataError(
            f"{purpose}: a share of {share} holds out none of {len(labels)} examples with "
            f"{len(groups)} labels (each label keeps one); give more data, a larger share or a file"
        )
    generator = np.random.default_rng([seed, zlib.crc32(purpose.encode())])
    drawn = [
        generator.permutation(group)[:quota] for group, quota in zip(groups, quotas, strict=True)
    ]
    held_out = np.sort(np.concatenate(drawn))
    rest = np.setdiff1d(np.arange(len(labels), dtype=np.int64), held_out, assume_unique=True)
    return rest, held_out


def sample_of_each(
    strata: Sequence[Hashable],
    labels: Sequence[Sequence[Hashable]],
    size: int,
    *,
    seed: int,
) -> npt.NDArray[np.int64]:
    """A sample to try something out with: each stratum in proportion, and one of each label.

    Args:
        strata: one an example.
        labels: of each example.
        size: how many; more where there are more labels.
        seed: 0 or more; the answer depends on the arguments alone.

    Returns:
        ``<int64>[sample]``: sorted indices.
    """
    groups = _indices_by_label(strata)
    counts = [len(group) for group in groups]
    quotas = [max(1, quota) for quota in _held_out_counts(counts, size)]
    while sum(quotas) > size and max(quotas) > 1:
        quotas[int(np.argmax(quotas))] -= 1
    generator = np.random.default_rng([seed, zlib.crc32(b"limit")])
    drawn = [
        generator.permutation(group)[:quota] for group, quota in zip(groups, quotas, strict=True)
    ]
    chosen = set(np.concatenate(drawn).tolist())
    known = {label for row in chosen for label in labels[row]}
    for row, its_labels in enumerate(labels):  # a label that is never the rarest of its row
        if not known.issuperset(its_labels):
            known.update(its_labels)
            chosen.add(row)
    return np.array(sorted(chosen), dtype=np.int64)


def stratified_folds(
    labels: Sequence[Hashable], folds: int, *, seed: int
) -> list[npt.NDArray[np.int64]]:
    """Deal the examples into folds of equal size, each label in proportion.

    A label with a single example is in none of them: who is tested on it could not know it.

    Args:
        labels: one label an example.
        folds: how many, 2 or more.
        seed: 0 or more; the answer depends on the arguments alone.

    Returns:
        ``<int64>[examples]`` each: sorted indices.

    Raises:
        DataError: there are not so many examples.
    """
    generator = np.random.default_rng([seed, zlib.crc32(b"folds")])
    groups = [group for group in _indices_by_label(labels) if len(group) > 1]
    order = np.concatenate(
        [np.zeros(0, np.int64), *(generator.permutation(group) for group in groups)]
    )
    if len(order) < folds:
        raise DataError(
            f"data.folds: {folds} folds need as many examples of labels that two or more have, "
            f"was: {len(order)}"
        )
    return [np.sort(order[number::folds]) for number in range(folds)]


def grouped_share(
    keys: Sequence[Hashable], share: float, *, seed: int, purpose: str
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Hold out about a share of the examples; those with equal keys stay together.

    So no text stands on both sides with two of its translations.

    Args:
        keys: one an example.
        share, seed, purpose: as in :func:`stratified_share`.

    Returns:
        ``rest`` and ``held_out``, as in :func:`stratified_share`; ``held_out`` has the share
        or the few more that its last group brings.

    Raises:
        DataError: one of the two parts would be empty.
    """
    groups = _indices_by_label(keys)
    wanted = int(share * len(keys) + 0.5)
    generator = np.random.default_rng([seed, zlib.crc32(purpose.encode())])
    order = generator.permutation(len(groups))
    ends = np.cumsum([len(groups[index]) for index in order])
    count = int(np.searchsorted(ends, wanted)) + 1
    if not wanted or count >= len(groups):
        raise DataError(
            f"{purpose}: a share of {share} of {len(keys)} examples with {len(groups)} different "
            "texts leaves one part empty; give more data, another share or a file"
        )
    held_out = np.sort(np.concatenate([groups[index] for index in order[:count]]))
    rest = np.setdiff1d(np.arange(len(keys), dtype=np.int64), held_out, assume_unique=True)
    return rest, held_out


def _indices_by_label(labels: Sequence[Hashable]) -> list[npt.NDArray[np.int64]]:
    """The examples of each label, labels in the order in which they first appear."""
    groups: dict[Hashable, list[int]] = {}
    for index, label in enumerate(labels):
        groups.setdefault(label, []).append(index)
    return [np.array(group, dtype=np.int64) for group in groups.values()]


def _held_out_counts(counts: Sequence[int], target: int) -> list[int]:
    """How many of each label to hold out: largest remainders, ties to the earlier label."""
    total = sum(counts)
    limits = [count - 1 for count in counts]
    held = [
        min(count * target // total, limit) for count, limit in zip(counts, limits, strict=True)
    ]
    by_remainder = sorted(range(len(counts)), key=lambda i: -(counts[i] * target % total))
    missing = min(target, sum(limits)) - sum(held)
    while missing:
        open_labels = [i for i in by_remainder if held[i] < limits[i]][:missing]
        for i in open_labels:
            held[i] += 1
        missing -= len(open_labels)
    return held
