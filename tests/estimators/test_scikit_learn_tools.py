"""The classifier inside of what scikit-learn builds around estimators."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
    learning_curve,
    permutation_test_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import estimator_html_repr

from textnets import TextClassifier

Texts = list[str]


def test_a_clone_is_unfitted_and_fits_to_the_same_bytes(
    classifier: TextClassifier, texts: Texts, labels: Texts
) -> None:
    first = classifier.fit(texts, labels).predict_proba(texts)
    again = clone(classifier)
    assert not hasattr(again, "classes_")
    assert again.fit(texts, labels).predict_proba(texts).tobytes() == first.tobytes()


@pytest.mark.long
def test_a_grid_of_text_model_and_training_on_two_processes(
    classifier: TextClassifier, texts: Texts, labels: Texts
) -> None:
    grid = {"max_tokens": [5, 100], "learning_rate": [1e-6, 0.05]}
    search = GridSearchCV(classifier, grid, cv=2, n_jobs=2).fit(texts, labels)
    assert search.best_params_ == {"learning_rate": 0.05, "max_tokens": 100}
    assert search.predict(["fine", "dull"]).tolist() == ["good", "bad"]


def test_a_random_search_over_builders(texts: Texts, labels: Texts) -> None:
    found = RandomizedSearchCV(
        TextClassifier(epochs=2, embedding_width=8, random_state=1),
        [
            {"builder": ["mlp_classifier"], "dense_units": [[8]]},
            {"builder": ["cnn_classifier"], "widths": [[1, 2]], "maps": [4]},
        ],
        n_iter=2,
        cv=2,
        random_state=0,
        refit=False,
    ).fit(texts, labels)
    assert len(found.cv_results_["params"]) == 2
    assert not np.isnan(found.cv_results_["mean_test_score"]).any()


def test_cross_validation(classifier: TextClassifier, texts: Texts, labels: Texts) -> None:
    series, array = pd.Series(texts), np.array(labels)
    assert cross_val_score(classifier, series, array, cv=2).tolist() == [1.0, 1.0]
    assert cross_val_score(classifier, texts, labels, cv=2, scoring="roc_auc").mean() == 1.0


def test_behind_a_cleaner_in_a_pipeline(
    classifier: TextClassifier, texts: Texts, labels: Texts
) -> None:
    cleaner = FunctionTransformer(lambda given: [text.replace("<br/>", " ") for text in given])
    pipeline = make_pipeline(cleaner, classifier)
    pipeline.fit([text.replace(" ", "<br/>") for text in texts], labels)
    assert pipeline.score(texts, labels) == 1.0
    assert pipeline.set_params(textclassifier__epochs=3)[-1].epochs == 3


def test_calibrated_and_voting_beside_tfidf(
    classifier: TextClassifier, texts: Texts, labels: Texts
) -> None:
    calibrated = CalibratedClassifierCV(classifier, cv=2).fit(texts, labels)
    assert calibrated.predict(["fine", "dull"]).tolist() == ["good", "bad"]
    linear = make_pipeline(TfidfVectorizer(), LogisticRegression())
    voting = VotingClassifier([("net", classifier), ("linear", linear)], voting="soft")
    assert voting.fit(texts, labels).score(texts, labels) == 1.0


@pytest.mark.long
def test_learning_curve_and_permutation_test(
    classifier: TextClassifier, texts: Texts, labels: Texts
) -> None:
    _, _, curve = learning_curve(
        classifier, texts, labels, cv=2, train_sizes=[0.5, 1.0], shuffle=True, random_state=0
    )
    assert curve.shape == (2, 2)
    assert curve[-1].mean() == 1.0
    score, chances, _ = permutation_test_score(
        classifier, texts, labels, cv=2, n_permutations=1, random_state=0
    )
    assert score == 1.0 > chances.max()


def test_fitted_and_unfitted_ones_are_pickled_dumped_and_copied(
    classifier: TextClassifier, texts: Texts, labels: Texts, tmp_path: Path
) -> None:
    unfitted = pickle.loads(pickle.dumps(classifier))
    assert unfitted.get_params() == classifier.get_params()
    expected = classifier.fit(texts, labels).predict_proba(texts)
    joblib.dump(classifier, tmp_path / "it.joblib")
    for twin in (
        pickle.loads(pickle.dumps(classifier)),
        joblib.load(tmp_path / "it.joblib"),
        copy.copy(classifier),
        copy.deepcopy(classifier),
    ):
        assert twin.predict_proba(texts).tobytes() == expected.tobytes()
        assert twin.history_ == classifier.history_


def test_sample_weights_are_routed(texts: Texts, labels: Texts) -> None:
    # The same text with both labels: what weighs more is what is learned.
    disputed, verdicts = ["so so"] * 20, ["good", "bad"] * 10
    weights = np.array([10.0, 0.1] * 10)
    classifier = TextClassifier(
        "mlp_classifier", epochs=20, learning_rate=0.01, validation=None, random_state=1
    )
    with sklearn.config_context(enable_metadata_routing=True):
        routed = make_pipeline(
            FunctionTransformer(list),
            classifier.set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
        )
        routed.fit(disputed, verdicts, sample_weight=weights)
        assert routed.predict(["so so"]).tolist() == ["good"]
        routed.fit(disputed, verdicts, sample_weight=weights[::-1])
        assert routed.predict(["so so"]).tolist() == ["bad"]
    assert classifier.score(["so so", "so so"], ["good", "bad"], [1.0, 3.0]) == 0.75


def test_it_shows_itself_as_html_and_text(classifier: TextClassifier) -> None:
    assert "learning_rate=0.05" in repr(classifier)
    page = estimator_html_repr(classifier)
    assert "TextClassifier" in page
    assert "learning_rate" in page


def test_the_callers_random_numbers_stay_as_they_were(
    classifier: TextClassifier, texts: Texts, labels: Texts
) -> None:
    np.random.seed(5)
    expected = np.random.rand(3).tolist()
    np.random.seed(5)
    classifier.fit(texts, labels)
    assert np.random.rand(3).tolist() == expected


def test_without_a_random_state_fits_differ(texts: Texts, labels: Texts) -> None:
    def fit() -> Any:
        unseeded = TextClassifier("mlp_classifier", epochs=1, embedding_width=8)
        return unseeded.fit(texts, labels).predict_proba(texts)

    assert fit().tobytes() != fit().tobytes()
