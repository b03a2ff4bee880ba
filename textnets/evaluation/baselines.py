"""What a model has to beat: a trivial and two strong linear text classifiers, and on request
those that textbooks compare.

``BASELINES`` and ``TEXTBOOK_BASELINES`` name them. Each learns from the training split and predicts
the test split; the kind of targets decides between one label (ids) and label sets (a table of
bools). Nothing is tuned.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textnets.errors import DataError
from textnets.evaluation.ngrams import Features, Ngrams, binarized

#: Label ids ``<int32>[examples]``, or label sets ``<bool>[examples, classes]``.
Targets = NDArray[np.int32] | NDArray[np.bool_]

#: What was predicted, and what with, in one line.
Answer = tuple[Targets, str]

#: Of n-grams, the training texts' targets and a seed.
Baseline = Callable[[Ngrams, Targets, int], Answer]

# Of NB-SVM: on validation splits of reviews, questions and intents no worse than 1, and quicker.
_NB_SVM_C = 0.1
_NB_SVM_BETA = 0.25  # Wang & Manning 2012

# The slow ones learn from so many texts at most, and boosting grows so many trees at most.
_MOST_TEXTS, _MOST_TREES, _MOST_ROUNDS = 20_000, 1_000, 100
_MOST_WORDS = 5_000  # of a random forest
_NEIGHBORS, _FOREST = 5, 100

_NO_TERM = "the most frequent target: the training texts hold no term"
_GAVE_UP = " (stopped before it converged)"


@dataclass(frozen=True)
class BaselineResult:
    """What a baseline predicted.

    Attributes:
        name: of the baseline.
        description: what was used, in one line.
        predicted: ``<int32>[examples]`` or ``<bool>[examples, classes]``, as the targets.
        seconds: to learn and to predict; what several read counts for the first of them.
    """

    name: str
    description: str
    predicted: Targets
    seconds: float


def run_baseline(name: str, ngrams: Ngrams, train_targets: Targets, *, seed: int) -> BaselineResult:
    """Learn from the training texts, and predict the test texts.

    Args:
        name: in ``BASELINES`` or ``TEXTBOOK_BASELINES``.
        ngrams: of both.
        train_targets: ``<int32>[examples]`` or ``<bool>[examples, classes]``.
        seed: of what is drawn.

    Raises:
        DataError: there is no training text.
    """
    started = time.perf_counter()
    if len(ngrams.train_texts) == 0:
        raise DataError("a baseline needs training texts: the training split is empty")
    if len(ngrams.train_texts) != len(train_targets):
        raise ValueError(
            f"{len(ngrams.train_texts)} training texts need as many targets, was: "
            f"{len(train_targets)}"
        )
    baseline = BASELINES.get(name) or TEXTBOOK_BASELINES[name]
    from threadpoolctl import threadpool_limits

    # Where other work runs, a library's threads wait for one another: many times slower.
    with threadpool_limits(1):
        predicted, description = baseline(ngrams, train_targets, seed)
    return BaselineResult(name, description, predicted, time.perf_counter() - started)


# --- Those that every run has ---


def majority(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """The most frequent label, or label set, for every text; ties go to the smallest id."""
    what = "label" if targets.ndim == 1 else "label set"
    return _most_frequent(targets, len(ngrams.test_texts)), f"the most frequent {what}"


def tfidf_svm(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """TF-IDF of n-grams and a linear support vector machine with C = 1.

    Bigrams and a linear classifier are hard to beat on text (Wang & Manning 2012,
    "Baselines and Bigrams"); character n-grams inside words help where texts are short
    and misspelt.
    """
    if ngrams.tfidf is None:
        return _without_terms(ngrams, targets)
    train, test = ngrams.tfidf.train, ngrams.tfidf.test
    notes = [""]

    def predict(targets: NDArray[Any]) -> NDArray[Any]:
        from sklearn.svm import LinearSVC

        classifier = LinearSVC(C=1.0, dual="auto", random_state=seed)
        notes.append(_fit(classifier, train, targets))
        found: NDArray[Any] = classifier.predict(test)
        return found

    predicted = _each_column(predict, targets, len(ngrams.test_texts))
    return predicted, f"{ngrams.tfidf.name}, linear SVM{max(notes)}"


def nb_svm(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """A linear support vector machine over naive Bayes' ratios (Wang & Manning 2012).

    Each n-gram that occurs counts as the logarithm of how much more frequent it is in a class
    than outside of it; the weights are drawn towards their mean size, which is naive Bayes. Of
    several classes one against the rest. Strong where opinions are short.
    """
    if ngrams.words is None:
        return _without_terms(ngrams, targets)
    train, test = binarized(ngrams.words.train), binarized(ngrams.words.test)
    notes = [""]

    def decide(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        from sklearn.svm import LinearSVC

        ratios = _log_count_ratios(train, inside)
        classifier = LinearSVC(C=_NB_SVM_C, dual="auto", random_state=seed)
        notes.append(_fit(classifier, _scaled(train, ratios), inside))
        weights = classifier.coef_[0]
        drawn = _NB_SVM_BETA * weights + (1.0 - _NB_SVM_BETA) * np.abs(weights).mean()
        found: NDArray[np.float64] = test @ (drawn * ratios) + classifier.intercept_[0]
        return found

    predicted = _one_against_the_rest(decide, targets, len(ngrams.test_texts))
    return predicted, f"naive Bayes' ratios of {ngrams.words.name}, linear SVM{max(notes)}"


# --- Those of textbooks ---


def naive_bayes(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """Multinomial naive Bayes of counts, one added to each."""
    if ngrams.words is None:
        return _without_terms(ngrams, targets)
    train, test = ngrams.words.train, ngrams.words.test

    def predict(targets: NDArray[Any]) -> NDArray[Any]:
        from sklearn.naive_bayes import MultinomialNB

        found: NDArray[Any] = MultinomialNB().fit(train, targets).predict(test)
        return found

    predicted = _each_column(predict, targets, len(ngrams.test_texts))
    return predicted, f"counts of {ngrams.words.name}, multinomial naive Bayes"


def logistic_regression(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """TF-IDF of n-grams and logistic regression with C = 10, one class against the rest."""
    if ngrams.tfidf is None:
        return _without_terms(ngrams, targets)
    train, test = ngrams.tfidf.train, ngrams.tfidf.test

    def decide(inside: NDArray[np.bool_]) -> NDArray[np.float64]:
        from sklearn.linear_model import LogisticRegression

        # Rows of length 1 are small for the default of 1, which hardly learns rare classes.
        classifier = LogisticRegression(C=10.0, solver="liblinear", random_state=seed)
        found: NDArray[np.float64] = classifier.fit(train, inside).decision_function(test)
        return found

    predicted = _one_against_the_rest(decide, targets, len(ngrams.test_texts))
    return predicted, f"{ngrams.tfidf.name}, logistic regression"


def nearest_neighbors(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """The most frequent label among the nearest training texts, by cosine."""

    def make() -> Any:
        from sklearn.neighbors import KNeighborsClassifier

        # Rows have length 1, so the nearest are those of the largest cosine.
        return KNeighborsClassifier(min(_NEIGHBORS, len(targets)))

    said = f"{_NEIGHBORS} nearest neighbors by cosine"

    return _slow(make, said, ngrams, ngrams.dense, targets, seed)


def random_forest(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """A forest over counts of the most frequent n-grams."""

    def make() -> Any:
        from sklearn.ensemble import RandomForestClassifier

        return RandomForestClassifier(_FOREST, random_state=seed)

    said = f"random forest of {_FOREST} trees"

    return _slow(make, said, ngrams, _most_frequent_terms(ngrams.words), targets, seed)


def gradient_boosting(ngrams: Ngrams, targets: Targets, seed: int) -> Answer:
    """Boosted trees over few dimensions: trees read no sparse rows quickly."""

    num_classes = len(np.unique(targets))
    trees_a_round = targets.shape[1] if targets.ndim == 2 else num_classes if num_classes > 2 else 1
    rounds = max(min(_MOST_ROUNDS, _MOST_TREES // max(trees_a_round, 1)), 1)

    def make() -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=rounds, early_stopping=False, random_state=seed
        )

    said = f"gradient boosting of {rounds} rounds"
    return _slow(make, said, ngrams, ngrams.dense, targets, seed)


#: What every run is compared with.
BASELINES: dict[str, Baseline] = {
    "majority": majority,
    "tfidf_svm": tfidf_svm,
    "nb_svm": nb_svm,
}

#: What it is compared with besides where a recipe asks for all.
TEXTBOOK_BASELINES: dict[str, Baseline] = {
    "naive_bayes": naive_bayes,
    "logistic_regression": logistic_regression,
    "nearest_neighbors": nearest_neighbors,
    "random_forest": random_forest,
    "gradient_boosting": gradient_boosting,
}


# --- Any kind of targets ---


def _most_frequent(targets: Targets, num_texts: int) -> Targets:
    """The most frequent target, repeated ``num_texts`` times."""
    values, counts = np.unique(targets, axis=0, return_counts=True)
    row = values[np.argmax(counts)]
    repeated: Targets = np.broadcast_to(row, (num_texts, *row.shape)).copy()
    return repeated


def _without_terms(ngrams: Ngrams, targets: Targets) -> Answer:
    return _most_frequent(targets, len(ngrams.test_texts)), _NO_TERM


def _each_column(
    predict: Callable[[NDArray[Any]], NDArray[Any]], targets: Targets, num_texts: int
) -> Targets:
    """Labels as a classifier gives them; label sets one label after the other.

    Classifiers of scikit-learn fail on targets that are all alike, or warn.
    """
    if targets.ndim == 1:
        if (targets == targets[0]).all():
            return _most_frequent(targets, num_texts)
        labels: NDArray[Any] = predict(targets).astype(targets.dtype)
        return labels
    sets = np.zeros((num_texts, targets.shape[1]), np.bool_)
    for column, found in enumerate(targets.T):
        sets[:, column] = _each_column(predict, found, num_texts)
    return sets


def _one_against_the_rest(
    decide: Callable[[NDArray[np.bool_]], NDArray[np.float64]], targets: Targets, num_texts: int
) -> Targets:
    """The label whose classifier is surest, the smaller id where two are; label sets one label
    after the other.

    Args:
        decide: learns ``<bool>[training texts]``, and says ``<float64>[num_texts]``, above 0 for
            yes.
        targets: of the training texts.
        num_texts: to predict.
    """
    classes = np.unique(targets)
    if targets.ndim == 2 or len(classes) <= 2:

        def predict(column: NDArray[Any]) -> NDArray[Any]:
            is_last = decide(column == classes[-1]) > 0.0
            found: NDArray[Any] = classes[is_last.astype(np.int64)]
            return found

        return _each_column(predict, targets, num_texts)
    surest = np.argmax([decide(targets == one) for one in classes], axis=0)
    labels: Targets = classes[surest]
    return labels


# --- Parts ---


def _fit(classifier: Any, features: Any, targets: NDArray[Any]) -> str:
    """A note where the solver gave up."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # said in the description instead
        classifier.fit(features, targets)
    return _GAVE_UP if classifier.n_iter_ >= classifier.max_iter else ""


