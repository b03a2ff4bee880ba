"""The Transformers: the five proofs of tagger and translator, and a model by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.builders.test_rnn_tagger import (
    BATCH,
    LENGTH,
    LENGTHS,
    TAGS,
    answer,
    inputs_of,
    one_row,
    padded,
    with_its_loss,
)
from textnets.builders import (
    BUILDERS,
    build_transformer_classifier,
    build_transformer_encoder_decoder,
    build_transformer_tagger,
)
from textnets.decoding.beam_search import beam_search
from textnets.decoding.encoder_decoder import EncoderDecoder, with_room
from textnets.decoding.translating import SearchRules, search_graph, search_limits
from textnets.errors import InputError

SMALL: dict[str, Any] = {"heads": 2, "feed_forward_width": 9, "activation": "tanh"}

# --- The tagger ---

TAGGERS: list[dict[str, Any]] = [
    {"characters": "none", "width": 10, "depth": 2},
    {"characters": "cnn", "width": 8, "depth": 1, "positions": "learned", "max_positions": LENGTH},
    {"characters": "rnn", "width": 8, "depth": 1, "head": "crf"},
]


def build_tagger(case: dict[str, Any], **more: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    sizes = {"vocabulary_size": 23, "num_tags": TAGS, "num_characters": 11, "embedding_width": 10,
             "character_width": 3, "character_maps": 12, "character_units": 5}  # fmt: skip
    return build_transformer_tagger(**{**sizes, **SMALL, **case, **more})


def name_of(case: dict[str, Any]) -> str:
    return "-".join(map(str, case.values()))


@pytest.fixture(params=TAGGERS, ids=name_of)
def tagger_case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


@pytest.mark.heavy
def test_a_tagger_sees_no_padding(tagger_case: dict[str, Any]) -> None:
    model, inputs = build_tagger(tagger_case), inputs_of(tagger_case)
    assert (model.name, model.output.shape) == ("transformer_tagger", (None, None, TAGS))
    expected = answer(model, inputs)
    assert (expected.shape, expected.dtype) == ((BATCH, LENGTH, TAGS), np.float32)
    np.testing.assert_allclose(expected.sum(axis=2), 1.0, atol=1e-6)
    longer = answer(model, padded(inputs, 6))
    for row, length in enumerate(LENGTHS):
        alone = answer(model, one_row(inputs, row))[0]
        np.testing.assert_allclose(longer[row, :length], expected[row, :length], atol=1e-6)
        np.testing.assert_allclose(alone, expected[row, :length], atol=1e-6)


@pytest.mark.heavy
def test_one_step_moves_every_weight_of_a_tagger(tagger_case: dict[str, Any]) -> None:
    model, inputs = build_tagger(tagger_case, dropout=0.0), inputs_of(tagger_case)
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    targets = np.arange(BATCH * LENGTH).reshape(BATCH, LENGTH) % TAGS
    weights = (np.arange(LENGTH) < LENGTHS[:, None]).astype("float32")
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="mean_with_sample_weight")
    trained: keras.Model = model
    if tagger_case.get("head") == "crf":
        trained, loss, inputs = with_its_loss(model, inputs, targets)
    trained.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    trained.train_on_batch(inputs, targets, sample_weight=weights)
    for weight, old in zip(model.trainable_weights, before, strict=True):
        moved = weight.numpy() != old
        assert moved.any(), weight.path
        if "embedding" not in weight.path and "character" not in weight.path:
            assert moved.mean() > 0.9, weight.path


@pytest.mark.heavy
def test_a_tagger_saved_and_loaded_answers_the_same(
    tagger_case: dict[str, Any], tmp_path: Path
) -> None:
    more = {"word_dropout": 0.1, "dropout": 0.2, "attention_dropout": 0.1}
    model, inputs = build_tagger(tagger_case, **more), inputs_of(tagger_case)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    np.testing.assert_array_equal(answer(loaded, inputs), answer(model, inputs))
    noisy = keras.ops.convert_to_numpy(loaded(inputs, training=True))
    assert np.abs(noisy - answer(model, inputs)).max() > 1e-3  # dropout only while training


# --- The translator ---

SOURCES, TARGETS = 13, 11
TRANSLATORS: list[dict[str, Any]] = [
    {"width": 10, "depth": 1, "decoder_depth": 2},
    {"width": 6, "depth": 2, "share_embeddings": True, "tie_embeddings": True,
     "positions": "learned", "max_positions": 5},
]  # fmt: skip


def build_translator(case: dict[str, Any], **more: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    shares = case.get("share_embeddings")
    return build_transformer_encoder_decoder(
        source_vocabulary_size=TARGETS if shares else SOURCES,
        target_vocabulary_size=TARGETS,
        **{**SMALL, **case, **more},
    )


def pairs() -> dict[str, np.ndarray]:
    return {
        "source_ids": np.array([[5, 6, 7, 8, 9], [4, 10, 0, 0, 0], [1, 0, 0, 0, 0]], "int32"),
        "target_ids": np.array([[2, 5, 6, 4], [2, 7, 0, 0], [2, 0, 0, 0]], "int32"),
    }


@pytest.fixture(params=TRANSLATORS, ids=name_of)
def translator_case(request: pytest.FixtureRequest) -> dict[str, Any]:
    return dict(request.param)


def test_a_translator_sees_no_padding(translator_case: dict[str, Any]) -> None:
    model, given = build_translator(translator_case), pairs()
    found = answer(model, given)
    assert (found.shape, found.dtype) == ((3, 4, TARGETS), np.float32)
    wider = {name: np.pad(ids, [(0, 0), (0, 3)]) for name, ids in given.items()}
    np.testing.assert_allclose(answer(model, wider)[:, :4], found, atol=1e-5)
    alone = {"source_ids": given["source_ids"][1:2, :2], "target_ids": given["target_ids"][1:2, :2]}
    np.testing.assert_allclose(answer(model, alone)[0], found[1, :2], atol=1e-5)
    # Nor does it see what comes later.
    given["target_ids"][0, 2:] = 9
    np.testing.assert_allclose(answer(model, given)[0, :2], found[0, :2], atol=1e-5)


def test_one_step_moves_every_weight_of_a_translator(translator_case: dict[str, Any]) -> None:
    model, given = build_translator(translator_case, dropout=0.0), pairs()
    before = [weight.numpy().copy() for weight in model.trainable_weights]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(1.0), loss, run_eagerly=True)
    targets = np.random.default_rng(1).integers(4, TARGETS, size=(3, 4))
    assert np.isfinite(model.train_on_batch(given, targets))
    for weight, old in zip(model.trainable_weights, before, strict=True):
        moved = weight.numpy() != old
        assert moved.any(), weight.path
        if "embedding" not in weight.path and "target_positions" not in weight.path:
            assert moved.mean() > 0.9, weight.path


def step_by_step(parts: EncoderDecoder, given: dict[str, np.ndarray]) -> np.ndarray:
    """Logits of tokens that are given one at a time, with caches."""
    encoded = parts.encode(keras.ops.convert_to_tensor(given["source_ids"]))
    steps = given["target_ids"].shape[1]
    encoded["states"] = with_room(encoded["states"], steps + 2)
    found = []
    for time in range(steps):
        tokens = keras.ops.convert_to_tensor(given["target_ids"][:, time : time + 1])
        logits, encoded["states"], weights = parts.decode(tokens, encoded)
        found.append(keras.ops.convert_to_numpy(logits)[:, 0])
        shares = keras.ops.convert_to_numpy(weights)
        np.testing.assert_allclose(shares.sum(axis=-1), 1.0, atol=1e-6)
        assert (shares[given["source_ids"][:, None] == 0] == 0).all()
    return np.stack(found, axis=1)


@pytest.mark.heavy
def test_saved_and_loaded_it_writes_the_same_step_by_step(
    translator_case: dict[str, Any], tmp_path: Path
) -> None:
    """What is loaded is taken apart, and fed its own tokens one at a time."""
    given = pairs()
    expected = answer(model := build_translator(translator_case), given)
    model.save(tmp_path / "x.keras")
    loaded = keras.saving.load_model(tmp_path / "x.keras", safe_mode=True)
    np.testing.assert_array_equal(answer(loaded, given), expected)
    np.testing.assert_allclose(step_by_step(EncoderDecoder(loaded), given), expected, atol=1e-5)


@pytest.mark.heavy
@pytest.mark.parametrize("beam_size", [1, 4])
def test_what_a_beam_writes_has_the_score_of_the_whole_model(beam_size: int) -> None:
    """Caches follow their hypothesis: its log-probability is that of its tokens read at once."""
    model = build_translator(TRANSLATORS[0])
    random = np.random.default_rng(4)
    for weight in model.trainable_weights:  # large ones, so that hypotheses part and cross
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    source_ids = pairs()["source_ids"]
    limits = search_limits((source_ids != 0).sum(axis=1), 1.0)
    search = search_graph(EncoderDecoder(model), SearchRules(beam_size))
    given = (source_ids, limits, np.zeros(int(limits.max()), np.int32))
    ids, _, sums = map(keras.ops.convert_to_numpy, search(*map(keras.ops.convert_to_tensor, given)))
    written = 0
    for row in range(len(source_ids)):
        for found, total in zip(ids[row], sums[row], strict=True):
            tokens = found[found != 0]
            if not len(tokens):
                continue
            targets = np.array([[2, *tokens[:-1]]], "int32")
            logits = answer(model, {"source_ids": source_ids[row : row + 1], "target_ids": targets})
            likely = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[0]
            assert total == pytest.approx(likely[np.arange(len(tokens)), tokens].sum(), abs=1e-3)
            written += len(tokens)
    assert written > 10


@pytest.mark.heavy
def test_a_beam_that_holds_all_finds_the_best_sequence() -> None:
    """Every sequence of up to two tokens, scored by the whole model."""
    model, parts = build_translator(TRANSLATORS[1]), None
    random = np.random.default_rng(5)
    for weight in model.trainable_weights:
        weight.assign(random.normal(scale=0.7, size=weight.shape))
    parts = EncoderDecoder(model)
    source_ids = pairs()["source_ids"][:1]
    encoded = parts.encode(keras.ops.convert_to_tensor(source_ids))
    states = with_room(encoded.pop("states"), 3)

    def step(token_ids: Any, states: Any) -> tuple[Any, Any]:
        logits, after, _ = parts.decode(token_ids[:, None], {"states": states, **encoded})
        return logits[:, 0], after

    limits = keras.ops.convert_to_tensor(np.array([3], np.int32))
    _, scores, _ = beam_search(step, states, limits, 3, beam_size=80)
    ordinary = range(4, TARGETS)
    every = [(), *((a,) for a in ordinary), *((a, b) for a in ordinary for b in ordinary)]
    rows = np.zeros((len(every), 3), "int32")
    for row, tokens in zip(rows, every, strict=True):
        row[: len(tokens) + 1] = (2, *tokens)
    given = {"source_ids": np.repeat(source_ids, len(every), axis=0), "target_ids": rows}
    likely = keras.ops.convert_to_numpy(keras.ops.log_softmax(answer(model, given)))
    expected = [
        sum(float(likely[row, place, token]) for place, token in enumerate((*tokens, 3)))
        for row, tokens in enumerate(every)
    ]
    found = keras.ops.convert_to_numpy(scores)[0][: len(every)]
    np.testing.assert_allclose(found, sorted(expected, reverse=True), atol=1e-3)


# --- By hand ---


def normal(vectors: np.ndarray) -> np.ndarray:
    centered = vectors - vectors.mean(axis=-1, keepdims=True)
    return centered / np.sqrt((centered**2).mean(axis=-1, keepdims=True) + 1e-5)


def test_a_classifier_by_hand() -> None:
    """One layer with one head, worked out here from its weights; padding left out."""
    keras.utils.set_random_seed(3)
    model = build_transformer_classifier(
        vocabulary_size=9, num_classes=3, embedding_width=4, width=4, depth=1, heads=1,
        feed_forward_width=5,
    )  # fmt: skip
    random = np.random.default_rng(1)
    for weight in model.weights:
        if weight.path.endswith(("kernel", "bias")):
            weight.assign(random.normal(0, 0.5, weight.shape))
    of = {weight.path: weight.numpy() for weight in model.weights}
    ids = np.array([5, 8, 4])
    angles = np.arange(3)[:, None] / 10_000.0 ** (np.arange(2) / 2)
    waves = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    vectors = of["embedding/embeddings"][ids] * 2.0 + waves
    queries, keys, values = np.split(
        normal(vectors) @ of["attention_1_queries_keys_values/kernel"], 3, axis=1
    )
    scores = np.exp(queries @ keys.T / 2.0)
    found = scores / scores.sum(axis=1, keepdims=True) @ values
    vectors = vectors + found @ of["attention_1_mix/kernel"] + of["attention_1_mix/bias"]
    hidden = normal(vectors) @ of["feed_forward_1_hidden/kernel"] + of["feed_forward_1_hidden/bias"]
    output = np.maximum(hidden, 0) @ of["feed_forward_1_output/kernel"]
    pooled = normal(vectors + output + of["feed_forward_1_output/bias"]).mean(axis=0)
    likely = np.exp(pooled @ of["probabilities/kernel"] + of["probabilities/bias"])
    known = answer(model, np.array([[*ids, 0, 0]], "int32"))[0]
    np.testing.assert_allclose(known, likely / likely.sum(), atol=1e-5)


# --- What is refused ---


@pytest.mark.parametrize("name", [name for name in BUILDERS if name.startswith("transformer")])
def test_heads_must_divide_the_width(name: str) -> None:
    sizes = {
        "transformer_classifier": {"vocabulary_size": 9, "num_classes": 2},
        "transformer_tagger": {"vocabulary_size": 9, "num_tags": 2},
        "transformer_language_model": {"vocabulary_size": 9},
        "transformer_encoder_decoder": {"source_vocabulary_size": 9, "target_vocabulary_size": 8},
    }[name]
    with pytest.raises(InputError, match=rf"build_{name}: (heads: must divide|width: .* twice)"):
        BUILDERS[name](**sizes, width=10, heads=4)


def test_what_does_not_go_together_is_refused() -> None:
    sizes = {"source_vocabulary_size": 9, "target_vocabulary_size": 8}
    with pytest.raises(InputError, match="needs one vocabulary"):
        build_transformer_encoder_decoder(**sizes, share_embeddings=True)
    with pytest.raises(InputError, match="pooling: each kind once"):
        build_transformer_classifier(vocabulary_size=9, num_classes=2, pooling=["max", "max"])
