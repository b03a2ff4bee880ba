"""Tokens and vectors of a pretrained encoder: those that model2vec has for the same folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model2vec import StaticModel
from tokenizers import Tokenizer, models

from tests.encoder_folders import TOKENIZERS, WORDS, bpe, wordpiece, words, write_encoder
from textnets.errors import DataError, RunError
from textnets.progress import Progress
from textnets.text.encoder_folder import EncoderFolder
from textnets.text.encoder_tokens import SETTINGS_FILE, EncoderSettings, EncoderTokens
from textnets.text.vocabulary import Vocabulary

# Each trap of a folder at least once: what is not said, said, cut, weighted, quantized, rounded.
FOLDERS: dict[str, dict[str, Any]] = {
    "wordpiece": {},
    "wordpiece-unit": {"normalize": True, "max_length": 4},
    "wordpiece-quantized": {"clusters": 7, "with_weights": True, "normalize": True},
    "unigram": {"with_weights": True, "max_length": None},
    "unigram-int8": {"dtype": "int8", "normalize": True, "max_length": 1},
    "bpe-float16": {"dtype": "float16", "max_length": 9},
    "bpe-float64": {"dtype": "float64", "clusters": 3, "normalize": False},
    "words": {"normalize": True, "seq_length": 3, "hidden_dim": 99},
}
SOME = st.one_of(
    st.text(max_size=40),
    st.lists(
        st.sampled_from([*WORDS, "Cards", "[UNK]", "[CLS]", "<unk>", "é", "?", "zzz", "\n"])
    ).map(" ".join),
)


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, tuple[EncoderFolder, StaticModel]]:
    found = {}
    for name, settings_of in FOLDERS.items():
        tokenizer, folder = TOKENIZERS[name.partition("-")[0]](), tmp_path_factory.mktemp(name)
        write_encoder(folder, tokenizer, seed=len(name), **settings_of)
        found[name] = EncoderFolder.read(folder), StaticModel.from_pretrained(folder)
    return found


def vectors_of(encoder: EncoderFolder, texts: list[str]) -> np.ndarray:
    """What the model's first layers compute, in NumPy."""
    ids, table = encoder.tokens.encode(texts), encoder.vectors()
    means = np.stack([table[ids.row(index)].mean(axis=0) for index in range(len(texts))])
    if not encoder.tokens.settings.unit_length:
        return means
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)


@settings(max_examples=60)
@given(texts=st.lists(SOME, min_size=1, max_size=6), name=st.sampled_from(sorted(FOLDERS)))
def test_any_text_has_the_vector_that_model2vec_gives_it(encoders, texts, name):
    encoder, theirs = encoders[name]
    expected = theirs.encode(texts).astype(np.float32)
    loose = 2e-3 if FOLDERS[name].get("dtype") == "float16" else 1e-5
    scale = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(vectors_of(encoder, texts), expected, atol=loose * scale)


def test_a_recipes_max_length_is_that_of_encode(encoders, tmp_path):
    texts = ["why was my card charged", "how do i change my pin when it is stolen"]
    folder = write_encoder(tmp_path / "e", normalize=True, seed=3)
    expected = StaticModel.from_pretrained(folder).encode(texts, max_length=3)
    found = vectors_of(EncoderFolder.read(folder, max_length=3), texts)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_ids_are_those_of_the_encoder_after_the_special_ones_without_unknown_tokens(tmp_path):
    tokens = EncoderFolder.read(write_encoder(tmp_path / "e", words())).tokens
    first = 4 + 1  # after "<unk>", which has a row and is never an id
    by_word = {word: number for number, word in enumerate(WORDS, first)}
    found = tokens.encode(["My card zzz", "zzz", "", "a\ud800 card"])
    rows = [found.row(index).tolist() for index in range(4)]
    assert rows == [[by_word["my"], by_word["card"]], [1], [1], [by_word["a"], by_word["card"]]]
    assert [[one.text for one in row] for row in tokens.tokens(["My card", ""])] == [
        ["my", "card"],
        [""],
    ]


