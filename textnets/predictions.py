"""What models say of texts, as people and programs are told it: with NumPy's results alone.

The same for a run and for what was made of it, see :mod:`textnets.lite`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from textnets.progress import one_line, printable

MULTI_LABEL_THRESHOLD = 0.5
#: Of the texts that an export is tried with, every eighth is also written on, by a language model.
CONTINUED_EVERY = 8
_LEAST = 1e-7  # of a probability, before its logarithm is taken


@dataclass(frozen=True)
class Figures:
    """What a prediction is made of, to compare it with another form of the same model.

    Attributes:
        fixed: what every form must say alike.
        numbers: what may differ by the error of floats.
        choices: what was chosen by such numbers, in its order.
        of_choices: the numbers of each choice; by the first of them it was chosen. Where two were
            equally good, the other may be chosen.
        is_sequence: whether each choice rests on those before it.
    """

    fixed: Sequence[str] = ()
    numbers: Sequence[float] = ()
    choices: Sequence[str] = ()
    of_choices: Sequence[Sequence[float]] = ()
    is_sequence: bool = False

    def difference(self, other: Figures) -> float:
        """The largest between two numbers of both, of large ones as a share of them: a sum of a
        thousand logarithms has no more digits. Infinite where something else differs."""
        sizes = (len(self.numbers), len(self.choices))
        same_size = sizes == (len(other.numbers), len(other.choices))
        if not same_size and not (self.is_sequence and len(self.numbers) == len(other.numbers)):
            return math.inf
        if list(self.fixed) != list(other.fixed):
            return math.inf
        pairs = list(zip(self.numbers, other.numbers, strict=True))
        ours = zip(self.choices, self.of_choices, strict=True)
        theirs = zip(other.choices, other.of_choices, strict=True)
        is_tie = False
        for (one, of_one), (two, of_two) in zip(ours, theirs, strict=False):
            if one == two and len(of_one) != len(of_two):
                return math.inf
            pairs += zip(of_one, of_two, strict=True) if one == two else [(of_one[0], of_two[0])]
            if one != two and self.is_sequence:
                is_tie = True
                break
        if not same_size and not is_tie:
            return math.inf
        differences = [abs(one - two) / max(1.0, abs(two)) for one, two in pairs]
        if not all(math.isfinite(one) for one in differences):
            return math.inf
        return max(differences, default=0.0)


class Prediction(ABC):
    """What a model says of one text."""

    #: What of :meth:`as_json` there is one of for each class or token: a file of many texts has
    #: it where it is asked for.
    details: ClassVar[tuple[str, ...]] = ("probabilities",)
    #: What a request may say of the answer besides the texts: keys of
    #: :class:`textnets.serving.requests.PredictRequest`.
    wishes: ClassVar[frozenset[str]] = frozenset()

    text: str

    @abstractmethod
    def as_fields(self) -> dict[str, Any]:
        """Flat fields, for csv and predictions files."""

    def as_json(self) -> dict[str, Any]:
        """All there is to say, for jsonl."""
        return self.as_fields()

    @abstractmethod
    def as_line(self) -> str:
        """One line for a person."""

    @abstractmethod
    def figures(self) -> Figures:
        """All that it is made of, unrounded."""

    def without_attention(self) -> Prediction:
        """As a form of the model says it that tells no attention."""
        return self


@dataclass(frozen=True)
class ClassPrediction(Prediction):
    """The label, or labels, of one text.

    Attributes:
        text: as given.
        labels: one label, or in multi-label those above a half.
        probability: of the label; in multi-label of the least sure of the labels.
        probabilities: of every class.
        separator: between several labels in one cell; ``None`` where there is only one.
    """

    wishes: ClassVar[frozenset[str]] = frozenset({"top"})

    text: str
    labels: Sequence[str]
    probability: float
    probabilities: Mapping[str, float]
    separator: str | None = None

    def as_fields(self) -> dict[str, Any]:
        return {"label": joined_labels(self.labels, self.separator), **self._figures()}

    def as_json(self) -> dict[str, Any]:
        rounded = {name: round(value, 6) for name, value in self.probabilities.items()}
        named = {"label": self.labels[0]} if self.separator is None else {"labels": self.labels}
        return {"text": self.text, **named, **self._figures(), "probabilities": rounded}

    def as_line(self) -> str:
        label = joined_labels(self.labels, self.separator) or "(none)"
        return f"{printable(label)}\t{self.probability:.3f}\t{one_line(self.text)}"

    def _figures(self) -> dict[str, float]:
        return {"probability": round(self.probability, 6)}

    def figures(self) -> Figures:
        of_labels = [[self.probabilities[label]] for label in self.labels]
        return Figures(
            fixed=list(self.probabilities),
            numbers=list(self.probabilities.values()),
            # In multi-label a probability of a half may be counted or not.
            choices=self.labels if self.separator is None else (),
            of_choices=of_labels if self.separator is None else (),
        )


def class_predictions(
    texts: Sequence[str],
    outputs: npt.NDArray[np.float32],
    labels: Sequence[str],
    separator: str | None,
) -> list[ClassPrediction]:
    """What a classifier's outputs say of texts.

    Args:
        texts: as given.
        outputs: ``<float32>[texts, classes]``; of two classes perhaps only that of the second.
        labels: of the classes.
        separator: of labels in one cell, in multi-label; else ``None``.
    """
    predictions = []
    for text, row in zip(texts, probabilities_of(outputs, len(labels)).tolist(), strict=True):
        if separator is None:
            chosen = [max(range(len(row)), key=row.__getitem__)]
        else:
            chosen = [index for index, value in enumerate(row) if value > MULTI_LABEL_THRESHOLD]
        predictions.append(
            ClassPrediction(
                text=text,
                labels=tuple(labels[index] for index in chosen),
                probability=min((row[index] for index in chosen), default=1.0 - max(row)),
                probabilities=dict(zip(labels, row, strict=True)),
                separator=separator,
            )
        )
    return predictions


def probabilities_of(outputs: npt.NDArray[np.float32], num_classes: int) -> npt.NDArray[np.float32]:
    """``<float32>[examples, classes]``; a binary head gives only that of class 1."""
    if outputs.shape[1] == 1 and num_classes == 2:
        return np.concatenate([1.0 - outputs, outputs], axis=1)
    return outputs


def mix_classes(
    outputs: Sequence[npt.NDArray[np.float32]], weights: Sequence[float], *, independent: bool
) -> npt.NDArray[np.float32]:
    """What several classifiers say together: by the mean of the logarithms of the probabilities, so
    that who is sure weighs more (Hinton 2002: a product of experts).

    Args:
        outputs: ``<float32>[examples, classes]`` of each.
        weights: of each; they sum to 1.
        independent: whether the classes do not exclude one another.
    """
    known = [np.clip(found.astype(np.float64), _LEAST, 1.0 - _LEAST) for found in outputs]
    if independent or known[0].shape[1] == 1:
        logits = [np.log(found) - np.log1p(-found) for found in known]
        total = np.sum([w * one for w, one in zip(weights, logits, strict=True)], axis=0)
        return np.asarray(1.0 / (1.0 + np.exp(-total)), np.float32)
    total = np.sum([w * np.log(one) for w, one in zip(weights, known, strict=True)], axis=0)
    likely = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(likely / likely.sum(axis=1, keepdims=True), np.float32)


def joined_labels(labels: Sequence[str], separator: str | None) -> str:
    """Labels in one cell."""
    return (separator or "").join(labels)


@dataclass(frozen=True)
class TaggedText(Prediction):
    """A text with a tag for each of its words.

    Attributes:
        text: as given.
        tokens: its words.
        tags: one a word.
        probabilities: of each tag.
    """

    details: ClassVar[tuple[str, ...]] = ("tokens", "probabilities")

    text: str
    tokens: Sequence[str]
    tags: Sequence[str]
    probabilities: Sequence[float]

    def as_fields(self) -> dict[str, Any]:
        return {"tags": " ".join(self.tags)}

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "tokens": list(self.tokens),
            "tags": list(self.tags),
            "probabilities": [round(value, 6) for value in self.probabilities],
        }

    def as_line(self) -> str:
        pairs = zip(self.tokens, self.tags, strict=True)
        return printable(" ".join(f"{token}/{tag}" for token, tag in pairs))

    def figures(self) -> Figures:
        return Figures(
            fixed=self.tokens,
            choices=self.tags,
            of_choices=[[probability] for probability in self.probabilities],
        )


def tagged_text(
    text: str,
    probabilities: npt.NDArray[np.float32],
    tags: npt.NDArray[np.int32],
    labels: Sequence[str],
) -> TaggedText:
    """What a tagger's outputs say of one text.

    Args:
        text: as given.
        probabilities: ``<float32>[words, tags]``.
        tags: ``<int32>[words]``, the chosen ones.
        labels: the names of the tags.
    """
    tokens = text.split()
    if not tokens and text == "" and len(tags) > 1:  # stored ids, whose texts are not here
        tokens = ["_"] * len(tags)
    chosen = probabilities[np.arange(len(tags)), tags]
    return TaggedText(
        text=text,
        tokens=tokens,
        tags=[labels[tag] for tag in tags[: len(tokens)].tolist()],
        probabilities=chosen[: len(tokens)].tolist(),
    )


@dataclass(frozen=True)
class Alternative:
    """One of the translations of a text.

    Attributes:
        text: the translation.
        score: what the translations are ranked by, see ``evaluation.length_penalty``.
        log_probability: in nats.
        tokens: of the translation, ``[EOS]`` last, where attention was asked for.
        attention: for each of the tokens, its weights over the source's.
    """

    text: str
    score: float
    log_probability: float
    tokens: Sequence[str] = ()
    attention: Sequence[Sequence[float]] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain data."""
        found: dict[str, Any] = {
            "translation": self.text,
            "score": round(self.score, 6),
            "log_probability": round(self.log_probability, 6),
        }
        if self.tokens:
            rounded = [[round(weight, 4) for weight in row] for row in self.attention]
            found |= {"tokens": list(self.tokens), "attention": rounded}
        return found


