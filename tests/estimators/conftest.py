"""Small estimators, and scikit-learn's numbers as texts."""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils.validation import validate_data

from textnets import TextClassifier

TINY = {
    "tokenizer": "whitespace",
    "embedding_width": 16,
    "dense_units": (),
    "bucket_width": 64,
    "learning_rate": 0.05,
}


class NumberClassifier(TextClassifier):
    """Reads tables of numbers, each cell a word, as scikit-learn's checks give them."""

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        return super().fit(self._words(X, reset=True), y, sample_weight)

    def predict_proba(self, X: Any) -> Any:
        return super().predict_proba(self._words(X, reset=not hasattr(self, "classes_")))

    def _words(self, X: Any, *, reset: bool) -> list[str]:
        table = validate_data(self, X, reset=reset)
        return [
            " ".join(f"c{column}x{round(float(value) * 2)}" for column, value in enumerate(row))
            for row in table
        ]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array, tags.input_tags.string = True, False
        return tags


@pytest.fixture
def classifier() -> TextClassifier:
    # So few texts leave no validation split that could choose an epoch.
    return TextClassifier("mlp_classifier", epochs=15, validation=None, random_state=1, **TINY)


TEXTS = ["a fine film", "fine and clever", "a dull film", "dull and long", "clever", "long"] * 5
LABELS = ["good", "good", "bad", "bad", "good", "bad"] * 5


@pytest.fixture
def texts() -> list[str]:
    return list(TEXTS)


@pytest.fixture
def labels() -> list[str]:
    return list(LABELS)