def test_what_encoding_did_is_counted(tmp_path):
    tokens = EncoderFolder.read(write_encoder(tmp_path / "e", words(), max_length=2)).tokens
    # Tokens have a median of four letters: of the first text "my lost " is read.
    found, coverage = tokens.encode_measured(["my lost card", "zzz is", "", "in"])
    assert found.lengths.tolist() == [2, 1, 1, 1]
    assert (coverage.texts, coverage.empty, coverage.truncated) == (4, 1, 1)
    assert (coverage.tokens, coverage.unknown, coverage.longest) == (5, 1, 2)


def test_texts_that_the_encoder_does_not_know_are_told_of_once(tmp_path):
    lines: list[str] = []

    class Heard(Progress):
        def warn(self, message: str) -> None:
            lines.append(message)

    tokens = EncoderFolder.read(write_encoder(tmp_path / "e", words())).tokens
    heard = Heard()
    tokens.encode_measured(["мой кард потерян"] * 20, progress=heard, label="encoding train")
    tokens.encode_measured(["мой кард потерян"] * 20, progress=heard, label="encoding test")
    (line,) = lines
    assert line.startswith("train: 100% of the tokens are none that the encoder knows")


def test_merges_that_are_left_out_at_random_in_training_are_made(tmp_path):
    tokenizer = bpe()
    plain = EncoderFolder.read(write_encoder(tmp_path / "plain", tokenizer)).tokens
    tokenizer.model.dropout = 0.5
    random = EncoderFolder.read(write_encoder(tmp_path / "random", tokenizer)).tokens
    texts = ["my card my card my card"] * 20
    np.testing.assert_array_equal(random.encode(texts).ids, plain.encode(texts).ids)


def test_a_tokenizer_that_fails_on_every_other_word_is_refused(tmp_path):
    without = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="[UNK]"))
    folder = write_encoder(tmp_path / "e", without)
    with pytest.raises(DataError, match=r"tokenizer.json: is no tokenizer that can be used: .*UNK"):
        EncoderFolder.read(folder)


# --- In a run ---


def saved(folder: Path) -> tuple[EncoderSettings, Vocabulary]:
    encoder = EncoderFolder.read(write_encoder(folder / "e", max_length=7))
    encoder.tokens.save(folder)
    return encoder.tokens.settings, encoder.tokens.vocabulary


def test_what_a_run_keeps_encodes_alike(tmp_path):
    settings_of, vocabulary = saved(tmp_path)
    assert json.loads((tmp_path / SETTINGS_FILE).read_text())["max_length"] == 7
    loaded = EncoderTokens.load(tmp_path, settings_of, vocabulary, None)
    texts = ["my cards", "", "Where is it?"]
    before = EncoderFolder.read(tmp_path / "e").tokens.encode(texts)
    np.testing.assert_array_equal(loaded.encode(texts).ids, before.ids)


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff\xfe", b"[" * 10_000])
def test_a_damaged_tokenizer_of_a_run_is_refused(tmp_path, content):
    settings_of, vocabulary = saved(tmp_path)
    (tmp_path / "tokenizer.json").write_bytes(content)
    with pytest.raises(RunError, match="cannot be read as the tokenizer of a run"):
        EncoderTokens.load(tmp_path, settings_of, vocabulary, None)


def test_a_tokenizer_of_other_tokens_than_the_runs_vocabulary_is_refused(tmp_path):
    settings_of, vocabulary = saved(tmp_path)
    other = wordpiece()
    other.add_tokens(["zzz"])
    other.save(str(tmp_path / "tokenizer.json"))
    with pytest.raises(RunError, match=r"has other tokens than vocabulary\.txt"):
        EncoderTokens.load(tmp_path, settings_of, vocabulary, None)