@dataclass(frozen=True)
class Translation(Prediction):
    """A text's translations, best first.

    Attributes:
        text: as given.
        alternatives: as many as ``evaluation.n_best`` asks for.
        source_tokens: of the text, where attention was asked for.
    """

    wishes: ClassVar[frozenset[str]] = frozenset({"n_best", "attention"})

    text: str
    alternatives: Sequence[Alternative]
    source_tokens: Sequence[str] = ()

    @property
    def translation(self) -> str:
        """The best one."""
        return self.alternatives[0].text

    def without_attention(self) -> Translation:
        """The same where nobody asked for it."""
        plain = [replace(one, tokens=(), attention=()) for one in self.alternatives]
        return replace(self, alternatives=plain, source_tokens=())

    def as_fields(self) -> dict[str, Any]:
        return {"translation": self.translation, "score": round(self.alternatives[0].score, 6)}

    def as_json(self) -> dict[str, Any]:
        best, *others = (one.as_json() for one in self.alternatives)
        found = {"text": self.text, **best}
        if self.source_tokens:
            found["source_tokens"] = list(self.source_tokens)
        if others:
            found["others"] = others
        return found

    def as_line(self) -> str:
        if len(self.alternatives) == 1:
            return printable(self.translation)
        return "\n".join(f"{one.score:.3f}\t{printable(one.text)}" for one in self.alternatives)

    def figures(self) -> Figures:
        return Figures(
            fixed=self.source_tokens,
            choices=[one.text for one in self.alternatives],
            of_choices=[
                [one.score, one.log_probability, *(w for row in one.attention for w in row)]
                for one in self.alternatives
            ],
        )


