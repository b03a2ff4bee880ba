"""A tagger's vocabularies, read from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from textnets.lite.contents import Contents
from textnets.text.vocabulary import Vocabulary
from textnets.text.word_columns import WordColumns
from textnets.text.word_encoder import WordEncoder
from textnets.text.word_features import SLOTS, Template, WordFeatures


def read_words(found: Mapping[str, Any], contents: Contents) -> WordEncoder:
    """Of what a file says of them."""
    features, columns = found.get("features"), found.get("columns")
    return WordEncoder(
        Vocabulary(contents.texts(found["words"])),
        Vocabulary(contents.texts(found["characters"])),
        None if features is None else _features(features, contents),
        str(found["normalize"]),
        bool(found["lowercase"]),
        int(found["max_word_length"]),
        None if columns is None else _columns(columns, contents),
    )


def _columns(found: Mapping[str, Any], contents: Contents) -> WordColumns:
    values = tuple(tuple(contents.texts(one)) for one in found["values"])
    if len(values) != len(found["names"]) or not values:
        raise ValueError("its columns have no values each")
    return WordColumns(tuple(map(str, found["names"])), values)


def _features(found: Mapping[str, Any], contents: Contents) -> WordFeatures:
    templates = tuple(map(Template.of_name, found["templates"]))
    named = {slot for template in templates for slot, _ in template.parts if slot not in SLOTS}
    further = sorted(named, key=lambda slot: int(slot.removeprefix("column")))
    values = {
        slot: {
            value: number for number, value in enumerate(contents.texts(found["values"][slot]), 2)
        }
        for slot in [*SLOTS, *further]
    }
    known = tuple(np.asarray(contents.array(name)) for name in found["known"])
    if len(known) != len(templates):
        raise ValueError("its features are not those of its templates")
    return WordFeatures(templates, values, known)
