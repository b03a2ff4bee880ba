"""A model of every builder, and of every layer that a model may hold, answers the same in NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.builders.conftest import CASES, Case
from tests.lite.models import assert_alike, lite_of, shaken
from textnets import layers as ours
from textnets.builders import BUILDERS
from textnets.errors import InputError
from textnets.export.quantization import Weights, quantize_weights
from textnets.lite.layers import LAYERS
from textnets.lite.operations import OPERATIONS
from textnets.run.model_file import _LAYERS

pytestmark = pytest.mark.heavy  # many models

CELLS = ("simple", "lstm", "gru", "peephole_lstm", "prototype_lstm", "layer_norm_lstm")
SIZE = 11  # of the vocabularies
MASK = np.arange(7) < np.array([7, 4, 1, 6])[:, None]
IDS = np.where(MASK, np.random.default_rng(3).integers(1, SIZE, (4, 7)), 0).astype("int32")
CHARACTERS = np.random.default_rng(4).integers(1, 9, (4, 7, 5)).astype("int32")
CHARACTERS = np.where(MASK[:, :, None] & (np.arange(5) < 3), CHARACTERS, 0)


# --- Builders ---


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.name)
def test_classifiers(case: Case, tmp_path: Path) -> None:
    ids = np.where(MASK, IDS % 10 + 1, 0).astype("int32")
    assert_alike(shaken(case.build()), ids, tmp_path)


def test_small_tables_are_read_by_their_rows(tmp_path: Path) -> None:
    ids = keras.Input((None,), dtype="int32")
    bag = ours.NgramBag(3000, 3, name="bag")(ids)
    mean = layers.GlobalAveragePooling1D()(layers.Embedding(900, 16)(ids))
    model = shaken(keras.Model(ids, layers.Concatenate()([bag, mean])))
    quantize_weights(Weights.of(model), "int8")
    found = lite_of(model, tmp_path, "int8")(IDS)
    np.testing.assert_allclose(found, np.asarray(model(IDS)), atol=1e-5)


@pytest.mark.parametrize("weighting", ["naive_bayes", "idf", "none"])
@pytest.mark.parametrize("classes", [2, 3])
def test_bags_of_ngrams(weighting: str, classes: int, tmp_path: Path) -> None:
    build = BUILDERS["ngram_bag_classifier"]
    sizes = {"num_features": SIZE, "num_classes": classes, "feature_dropout": 0.1}
    assert_alike(shaken(build(weighting=weighting, **sizes)), IDS, tmp_path)
    model = build(weighting=weighting, num_word_ngrams=SIZE // 2, **sizes)
    assert_alike(shaken(model), IDS, tmp_path)


@pytest.mark.parametrize(
    ("cell", "characters", "head"),
    [("lstm", "none", "softmax"), ("gru", "cnn", "crf"), ("simple", "rnn", "softmax")],
)
def test_taggers(cell: str, characters: str, head: str, tmp_path: Path) -> None:
    model = BUILDERS["rnn_tagger"](
        vocabulary_size=SIZE, num_tags=4, num_characters=9, embedding_width=6, units=(5, 4),
        characters=characters, character_width=3, character_maps=4, character_units=3, cell=cell,
        head=head, dropout=0.1, word_dropout=0.1, embedding_dropout=0.1,
    )  # fmt: skip
    inputs = {"token_ids": IDS, "character_ids": CHARACTERS}
    assert_alike(shaken(model), IDS if characters == "none" else inputs, tmp_path)


@pytest.mark.parametrize("positions", ["sinusoidal", "learned"])
def test_transformers(positions: str, tmp_path: Path) -> None:
    sizes = {"width": 6, "depth": 2, "heads": 3, "feed_forward_width": 5, "positions": positions,
             "max_positions": 4, "dropout": 0.1, "attention_dropout": 0.1}  # fmt: skip
    classifier = BUILDERS["transformer_classifier"](
        vocabulary_size=SIZE, num_classes=3, embedding_width=4, **sizes
    )
    assert_alike(shaken(classifier), IDS, tmp_path)
    tagger = BUILDERS["transformer_tagger"](
        vocabulary_size=SIZE, num_tags=4, num_characters=9, embedding_width=5, characters="cnn",
        character_width=3, character_maps=4, head="crf", activation="gelu", **sizes,
    )  # fmt: skip
    assert_alike(shaken(tagger), {"token_ids": IDS, "character_ids": CHARACTERS}, tmp_path)
    translator = BUILDERS["transformer_encoder_decoder"](
        source_vocabulary_size=SIZE, target_vocabulary_size=SIZE, decoder_depth=1,
        tie_embeddings=positions == "learned", **sizes,
    )  # fmt: skip
    inputs = {"source_ids": IDS, "target_ids": np.roll(IDS, 1, axis=0)[:, :5]}
    assert_alike(shaken(translator), inputs, tmp_path)


@pytest.mark.parametrize("context", [3, 20])
def test_transformers_that_read_on(context: int, tmp_path: Path) -> None:
    model = BUILDERS["transformer_language_model"](
        vocabulary_size=SIZE, embedding_width=4, width=8, depth=2, heads=2, feed_forward_width=5,
        context=context, tie_embeddings=context == 3, dropout=0.1,
    )  # fmt: skip
    random = np.random.default_rng(2)
    shapes = [(4, state.shape[-1]) for state in model.input["states"]]
    states = [random.normal(0, 1, shape).astype("float32") for shape in shapes]
    states[0] = (np.arange(context) >= context - 2).astype("float32")[None].repeat(4, 0)
    assert_alike(shaken(model), {"token_ids": IDS, "states": states}, tmp_path)


@pytest.mark.parametrize("length", [1, 2, 7])
def test_deep_convolutions(length: int, tmp_path: Path) -> None:
    model = BUILDERS["cnn_classifier"](
        vocabulary_size=SIZE, num_classes=3, embedding_width=4, widths=(2, 3), maps=5, depth=4,
        pooling=["max", "attention"],
    )  # fmt: skip
    assert_alike(shaken(model), IDS[:, :length], tmp_path)


def test_taggers_of_features(tmp_path: Path) -> None:
    model = BUILDERS["feature_tagger"](num_features=9, num_tags=4)
    assert_alike(shaken(model), {"token_ids": IDS, "feature_ids": CHARACTERS}, tmp_path)


LANGUAGE_MODELS: list[dict[str, Any]] = [
    *({"cell": cell} for cell in CELLS),
    {"tie_embeddings": True, "units": (5,)},
    {"adaptive_softmax": (6, 8), "units": (5, 4)},
    {"adaptive_softmax": (6,), "tie_embeddings": True, "variational_dropout": True},
    {"adaptive_softmax": (6, 9), "adaptive_shrink": 2, "tie_embeddings": True},
    {"adaptive_softmax": (6, 9), "adaptive_shrink": 2},
    *(
        {"cell": cell, "weight_dropout": 0.3, "vocabulary_dropout": 0.2}
        for cell in ("simple", "lstm", "gru", "peephole_lstm")
    ),
]


@pytest.mark.parametrize("arguments", LANGUAGE_MODELS, ids=str)
def test_language_models(arguments: dict[str, Any], tmp_path: Path) -> None:
    build = BUILDERS["rnn_language_model"]
    model = build(
        vocabulary_size=SIZE, embedding_width=6, dropout=0.1, **{"units": (5,), **arguments}
    )
    states = [np.full((4, state.shape[-1]), 0.3, "float32") for state in model.input["states"]]
    assert_alike(shaken(model), {"token_ids": IDS, "states": states}, tmp_path)


TRANSLATORS: list[dict[str, Any]] = [
    {"attention": "none", "cell": "lstm", "units": (5, 6), "decoder_units": (4, 3)},
    {"attention": "luong_dot", "bidirectional": False, "units": (6,), "tie_embeddings": True},
    {"attention": "luong_general", "share_embeddings": True, "dropout": 0.1},
    {"attention": "luong_general", "input_feeding": True, "cell": "lstm", "units": (5, 6)},
    *({"attention": "bahdanau", "cell": cell, "attention_width": 3} for cell in CELLS[::2]),
    {"attention": "bahdanau", "units": (5, 4), "tie_embeddings": True, "share_embeddings": True},
]


@pytest.mark.parametrize("arguments", TRANSLATORS, ids=str)
def test_translators(arguments: dict[str, Any], tmp_path: Path) -> None:
    model = BUILDERS["encoder_decoder"](
        source_vocabulary_size=SIZE, target_vocabulary_size=SIZE, embedding_width=4,
        **{"units": (5,), **arguments},
    )  # fmt: skip
    inputs = {"source_ids": IDS, "target_ids": np.roll(IDS, 1, axis=0)[:, :5]}
    assert_alike(shaken(model), inputs, tmp_path)


# --- Layers that a builder of a user's own may use ---

Make = Callable[[Any], Any]  # from <float32>[batch, 7, 6] to anything
RECURRENT = {"units": 5, "recurrent_dropout": 0.1}
LAYER_BY_LAYER: dict[str, Make] = {
    "Dense": layers.Dense(5, activation="gelu"),
    "Dense, no bias": layers.Dense(5, use_bias=False, activation="mish"),
    "EinsumDense": layers.EinsumDense("abc,cd->abd", (None, 5), bias_axes="d", activation="selu"),
    "Activation": layers.Activation("hard_sigmoid"),
    "Identity": layers.Identity(),
    "Softmax": layers.Softmax(axis=1),
    "ReLU": layers.ReLU(max_value=0.4, negative_slope=0.2, threshold=0.1),
    "LeakyReLU": layers.LeakyReLU(0.25),
    "ELU": layers.ELU(0.7),
    "PReLU": layers.PReLU(shared_axes=[1]),
    "Conv1D": layers.Conv1D(4, 3, padding="same", dilation_rate=2, activation="relu"),
    "Conv1D, steps": layers.Conv1D(4, 3, padding="same", strides=2, groups=2),
    "Conv1D, causal": layers.Conv1D(4, 3, padding="causal", use_bias=False),
    "Conv1D, valid": layers.Conv1D(4, 2, padding="valid", strides=3, activation="softsign"),
    "DepthwiseConv1D": layers.DepthwiseConv1D(3, depth_multiplier=2, padding="same"),
    "SeparableConv1D": layers.SeparableConv1D(4, 3, padding="valid", activation="elu"),
    "MaxPooling1D": layers.MaxPooling1D(2, padding="same"),
    "AveragePooling1D": layers.AveragePooling1D(3, strides=2, padding="same"),
    "GlobalMaxPooling1D": layers.GlobalMaxPooling1D(keepdims=True),
    "GlobalAveragePooling1D": layers.GlobalAveragePooling1D(),
    "LayerNormalization": layers.LayerNormalization(),
    "RMSNormalization": layers.RMSNormalization(),
    "BatchNormalization": layers.BatchNormalization(),
    "UnitNormalization": layers.UnitNormalization(),
    "Dropout": layers.Dropout(0.5),
    "SpatialDropout1D": layers.SpatialDropout1D(0.5),
    "GaussianDropout": layers.GaussianDropout(0.5),
    "GaussianNoise": layers.GaussianNoise(0.5),
    "AlphaDropout": layers.AlphaDropout(0.5),
    "ActivityRegularization": layers.ActivityRegularization(0.1),
    "Rescaling": layers.Rescaling(2.5, -1.0),
    "Reshape": layers.Reshape((-1, 3)),
    "Flatten": layers.Flatten(),
    "Permute": layers.Permute((2, 1)),
    "Cropping1D": layers.Cropping1D((1, 2)),
    "ZeroPadding1D": layers.ZeroPadding1D(2),
    "UpSampling1D": layers.UpSampling1D(3),
    "RepeatVector": lambda x: layers.RepeatVector(3)(layers.GlobalMaxPooling1D()(x)),
    "TimeDistributed": layers.TimeDistributed(layers.Dense(3, activation="softmax")),
    "Add": lambda x: layers.Add()([x, layers.GlobalMaxPooling1D()(x)]),
    "Subtract": lambda x: layers.Subtract()([x, layers.ReLU()(x)]),
    "Multiply": lambda x: layers.Multiply()([x, layers.ReLU()(x), x]),
    "Average": lambda x: layers.Average()([x, layers.ReLU()(x)]),
    "Maximum": lambda x: layers.Maximum()([x, layers.Rescaling(-1.0)(x)]),
    "Minimum": lambda x: layers.Minimum()([x, layers.Rescaling(-1.0)(x)]),
    "Concatenate": lambda x: layers.Concatenate(axis=1)([x, layers.ReLU()(x)]),
    "Dot": lambda x: layers.Dot(axes=2, normalize=True)([x, layers.ReLU()(x)]),
    "Dot, vectors": lambda x: layers.Dot(axes=1)([layers.GlobalMaxPooling1D()(x)] * 2),
    "SimpleRNN": layers.SimpleRNN(5, activation="relu"),
    "LSTM": layers.LSTM(**RECURRENT, return_sequences=True, go_backwards=True),
    "LSTM, no bias": layers.LSTM(5, use_bias=False, recurrent_activation="hard_sigmoid"),
    "GRU": layers.GRU(**RECURRENT, return_state=True),
    "GRU, before": layers.GRU(5, reset_after=False, return_sequences=True),
    "GRU, no bias": layers.GRU(5, use_bias=False),
    "RNN": layers.RNN(layers.LSTMCell(5)),
    "StackedRNNCells": layers.RNN(
        layers.StackedRNNCells([layers.GRUCell(5), layers.LSTMCell(4)]), return_sequences=True
    ),
    "Bidirectional": layers.Bidirectional(layers.LSTM(5, return_sequences=True)),
    "Bidirectional, sum": layers.Bidirectional(layers.GRU(5), merge_mode="sum"),
    "Bidirectional, states": layers.Bidirectional(layers.LSTM(5, return_state=True)),
    "Attention": lambda x: layers.Attention(use_scale=True)([x, layers.ReLU()(x)]),
    "Attention, concat": lambda x: layers.Attention(score_mode="concat")([x, x]),
    "Attention, causal": lambda x: layers.Attention()([x, x], use_causal_mask=True),
    "AdditiveAttention": lambda x: layers.AdditiveAttention()([x, layers.ReLU()(x)]),
    "MultiHeadAttention": lambda x: layers.MultiHeadAttention(2, 3)(x, layers.ReLU()(x)),
    "Sequential": keras.Sequential([layers.Dense(5, "tanh"), layers.Dense(4)]),
    "a model inside": lambda x: keras.Model(y := keras.Input((7, 6)), layers.Dense(3)(y))(x),
}
# What a text model has no use for, or too little to write it again.
LACKING = {
    "Masking", "Conv2D", "Conv1DTranspose", "MaxPooling2D", "AveragePooling2D",
    "GlobalMaxPooling2D", "GlobalAveragePooling2D", "AdaptiveAveragePooling1D",
    "AdaptiveMaxPooling1D", "GroupQueryAttention", "GroupNormalization", "SpectralNormalization",
}  # fmt: skip
VALUES = np.random.default_rng(6).normal(0, 1, (4, 7, 6)).astype("float32")


def applied(make: Make) -> keras.Model:
    inputs = keras.Input((7, 6), name="values")
    return shaken(keras.Model(inputs, make(inputs)))


@pytest.mark.parametrize("name", LAYER_BY_LAYER)
def test_a_layer(name: str, tmp_path: Path) -> None:
    assert_alike(applied(LAYER_BY_LAYER[name]), VALUES, tmp_path)


def test_every_layer_that_a_model_may_hold_is_known_or_named_here() -> None:
    tried = {name.partition(",")[0] for name in LAYER_BY_LAYER}
    cells = {"LSTMCell", "GRUCell", "SimpleRNNCell", "InputLayer"}
    assert _LAYERS - LACKING - cells == tried & _LAYERS | {"Embedding", "ReversibleEmbedding"}
    assert {name for name in LAYERS if "." not in name} <= _LAYERS
    named = {f"textnets.{name}" for name in ours.__all__ if name[0].isupper()}
    training = {
        "AdaptiveSoftmaxLoss", "AuxiliaryLoss", "BestTags", "CRFLoss", "CarriedStates",
        "FullSoftmaxLoss", "KeptStates", "SampledSoftmaxLoss", "ZeroStates", "CELLS", "KernelPath",
        "OwnTokens", "PairedSoftmaxLoss", "VirtualAdversary",
    }  # fmt: skip
    assert named - {f"textnets.{name}" for name in training} == {
        name for name in LAYERS if name.startswith("textnets.")
    }


ARITHMETIC: dict[str, Make] = {
    "operators": lambda x: ((x + 1.0) * x - 2 / (x * x + 1)) ** 2,
    "reduced": lambda x: ops.mean(x, axis=1) + ops.sum(x, axis=1) - ops.max(x, axis=1),
    "compared": lambda x: ops.where(ops.logical_and(x > 0, ops.not_equal(x, 1.0)), x, -x),
    "shaped": lambda x: ops.reshape(
        ops.transpose(ops.concatenate([x, x], -1), (0, 2, 1)), (-1, 84)
    ),
    "sliced": lambda x: x[:, ::2, None, 1:4],
    "stacked": lambda x: ops.squeeze(ops.expand_dims(ops.stack([x, -x], axis=1), -1), -1),
    "squashed": lambda x: ops.softmax(ops.tanh(x)) + ops.log_softmax(ops.sigmoid(x), axis=1),
    "clipped": lambda x: ops.sqrt(ops.clip(ops.exp(ops.minimum(x, 2.0)), 0.1, 2.0)) + ops.abs(x),
    "multiplied": lambda x: ops.matmul(x, ops.swapaxes(x, 1, 2)),
    "cast": lambda x: (
        ops.cast(ops.argmax(x, axis=-1), "float32") * ops.cast(x[..., 0] > 0, "float32")
    ),
    "summed up": lambda x: ops.logsumexp(x, axis=-1) + ops.cumsum(x, axis=1)[..., 0],
    "repeated": lambda x: ops.repeat(ops.flip(x, axis=1), 2, axis=1) + ops.tile(x, (1, 2, 1)),
    "rectified": lambda x: ops.relu(x) + ops.silu(x) + ops.softplus(x) + ops.log1p(ops.square(x)),
    "taken": lambda x: ops.take(x, ops.convert_to_tensor([0, 2]).numpy().tolist(), axis=1),
}


@pytest.mark.parametrize("name", ARITHMETIC)
def test_arithmetic(name: str, tmp_path: Path) -> None:
    assert_alike(applied(ARITHMETIC[name]), VALUES, tmp_path)


def test_every_operation_is_one_of_keras() -> None:
    from keras.src.ops import core, math, nn, numpy

    known = set(itertools.chain(*map(vars, (core, math, nn, numpy))))
    assert known >= OPERATIONS.keys()


# --- What it cannot hold ---


class Mine(layers.Layer):
    def call(self, inputs: Any) -> Any:
        return inputs


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (Mine(name="own"), r"layer 'own' of class tests\.lite\.test_graph\.Mine: this format does"),
        (layers.GroupNormalization(2, name="groups"), "layer 'groups' of class GroupNormalization"),
        (layers.LSTM(5, stateful=True, name="kept"), "layer 'kept' of class LSTM.* stateful=True"),
        (layers.Dense(5, activation="sparsemax", name="odd"), "layer 'odd' of class Dense.*max'"),
        (lambda x: ops.erf(x), "operation 'erf' of class Erf: this format does not know it"),
        (lambda x: layers.LSTM(3)(layers.Masking()(x)), "layer '.*' of class (LSTM|Masking)"),
    ],
    ids=["own", "lacking", "stateful", "activation", "operation", "mask"],
)  # fmt: skip
def test_what_it_cannot_hold_is_named(make: Make, told: str, tmp_path: Path) -> None:
    inputs = keras.Input((7, 6), batch_size=4)
    model = keras.Model(inputs, make(inputs))
    with pytest.raises(InputError, match=told):
        lite_of(model, tmp_path)


def test_a_table_that_masks_is_refused(tmp_path: Path) -> None:
    ids = keras.Input((None,), dtype="int32")
    table = layers.Embedding(SIZE, 4, mask_zero=True, name="table")(ids)
    model = keras.Model(ids, layers.GRU(3)(table))
    with pytest.raises(InputError, match=r"layer '.*' of class (GRU|Embedding): .* mask"):
        lite_of(model, tmp_path)
