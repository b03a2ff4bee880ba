"""The short form of ``make fuzz``."""

from __future__ import annotations

import pytest

from tests.fuzz import KINDS, fuzz, made_place

NUMBER = 1000


@pytest.mark.heavy
def test_a_thousand_random_inputs() -> None:
    # The same in every run, so that a change fails for what it changed; 'make fuzz' draws one.
    with made_place() as place:
        tried = fuzz(NUMBER, 1, list(KINDS), place, quiet=True)
    assert set(tried) == set(KINDS)
    assert sum(tried.values()) >= NUMBER - len(KINDS)
