"""A builder gives a plain Keras model: for a user's own fit, inside of other models, frozen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.warm import run_program
from textnets.builders import build_cnn_classifier

IDS = np.array([[4, 5, 0], [6, 7, 8], [4, 7, 0], [6, 5, 8]], np.int32)
TARGETS = np.array([0, 1, 0, 1], np.int32)  # 6 or 4 decides

LOAD = """
import sys
import numpy as np
import keras
import textnets.layers
assert "textnets.builders" not in sys.modules
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], model.predict(np.load(sys.argv[3]), verbose=0))
"""


@pytest.mark.heavy
def test_a_users_own_fit_freezing_and_wrapping(tmp_path: Path) -> None:
    import keras

    keras.utils.set_random_seed(1)
    model = build_cnn_classifier(vocabulary_size=9, num_classes=2, embedding_width=8, maps=8)
    model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    model.fit(IDS, TARGETS, epochs=30, verbose=0)
    assert model.evaluate(IDS, TARGETS, verbose=0, return_dict=True)["accuracy"] == 1.0

    # Its features under a new head, the vectors frozen.
    model.get_layer("embedding").trainable = False
    vectors = np.asarray(model.get_layer("embedding").embeddings).copy()
    features = keras.Model(model.inputs, model.layers[-2].output)
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    wrapped = keras.Model(token_ids, keras.layers.Dense(3, "softmax")(features(token_ids)))
    before = [weight.copy() for weight in wrapped.get_weights()]
    wrapped.compile("adam", "sparse_categorical_crossentropy")
    wrapped.fit(IDS, np.array([0, 1, 2, 1]), epochs=1, verbose=0)
    after = wrapped.get_weights()
    assert not all(np.array_equal(*pair) for pair in zip(before, after, strict=True))
    assert np.array_equal(np.asarray(model.get_layer("embedding").embeddings), vectors)

    wrapped.save(tmp_path / "wrapped.keras")
    np.save(tmp_path / "ids.npy", IDS)
    files = [str(tmp_path / name) for name in ("wrapped.keras", "found.npy", "ids.npy")]
    run_program(LOAD, *files)
    assert np.allclose(np.load(files[1]), wrapped.predict(IDS, verbose=0), atol=1e-6)
