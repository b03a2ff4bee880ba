"""The model beside the best baseline: paired, the right way around, and in words that hold."""

from __future__ import annotations

import numpy as np
import pytest

from tests.evaluation.single_statistic import bootstrap
from textnets.evaluation.claims import ClaimResult
from textnets.evaluation.classification import score_labels
from textnets.evaluation.comparison import Comparison, compare_with_best
from textnets.evaluation.confidence import Estimate, Resamples, paired_difference
from textnets.evaluation.language_modeling import score_surprisals
from textnets.evaluation.translation import score_translations

RANDOM = np.random.default_rng(3)


def mean_of(values: np.ndarray) -> object:
    return lambda weights: float(weights @ values / weights.sum())


def right(share: float, count: int = 400) -> np.ndarray:
    """Of so many examples the first ones, as hits."""
    return (np.arange(count) < share * count).astype(float)


def compared(
    ours: np.ndarray, theirs: np.ndarray, *, lower_is_better: bool = False, resamples: int = 500
) -> Comparison:
    settings = {"resamples": resamples, "seed": 1}
    found = compare_with_best(
        "accuracy",
        {"accuracy": bootstrap(mean_of(ours), len(ours), **settings)},
        {
            "majority": {"accuracy": bootstrap(mean_of(0.0 * ours), len(ours), **settings)},
            "tfidf_svm": {"accuracy": bootstrap(mean_of(theirs), len(theirs), **settings)},
            "other": {"log_loss": Estimate(0.1)},
        },
        lower_is_better=lower_is_better,
        split="test",
        confidence=0.95,
    )
    assert found is not None
    return found


def test_the_interval_is_that_of_the_examples_differences() -> None:
    """Both systems meet the same resamples: what makes an example hard for both drops out."""
    hard = RANDOM.normal(size=300)
    ours, theirs = hard + 0.1 + 0.05 * RANDOM.normal(size=300), hard
    one, other = (bootstrap(mean_of(values), 300, seed=2) for values in (ours, theirs))
    found = paired_difference(one, other)
    direct = bootstrap(mean_of(ours - theirs), 300, seed=2)
    assert found.value == pytest.approx(direct.value)
    assert (found.low, found.high) == (pytest.approx(direct.low), pytest.approx(direct.high))
    assert found.low is not None
    assert found.low > 0.05
    # Unpaired, the two overlap by far.
    assert other.high is not None
    assert one.low is not None
    assert one.low < other.value < other.high


def test_other_examples_or_seeds_are_no_pair() -> None:
    values = RANDOM.normal(size=50)
    one = bootstrap(mean_of(values), 50, seed=1)
    for other in (
        bootstrap(mean_of(values), 50, seed=2),
        bootstrap(mean_of(values[:40]), 40, seed=1),
    ):
        with pytest.raises(ValueError, match="the same resamples"):
            paired_difference(one, other)
    assert paired_difference(one, Estimate(1.0)).low is None
    infinite = Estimate(np.inf, resampled=Resamples(50, 1, np.full(1000, np.inf)))
    assert paired_difference(one, infinite).low is None


def test_the_better_one_is_named() -> None:
    found = compared(right(0.8), right(0.7))
    assert found.baseline == "tfidf_svm"
    assert found.difference.value == pytest.approx(0.1)
    assert found.sentence.startswith(
        "accuracy 0.800 is 0.100 higher than that of tfidf_svm "
        "(95 % interval of the paired difference [0.0"
    )
    assert found.sentence.endswith("]): the model is better")
    found = compared(right(0.7), right(0.8))
    assert "is 0.100 lower than that of tfidf_svm" in found.sentence
    assert found.sentence.endswith("]): the baseline is better")


def test_where_less_is_better_the_lower_one_is() -> None:
    """The best baseline is another one too: the lowest."""
    found = compared(right(0.8), 2 * right(0.7), lower_is_better=True)
    assert found.baseline == "majority"
    assert found.sentence.endswith("]): the baseline is better")
    found = compared(right(0.8) - 1.0, right(0.7), lower_is_better=True)
    assert "accuracy -0.200 is 0.200 lower than that of majority" in found.sentence
    assert found.sentence.endswith("]): the model is better")


