"""``TextClassifier``: one label a text, or several."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, column_or_1d

from textnets.data.values import checked_rows, checked_texts
from textnets.errors import InputError
from textnets.estimators.base import (
    RandomState,
    TextEstimator,
    check_lengths,
    with_full_signature,
)
from textnets.estimators.labels import Columns, label_sets, plain_label
from textnets.predictions import MULTI_LABEL_THRESHOLD, probabilities_of
from textnets.run.directory import Run
from textnets.tasks import AnyTask
from textnets.tasks.classification import LabeledTexts
from textnets.tasks.ensemble import first_of

# Kinds of label that come back from a run directory as what they were; others as text.
_KINDS: Mapping[str, type] = {"str": str, "int": int, "float": float, "bool": bool}
_KIND, _COLUMNS = "label_kind", "label_columns"  # in environment.json


@with_full_signature
class TextClassifier(ClassifierMixin, TextEstimator):  # type: ignore[misc]
    """Texts to labels, with a bag of n-grams, or a convolutional, recurrent, averaging or attending
    net.

    Every key of a classification recipe's ``text:``, ``model:`` and ``training:`` sections is a
    parameter, with the recipe's default: ``max_tokens``, ``units``, ``learning_rate``, ...;
    ``help(TextClassifier)`` lists them.

    Args:
        builder: ``ngram_bag_classifier``, ``cnn_classifier``, ``rnn_classifier``,
            ``mlp_classifier``, ``transformer_classifier``, ``encoder_classifier``, or a function
            of your own as ``"my_models:build_mine"``.
        random_state: seed of the weights, the order of batches and the validation share. The
            same number as a recipe's ``seed`` gives the same weights as that recipe.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        verbose: 1 shows progress on standard error.
        parameters: the rest, by name.

    Attributes:
        classes_: the labels, sorted; for multi-label the labels of each column.
        history_: one record an epoch, as in a run's ``history.jsonl``.
        n_iter_: how many epochs were trained.
        model_: the fitted ``keras.Model``.

    A share of the texts, ``validation`` (0.1), chooses the epoch whose weights are kept; with
    ``validation=None`` all texts train, and the last epoch's weights are kept.

    >>> texts = ["a fine film", "fine and clever", "a dull film", "dull and long"] * 5
    >>> labels = ["good", "good", "bad", "bad"] * 5
    >>> model = TextClassifier("mlp_classifier", epochs=30, learning_rate=0.05, random_state=1)
    >>> model.fit(texts, labels).predict(["clever film"]).tolist()
    ['good']

    There is no ``partial_fit``: a vocabulary is learned from all texts, and a word that comes
    later would have no vector. There is no ``decision_function``: a net's last layer gives
    probabilities, and their logarithm would say nothing new.
    """

    task_name = "classification"
    default_builder: ClassVar[str] = "cnn_classifier"
    _data_keys = ("validation", "multi_label")

    def __init__(
        self,
        builder: str = "cnn_classifier",
        *,
        random_state: RandomState = None,
        device: str = "auto",
        verbose: int = 0,
        **parameters: Any,
    ) -> None:
        self._store(builder, random_state, device, verbose, parameters)

    def fit(self, X: Sequence[str], y: Any, sample_weight: Any = None) -> Self:
        """Learn vocabulary and weights.

        Args:
            X: texts: a list, array or Series of strings.
            y: a label of any hashable kind for each; with ``multi_label=True`` a list or set of
                labels each, a matrix of 0 and 1, ``[texts, classes]`` (an array, a sparse matrix,
                or lists), a ``DataFrame`` of 0 and 1 with a column a label, or a dict of 0 and 1
                by label each.
            sample_weight: how much each text counts in the training loss, ``[texts]``; once each
                unless given.

        Raises:
            ValueError: the texts, the labels or a parameter are not what they should be.
        """
        texts = checked_texts(X)
        rows, columns = self._label_rows(y)
        check_lengths(texts, rows, "y")
        weights = _checked_weights(sample_weight, len(texts))
        classes = _sorted_labels(rows) if columns is None else _column_classes(columns)
        if len(classes) < 2:
            raise InputError(f"y: expected two or more classes, was: {len(classes)} class")
        names = _names_of(classes.tolist())
        if weights is not None:
            _check_weighted_classes(rows, weights)
        examples = LabeledTexts(
            texts, [tuple(names[label] for label in row) for row in rows], weights
        )
        kinds = {type(label).__name__ for label in classes.tolist()}
        kind = kinds.pop() if len(kinds) == 1 else ""
        notes = {_KIND: kind if kind in _KINDS else "str", _COLUMNS: columns}
        preprocessor: Any = self._fit(self._with_named_weights(names), examples, notes)
        self._set_classes(classes, names, first_of(preprocessor).labels, columns)
        return self

    def predict(self, X: Sequence[str]) -> Any:
        """The most probable label of each text; with ``multi_label=True`` those that are more
        probable than not.

        Returns:
            ``[texts]`` labels; for multi-label a list of tuples of labels, or a matrix of 0 and 1
            if one was fitted.
        """
        probabilities = self.predict_proba(X)
        if not self.multi_label:
            return self.classes_[probabilities.argmax(axis=1)]
        chosen = probabilities > MULTI_LABEL_THRESHOLD
        if self._is_matrix:
            return chosen.astype(np.int64)
        labels = self.classes_.tolist()
        return [tuple(labels[index] for index in np.flatnonzero(row)) for row in chosen]

    def predict_proba(self, X: Sequence[str]) -> npt.NDArray[np.float32]:
        """The probability of each label, in the order of ``classes_``.

        Returns:
            ``<float32>[texts, classes]``; rows sum to one unless ``multi_label=True``.
        """
        check_is_fitted(self)
        texts = checked_texts(X)
        if not texts:
            raise InputError("X is empty: 0 sample(s), while a minimum of 1 is required")
        preprocessor: Any = self._predictor.preprocessor
        outputs = self._predictor.outputs(preprocessor.encode_inputs(texts))
        probabilities = probabilities_of(outputs, len(first_of(preprocessor).labels))
        # A column of a matrix in which nothing was ever 1 is none that the model knows.
        never = np.zeros((len(texts), 1), np.float32)
        found: npt.NDArray[np.float32] = np.hstack([probabilities, never])[:, self._order]
        return found

    def score(self, X: Sequence[str], y: Any, sample_weight: Any = None) -> float:
        """Accuracy; with ``multi_label=True`` the share of texts whose labels are all right."""
        rows, _ = self._label_rows(y)
        predicted = self.predict(X)
        check_lengths(predicted, rows, "y")
        found: Any = predicted
        if not self.multi_label:
            found = [(label,) for label in predicted]
        elif self._is_matrix:
            labels = self.classes_.tolist()
            found = [[labels[place] for place in np.flatnonzero(row)] for row in predicted]
        right = [set(true) == set(labels) for true, labels in zip(rows, found, strict=True)]
        return float(np.average(right, weights=sample_weight))

    # --- Labels ---

    def _label_rows(self, y: Any) -> tuple[list[tuple[Hashable, ...]], Columns | None]:
        """The labels of each text, and, of a matrix of 0 and 1, its columns."""
        if self.multi_label:
            return label_sets(y)
        return [(label,) for label in _plain_labels(y)], None

    def _with_named_weights(self, names: Mapping[Hashable, str]) -> AnyTask:
        """The task, in whose ``class_weights`` labels have the names that the run gives them."""
        given = self.get_params()["class_weights"]
        if not isinstance(given, Mapping):
            return self._make_task()
        if unknown := [label for label in given if label not in names]:
            raise InputError(f"class_weights names a label that y lacks: {unknown[0]!r}")
        named = {names[label]: weight for label, weight in given.items()}
        return self._make_task(class_weights=named)

    def _set_classes(
        self,
        classes: npt.NDArray[Any],
        names: Mapping[Hashable, str],
        labels: Sequence[str],
        columns: Columns | None,
    ) -> None:
        """Set the classes, and which column of the model's answer is each: its columns are the
        run's labels, and after them one for what it does not know."""
        self.classes_, self._is_matrix = classes, columns is not None
        places = {name: index for index, name in enumerate(labels)}
        found = [places.get(names[label], len(labels)) for label in classes.tolist()]
        self._order = np.array(found)

    def _restore(self, preprocessor: Any, run: Run) -> None:
        preprocessor = first_of(preprocessor)
        kind, columns = run.environment.get(_KIND), run.environment.get(_COLUMNS)
        labels = [_of_kind(name, _KINDS.get(str(kind), str)) for name in preprocessor.labels]
        names = dict(zip(labels, preprocessor.labels, strict=True))
        classes = _sorted_labels([(label,) for label in labels])
        if isinstance(columns, int | list):
            classes = _column_classes(columns)
            names = {column: str(column) for column in classes.tolist()}
        self._set_classes(classes, names, preprocessor.labels, columns)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = bool(self.multi_label)
        return tags


