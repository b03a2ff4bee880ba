"""Writing: greedy by hand, chance by frequency, and the limits on it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import build_rnn_language_model
from textnets.decoding.sampling import Sampling
from textnets.decoding.writing import TextWriter, WrittenIds
from textnets.text.encoded import RaggedIds, join_rows
from textnets.text.vocabulary import EOS_ID

V = 12
PROMPTS = join_rows([[4], [5, 6, 7, 8], [9, 4]])


@pytest.fixture(scope="module")
def core() -> keras.Model:
    keras.utils.set_random_seed(1)
    model = build_rnn_language_model(
        vocabulary_size=V, embedding_width=6, units=(7,), cell="lstm", tie_embeddings=True
    )
    random = np.random.default_rng(3)
    model.set_weights([random.normal(size=w.shape) * 0.8 for w in model.get_weights()])
    return model


@pytest.fixture(scope="module")
def writer(core: keras.Model) -> TextWriter:
    return TextWriter.of(core, end_id=-1)


def probabilities(core: keras.Model, ids: list[int]) -> np.ndarray:
    """<float64>[vocabulary] of what follows the ids, which are read at once."""
    states = [np.zeros((1, state.shape[1]), np.float32) for state in core.input["states"]]
    found = core({"token_ids": np.array([ids], np.int32), "states": states}, training=False)
    return np.asarray(keras.ops.softmax(found["logits"][0, -1])).astype(np.float64)


def write(writer: TextWriter, prompts: RaggedIds = PROMPTS, length: int = 9, **given: Any) -> Any:
    seeds = given.pop("seeds", [(7, row) for row in range(len(prompts))])
    alternatives = given.pop("num_alternatives", 0)
    sampling = Sampling(**given)
    return writer.write(prompts, length, sampling, seeds=seeds, num_alternatives=alternatives)


def test_greedy_is_the_likeliest_token_each_time(core: keras.Model, writer: TextWriter) -> None:
    found = write(writer, temperature=0.0, num_alternatives=5)
    for row, written in enumerate(found):
        ids = PROMPTS.row(row).tolist()
        for place, token_id in enumerate(written.token_ids.tolist()):
            shares = probabilities(core, ids)
            allowed = np.delete(np.arange(V), [0, 1, 2])
            assert token_id == allowed[shares[allowed].argmax()]
            assert written.log_probabilities[place] == pytest.approx(
                np.log(shares[token_id]), abs=1e-4
            )
            best = np.argsort(-shares, kind="stable")[:5]
            np.testing.assert_array_equal(written.alternative_ids[place], best)
            np.testing.assert_allclose(
                written.alternative_probabilities[place], shares[best], atol=1e-5
            )
            ids.append(token_id)
    assert [len(written.token_ids) for written in found] == [9, 9, 9]


def test_a_row_depends_on_its_seed_alone(writer: TextWriter) -> None:
    together = write(writer)
    for row, expected in enumerate(together):
        alone = write(writer, join_rows([PROMPTS.row(row)]), seeds=[(7, row)])
        np.testing.assert_array_equal(alone[0].token_ids, expected.token_ids)
    again = write(writer)
    others = write(writer, seeds=[(8, row) for row in range(3)])
    same = [np.array_equal(a.token_ids, b.token_ids) for a, b in zip(together, again, strict=True)]
    assert all(same)
    assert not all(
        np.array_equal(a.token_ids, b.token_ids) for a, b in zip(together, others, strict=True)
    )


def first_tokens(writer: TextWriter, draws: int = 2000, **given: Any) -> np.ndarray:
    """<float64>[vocabulary]: how often each token comes behind one prompt."""
    prompts = join_rows([[5, 6]] * draws)
    seeds = [(1, row) for row in range(draws)]
    found: list[WrittenIds] = write(writer, prompts, 1, seeds=seeds, **given)
    ids = [int(written.token_ids[0]) for written in found]
    return np.bincount(ids, minlength=V) / draws


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"temperature": 0.5},
        {"top_k": 3},
        {"top_p": 0.6},
        {"temperature": 2.0, "top_k": 5, "top_p": 0.9},
    ],
    ids=str,
)
def test_tokens_come_as_often_as_they_should(
    core: keras.Model, writer: TextWriter, given: dict[str, Any]
) -> None:
    shares = probabilities(core, [5, 6])
    shares[[0, 1, 2]] = 0.0  # neither padding, nor [UNK], nor [BOS]
    shares = shares ** (1 / given.get("temperature", 1.0))
    shares /= shares.sum()
    order = np.argsort(-shares, kind="stable")
    kept = np.zeros(V, bool)
    kept[order[: given.get("top_k", V)]] = True
    if given.get("top_p", 1.0) < 1.0:
        before = np.cumsum(shares[order]) - shares[order]
        kept[order[before >= given["top_p"]]] = False
    expected = np.where(kept, shares, 0.0)
    expected /= expected.sum()
    found = first_tokens(writer, **given)
    assert not found[expected == 0].any()
    np.testing.assert_allclose(found, expected, atol=0.045)


def test_a_text_ends_behind_its_end(core: keras.Model) -> None:
    ending = TextWriter.of(core, end_id=EOS_ID)
    rows = write(ending, join_rows([[4]] * 40), 30)
    ended = [row.token_ids.tolist() for row in rows if EOS_ID in row.token_ids]
    assert ended
    assert all(ids.index(EOS_ID) == len(ids) - 1 for ids in ended)
    endless = write(TextWriter.of(core, end_id=-1), join_rows([[4]] * 40), 30)
    for row, other in zip(rows, endless, strict=True):
        np.testing.assert_array_equal(row.token_ids, other.token_ids[: len(row.token_ids)])
