"""Texts as ids, encoded once: flat ids and offsets, only sliced afterwards.

Backend-neutral: NumPy only. On disk a store is plain ``.npy`` files, memory-mapped when
opened, so that training neither tokenizes again nor needs TensorFlow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from textnets.errors import DataError
from textnets.text.vocabulary import PADDING_ID, load_lines

IntArray = npt.NDArray[np.int32]


@dataclass(frozen=True)
class RaggedIds:
    """Rows of ids of different lengths.

    Attributes:
        ids: ``<int32>[total]``, all rows one after the other; ``<int32>[total, columns]``
            where each place of a row holds several ids, such as the characters of a word.
        offsets: ``<int64>[rows + 1]``; row ``i`` is ``ids[offsets[i]:offsets[i + 1]]``.
    """

    ids: IntArray
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """``<int64>[rows]``, in tokens."""
        return np.diff(self.offsets)

    def row(self, index: int) -> IntArray:
        """``<int32>[length]``, or ``<int32>[length, columns]``."""
        return self.ids[self.offsets[index] : self.offsets[index + 1]]

    def pad(self, rows: npt.NDArray[np.int64], width: int) -> IntArray:
        """The chosen rows, padded on the right: ``<int32>[batch, width]``, or
        ``<int32>[batch, width, columns]``.

        A row longer than ``width`` is cut off at its end.
        """
        if len(self.ids) == 0:
            return np.full((len(rows), width, *self.ids.shape[1:]), PADDING_ID, np.int32)
        inside = self.covers(rows, width)
        positions = np.where(inside, self.offsets[rows][:, None] + np.arange(width), 0)
        filled = inside.reshape(*inside.shape, *(1 for _ in self.ids.shape[1:]))
        return np.where(filled, self.ids[positions], PADDING_ID).astype(np.int32, copy=False)

    def width_of(self, rows: npt.NDArray[np.int64], bucket_width: int) -> int:
        """What the chosen rows are padded to: a multiple of ``bucket_width``."""
        return padded_width(int(self.lengths[rows].max()), bucket_width)

    def covers(self, rows: npt.NDArray[np.int64], width: int) -> npt.NDArray[np.bool_]:
        """``<bool>[batch, width]``: true where a padded row holds ids of its own."""
        return np.arange(width) < self.lengths[rows][:, None]

    def select(self, rows: npt.NDArray[np.int64]) -> RaggedIds:
        """A copy of the chosen rows, in that order."""
        return join_rows(self.row(int(index)) for index in rows)

    def beginning(self, rows: int, tokens: int) -> RaggedIds:
        """A copy of the first rows, each cut after so many tokens."""
        return join_rows(self.row(index)[:tokens] for index in range(min(rows, len(self))))

    def save(self, folder: Path, name: str) -> None:
        """Write ``NAME.ids.npy`` and ``NAME.offsets.npy``."""
        np.save(folder / f"{name}.ids.npy", self.ids, allow_pickle=False)
        np.save(folder / f"{name}.offsets.npy", self.offsets, allow_pickle=False)

    @classmethod
    def open(cls, folder: Path, name: str) -> RaggedIds:
        """Memory-map what :meth:`save` wrote.

        Raises:
            DataError: a file is missing or damaged.
        """
        ids = open_array(folder / f"{name}.ids.npy")
        offsets = open_array(folder / f"{name}.offsets.npy")
        if not _fit(ids, offsets):
            raise DataError(f"{folder}: the stored ids of '{name}' do not fit their offsets")
        return cls(ids, offsets.astype(np.int64, copy=False))


def _fit(ids: npt.NDArray[Any], offsets: npt.NDArray[Any]) -> bool:
    if ids.dtype != np.int32 or offsets.dtype != np.int64:
        return False
    if ids.ndim not in (1, 2) or offsets.ndim != 1:
        return False
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(ids):
        return False
    return bool((offsets[1:] >= offsets[:-1]).all())


def join_rows(rows: Iterable[Sequence[int] | IntArray]) -> RaggedIds:
    """Rows to one ragged store."""
    arrays = [np.asarray(row, dtype=np.int32) for row in rows]
    lengths = np.array([len(row) for row in arrays], dtype=np.int64)
    return join_parts(arrays, [lengths])


def join_parts(
    flat_parts: Sequence[IntArray], length_parts: Sequence[npt.NDArray[np.int64]]
) -> RaggedIds:
    """Flat ids and row lengths, in parts, to one ragged store."""
    lengths = np.concatenate([np.zeros(1, np.int64), *length_parts])
    ids = np.concatenate(flat_parts or [np.zeros(0, np.int32)]).astype(np.int32, copy=False)
    return RaggedIds(ids, np.cumsum(lengths, dtype=np.int64))


def open_array(path: Path) -> npt.NDArray[np.int32]:
    """Memory-map one ``.npy`` file, never unpickling.

    Raises:
        DataError: the file is missing or damaged.
    """
    try:
        if not path.is_file():
            raise ValueError("there is no such plain file")
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            read_header = _HEADERS[version]
            shape, is_fortran, dtype = read_header(file)
            start = file.tell()
        wanted = math.prod(shape) * dtype.itemsize
        if dtype.kind not in "if" or min(shape, default=0) < 0:
            raise ValueError(f"its values are of the type {dtype}")
        if path.stat().st_size != start + wanted:
            raise ValueError("its size is another than it says")
        if wanted == 0:
            return np.zeros(shape, dtype)
        order: Literal["F", "C"] = "F" if is_fortran else "C"
        array: npt.NDArray[np.int32] = np.memmap(path, dtype, "r", start, shape, order)
    except Exception as error:  # a damaged header gives errors of Python's parser too
        raise DataError(f"{path}: cannot be read: {error}") from None
    return array


_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def padded_width(longest: int, bucket_width: int) -> int:
    """The width that a batch is padded to: few different widths, so few compilations."""
    return max(bucket_width, -(-longest // bucket_width) * bucket_width)


def pad_inputs(
    inputs: Mapping[str, RaggedIds], rows: npt.NDArray[np.int64], bucket_width: int
) -> Any:
    """The chosen rows as a model takes them: ``<int32>[batch, width]``, or a dict of such
    arrays by name where the model has several inputs, each padded to a width of its own."""
    padded = {
        name: ragged.pad(rows, ragged.width_of(rows, bucket_width))
        for name, ragged in inputs.items()
    }
    return padded if len(padded) > 1 else next(iter(padded.values()))


@dataclass(frozen=True)
class RaggedOutputs:
    """What a model answers at every place of every row.

    Attributes:
        values: ``<float32>[total, ...]``, all rows one after the other.
        offsets: ``<int64>[rows + 1]``, as in :class:`RaggedIds`.
    """

    values: npt.NDArray[np.float32]
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def row(self, index: int) -> npt.NDArray[np.float32]:
        """``<float32>[length, ...]``."""
        return self.values[self.offsets[index] : self.offsets[index + 1]]


# What version 0.1.0 kept for all splits of a store together.
_SHARED_UNSEEN_LABELS = "unseen_labels.txt"

#: Inputs, targets and weights, as a training step takes them.
Batch = tuple[Any, Any, npt.NDArray[np.float32] | None]
Targets = RaggedIds | npt.NDArray[np.int32] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class EncodedSplit:
    """A split as a model takes it.

    Attributes:
        inputs: ragged ids by the name of the model's input.
        targets: ``<int32>[examples]`` class ids, ``<float32>[examples, classes]`` indicators,
            or ragged ids.
        weights: ``<float32>[examples]`` sample weights, or ``None`` where all are one.
        references: texts that outputs are compared with, where those are no targets.
        unseen_labels: names of the target ids that follow those which training has.
        texts: what was encoded, where answers take words of it; they are not stored.

    Ragged targets stand for one target a place: a batch of them always has weights, zero
    where there is padding, so that padding counts in no loss.
    """

    inputs: Mapping[str, RaggedIds]
    targets: Targets
    weights: npt.NDArray[np.float32] | None = None
    references: Sequence[str] | None = None
    unseen_labels: Sequence[str] = ()
    texts: Sequence[str] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def ragged_targets(self) -> RaggedIds:
        """The targets of a task that has one a place."""
        if not isinstance(self.targets, RaggedIds):
            raise TypeError("the targets are not ragged")
        return self.targets

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """``<int64>[examples]``: of the longest input of each example, in tokens."""
        lengths: npt.NDArray[np.int64] = np.max(
            [ragged.lengths for ragged in self.inputs.values()], axis=0
        )
        return lengths

    def only(self, names: Iterable[str]) -> EncodedSplit:
        """The same examples with some of the inputs: those that a model takes."""
        return replace(self, inputs={name: self.inputs[name] for name in names})

    def beginning(self, examples: int, tokens: int) -> EncodedSplit:
        """The first examples, each cut after so many tokens: to try out what reads a split."""
        targets = self.targets
        return EncodedSplit(
            {name: ragged.beginning(examples, tokens) for name, ragged in self.inputs.items()},
            targets.beginning(examples, tokens)
            if isinstance(targets, RaggedIds)
            else targets[:examples],
            None if self.weights is None else self.weights[:examples],
            None if self.references is None else self.references[:examples],
            self.unseen_labels,
            None if self.texts is None else self.texts[:examples],
        )

    def batch(self, rows: npt.NDArray[np.int64], bucket_width: int) -> Batch:
        """Inputs, targets and weights of some examples; see :func:`pad_inputs`.

        The weights of ragged targets are ``<float32>[batch, width]``.
        """
        inputs, targets = pad_inputs(self.inputs, rows, bucket_width), self.targets
        weights = None if self.weights is None else self.weights[rows]
        if not isinstance(targets, RaggedIds):
            return inputs, targets[rows], weights
        width = targets.width_of(rows, bucket_width)
        places = targets.covers(rows, width).astype(np.float32)
        return (
            inputs,
            targets.pad(rows, width),
            (places if weights is None else places * weights[:, None]),
        )

    def save(self, folder: Path, name: str) -> None:
        """Write the split's arrays as ``NAME.*.npy``, and its texts as ``NAME.*.json``."""
        for key, ragged in self.inputs.items():
            ragged.save(folder, f"{name}.{key}")
        if isinstance(self.targets, RaggedIds):
            self.targets.save(folder, f"{name}.targets")
        else:
            np.save(folder / f"{name}.targets.npy", self.targets, allow_pickle=False)
        if self.weights is not None:
            np.save(folder / f"{name}.weights.npy", self.weights, allow_pickle=False)
        if self.references is not None:
            _save_texts(folder / f"{name}.references.json", self.references)
        if self.unseen_labels:
            _save_texts(folder / f"{name}.unseen_labels.json", self.unseen_labels)

    @classmethod
    def open(cls, folder: Path, name: str, inputs: Iterable[str]) -> EncodedSplit:
        """Memory-map what :meth:`save` wrote.

        Raises:
            DataError: a file is missing or damaged, or they are of different splits.
        """
        targets: Targets
        if (folder / f"{name}.targets.npy").exists():
            targets = open_array(folder / f"{name}.targets.npy")
            if (targets.ndim, targets.dtype.str[1:]) not in ((1, "i4"), (2, "f4")):
                raise DataError(f"{folder}: the stored targets of '{name}' are no targets")
        else:
            targets = RaggedIds.open(folder, f"{name}.targets")
        path = folder / f"{name}.weights.npy"
        weights = open_array(path).astype(np.float32) if path.exists() else None
        if weights is not None and not (weights.ndim == 1 and np.isfinite(weights).all()):
            raise DataError(f"{path}: no stored weights: expected one number an example")
        ragged = {key: RaggedIds.open(folder, f"{name}.{key}") for key in inputs}
        references = _open_texts(folder / f"{name}.references.json")
        unseen_labels = _open_texts(folder / f"{name}.unseen_labels.json")
        sizes = {len(targets), *(len(rows) for rows in ragged.values())}
        sizes |= {len(references)} if references is not None else set()
        if len(sizes | ({len(weights)} if weights is not None else set())) > 1:
            raise DataError(f"{folder}: the stored arrays of '{name}' are not equally long")
        if unseen_labels is None and (folder / _SHARED_UNSEEN_LABELS).is_file():
            unseen_labels = tuple(load_lines(folder / _SHARED_UNSEEN_LABELS))
        return cls(ragged, targets, weights, references, unseen_labels or ())


def _save_texts(path: Path, texts: Sequence[str]) -> None:
    path.write_text(json.dumps(list(texts), ensure_ascii=False), encoding="utf-8")


def _open_texts(path: Path) -> tuple[str, ...] | None:
    if not path.exists():
        return None
    try:
        texts = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{path}: no stored texts: {error}") from None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise DataError(f"{path}: no stored texts: expected a list of strings")
    return tuple(texts)
