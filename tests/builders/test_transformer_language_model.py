"""The Transformer that reads on: the five proofs, and what is carried from piece to piece."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.builders.test_loss_model import (
    IDS,
    TARGETS,
    check_that_a_killed_run_continues,
    compiled,
    mean_loss,
)
from tests.builders.test_rnn_language_model import read, zeros
from textnets.builders import build_transformer_language_model
from textnets.builders.loss_model import build_loss_model
from textnets.decoding.sampling import Sampling
from textnets.decoding.surprisals import SurprisalReader
from textnets.decoding.writing import TextWriter
from textnets.errors import InputError
from textnets.progress import Progress
from textnets.text.encoded import join_rows
from textnets.training.losses import OutputAsLoss

V, BATCH, LENGTH = 15, 4, 7
CASES: list[dict[str, Any]] = [
    {"context": 3, "tie_embeddings": True},
    {"context": 20, "embedding_width": 8, "adaptive_softmax": (6, 9)},
]


def build(**arguments: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    given = {"embedding_width": 5, "width": 8, "depth": 2, "heads": 2, "feed_forward_width": 9,
             "activation": "tanh", "dropout": 0.0, **arguments}  # fmt: skip
    return build_transformer_language_model(vocabulary_size=V, **given)


def large(model: keras.Model) -> keras.Model:
    """With weights that make tokens matter to each other."""
    random = np.random.default_rng(4)
    for weight in model.trainable_weights:
        if weight.path.endswith("kernel"):
            weight.assign(random.normal(scale=0.6, size=weight.shape))
    return model


@pytest.fixture(scope="module", params=CASES, ids=lambda case: "-".join(map(str, case.values())))
def model(request: pytest.FixtureRequest) -> keras.Model:
    return large(build(**request.param))


@pytest.fixture(scope="module")
def ids() -> np.ndarray:
    return np.random.default_rng(1).integers(1, V, (BATCH, LENGTH)).astype(np.int32)


def test_shapes(model: keras.Model, ids: np.ndarray) -> None:
    logits, states = read(model, ids)
    assert (logits.shape, logits.dtype) == ((BATCH, LENGTH, V), np.float32)
    context = model.input["states"][0].shape[-1]
    assert [state.shape for state in states] == [(BATCH, context), *[(BATCH, 8 * context)] * 4]
    probabilities = keras.ops.convert_to_numpy(keras.ops.softmax(logits))
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    assert states[0].sum() == BATCH * min(context, LENGTH)


def test_neither_padding_nor_the_other_rows_change_the_answer(
    model: keras.Model, ids: np.ndarray
) -> None:
    expected, _ = read(model, ids)
    longer, _ = read(model, np.pad(ids, [(0, 0), (0, 5)]))
    np.testing.assert_allclose(longer[:, :LENGTH], expected, atol=1e-5)
    alone, _ = read(model, ids[2:3, :4])
    np.testing.assert_allclose(alone[0], expected[2, :4], atol=1e-5)


@pytest.mark.parametrize("sizes", [(3, 4), (1,) * LENGTH, (6, 1)])
def test_a_text_read_in_pieces_is_the_text_read_at_once(
    model: keras.Model, ids: np.ndarray, sizes: tuple[int, ...]
) -> None:
    """Also with less room than the text is long, and one token at a time."""
    expected, after = read(model, ids)
    pieces, states, start = [], zeros(model, BATCH), 0
    for size in sizes:
        found, states = read(model, ids[:, start : start + size], states)
        pieces.append(found)
        start += size
    np.testing.assert_allclose(np.concatenate(pieces, axis=1), expected, atol=1e-5)
    for one, other in zip(states, after, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_the_context_ends_where_it_says() -> None:
    """With one layer a token of four before is out of sight, one of three before is not; each
    layer more reaches as far again."""
    text = np.random.default_rng(2).integers(4, V, (1, 9)).astype(np.int32)
    for depth in (1, 2):
        model = large(build(context=3, depth=depth))
        expected, _ = read(model, text)
        for place in range(9):
            changed = text.copy()
            changed[0, place] = 4 if text[0, place] != 4 else 5
            found, _ = read(model, changed)
            moved = np.abs(found - expected)[0].max(axis=-1) > 1e-4
            assert moved.tolist() == [place <= now <= place + 3 * depth for now in range(9)]


@pytest.mark.heavy
def test_windows_with_carried_states_are_one_long_sequence(tmp_path: Path) -> None:
    core = large(build(context=6))
    whole = mean_loss(compiled(core, 1e-12), 40, tmp_path)
    assert mean_loss(compiled(core, 1e-12), 7, tmp_path) == pytest.approx(whole, abs=1e-5)
    # The streams are read as texts of their own, each from zero states.
    rows = SurprisalReader.of(core).read_rows(IDS, TARGETS, np.array([0, 40, 80, 120]), Progress())
    assert rows.mean() == pytest.approx(whole, abs=1e-5)


@pytest.mark.heavy
def test_a_killed_run_continues_exactly_with_its_caches(tmp_path: Path) -> None:
    check_that_a_killed_run_continues(
        tmp_path, build=lambda: build(context=6, dropout=0.2, attention_dropout=0.2)
    )


@pytest.mark.heavy
def test_what_is_written_token_by_token_has_the_score_of_the_text(tmp_path: Path) -> None:
    """Beyond the context too; and a stream writes what is written at once."""
    core = large(build(context=4))
    writer = TextWriter.of(core, end_id=-1)
    prompts = join_rows([[2, 5, 6], [2]])
    (one, _) = writer.write(prompts, 12, Sampling(), seeds=[(0, 1), (0, 2)])
    text = np.array([2, 5, 6, *one.token_ids.tolist()], np.int32)
    scored = SurprisalReader.of(core).read_rows(
        text[:-1], text[1:], np.array([0, len(text) - 1]), Progress()
    )
    np.testing.assert_allclose(-one.log_probabilities, scored[2:], atol=1e-4)
    stream = writer.stream(prompts.row(0), 12, Sampling(), seed=(0, 1))
    assert [token.token_ids[0] for token in stream] == one.token_ids.tolist()


@pytest.mark.parametrize(("case", "num_sampled"), [(CASES[0], 6), *((one, None) for one in CASES)])
def test_one_step_moves_every_weight(
    case: dict[str, Any], num_sampled: int | None, ids: np.ndarray
) -> None:
    core = large(build(**case))
    trained = build_loss_model(core, streams=BATCH, num_sampled=num_sampled, seed=1).model
    before = [weight.numpy().copy() for weight in core.trainable_weights]
    trained.compile(keras.optimizers.SGD(100.0), OutputAsLoss(), run_eagerly=True)
    targets = np.roll(ids, -1, axis=1)
    trained.train_on_batch(
        {"token_ids": ids, "target_ids": targets}, targets,
        sample_weight=np.ones(ids.shape, np.float32),
    )  # fmt: skip
    for weight, old in zip(core.trainable_weights, before, strict=True):
        moved = weight.numpy() != old
        assert np.isfinite(weight.numpy()).all()
        is_table = "embedding" in weight.path or "output_table" in weight.path
        assert moved.any() if is_table else moved.mean() > 0.9, weight.path
    states = trained.get_layer("carried_states").states
    assert all(np.abs(state.numpy()).max() > 0 for state in states)


@pytest.mark.heavy
def test_saved_and_loaded_it_answers_the_same(
    model: keras.Model, ids: np.ndarray, tmp_path: Path
) -> None:
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras", safe_mode=True)
    _, states = read(model, ids)
    for before in (None, states):
        expected, after = read(model, ids, before)
        found, also = read(loaded, ids, before)
        np.testing.assert_array_equal(found, expected)
        for one, other in zip(also, after, strict=True):
            np.testing.assert_array_equal(one, other)


def test_bfloat16_counts_beyond_what_it_counts() -> None:
    """A context of more than 256 tokens, which no number of bfloat16 could count one by one."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build(context=300)
    finally:
        keras.config.set_dtype_policy(before)
    text = np.random.default_rng(3).integers(4, V, (1, 270)).astype(np.int32)
    logits, states = read(model, text)
    assert logits.dtype == np.float32
    assert states[0].astype(np.float32).sum() == 270
    _, states = read(model, text[:, :5], states)
    assert states[0].astype(np.float32).sum() == 275


def test_a_state_that_no_file_could_hold_is_refused() -> None:
    with pytest.raises(
        InputError, match="context: times width, 1024, it must be at most 1,048,576"
    ):
        build(width=1024, context=1025)
