"""Folders of tiny pretrained encoders, as model2vec saves them, with any tokenizer."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

WORDS = [
    "a", "account", "arrive", "arrived", "atm", "card", "cash", "change", "charged", "code",
    "do", "exchange", "find", "for", "from", "get", "have", "how", "i", "in", "is", "it",
    "lost", "made", "me", "my", "new", "not", "of", "on", "pin", "rate", "report", "stolen",
    "that", "the", "there", "to", "track", "transfer", "use", "want", "was", "what", "when",
    "where", "why", "will", "with", "yet", "you",
]  # fmt: skip
PIECES = ["##s", "##ed", "##ing", "##e", "##r", "##t", "##n", "'", "?", ",", "."]
LETTERS = list("abcdefghijklmnopqrstuvwxyz")


def wordpiece() -> Tokenizer:
    """As of BERT: special tokens around a text, which count for nothing, and ``[UNK]``."""
    known = dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *LETTERS, *WORDS, *PIECES])
    vocabulary = {token: number for number, token in enumerate(known)}
    made = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
    # What a file says of these is for the Transformer that it was made of.
    made.enable_padding(pad_id=0, pad_token="[PAD]", length=12)
    made.enable_truncation(5)
    return made


def unigram() -> Tokenizer:
    """As of T5 and XLM-R, with an unknown token that is known by its number."""
    pieces = ["<s>", "<unk>", *(f"▁{word}" for word in WORDS), "▁", *LETTERS, "ing", "ed", "?"]
    scores = [(piece, -1.0 - 0.1 * number) for number, piece in enumerate(pieces)]
    made = Tokenizer(models.Unigram(scores, unk_id=1))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    return made


def bpe() -> Tokenizer:
    """Of bytes, so that nothing is unknown."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("c", "a"), ("ca", "r"), ("car", "d"), ("m", "y"), ("Ġ", "my"), ("t", "h")]
    tokens = [*alphabet, *(one + other for one, other in merges)]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    made = Tokenizer(models.BPE(vocabulary, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


def words() -> Tokenizer:
    """Whole words, as of GloVe."""
    vocabulary = {word: number for number, word in enumerate(["<unk>", *WORDS])}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    made.normalizer = normalizers.Lowercase()
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return made


TOKENIZERS: Mapping[str, Callable[[], Tokenizer]] = {
    "wordpiece": wordpiece,
    "unigram": unigram,
    "bpe": bpe,
    "words": words,
}


def write_encoder(
    folder: Path,
    tokenizer: Tokenizer | None = None,
    *,
    width: int = 6,
    dtype: str = "float32",
    clusters: int | None = None,
    with_weights: bool = False,
    seed: int = 0,
    **config: Any,
) -> Path:
    """An encoder of random vectors.

    Args:
        folder: where it is written.
        tokenizer: that of :func:`wordpiece` by default.
        width: of its vectors.
        dtype: of the same.
        clusters: so many vectors, of which each token has one (a quantized vocabulary).
        with_weights: whether each token has a factor besides.
        seed: of the vectors.
        config: of ``config.json``.
    """
    tokenizer = tokenizer or wordpiece()
    random, count = np.random.default_rng(seed), tokenizer.get_vocab_size()
    rows = clusters or count
    tensors = {"embeddings": random.normal(size=(rows, width))}
    if dtype == "int8":
        tensors["embeddings"] = np.clip(tensors["embeddings"] * 40, -127, 127)
    tensors["embeddings"] = tensors["embeddings"].astype(dtype)
    if clusters is not None:
        tensors["mapping"] = random.integers(0, rows, count)
    if with_weights:
        tensors["weights"] = random.uniform(0.1, 2.0, count)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "config.json").write_text(json.dumps(config))
    return folder
