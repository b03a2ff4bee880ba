"""A recipe that reads, and what is said of one that does not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from textnets.errors import RecipeError
from textnets.recipe import Recipe
from textnets.tasks import read_task

GOOD = """\
task: classification
data:
  train: train.csv
  test: test.csv
text:
  max_tokens: 100
model:
  builder: rnn_classifier
  units: [8]
training:
  epochs: 3
  early_stopping:
    patience: 3
seed: 3
"""

Read = Callable[..., Recipe]
Mistakes = Callable[..., list[str]]


@pytest.fixture(scope="session")
def good() -> str:
    return GOOD


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a recipe (text or bytes) as r.yaml and reads it."""

    def read_text(text: str | bytes, *overrides: str) -> Recipe:
        path = tmp_path / "r.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_task(path, overrides).recipe

    return read_text


@pytest.fixture
def mistakes(read: Read, tmp_path: Path) -> Mistakes:
    """The lines of the message that a bad recipe gets, the folder cut away."""

    def lines(text: str | bytes, *overrides: str) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            read(text, *overrides)
        assert caught.value.exit_code == 2
        return str(caught.value).replace(f"{tmp_path}/", "").split("\n")

    return lines


@pytest.fixture
def change(mistakes: Mistakes, good: str) -> Callable[[str, str], str]:
    """The one line said of the good recipe with one part of it replaced."""

    def line(old: str, new: str) -> str:
        assert old in good
        (found,) = mistakes(good.replace(old, new))
        return found

    return line
