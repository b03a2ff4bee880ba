from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from textnets.errors import DataError
from textnets.text.encoded import EncodedSplit, RaggedIds, join_rows, pad_inputs

ROWS = [[5, 6, 7], [1], [], [9, 8]]
RAGGED = st.lists(st.lists(st.integers(1, 99), max_size=6), max_size=8)


def rows_of(ragged: RaggedIds) -> list[list[int]]:
    return [ragged.row(index).tolist() for index in range(len(ragged))]


def numbers(*values: int) -> np.ndarray:
    return np.array(values, dtype=np.int64)


def test_rows_lengths_and_padding_by_hand():
    ragged = join_rows(ROWS)
    assert ragged.ids.dtype == np.int32
    assert ragged.offsets.tolist() == [0, 3, 4, 4, 6]
    assert ragged.lengths.tolist() == [3, 1, 0, 2]
    padded = ragged.pad(numbers(3, 0, 2), 4)
    assert padded.dtype == np.int32
    assert padded.tolist() == [[9, 8, 0, 0], [5, 6, 7, 0], [0, 0, 0, 0]]
    assert ragged.pad(numbers(0, 3), 2).tolist() == [[5, 6], [9, 8]]


@settings(deadline=None)
@given(rows=RAGGED, width=st.integers(0, 8), data=st.data())
def test_padding_equals_a_naive_loop(rows, width, data):
    ragged = join_rows(rows)
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9)) if rows else []
    expected = np.zeros((len(chosen), width), dtype=np.int32)
    for place, row in enumerate(chosen):
        for column, token_id in enumerate(rows[row][:width]):
            expected[place, column] = token_id
    padded = ragged.pad(numbers(*chosen), width)
    assert padded.shape == expected.shape
    np.testing.assert_array_equal(padded, expected)
    assert rows_of(ragged.select(numbers(*chosen))) == [rows[row] for row in chosen]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=RAGGED)
def test_saved_and_opened(tmp_path: Path, rows):
    join_rows(rows).save(tmp_path, "train.token_ids")
    opened = RaggedIds.open(tmp_path, "train.token_ids")
    assert rows_of(opened) == rows
    assert opened.ids.dtype == np.int32
    assert opened.lengths.tolist() == [len(row) for row in rows]


def test_an_opened_store_is_mapped_and_not_to_be_written(tmp_path: Path):
    join_rows(ROWS).save(tmp_path, "x")
    opened = RaggedIds.open(tmp_path, "x")
    assert isinstance(opened.ids, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        opened.ids[0] = 3


@pytest.mark.parametrize("name", ["x.ids.npy", "x.offsets.npy"])
@pytest.mark.parametrize("damage", ["missing", "empty", "short", "garbage", "pickle", "half"])
def test_a_damaged_store_is_refused(tmp_path: Path, name: str, damage: str):
    join_rows(ROWS).save(tmp_path, "x")
    path = tmp_path / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    elif damage == "pickle":
        np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    else:
        short = {"empty": b"", "short": content[:-3], "garbage": b"\x00" * 200}
        path.write_bytes(short.get(damage, content[:40]))
    with pytest.raises(DataError) as caught:
        RaggedIds.open(tmp_path, "x")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("ids", "offsets"),
    [
        (np.zeros(3, np.int32), numbers(0, 2)),
        (np.zeros(3, np.int32), numbers(1, 3)),
        (np.zeros(3, np.int32), numbers(0, 5, 3)),
        (np.zeros(3, np.int32), numbers()),
        (np.zeros(3, np.int64), numbers(0, 3)),
        (np.zeros(3, np.int32), np.array([0.0, 3.0])),
        (np.zeros((3, 1, 1), np.int32), numbers(0, 3)),
    ],
)
def test_ids_that_do_not_fit_their_offsets_are_refused(tmp_path: Path, ids, offsets):
    np.save(tmp_path / "x.ids.npy", ids)
    np.save(tmp_path / "x.offsets.npy", offsets)
    with pytest.raises(DataError, match="do not fit their offsets"):
        RaggedIds.open(tmp_path, "x")


# --- Splits ---

TARGETS = {
    "classes": np.array([0, 2, 1, 1], dtype=np.int32),
    "indicators": np.array([[0, 1], [1, 1], [0, 0], [1, 0]], dtype=np.float32),
    "ragged": join_rows([[1, 2, 3], [4], [], [5, 6]]),
}


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_split_saved_and_opened_gives_the_same_batches(tmp_path: Path, kind: str, weighted: bool):
    weights = np.array([1, 2, 0.5, 1], dtype=np.float32) if weighted else None
    split = EncodedSplit({"token_ids": join_rows(ROWS)}, TARGETS[kind], weights)
    split.save(tmp_path, "train")
    opened = EncodedSplit.open(tmp_path, "train", ["token_ids"])
    assert len(opened) == 4
    assert opened.lengths.tolist() == [3, 1, 0, 2]
    for one, other in zip(
        split.batch(numbers(3, 0), 3), opened.batch(numbers(3, 0), 3), strict=True
    ):
        np.testing.assert_array_equal(one, other)
        assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
    inputs, targets, chosen = opened.batch(numbers(3, 0), 3)
    assert inputs.tolist() == [[9, 8, 0], [5, 6, 7]]
    if kind == "ragged":
        assert targets.tolist() == [[5, 6, 0], [1, 2, 3]]
        assert chosen is not None
        assert chosen.tolist() == [[1, 1, 0], [1, 1, 1]]  # padding weighs nothing
    else:
        assert (chosen is None) or chosen.tolist() == [1, 1]


def test_several_inputs_are_given_by_name():
    inputs = {"words": join_rows([[1], [2, 3]]), "characters": join_rows([[4, 5, 6], [7]])}
    padded = pad_inputs(inputs, numbers(1, 0), 3)
    assert {name: ids.tolist() for name, ids in padded.items()} == {
        "words": [[2, 3, 0], [1, 0, 0]],
        "characters": [[7, 0, 0], [4, 5, 6]],
    }
    split = EncodedSplit(inputs, np.zeros(2, np.int32))
    assert split.lengths.tolist() == [3, 2]


def test_a_split_of_no_examples(tmp_path: Path):
    EncodedSplit({"token_ids": join_rows([])}, np.zeros(0, np.int32)).save(tmp_path, "x")
    opened = EncodedSplit.open(tmp_path, "x", ["token_ids"])
    assert len(opened) == 0
    assert opened.lengths.tolist() == []


def test_a_split_of_parts_that_do_not_belong_together_is_refused(tmp_path: Path):
    EncodedSplit({"token_ids": join_rows(ROWS)}, TARGETS["classes"]).save(tmp_path, "x")
    np.save(tmp_path / "x.weights.npy", np.ones(3, np.float32))
    with pytest.raises(DataError, match="'x' are not equally long"):
        EncodedSplit.open(tmp_path, "x", ["token_ids"])
    (tmp_path / "x.weights.npy").unlink()
    np.save(tmp_path / "x.targets.npy", np.zeros(5, np.int32))
    with pytest.raises(DataError, match="'x' are not equally long"):
        EncodedSplit.open(tmp_path, "x", ["token_ids"])
    (tmp_path / "x.targets.npy").unlink()
    with pytest.raises(DataError, match=r"x\.targets\.ids\.npy"):
        EncodedSplit.open(tmp_path, "x", ["token_ids"])
