"""``textnets export --to savedmodel``: what TensorFlow answers without textnets."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import chdir
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import textnets
from tests.cli.conftest import refuse, succeed
from tests.export.conftest import Exported
from textnets.export.text_graphs import BLANKS, JoinGraph, NgramGraph, WordGraph, split_at_blanks
from textnets.recipe.sections import NgramSection, TextSection
from textnets.text.ngrams import NgramEncoder
from textnets.text.tokenizers import JOINER, join_tokens
from textnets.text.vocabulary import Vocabulary
from textnets.text.word_encoder import WordEncoder

pytestmark = pytest.mark.heavy

TEXTS = ["my card still has not arrived", "", "PIN?", "zzz \u2003 qqq", "the the " * 300]


def loaded(folder: Path) -> Any:
    import tensorflow as tf

    return tf.saved_model.load(str(folder / "1"))


def told(model: Any, texts: list[str], signature: str = "serving_default") -> dict[str, Any]:
    import tensorflow as tf

    found = model.signatures[signature](texts=tf.constant(texts))
    return {name: value.numpy() for name, value in found.items()}


def decoded(texts: Any) -> list[str]:
    return [text.decode() for text in texts]


# --- The three tasks ---


def test_a_classifier_in_the_layout_of_tf_serving(exported: Exported, finished: Path) -> None:
    folder = exported("savedmodel", "finished")
    found = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
    assert {"README.md", "export.json", "1/saved_model.pb", "1/variables/variables.index"} <= found
    model = loaded(folder)
    answer = told(model, TEXTS)
    assert set(answer) == {"label", "probability", "probabilities"}
    labels = decoded(model.signatures["labels"]()["labels"].numpy())
    for row, one in enumerate(textnets.Predictor.load(finished).predict(TEXTS)):
        assert list(one.probabilities) == labels
        assert decoded([answer["label"][row]]) == list(one.labels)
        assert answer["probability"][row] == pytest.approx(one.probability, abs=1e-6)
        known = list(one.probabilities.values())
        assert answer["probabilities"][row] == pytest.approx(known, abs=1e-6)


def test_the_lines_of_its_card_run(exported: Exported, capsys: pytest.CaptureFixture[str]) -> None:
    folder = exported("savedmodel", "finished")
    code = (folder / "README.md").read_text("utf-8").partition("```python\n")[2].partition("```")[0]
    with chdir(folder):
        exec(code, {})
    assert "'label': <tf.Tensor" in capsys.readouterr().out


@pytest.mark.long
def test_several_labels(exported: Exported, earlier: Callable[[str], Path]) -> None:
    answer = told(loaded(exported("savedmodel", "topics")), TEXTS)
    assert set(answer) == {"chosen", "probabilities"}
    for row, one in enumerate(textnets.Predictor.load(earlier("topics")).predict(TEXTS)):
        pairs = zip(one.probabilities, answer["chosen"][row], strict=True)
        chosen = [name for name, is_chosen in pairs if is_chosen]
        assert chosen == list(one.labels)
        known = list(one.probabilities.values())
        assert answer["probabilities"][row] == pytest.approx(known, abs=1e-6)


@pytest.mark.long
def test_a_tagger_of_texts_and_of_ragged_tokens(
    exported: Exported, earlier: Callable[[str], Path]
) -> None:
    import tensorflow as tf

    model = loaded(exported("savedmodel", "chunks"))
    texts = ["The cat sat on the mat .", "", "Rockwell said\u00a0the agreement", " \t "]
    answer = told(model, texts)
    words = tf.ragged.constant([text.split() for text in texts], dtype=tf.string)
    ragged = model.signatures["tokens"](tokens=words.values, row_splits=words.row_splits)
    assert set(answer) == set(ragged)
    for name, value in ragged.items():
        np.testing.assert_array_equal(value.numpy(), answer[name])
    for row, one in enumerate(textnets.Predictor.load(earlier("chunks")).predict(texts)):
        length = int(answer["lengths"][row])
        assert decoded(answer["tokens"][row, :length]) == list(one.tokens)
        assert decoded(answer["tags"][row, :length]) == list(one.tags)
        likely = answer["probability"][row, :length]
        assert likely == pytest.approx(list(one.probabilities), abs=1e-6)
        assert not answer["probabilities"][row, length:].any()
        assert not any(answer["tags"][row, length:])


@pytest.mark.long
def test_a_translator_searches_inside(exported: Exported, earlier: Callable[[str], Path]) -> None:
    texts = ["The cat sleeps .", "", "we see the old house", " \u3000"]
    answer = told(loaded(exported("savedmodel", "phrases")), texts)
    for row, one in enumerate(textnets.Predictor.load(earlier("phrases")).predict(texts)):
        assert answer["translation"][row].decode() == one.translation
        assert answer["score"][row] == pytest.approx(one.alternatives[0].score, abs=1e-5)
    assert answer["translation"][1] == answer["translation"][3] == b""


@pytest.mark.long
def test_models_that_answer_together(joint_questions: Path, tmp_path: Path) -> None:
    """A bag of n-grams, and nets of several seeds."""
    succeed("export", joint_questions, "--to", "savedmodel", "-o", "out")
    answer = told(loaded(tmp_path / "out"), TEXTS)
    for row, one in enumerate(textnets.Predictor.load(joint_questions).predict(TEXTS)):
        known = list(one.probabilities.values())
        assert answer["probabilities"][row] == pytest.approx(known, abs=1e-6)


# --- What is refused ---


def test_a_language_model_and_a_feature_tagger(
    earlier: Callable[[str], Path], joint_chunks: Path
) -> None:
    said = refuse("export", earlier("play"), "--to", "savedmodel", "-o", "out")
    assert "savedmodel cannot hold a run of the task language_modeling" in said
    assert "these can: numpy, onnx" in said
    said = refuse("export", joint_chunks, "--to", "savedmodel", "-o", "out")
    assert "cannot hold a model that reads features of words" in said
    assert "numpy and onnx can" in said


def test_no_kernel_of_a_gpu_is_in_a_graph(recurrent: Path) -> None:
    from textnets.export.members import plain_kernels
    from textnets.layers import recurrent_kernel

    (model,) = textnets.Predictor.load(recurrent).models
    cells = [layer.cell for layer in model.layers if hasattr(layer, "cell")]
    assert any(cell.recurrent_dropout for cell in cells)
    with plain_kernels([model]):
        assert "use_cudnn=False" in recurrent_kernel(model, "tensorflow").reason
        assert not any(cell.recurrent_dropout for cell in cells)
    assert "use_cudnn" not in recurrent_kernel(model, "tensorflow").reason
    assert any(cell.recurrent_dropout for cell in cells)


# --- Between texts and ids ---


def test_every_blank_of_python_is_one_in_the_graph() -> None:
    import tensorflow as tf

    every = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    is_blank = tf.strings.regex_full_match([one.encode() for one in every], f"[{BLANKS}]").numpy()
    assert [one for one, blank in zip(every, is_blank, strict=True) if blank] == [
        one for one in every if one.isspace()
    ]


def compiled(graph: Callable[[Any], Any]) -> Callable[[Any], Any]:
    import tensorflow as tf

    return tf.function(graph, input_signature=[tf.TensorSpec([None], tf.string)])


# These are known alike to Python and TensorFlow, whatever their versions of Unicode.
PLAIN = st.characters(codec="utf-8", max_codepoint=0x2FFF, exclude_categories=["Cn", "Cs"])


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(PLAIN, max_size=30), min_size=1, max_size=4))
def test_words_and_their_characters(texts: list[str]) -> None:
    import tensorflow as tf

    encoder, graph = word_graph()
    found = graph(tf.constant([text.encode() for text in texts]))
    known = encoder.encode([text.split() for text in texts])
    every = np.arange(len(texts))
    for name, ids in known.items():
        np.testing.assert_array_equal(found[name].numpy(), ids.pad(every, ids.width_of(every, 1)))


@cache
def word_graph() -> tuple[WordEncoder, Callable[[Any], Any]]:
    words, characters = Vocabulary(["a", "é", "ab", "i"]), Vocabulary("abcdeé1Ωσ-")
    encoder = WordEncoder(words, characters, None, "nfc", True, 7)
    graph = WordGraph(encoder)
    return encoder, compiled(lambda texts: graph(split_at_blanks(texts)))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("aabcé ?'", max_size=30), min_size=1, max_size=4))
def test_ngrams(texts: list[str]) -> None:
    import tensorflow as tf

    encoder, graph = ngram_graph()
    known = encoder.encode(texts)
    every = np.arange(len(texts))
    found = graph(tf.constant([text.encode() for text in texts])).numpy()
    np.testing.assert_array_equal(found, known.pad(every, known.width_of(every, 1)))


@cache
def ngram_graph() -> tuple[NgramEncoder, Callable[[Any], Any]]:
    texts = ["a b c", "ab abc b a b", "é a b c a'b ?", "ca bb ab c a"]
    section = NgramSection(words=3, characters=(2, 4), min_texts=1, max_features=None)
    encoder = NgramEncoder.learn(TextSection(max_length=9), section, texts)
    return encoder, compiled(NgramGraph(encoder))


TOKENS = ["a", "##b", "(", ")", "¿", "?", "...", f"{JOINER},", f"({JOINER}", f"{JOINER}-{JOINER}",
          "▁", "▁c", "it's", "d"]  # fmt: skip


@pytest.mark.parametrize("with_joins", [False, True])
@pytest.mark.parametrize(
    "tokenizer", ["words", "whitespace", "characters", "regex", "wordpiece", "sentencepiece"]
)
def test_tokens_become_the_same_text(tokenizer: str, with_joins: bool) -> None:
    import tensorflow as tf

    vocabulary = Vocabulary([*TOKENS, *[JOINER] * with_joins])
    random = np.random.default_rng(5)
    rows = [random.integers(4, 4 + len(TOKENS), length).tolist() for length in [0, 1, 2, *[7] * 60]]
    found = JoinGraph(tokenizer, vocabulary)(tf.ragged.constant(rows, dtype=tf.int32))
    for row, text in zip(rows, decoded(found.numpy()), strict=True):
        tokens = [vocabulary.decode_id(one) for one in row]
        assert text == join_tokens(tokenizer, tokens, with_joins=with_joins)


def test_it_records_its_files(exported: Exported) -> None:
    folder = exported("savedmodel", "finished")
    record = json.loads((folder / "export.json").read_text())
    assert record["format"] == "savedmodel"
    assert record["proof"]["largest_difference"] <= 1e-5
    assert "1/saved_model.pb" in record["files"]
