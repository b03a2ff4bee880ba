"""Texts that a run and what was made of it are both asked about: the run's own, short and long."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from textnets.errors import TextnetsError
from textnets.export.subject import Subject
from textnets.progress import Progress
from textnets.run.files import read_text
from textnets.run.layout import PREDICTIONS_FOLDER
from textnets.tasks.ensemble import first_of

_COUNT = 64  # besides the two below
_LONG = 500  # tokens
_READ = 20_000  # texts at most, of which some are chosen


def questions_of(subject: Subject) -> list[str]:
    """64 texts of the run's own data of mixed lengths, an empty one, and one of 500 tokens.

    The texts are those that the run keeps in ``predictions/``, or those of its data; where neither
    is there any more, such as its vocabulary makes.
    """
    texts = _some(_own_texts(subject))
    return [*texts, "", _long_text(subject, texts)]


def _own_texts(subject: Subject) -> list[str]:
    for found in (_kept_texts(subject.run.folder), _data_texts(subject)):
        texts = list(dict.fromkeys(text for text in found if text.strip()))
        if texts:
            return texts
    return _made_texts(subject)


def _kept_texts(run: Path) -> Iterator[str]:
    """The texts of the split that chose the weights before those of the test split."""
    names = sorted(
        (run / PREDICTIONS_FOLDER).glob("*.jsonl"), key=lambda path: path.name != "validation.jsonl"
    )
    for path in names[:1]:
        for line in read_text(path).splitlines()[:_READ]:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and isinstance(found.get("text"), str):
                yield found["text"]


def _data_texts(subject: Subject) -> Iterable[str]:
    """Of the training split, where its files are still found."""
    task = subject.task
    try:
        files = task.find_files(Progress(), download=False)
        splits = task.read_splits(files, Progress())
    except (TextnetsError, OSError):
        return []
    texts: Iterable[str] = list(splits["train"].texts)[:_READ]
    return texts


def _made_texts(subject: Subject) -> list[str]:
    """Texts of the most frequent tokens, from one to many."""
    preprocessor = first_of(subject.predictor.preprocessor)
    _, vocabulary = next(iter(preprocessor.vector_tables.values()))
    words = [word for word in vocabulary.ordinary_tokens if word.strip()][:1000] or ["a"]
    return [
        preprocessor.text_of(
            [words[(7 * number + place) % len(words)] for place in range(1 + number % 40)]
        )
        for number in range(_COUNT)
    ]


def _some(texts: Sequence[str]) -> list[str]:
    """Evenly from the shortest to the longest; the same text again where there are too few."""
    ordered = sorted(texts, key=lambda text: (len(text), text))
    places = [round(number * (len(ordered) - 1) / (_COUNT - 1)) for number in range(_COUNT)]
    return [ordered[place] for place in places]


def _long_text(subject: Subject, texts: Sequence[str]) -> str:
    """About 500 tokens of the model's own."""
    preprocessor = first_of(subject.predictor.preprocessor)
    long = " ".join(" ".join(text.split()) for text in texts)
    long = " ".join([long] * (1 + _LONG // max(1, len(long.split()))))
    words = long.split()[:_LONG]
    has_characters = subject.task.recipe.text.__dict__.get("tokenizer") == "characters"
    found = " ".join(words)
    return found[:_LONG] if has_characters and preprocessor is not None else found