def perplexity(mean: float) -> float:
    """Of a mean surprisal in nats; infinite where it overflows."""
    return math.exp(mean) if mean < 700.0 else math.inf


@dataclass(frozen=True)
class ScoredText(Prediction):
    """How probable a text is.

    Attributes:
        text: as given.
        tokens: those that were scored, as the model sees them.
        surprisals: of each, in nats: minus the logarithm of its probability.
        unknown: which of them are ``[UNK]``, whose probability is not the word's own.
    """

    text: str
    tokens: Sequence[str]
    surprisals: Sequence[float]
    unknown: Sequence[bool] = ()

    @property
    def log_probability(self) -> float:
        """Of the whole text, in nats."""
        return 0.0 - math.fsum(self.surprisals)

    @property
    def perplexity(self) -> float:
        """Per token; 1 where there is none."""
        return perplexity(-self.log_probability / max(len(self.surprisals), 1))

    @property
    def unknown_share(self) -> float:
        """Of the tokens; 0 where there is none."""
        return sum(self.unknown) / max(len(self.unknown), 1)

    def as_fields(self) -> dict[str, Any]:
        return {
            "log_probability": round(self.log_probability, 4),
            "tokens": len(self.surprisals),
            "perplexity": round(self.perplexity, 4),
            "unknown_share": round(self.unknown_share, 4),
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "log_probability": round(self.log_probability, 6),
            "perplexity": round(self.perplexity, 6),
            "unknown_share": round(self.unknown_share, 6),
            "tokens": list(self.tokens),
            "surprisals": [round(value, 6) for value in self.surprisals],
            "unknown": list(self.unknown),
        }

    def as_line(self) -> str:
        shown = one_line(self.text)
        figures = (self.log_probability, self.perplexity, self.unknown_share)
        return "\t".join([*(f"{figure:.3f}" for figure in figures), shown])

    def figures(self) -> Figures:
        marks = [
            f"{token}{' [UNK]' if one else ''}"
            for token, one in zip(self.tokens, self.unknown, strict=True)
        ]
        return Figures(fixed=marks, numbers=self.surprisals)