def test_what_the_examples_cannot_tell_is_said_so() -> None:
    ours = right(0.5)
    theirs = ours.copy()
    theirs[:4], theirs[-3:] = 0.0, 1.0
    found = compared(ours, theirs)
    assert found.sentence.endswith("]): no difference that this test split can show")
    assert compared(ours, ours).sentence.startswith(
        "accuracy 0.500 is as high as that of tfidf_svm"
    )
    assert compared(right(1.0, 9), right(1.0, 9)).sentence == (
        "accuracy 1.000 is as high as that of tfidf_svm: no difference that this test split can "
        "show"
    )
    few = compared(right(1.0, 9), right(0.0, 9))
    assert few.sentence == (
        "accuracy 1.000 is 1.000 higher than that of majority: this test split is too small "
        "to tell it from chance"
    )


def test_small_differences_are_no_zeros() -> None:
    ours = np.ones(40_000)
    found = compared(ours, 0.9999 * ours)
    assert "is 0.0001 higher than" in found.sentence
    assert "[0.0001, 0.0001]): the model is better" in found.sentence


def test_without_resamples_there_is_the_difference_alone() -> None:
    found = compared(right(0.8), right(0.7), resamples=0)
    assert found.sentence == "accuracy 0.800 is 0.100 higher than that of tfidf_svm"
    assert Comparison.of_dict(found.as_dict()) == found


def test_without_a_baseline_there_is_none() -> None:
    scores = {"accuracy": Estimate(0.5)}
    settings = {"lower_is_better": False, "split": "test", "confidence": 0.95}
    assert compare_with_best("accuracy", scores, {}, **settings) is None


def test_every_tasks_scores_can_be_paired() -> None:
    labels, guesses = RANDOM.integers(0, 3, 60), RANDOM.integers(0, 3, 60)
    texts = [f"a small text of the number {number}" for number in labels]
    turned = [text.replace("small", "large") for text in texts]
    offsets = np.arange(0, 301, 5)
    pairs = {
        "macro_f1": [
            score_labels(labels, found, None, num_classes=3, seed=1) for found in (labels, guesses)
        ],
        "bleu": [
            score_translations(found, texts, resamples=50, seed=1).scores
            for found in (texts, turned)
        ],
        "cross_entropy": [
            score_surprisals(values, offsets, characters=False, seed=1)
            for values in (np.full(300, 1.0), np.full(300, 2.0))
        ],
    }
    for metric, (ours, theirs) in pairs.items():
        found = paired_difference(ours[metric], theirs[metric])
        assert found.value == pytest.approx(ours[metric].value - theirs[metric].value)
        assert found.low is not None
        assert found.high is not None
        assert found.low - 1e-9 <= found.value <= found.high + 1e-9


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        (
            ("accuracy", 0.9, None, 1, 0.811),
            "the recipe's claim is not met: accuracy 0.811 on the test split, claimed at least 0.9",
        ),
        (
            ("perplexity", None, 130.0, 1, 126.25),
            "the recipe's claim is met: perplexity 126.250 on the test split, claimed at most 130",
        ),
        (  # not rounded to what it is not
            ("accuracy", 0.9, None, 1, 0.89996),
            "the recipe's claim is not met: accuracy 0.89996 on the test split, claimed at least "
            "0.9",
        ),
        (
            ("accuracy", 0.9, None, 3, 0.811),
            "the recipe's claim is about the mean of 3 seeds, accuracy at least 0.9 on the test "
            "split; this one, 0.811, is below it, and one run tells nothing sure",
        ),
        (
            ("perplexity", None, 130.0, 3, 131.0),
            "the recipe's claim is about the mean of 3 seeds, perplexity at most 130 on the test "
            "split; this one, 131.000, is above it, and one run tells nothing sure",
        ),
    ],
)
def test_claims_in_words(claim: tuple[object, ...], sentence: str) -> None:
    found = ClaimResult(*claim)  # type: ignore[arg-type]
    assert found.sentence == sentence
    stored = found.as_dict()
    assert stored["holds"] == (None if found.seeds > 1 else found.met)
    assert ClaimResult.of_dict(stored) == found