def _plain_labels(y: Any) -> list[Hashable]:
    if y is None:
        raise InputError("requires y to be passed, but the target y is None")
    if hasattr(y, "toarray"):
        y = y.toarray()
    if getattr(y, "ndim", 1) == 2 and np.shape(y)[1] == 1:
        y = column_or_1d(y, warn=True)
    if getattr(y, "ndim", 1) == 2:
        raise InputError(
            f"y: expected one label a text, was: an array of shape {np.shape(y)}; multi_label=True "
            "takes a matrix of 0 and 1"
        )
    rows = checked_rows(y, "y", "labels")
    labels = [plain_label(label, index) for index, label in enumerate(rows)]
    if any(isinstance(label, float) for label in labels):
        check_classification_targets(np.asarray(labels))  # refuses what is continuous
    return labels


def _column_classes(columns: Columns) -> npt.NDArray[Any]:
    """The classes of a matrix: its columns by number, or by name."""
    return np.arange(columns) if isinstance(columns, int) else np.array(columns)


def _sorted_labels(rows: Sequence[Sequence[Hashable]]) -> npt.NDArray[Any]:
    """The different labels: ``[classes]``, of the labels' own type where NumPy has it."""
    labels = {label for row in rows for label in row}
    try:
        ordered = sorted(labels)  # type: ignore[type-var]
    except TypeError:
        ordered = sorted(labels, key=lambda label: (type(label).__name__, repr(label)))
    if len({type(label) for label in ordered}) == 1 and type(ordered[0]) in _KINDS.values():
        return np.array(ordered)
    found = np.empty(len(ordered), dtype=object)
    for index, label in enumerate(ordered):  # at once, tuples would become a table
        found[index] = label
    return found


