"""The short form of ``make fuzz``."""

from __future__ import annotations

import os
import random

import pytest

from tests.fuzz import KINDS, fuzz, made_place

NUMBER = 1000


@pytest.mark.heavy
def test_a_thousand_random_inputs() -> None:
    # The same in every CI run, so that a change fails for what it changed.
    seed = 1 if os.environ.get("CI") else random.randrange(10**6)
    print(f"seed {seed}")
    with made_place() as place:
        tried = fuzz(NUMBER, seed, list(KINDS), place, quiet=True)
    assert set(tried) == set(KINDS)
    assert sum(tried.values()) >= NUMBER - len(KINDS)
