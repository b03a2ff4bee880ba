"""Scores of translations: sacrebleu's values, and intervals that belong to them."""

from __future__ import annotations

import numpy as np
import pytest
import sacrebleu

from textnets.evaluation.translation import (
    nearest_translations,
    score_translations,
    sentence_chrf,
)

REFERENCES = [
    "Ein Hund läuft über die Wiese.",
    "Zwei Männer stehen vor einem Haus.",
    "Das Kind lacht!",
    "",
    "Eine Frau, die liest.",
]
TRANSLATIONS = [
    "Ein Hund rennt über eine Wiese.",
    "Zwei Männer stehen vor einem Haus.",
    "Kind",
    "etwas",
    "",
]


def test_the_values_are_sacrebleus() -> None:
    found = score_translations(TRANSLATIONS, REFERENCES, resamples=50, seed=1)
    bleu = sacrebleu.corpus_bleu(TRANSLATIONS, [REFERENCES])
    chrf = sacrebleu.corpus_chrf(TRANSLATIONS, [REFERENCES])
    assert found.scores["bleu"].value == bleu.score
    assert found.scores["chrf"].value == chrf.score
    assert set(found.scores) == {"bleu", "chrf"}
    assert found.signatures["bleu"].startswith("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|")


@pytest.mark.parametrize("name", ["bleu", "chrf"])
def test_the_intervals_are_of_the_same_statistic(name: str) -> None:
    """Each sentence four times over is the same corpus: its resamples surround sacrebleu's
    value, and one resample of all sentences alike is it."""
    texts, references = TRANSLATIONS * 40, REFERENCES * 40
    found = score_translations(texts, references, resamples=200, seed=1).scores[name]
    assert found.low is not None
    assert found.high is not None
    assert found.low < found.value < found.high
    whole = score_translations(TRANSLATIONS, REFERENCES, resamples=0, seed=1).scores[name]
    assert found.value == pytest.approx(whole.value)
    same = score_translations([REFERENCES[1]] * 9, [REFERENCES[1]] * 9, resamples=20, seed=1)
    estimate = same.scores[name]
    assert [estimate.low, estimate.high] == pytest.approx([estimate.value] * 2)


def test_sentence_chrf_is_sacrebleus() -> None:
    expected = [
        sacrebleu.corpus_chrf([ours], [[theirs]]).score
        for ours, theirs in zip(TRANSLATIONS, REFERENCES, strict=True)
    ]
    np.testing.assert_allclose(sentence_chrf(TRANSLATIONS, REFERENCES), expected, atol=1e-9)


def test_perplexity_is_of_tokens() -> None:
    surprisals, lengths = np.array([2.0, 4.0]), np.array([1, 2])
    found = score_translations(
        ["a", "b"], ["a", "b"], surprisals=surprisals, lengths=lengths, resamples=20, seed=1
    )
    assert found.scores["perplexity"].value == pytest.approx(np.exp(2.0))
    assert found.scores["perplexity"].low == pytest.approx(np.exp(2.0))


def test_a_translation_memory_gives_the_nearest() -> None:
    sources = ["a dog runs", "two men stand", "a child laughs"]
    targets = ["ein Hund", "zwei Männer", "ein Kind"]
    found, seconds = nearest_translations(sources, targets, ["two men sit", "the dog runs", ""])
    assert found[:2] == ["zwei Männer", "ein Hund"]
    assert found[2] in targets
    assert seconds >= 0
