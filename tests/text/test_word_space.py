"""Neighbors, analogies, maps and files of token vectors."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from textnets.errors import InputError
from textnets.text.vectors import read_vectors
from textnets.text.vocabulary import Vocabulary
from textnets.text.word_space import WordSpace

# Royalty, manhood and womanhood as three axes, and lengths that must not matter.
VECTORS = {
    "king": (2, 2, 0),
    "queen": (1, 0, 1),
    "man": (0, 3, 0),
    "woman": (0, 0, 0.5),
    "crown": (5, 0.1, 0.1),
    "a b": (0, -1, -1),
}


@pytest.fixture
def space() -> WordSpace:
    table = np.zeros((4 + len(VECTORS), 3), np.float32)
    table[:4] = 9.0  # the special tokens' own, which nobody asks for
    table[4:] = list(VECTORS.values())
    return WordSpace(Vocabulary(VECTORS), table)


def test_neighbors_by_cosine(space: WordSpace) -> None:
    found = space.neighbors("crown", count=2)
    assert [neighbor.token for neighbor in found] == ["king", "queen"]
    expected = np.dot((5, 0.1, 0.1), (2, 2, 0)) / np.linalg.norm((5, 0.1, 0.1)) / 8**0.5
    assert found[0].similarity == pytest.approx(expected, abs=1e-6)
    assert len(space.neighbors("king", count=99)) == len(VECTORS) - 1


def test_an_analogy_leaves_its_words_out(space: WordSpace) -> None:
    assert space.analogy("king", "man", "woman", count=1)[0].token == "queen"


def test_an_unknown_word_is_refused_with_what_is_near(space: WordSpace) -> None:
    with pytest.raises(InputError, match="'kings' is not in the model's vocabulary; near it: 'kin"):
        space.neighbors("kings")
    with pytest.raises(InputError, match=r"vocabulary$"):
        space.analogy("king", "man", "zzzz")


@pytest.mark.parametrize("name", ["vectors.txt", "vectors.txt.gz"])
def test_what_is_saved_others_can_read(space: WordSpace, tmp_path: Path, name: str) -> None:
    assert space.save(tmp_path / name) == 1  # the token with a blank
    content = (tmp_path / name).read_bytes()
    text = (gzip.decompress(content) if name.endswith("gz") else content).decode()
    assert text.split("\n")[:2] == ["5 3", "king 2 2 0"]
    kept = Vocabulary([token for token in VECTORS if " " not in token])
    again = read_vectors(tmp_path / name, kept, seed=1)
    np.testing.assert_allclose(again.table[4:], space.vectors[:5], rtol=1e-5)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_map_is_a_picture(space: WordSpace, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    space.plot(tmp_path / "map.svg", ["king", "queen", "man", "woman", "king"])
    drawn = (tmp_path / "map.svg").read_text()
    assert drawn.count("<!-- queen -->") == 1
    space.plot(tmp_path / "map.png", ["king", "queen", "man"])
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="three tokens or more, was: 2"):
        space.plot(tmp_path / "x.png", ["king", "queen"])
    with pytest.raises(InputError, match="cannot be written"):
        space.plot(tmp_path / "x.nosuchformat", ["king", "queen", "man"])
