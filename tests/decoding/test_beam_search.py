"""Beam search against the enumeration of every sequence, and greedy search against a beam of 1."""

from __future__ import annotations

import itertools
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest

from textnets.decoding.beam_search import NO_SCORE, beam_search
from textnets.decoding.greedy import greedy_search
from textnets.text.vocabulary import BOS_ID, EOS_ID

VOCABULARY, LIMITS = 7, np.array([4, 4, 2, 1], np.int32)
TIMES = int(LIMITS.max())


class ToyModel:
    """Logits that depend on the text, the time and the token before: a table."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.table = random.normal(size=(VOCABULARY, TIMES, VOCABULARY)).astype("float32") * 2
        self.of_text = random.normal(size=(len(LIMITS), VOCABULARY)).astype("float32")
        self.states = {
            "time": keras.ops.zeros((len(LIMITS), 1), dtype="int32"),
            "of_text": keras.ops.convert_to_tensor(self.of_text),
        }

    def step(self, token_ids: Any, states: Any) -> tuple[Any, Any]:
        rows = keras.ops.reshape(keras.ops.convert_to_tensor(self.table), (-1, VOCABULARY))
        logits = keras.ops.take(rows, token_ids * TIMES + states["time"][:, 0], axis=0)
        return logits + states["of_text"], {**states, "time": states["time"] + 1}

    def every_sequence(
        self, text: int, penalty: float, first: int = 4
    ) -> list[tuple[float, tuple[int, ...]]]:
        """All that may be written for one text, with the tokens from ``first`` on, best first."""
        found = []
        tokens = [token for token in range(first, VOCABULARY) if token not in (2, EOS_ID)]
        for length in range(LIMITS[text]):
            for written in itertools.product(tokens, repeat=length):
                total, last = 0.0, BOS_ID
                for time, token in enumerate((*written, EOS_ID)):
                    logits = self.table[last, time] + self.of_text[text]
                    total += logits[token] - np.log(np.exp(logits).sum())
                    last = token
                score = total / ((5 + length + 1) / 6) ** penalty
                found.append((float(score), (*written, EOS_ID)))
        return sorted(found, reverse=True)


def search(
    model: ToyModel, size: int, penalty: float = 0.0, **rules: Any
) -> tuple[np.ndarray, ...]:
    run = partial(beam_search, beam_size=size, length_penalty=penalty, **rules)
    found = run(model.step, model.states, keras.ops.convert_to_tensor(LIMITS), TIMES)
    return tuple(keras.ops.convert_to_numpy(array) for array in found)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_beam_that_holds_all_equals_exhaustive_search(penalty: float) -> None:
    model = ToyModel(seed=0)
    tokens, scores, sums = search(model, 130, penalty)
    for text in range(len(LIMITS)):
        expected = model.every_sequence(text, penalty)
        found = scores[text] > NO_SCORE / 2
        assert found.sum() == len(expected)
        np.testing.assert_allclose(scores[text][found], [s for s, _ in expected], atol=1e-4)
        written = [tuple(row[row != 0].tolist()) for row in tokens[text][found]]
        assert written == [sequence for _, sequence in expected]
        lengths = np.array([len(sequence) for sequence in written])
        np.testing.assert_allclose(
            sums[text][found], scores[text][found] * ((5 + lengths) / 6) ** penalty, atol=1e-4
        )


def repeats(sequence: tuple[int, ...], size: int) -> bool:
    """Whether a sequence holds an n-gram of its own tokens twice."""
    ngrams = [sequence[i : i + size] for i in range(len(sequence) - size)]  # without [EOS]
    return len(set(ngrams)) < len(ngrams)


@pytest.mark.parametrize("size", [1, 2])
def test_no_ngram_comes_twice(size: int) -> None:
    """A beam that holds all gives each sequence without a repeated n-gram, with the probability
    that it has among all: nothing is divided up again."""
    model = ToyModel(seed=0)
    tokens, scores, _ = search(model, 130, 0.6, no_repeat_ngram=size)
    for text in range(len(LIMITS)):
        every = model.every_sequence(text, 0.6)
        expected = [(score, one) for score, one in every if not repeats(one, size)]
        assert len(expected) < len(every) or LIMITS[text] <= size + 1
        found = scores[text] > NO_SCORE / 2
        written = [tuple(row[row != 0].tolist()) for row in tokens[text][found]]
        assert written == [one for _, one in expected]
        np.testing.assert_allclose(scores[text][found], [s for s, _ in expected], atol=1e-4)


def test_unknown_tokens_are_written_where_something_stands_in_their_place() -> None:
    model = ToyModel(seed=0)
    tokens, scores, _ = search(model, 300, writes_unknown=True)
    for text in range(len(LIMITS)):
        expected = model.every_sequence(text, 0.0, first=1)
        found = scores[text] > NO_SCORE / 2
        written = [tuple(row[row != 0].tolist()) for row in tokens[text][found]]
        assert written == [one for _, one in expected]
    assert (tokens == 1).any()


def test_finished_hypotheses_are_ranked_by_what_they_are_rewarded_for_too() -> None:
    """Here for how often token 5 was read, [BOS] and what was written alike."""
    model = ToyModel(seed=3)

    def step(token_ids: Any, states: Any) -> Any:
        logits, after = model.step(token_ids, states["of_model"])
        read = states["read"] + keras.ops.cast(token_ids == 5, "float32")
        return logits, {"of_model": after, "read": read}

    start = {"of_model": model.states, "read": keras.ops.zeros((len(LIMITS),))}
    limits = keras.ops.convert_to_tensor(LIMITS)
    tokens, scores, sums = (
        keras.ops.convert_to_numpy(array)
        for array in beam_search(
            step, start, limits, TIMES, beam_size=130, length_penalty=1.0,
            reward=lambda states: 3.0 * states["read"],
        )
    )  # fmt: skip
    for text in range(len(LIMITS)):
        every = model.every_sequence(text, 1.0)
        expected = sorted(((score + 3.0 * one.count(5), one) for score, one in every), reverse=True)
        found = scores[text] > NO_SCORE / 2
        np.testing.assert_allclose(scores[text][found], [s for s, _ in expected], atol=1e-4)
        best = tokens[text][0]
        assert tuple(best[best != 0].tolist()) == expected[0][1]
        plain = {one: score for score, one in model.every_sequence(text, 0.0)}
        assert sums[text][0] == pytest.approx(plain[expected[0][1]], abs=1e-4)


@pytest.mark.parametrize("rules", [{}, {"no_repeat_ngram": 1}, {"writes_unknown": True}], ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_a_beam_of_one_equals_greedy(seed: int, rules: dict[str, Any]) -> None:
    model = ToyModel(seed)
    tokens, scores, _ = search(model, 1, penalty=0.7, **rules)
    greedy, sums = greedy_search(
        model.step, model.states, keras.ops.convert_to_tensor(LIMITS), TIMES, **rules
    )
    np.testing.assert_array_equal(tokens[:, 0], keras.ops.convert_to_numpy(greedy))
    lengths = (tokens[:, 0] != 0).sum(axis=1)
    np.testing.assert_allclose(
        scores[:, 0] * ((5 + lengths) / 6) ** 0.7, keras.ops.convert_to_numpy(sums), atol=1e-4
    )
    assert (lengths <= LIMITS).all()


@pytest.mark.parametrize("seed", range(4))
def test_a_wider_beam_finds_nothing_worse(seed: int) -> None:
    model = ToyModel(seed)
    best = [search(model, size)[1][:, 0] for size in (1, 3, 130)]
    assert (best[1] >= best[0] - 1e-5).all()
    assert (best[2] >= best[1] - 1e-5).all()


def test_texts_do_not_see_one_another() -> None:
    """A text alone, with the room of its own limit, gets what it gets in company."""
    model = ToyModel(seed=5)
    together, scores, _ = search(model, 3)
    for text in range(len(LIMITS)):
        states = {name: array[text : text + 1] for name, array in model.states.items()}
        limit = LIMITS[text : text + 1]
        tokens, alone, _ = beam_search(
            model.step, states, keras.ops.convert_to_tensor(limit), int(limit[0]), beam_size=3
        )
        np.testing.assert_allclose(keras.ops.convert_to_numpy(alone)[0], scores[text], atol=1e-5)
        found = keras.ops.convert_to_numpy(tokens)[0]
        np.testing.assert_array_equal(found, together[text][:, : limit[0]])
