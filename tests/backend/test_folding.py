"""Convolutions that are looked up answer as those that are computed."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from textnets.backend.folding import folded
from textnets.builders import build_cnn_classifier, build_mlp_classifier

SIZES: dict[str, Any] = {
    "vocabulary_size": 50,
    "num_classes": 5,
    "multi_label": False,
    "embedding_width": 6,
}


def some_ids(rows: int = 9, width: int = 11) -> Any:
    """``<int32>[rows, width]``: right-padded, the first row one token long."""
    generator = np.random.default_rng(0)
    ids = generator.integers(1, 50, (rows, width)).astype(np.int32)
    lengths = np.minimum(1 + 2 * np.arange(rows), width)
    return np.where(np.arange(width) < lengths[:, None], ids, 0).astype(np.int32)


def random_weights(model: Any) -> None:
    generator = np.random.default_rng(1)
    model.set_weights([generator.normal(size=w.shape) for w in model.get_weights()])


@pytest.mark.parametrize(
    "settings",
    [
        {"widths": [1, 2, 3, 4, 5], "maps": 7},
        {"widths": [3], "maps": 4, "activation": "tanh", "pooling": ["max", "mean", "attention"]},
        {"widths": [2], "maps": 4, "word_dropout": 0.2, "embedding_dropout": 0.2, "dropout": 0.1},
        {"widths": [2, 3], "maps": 4, "depth": 3},  # the lowest of each width
    ],
)
def test_it_answers_the_same(settings: dict[str, Any]) -> None:
    model = build_cnn_classifier(**SIZES, **settings)
    random_weights(model)
    quick, ids = folded(model), some_ids()
    assert quick is not model
    assert not [layer for layer in quick.layers if isinstance(layer, keras.layers.Embedding)]
    wanted = np.asarray(model(ids, training=False))
    assert np.abs(np.asarray(quick(ids, training=False)) - wanted).max() < 1e-5
    assert np.abs(np.asarray(model(ids, training=False)) - wanted).max() == 0.0


def test_a_model_without_convolutions_over_tokens_stays() -> None:
    bag = build_mlp_classifier(**SIZES, dense_units=[4])
    assert folded(bag) is bag
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(50, 6)(token_ids)
    own = keras.Model(token_ids, keras.layers.Conv1D(3, 2)(vectors))  # not over masked vectors
    assert folded(own) is own