def _names_of(labels: Sequence[Hashable]) -> dict[Hashable, str]:
    """How the run calls each label: as text where that tells all apart, else as Python has it."""
    texts = {label: str(label) for label in labels}
    if len(set(texts.values())) == len(texts):
        return texts
    return {label: f"{index} {label!r}" for index, label in enumerate(labels)}


def _of_kind(name: str, kind: type) -> Hashable:
    return name == "True" if kind is bool else kind(name)


def _checked_weights(sample_weight: Any, length: int) -> npt.NDArray[np.float32] | None:
    if sample_weight is None:
        return None
    try:
        weights = np.asarray(sample_weight, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("sample_weight: expected a number for each text") from None
    if weights.ndim != 1:
        raise InputError("sample_weight: Sample weights must be 1D array or scalar")
    if len(weights) != length:
        raise InputError(
            f"sample_weight.shape == {weights.shape}, expected {(length,)}: one weight a text"
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise InputError("sample_weight: expected finite weights that are 0 or more")
    if not weights.any():
        raise InputError("sample_weight: all are zero; at least one text must count")
    return weights.astype(np.float32)


def _check_weighted_classes(
    rows: Sequence[Sequence[Hashable]], weights: npt.NDArray[np.float32]
) -> None:
    counted = {label for row, weight in zip(rows, weights, strict=True) if weight for label in row}
    if len(counted) < 2:
        raise InputError(
            f"the weighted texts have {len(counted)} class; a classifier needs two or more"
        )
