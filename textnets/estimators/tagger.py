"""``TextTagger``: one tag a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Self

from textnets.data.sentences import Sentence
from textnets.data.values import checked_rows
from textnets.errors import InputError
from textnets.estimators.base import (
    RandomState,
    TextEstimator,
    check_lengths,
    with_full_signature,
)
from textnets.progress import Progress
from textnets.tasks.tagging import TaggedSentences


@with_full_signature
class TextTagger(TextEstimator):
    """Sentences, as lists of words, to one tag a word.

    Every key of a tagging recipe's ``text:``, ``model:`` and ``training:`` sections is a
    parameter, and so are ``spans`` and ``constrained``; ``help(TextTagger)`` lists them.

    Args:
        builder: ``rnn_tagger``, ``transformer_tagger``, ``feature_tagger``, or a function of
            your own as ``"my_models:build_mine"``.
        random_state: seed of the weights and of the order of batches.
        device: ``auto``, ``cpu``, ``gpu`` or ``gpu:N``.
        verbose: 1 shows progress on standard error.
        parameters: the rest, by name.

    Attributes:
        tags_: the tags, sorted.
        history_, n_iter_, model_: as in ``TextClassifier``.

    >>> sentences = [["the", "dog", "barks"], ["a", "cat", "sleeps"]] * 10
    >>> tags = [["DET", "NOUN", "VERB"]] * 20
    >>> tagger = TextTagger(units=[16], characters="none", epochs=8, learning_rate=0.05)
    >>> tagger.fit(sentences, tags).predict([["a", "dog", "sleeps"]])
    [['DET', 'NOUN', 'VERB']]
    """

    task_name = "tagging"
    default_builder: ClassVar[str] = "rnn_tagger"
    _data_keys = ("validation", "spans")

    def __init__(
        self,
        builder: str = "rnn_tagger",
        *,
        random_state: RandomState = None,
        device: str = "auto",
        verbose: int = 0,
        **parameters: Any,
    ) -> None:
        self._store(builder, random_state, device, verbose, parameters)

    def fit(self, X: Sequence[Sequence[str]], y: Sequence[Sequence[str]]) -> Self:
        """Learn vocabulary, tags and weights.

        Args:
            X: sentences, each a list of words; a blank inside of a word becomes ``_``.
            y: a list of tags for each sentence, one a word.

        Raises:
            ValueError: a sentence is a string, a tag is missing, or a parameter is wrong.
        """
        self._restore(self._fit(self._make_task(), _examples(X, y), {}), None)
        return self

    def predict(self, X: Sequence[Sequence[str]]) -> list[list[str]]:
        """The tags of each sentence, one a word."""
        predictor = self._predictor
        sentences = _sentences(X, "X", "words")
        texts = TaggedSentences.of(Sentence(tuple(words), ()) for words in sentences).texts
        return [list(found.tags) for found in predictor.predict(texts)]  # type: ignore[attr-defined]

    def score(self, X: Sequence[Sequence[str]], y: Sequence[Sequence[str]]) -> float:
        """The share of words whose tag is right; with ``spans=True`` the F1 of the spans."""
        predictor = self._predictor
        task: Any = predictor.task
        examples = task.converted(_examples(X, y), "y", Progress())
        evaluation = predictor.task.evaluation(predictor.preprocessor)
        evaluation.check(examples, "y")
        split, _ = predictor.preprocessor.encode(examples, Progress(), "")
        scores = evaluation.score(predictor.outputs(split), split)
        return float(scores[predictor.task.headline].value)

    def _restore(self, preprocessor: Any, run: Any) -> None:
        self.tags_ = list(preprocessor.labels)


def _examples(X: Any, y: Any) -> TaggedSentences:
    sentences, tags = _sentences(X, "X", "words"), _sentences(y, "y", "tags")
    check_lengths(sentences, tags, "y")
    for index, (words, row) in enumerate(zip(sentences, tags, strict=True)):
        if len(words) != len(row):
            raise InputError(
                f"y[{index}]: expected a tag for each of the {len(words)} words, was: {len(row)}"
            )
        if not words:
            raise InputError(f"X[{index}]: a sentence without words; drop it")
    return TaggedSentences.of(
        Sentence(tuple(words), tuple(row), origin=f"y[{index}]")
        for index, (words, row) in enumerate(zip(sentences, tags, strict=True))
    )


def _sentences(rows: Any, name: str, what: str) -> list[list[str]]:
    if rows is None:
        raise InputError(f"{name}: expected lists of {what}, was: None")
    found = []
    for index, row in enumerate(checked_rows(rows, name, f"sentences, each a list of {what}")):
        words = checked_rows(row, f"{name}[{index}]", what)
        for place, word in enumerate(words):
            if not isinstance(word, str):
                raise InputError(f"{name}[{index}][{place}]: expected a string, was: {word!r}")
            if what == "tags" and not word.strip():
                raise InputError(f"{name}[{index}][{place}]: the tag is empty, was: {word!r}")
        found.append([str(word) for word in words])
    return found
