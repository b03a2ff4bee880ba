"""Tags that mark spans: whether a split's are of one scheme with those of training.

Each refusal says where the first tag stands that is not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from textnets.data.sentences import Sentence
from textnets.decoding.tags import breach_of, have_ends
from textnets.errors import DataError
from textnets.evaluation.tagging import are_span_tags

_OTHER_SCHEMES = {"BILOU": {"L": "E", "U": "S"}, "BMES": {"M": "I"}}
_TAG = re.compile(r"([LUM])-(.+)")


def check_span_tags(
    sentences: Sequence[Sentence], training_tags: Collection[str], *, constrained: bool
) -> None:
    """Refuse tags that would be scored as spans, and mark none.

    A type that training lacks is no fault: ``I-LST`` is read as any other span.

    Args:
        sentences: of one split.
        training_tags: those of the training split, which tell the scheme.
        constrained: whether the tags must keep all rules of the scheme.

    Raises:
        DataError: with the place of the first wrong tag.
    """
    with_ends = have_ends(training_tags)
    for where, tag in _places(sentences):
        if not are_span_tags([tag]):
            raise DataError(
                f"{where}: data.spans: true needs tags such as B-NP, I-NP and O, "
                f"was: {tag!r}{_hint(tag)}"
            )
        if have_ends([tag]) and not with_ends:
            raise DataError(
                f"{where}: this tag is of IOBES, and those of the training split are of IOB or "
                f"IOB2, was: {tag!r}{_read_as(tag)}; write I- for E-, and B- for S-"
            )
    if with_ends and not have_ends(tag for _, tag in _places(sentences)):
        _refuse_spans(sentences)
    if constrained:
        _check_rules(sentences, with_ends)


def _read_as(tag: str) -> str:
    """What may stand in the file: :func:`as_iobes` changed it."""
    return {"E": " (or L- of BILOU, which is read so)", "S": " (or U- of BILOU, which is read so)"}[
        tag[0]
    ]


def _refuse_spans(sentences: Sequence[Sentence]) -> None:
    """No span of IOBES lacks an end, so where none has one they are of another scheme."""
    for where, tag in _places(sentences):
        if tag != "O":
            raise DataError(
                f"{where}: this tag is of IOB or IOB2, as no tag of the split begins with E- or "
                f"S-, and those of the training split are of IOBES, was: {tag!r}; end each span "
                "with E-, and write S- for a span of one word"
            )


def _check_rules(sentences: Sequence[Sentence], with_ends: bool) -> None:
    for number, sentence in enumerate(sentences, start=1):
        breach = breach_of(sentence.tags, with_ends)
        if breach is not None:
            place, words = breach
            raise DataError(
                f"{sentence.where(min(place, len(sentence.tags) - 1))}: sentence {number} has "
                f"{words}, which evaluation.constrained: true forbids; set it to false, or write "
                f"the tags in {'IOBES' if with_ends else 'IOB2'}"
            )


def as_iobes(sentences: Sequence[Sentence]) -> tuple[list[Sentence], str]:
    """Sentences whose tags are of BILOU or BMES with those of IOBES, and the scheme that they
    were in; ``""`` where there is nothing to change."""
    letters = {tag[0] for sentence in sentences for tag in sentence.tags if _TAG.fullmatch(tag)}
    for scheme, changed in _OTHER_SCHEMES.items():
        if letters and letters <= set(changed):
            return [
                replace(sentence, tags=tuple(_renamed(tag, changed) for tag in sentence.tags))
                for sentence in sentences
            ], scheme
    return list(sentences), ""


def _renamed(tag: str, changed: Mapping[str, str]) -> str:
    found = _TAG.fullmatch(tag)
    return f"{changed[found[1]]}-{found[2]}" if found and found[1] in changed else tag


def _places(sentences: Sequence[Sentence]) -> Iterator[tuple[str, str]]:
    """The place of each distinct tag's first appearance, and the tag."""
    seen = set[str]()
    for sentence in sentences:
        for place, tag in enumerate(sentence.tags):
            if tag not in seen:
                seen.add(tag)
                yield sentence.where(place), tag


def _hint(tag: str) -> str:
    if tag in ("0", "o"):
        return "; did you mean the letter 'O'?"
    if _TAG.fullmatch(tag):
        return "; the tags mix BILOU (L-, U-) and BMES (M-)"
    return ""
