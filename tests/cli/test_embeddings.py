"""``textnets embeddings`` on a real run."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Trained, refuse, succeed


def test_neighbors_analogy_and_file(trained: Trained) -> None:
    ended = succeed("embeddings", trained.run, "--neighbors", "card", "--count", "3",
                    "--save", "vectors.txt")  # fmt: skip
    rows = [line.split("\t") for line in ended.lines]
    assert len(rows) == 3
    cosines = [float(row[0]) for row in rows]
    assert cosines == sorted(cosines, reverse=True)
    assert "card" not in [row[1] for row in rows]
    count, width = Path("vectors.txt").read_text().split("\n")[0].split()
    assert int(width) == 16
    vocabulary = (trained.run / "vocabulary.txt").read_text().split("\n")[:-1]
    assert int(count) == len(vocabulary) - 4
    found = succeed("embeddings", trained.run, "--analogy", "card", "my", "pin", "--count", "1")
    assert len(found.lines) == 1


def test_a_map(trained: Trained) -> None:
    Path("words.txt").write_text("card\npin\nexchange\nrate\n", encoding="utf-8")
    succeed("embeddings", trained.run, "--plot", "map.svg", "--words", "words.txt")
    assert "<!-- exchange -->" in Path("map.svg").read_text()


def test_refusals(trained: Trained) -> None:
    assert "near it: 'card'" in refuse("embeddings", trained.run, "--neighbors", "cardd")
    assert "give one or more of" in refuse("embeddings", trained.run)
    message = refuse("embeddings", trained.run, "--neighbors", "card", "--table", "characters")
    assert "no vectors of 'characters'; known: tokens" in message