@dataclass(frozen=True)
class Choice:
    """A token that was written.

    Attributes:
        token: its text.
        probability: what the model gave it, whatever the temperature.
        alternatives: the most likely tokens at its place and their probabilities.
    """

    token: str
    probability: float
    alternatives: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True)
class WrittenText(Prediction):
    """A prompt and what the model wrote after it.

    Attributes:
        text: the prompt, as given.
        continued: the prompt with its continuation.
        choices: each token of the continuation.
    """

    details: ClassVar[tuple[str, ...]] = ("tokens", "probabilities", "alternatives")
    wishes: ClassVar[frozenset[str]] = frozenset(
        {"length", "temperature", "top_k", "top_p", "seed", "alternatives", "stream"}
    )

    text: str
    continued: str
    choices: Sequence[Choice]

    def as_fields(self) -> dict[str, Any]:
        return {"continued": self.continued}

    def as_json(self) -> dict[str, Any]:
        content: dict[str, Any] = {
            "text": self.text,
            "continued": self.continued,
            "tokens": [choice.token for choice in self.choices],
            "probabilities": [round(choice.probability, 6) for choice in self.choices],
        }
        if any(choice.alternatives for choice in self.choices):
            content["alternatives"] = [
                {token: round(value, 6) for token, value in choice.alternatives}
                for choice in self.choices
            ]
        return content

    def as_line(self) -> str:
        return one_line(self.continued)

    def last_token(self) -> dict[str, Any]:
        """Of a text that is being written the last token, and all so far: a line of a stream."""
        one = self.choices[-1]
        return {
            "token": one.token,
            "probability": round(one.probability, 6),
            "alternatives": [[token, round(value, 6)] for token, value in one.alternatives],
            "continued": self.continued,
        }

    def figures(self) -> Figures:
        return Figures(
            choices=[choice.token for choice in self.choices],
            of_choices=[
                [choice.probability, *(share for _, share in choice.alternatives)]
                for choice in self.choices
            ],
            is_sequence=True,
        )
