"""How many times longer the rules of a tokenizer's file can make a text, before it is tried.

Rules are no code, but twenty that each write ``aa`` for ``a`` make a million letters of one. The
bound is never too low: it takes for every rule the text that grows most.
"""

from __future__ import annotations

import base64
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

#: No tokenizer that anybody uses comes near: one that sets blanks around signs is at about 20.
MOST_GROWTH = 10_000
# What a rule of these kinds makes of a letter at most: U+FDFA is a sentence of 18 to NFKC, a byte
# level writes a letter for each of four bytes, and BERT sets blanks around ideographs.
_OF_KIND = {"NFC": 3, "NFD": 4, "NFKC": 18, "NFKD": 18, "ByteLevel": 4, "BertNormalizer": 12,
            "Lowercase": 3}  # fmt: skip


def growth_of(normalizer: Any) -> float:
    """A bound for how many times longer a normalizer makes a text.

    Args:
        normalizer: of a ``tokenizer.json``, which the tokenizers library has read.
    """
    # What becomes of a letter by the rules that follow; ``""`` stands for any other.
    lengths: defaultdict[str, float] = defaultdict(lambda: lengths[""], {"": 1.0})
    for rule in reversed(list(_rules(normalizer))):
        if rule.get("type") != "Replace":
            factor = _factor(rule)
            for letter in lengths:
                lengths[letter] *= factor
            continue
        written = math.fsum(lengths.get(letter, lengths[""]) for letter in rule["content"])
        found = rule["pattern"].get("String")
        if found:  # each place that it is found at begins with its first letter
            lengths[found[0]] = max(lengths.get(found[0], lengths[""]), written)
        else:  # an expression may be found between any two letters
            for letter in lengths:
                lengths[letter] += written
    return max(lengths.values())


def _rules(normalizer: Any) -> Iterator[Mapping[str, Any]]:
    """All of them, one after the other."""
    if isinstance(normalizer, Mapping):
        if normalizer.get("type") != "Sequence":
            yield normalizer
        for one in normalizer.get("normalizers", ()):
            yield from _rules(one)


def _factor(rule: Mapping[str, Any]) -> float:
    if rule.get("type") != "Precompiled":
        return _OF_KIND.get(str(rule.get("type")), 1)
    # Sentencepiece's map of characters: the size of a trie, the trie, and texts that end in 0.
    content = base64.b64decode(rule["precompiled_charsmap"])
    texts = content[4 + int.from_bytes(content[:4], "little") :]
    return max(1, *map(len, texts.split(b"\0")))
