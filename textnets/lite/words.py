"""A tagger's vocabularies, read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from textnets.lite.contents import Contents
from textnets.text.vocabulary import Vocabulary
from textnets.text.word_encoder import WordEncoder
from textnets.text.word_features import SLOTS, Template, WordFeatures


def read_words(found: Mapping[str, Any], contents: Contents) -> WordEncoder:
    """Of what a file says of them."""
    features = found.get("features")
    return WordEncoder(
        Vocabulary(contents.texts(found["words"])),
        Vocabulary(contents.texts(found["characters"])),
        None if features is None else _features(features, contents),
        str(found["normalize"]),
        bool(found["lowercase"]),
        int(found["max_word_length"]),
    )


def _features(found: Mapping[str, Any], contents: Contents) -> WordFeatures:
    values = {
        slot: {
            value: number for number, value in enumerate(contents.texts(found["values"][slot]), 2)
        }
        for slot in SLOTS
    }
    templates = tuple(map(Template.of_name, found["templates"]))
    known = tuple(np.asarray(contents.array(name)) for name in found["known"])
    if len(known) != len(templates):
        raise ValueError("its features are not those of its templates")
    return WordFeatures(templates, values, known)
