"""One small model of every kind, built once, and what the proofs ask of all of them."""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import BUILDERS

VOCABULARY_SIZE, EMBEDDING_WIDTH, BATCH, LENGTH = 23, 5, 6, 7

HEADS = {
    "binary": {"num_classes": 2},
    "softmax": {"num_classes": 3},
    "multi_label": {"num_classes": 4, "multi_label": True},
}


@dataclass(frozen=True)
class Case:
    """A model to prove: which builder, and with what."""

    builder: str
    head: str
    arguments: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        words = [
            "x".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
            for value in self.arguments.values()
        ]
        return "-".join([self.builder.removesuffix("_classifier"), self.head, *words])

    @property
    def num_outputs(self) -> int:
        return {"binary": 1, "softmax": 3, "multi_label": 4}[self.head]

    @property
    def loss(self) -> str:
        return (
            "sparse_categorical_crossentropy" if self.head == "softmax" else "binary_crossentropy"
        )

    def targets(self) -> np.ndarray:
        """<int32>[batch] of classes, or <float32>[batch, outputs] of zeros and ones."""
        numbers = np.arange(BATCH * self.num_outputs).reshape(BATCH, self.num_outputs)
        if self.head == "softmax":
            return (numbers[:, 0] % 4 % 3).astype("int32")
        return (numbers % 3 == 0).astype("float32")

    def build(self, **more: Any) -> keras.Model:
        keras.utils.set_random_seed(7)
        return BUILDERS[self.builder](
            vocabulary_size=VOCABULARY_SIZE,
            embedding_width=EMBEDDING_WIDTH,
            **HEADS[self.head],
            **{**self.arguments, **more},
        )


def _rnn_cases() -> list[Case]:
    heads = itertools.cycle(HEADS)
    kinds = itertools.product(
        ("simple", "lstm", "gru"), ("last", "max", "mean", "attention"), (True, False)
    )
    cases = [
        Case(
            "rnn_classifier",
            next(heads),
            {"cell": cell, "pooling": pooling, "bidirectional": bidirectional, "units": (8,)},
        )
        for cell, pooling, bidirectional in kinds
    ]
    stacked = {"activation": "tanh", "units": (8, 9), "dense_units": (10,)}
    cases += [
        Case("rnn_classifier", "binary", {"cell": "lstm", "pooling": "last", **stacked}),
        Case("rnn_classifier", "softmax", {"cell": "gru", "pooling": "attention", **stacked}),
        Case(
            "rnn_classifier",
            "multi_label",
            {"cell": "simple", "bidirectional": False, "pooling": "max", **stacked},
        ),
        Case("rnn_classifier", "softmax", {"cell": "peephole_lstm", "pooling": "last"}),
        Case("rnn_classifier", "multi_label", {"cell": "prototype_lstm", "pooling": "mean"}),
        Case(
            "rnn_classifier",
            "binary",
            {"cell": "layer_norm_lstm", "pooling": "attention", "bidirectional": False},
        ),
    ]
    return cases


def _cnn_cases() -> list[Case]:
    small = {"maps": 8, "activation": "tanh"}
    return [
        Case("cnn_classifier", "binary", {"widths": (2, 3), **small}),
        Case("cnn_classifier", "softmax", {"widths": [3], "dense_units": [9], **small}),
        Case("cnn_classifier", "multi_label", {"widths": (1, 4, 9), "max_norm": None, **small}),
    ]


def _deep_cnn_cases() -> list[Case]:
    small = {"maps": 12, "activation": "tanh", "pooling": "mean"}
    return [
        Case("cnn_classifier", "softmax", {"widths": (2, 3), "depth": 2, **small}),
        Case("cnn_classifier", "binary", {"widths": (3,), "depth": 3, **small}),
    ]


def _transformer_cases() -> list[Case]:
    small = {"heads": 2, "feed_forward_width": 9, "activation": "tanh"}
    learned = {"positions": "learned", "max_positions": LENGTH}
    name = "transformer_classifier"
    return [
        Case(name, "binary", {"width": 8, "depth": 2, "pooling": "mean", **small}),
        Case(name, "softmax", {"width": 6, "depth": 1, "pooling": ["max", "attention"], **learned,
                               "dense_units": (10,), **small}),
        Case(name, "multi_label", {"width": EMBEDDING_WIDTH, "depth": 1, "pooling": "attention",
                                   **small, "heads": 1}),
    ]  # fmt: skip


def _mlp_cases() -> list[Case]:
    return [
        Case("mlp_classifier", "binary", {"dense_units": (8,), "activation": "tanh"}),
        Case("mlp_classifier", "softmax", {"dense_units": ()}),
        Case("mlp_classifier", "multi_label", {"dense_units": (8, 9), "activation": "gelu"}),
    ]


CASES = [
    *_rnn_cases(), *_cnn_cases(), *_mlp_cases(), *_deep_cnn_cases(), *_transformer_cases()
]  # fmt: skip


def _is_like_another(case: Case) -> bool:
    """Of the plain recurrent ones every second: each cell with each pooling is left, and each of
    both with one direction and with two."""
    cells, poolings = ("simple", "lstm", "gru"), ("last", "max", "mean", "attention")
    told = case.arguments
    if set(told) != {"cell", "pooling", "bidirectional", "units"} or told["units"] != (8,):
        return False
    number = cells.index(told["cell"]) + poolings.index(told["pooling"])
    return bool((number + told["bidirectional"]) % 2)


@pytest.fixture(
    params=[
        pytest.param(case, marks=[pytest.mark.long] if _is_like_another(case) else [])
        for case in CASES
    ],
    ids=lambda case: case.name,
)
def case(request) -> Case:
    return request.param


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    return CASES


@pytest.fixture(scope="session")
def built():
    """Case to model. Built once: a test that trains one must build its own."""
    models: dict[str, keras.Model] = {}

    def model_of(case: Case) -> keras.Model:
        if case.name not in models:
            models[case.name] = case.build()
        return models[case.name]

    return model_of


@pytest.fixture(scope="session")
def token_ids() -> np.ndarray:
    """<int32>[batch, length]: rows of 7, 4, 1, 6, 2 and 7 tokens; not every id occurs."""
    ids = np.random.default_rng(3).integers(1, VOCABULARY_SIZE - 3, size=(BATCH, LENGTH))
    lengths = np.array([7, 4, 1, 6, 2, 7])
    return np.where(np.arange(LENGTH) < lengths[:, None], ids, 0).astype("int32")


@pytest.fixture(scope="session")
def answer():
    """(model, token_ids) to its probabilities as NumPy, without dropout."""

    def answer_of(model: keras.Model, token_ids: np.ndarray) -> np.ndarray:
        return keras.ops.convert_to_numpy(model(token_ids, training=False))

    return answer_of


@pytest.fixture
def policy():
    """Sets Keras's global dtype policy for one test."""
    before = keras.config.dtype_policy()
    yield functools.partial(keras.config.set_dtype_policy)
    keras.config.set_dtype_policy(before)
