"""Tags that fit together: against the definition of the schemes, and brute force."""

from __future__ import annotations

import itertools
from typing import Any

import keras
import numpy as np
import pytest

from textnets.builders import build_rnn_tagger
from textnets.decoding.tags import breach_of, have_ends, span_rules, tag_decoder

IOB2 = ["B-NP", "B-VP", "I-NP", "I-VP", "O"]
IOBES = ["B-NP", "E-NP", "I-NP", "O", "S-NP", "S-VP"]


def is_allowed(tags: tuple[str, ...], scheme: list[str]) -> bool:
    """Written as a grammar, not as pairs: spans one after the other."""
    import re

    kinds = "|".join({tag[2:] for tag in scheme if tag != "O"})
    if "S-NP" in scheme:
        span = "|".join(rf"S-{k} |B-{k} (I-{k} )*E-{k} " for k in kinds.split("|"))
    else:
        span = "|".join(rf"B-{k} (I-{k} )*" for k in kinds.split("|"))
    return re.fullmatch(rf"(O |{span})*", "".join(f"{tag} " for tag in tags)) is not None


@pytest.mark.parametrize("scheme", [IOB2, IOBES])
def test_the_rules_allow_what_the_scheme_does(scheme: list[str]) -> None:
    rules = span_rules(scheme)
    counts = {True: 0, False: 0}
    for length in (1, 2, 3, 4):
        for ids in itertools.product(range(len(scheme)), repeat=length):
            allowed = bool(
                rules.begins[ids[0]]
                and rules.ends[ids[-1]]
                and all(rules.follows[pair] for pair in itertools.pairwise(ids))
            )
            tags = tuple(scheme[i] for i in ids)
            assert allowed == is_allowed(tags, scheme), tags
            assert (breach_of(tags, have_ends(scheme)) is None) == allowed
            counts[allowed] += 1
    assert min(counts.values()) > 50


def test_a_breach_is_told_in_words() -> None:
    assert breach_of(["B-NP", "I-NP"], with_ends=False) is None
    assert breach_of(["O", "I-NP"], with_ends=False) == (1, "'I-NP' after 'O'")


def tagger(**more: Any) -> keras.Model:
    keras.utils.set_random_seed(1)
    model = build_rnn_tagger(
        vocabulary_size=30, num_tags=len(IOB2), embedding_width=8, units=(6,), cell="gru", **more
    )
    random = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(2.0 * random.normal(size=weight.shape))
    return model


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_the_best_allowed_sequence_equals_brute_force(head: str) -> None:
    model, lengths = tagger(head=head), [4, 1, 3, 2, 4, 4]
    width = 6
    ids = np.random.default_rng(2).integers(4, 30, size=(len(lengths), width))
    ids = np.where(np.arange(width) < np.array(lengths)[:, None], ids, 0).astype("int32")
    probabilities = keras.ops.convert_to_numpy(model(ids))
    crf = model.get_layer("probabilities")
    if head == "crf":
        scores = keras.ops.convert_to_numpy(keras.Model(model.input, crf.input[0])(ids))
        transitions, start, end = crf.get_weights()
    else:
        scores = np.log(np.maximum(probabilities, 1e-30))
        transitions, start, end = np.zeros((5, 5)), np.zeros(5), np.zeros(5)
    differ = 0
    found = {
        name: keras.ops.convert_to_numpy(tag_decoder(model, rules)(ids))
        for name, rules in (("free", None), ("constrained", span_rules(IOB2)))
    }
    for row, length in enumerate(lengths):
        best: dict[str, tuple[float, tuple[int, ...]]] = {}
        for tags in itertools.product(range(5), repeat=length):
            score = start[tags[0]] + sum(scores[row, t, k] for t, k in enumerate(tags))
            score += sum(transitions[pair] for pair in itertools.pairwise(tags)) + end[tags[-1]]
            names = ["free"]
            if is_allowed(tuple(IOB2[k] for k in tags), IOB2):
                names.append("constrained")
            for name in names:
                best[name] = max(best.get(name, (-np.inf, ())), (float(score), tags))
        for name, outputs in found.items():
            np.testing.assert_allclose(outputs[row, :, :-1], probabilities[row], atol=1e-6)
            assert tuple(outputs[row, :length, -1].astype(int)) == best[name][1]
        differ += best["free"] != best["constrained"]
    assert differ > 1  # the rules had something to forbid
