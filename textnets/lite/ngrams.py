"""The n-grams of texts, as a bag of them reads a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from textnets.lite.contents import Contents
from textnets.lite.encoders import read_cutter
from textnets.lite.unicode import Unicode
from textnets.text.ngrams import CutTexts, NgramFinder, Ngrams, are_ngrams
from textnets.text.vocabulary import Vocabulary


def read_ngrams(found: Mapping[str, Any], contents: Contents, unicode: Unicode) -> NgramFinder:
    """The n-grams that a file says are features, and what finds them."""
    words = Vocabulary(contents.texts(found["vocabulary"]))
    longer = np.array(contents.array(found["longer"]))
    if not are_ngrams(longer, len(words)):
        raise ValueError("its n-grams are not of its words")
    ngrams = Ngrams(words, longer, contents.texts(found["characters"]))
    cutter = read_cutter(found, contents, unicode, words)

    def tokenize(texts: Sequence[str]) -> CutTexts:
        places: dict[str, int] = {}
        flat, lengths, before = list[int](), list[int](), list[int]()
        for text in texts:
            tokens = cutter.whole(text)
            before.append(len(tokens))
            tokens = cutter.kept(tokens, cutter.settings.max_length)
            lengths.append(len(tokens))
            flat += [places.setdefault(token, len(places)) for token in tokens]
        spelled = [token.encode() for token in places]
        return CutTexts(
            spelled,
            np.array(flat, np.int64),
            np.array(lengths, np.int64),
            np.array(before, np.int64),
        )

    return NgramFinder(ngrams, tokenize)