def _log_count_ratios(present: Any, inside: NDArray[np.bool_]) -> NDArray[np.float64]:
    """How much more of a class's terms each term is than of the others', one added to each count.

    Args:
        present: ``[examples, terms]``, sparse, of 0 and 1.
        inside: ``<bool>[examples]``, of the class.

    Returns:
        ``<float64>[terms]``, a logarithm.
    """
    shares = []
    for side in (inside, ~inside):
        counts = side.astype(np.float64) @ present + 1.0
        shares.append(np.log(counts / counts.sum()))
    ratios: NDArray[np.float64] = shares[0] - shares[1]
    return ratios


def _scaled(present: Any, factors: NDArray[np.float64]) -> Any:
    """Each column times its factor; the places of the entries are shared, not copied."""
    from scipy.sparse import csr_matrix

    scaled = factors[present.indices]
    return csr_matrix((scaled, present.indices, present.indptr), shape=present.shape)


def _most_frequent_terms(counts: Features | None) -> Features | None:
    if counts is None or counts.train.shape[1] <= _MOST_WORDS:
        return counts
    frequency = np.bincount(counts.train.indices, minlength=counts.train.shape[1])
    kept = np.sort(np.argsort(-frequency, kind="stable")[:_MOST_WORDS])
    name = f"the {_MOST_WORDS:,} most frequent {counts.name}"
    return Features(name, counts.train[:, kept], counts.test[:, kept])


def _slow(
    make: Callable[[], Any],
    said: str,
    ngrams: Ngrams,
    features: Features | None,
    targets: Targets,
    seed: int,
) -> Answer:
    """A classifier whose cost grows with the number of texts: of many it learns from some.

    Args:
        make: the classifier.
        said: what it is.
        ngrams: of the texts.
        features: that it reads; ``None`` where there are no terms.
        targets: of the training texts.
        seed: of the choice of texts.
    """
    if features is None:
        return _without_terms(ngrams, targets)
    rows, note = np.arange(len(targets)), ""
    if len(rows) > _MOST_TEXTS:
        chosen = np.random.default_rng(seed).permutation(len(rows))[:_MOST_TEXTS]
        note = f" (of {_MOST_TEXTS:,} of the {len(rows):,} training texts)"
        rows = np.sort(chosen)
    learned, test = features.train[rows], features.test

    def predict(column: NDArray[Any]) -> NDArray[Any]:
        found: NDArray[Any] = make().fit(learned, column).predict(test)
        return found

    predicted = _each_column(predict, targets[rows], len(ngrams.test_texts))
    return predicted, f"{features.name}, {said}{note}"
