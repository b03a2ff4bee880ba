"""A builder's signature is the schema of a recipe: readable without Keras, and enforced."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import typing
from pathlib import Path

import numpy as np
import pytest

import textnets.builders
from textnets.builders import BUILDERS
from textnets.builders.parameters import FromData
from textnets.errors import InputError

CLASSIFIER = {"vocabulary_size", "num_classes", "multi_label", "embedding_vectors"}
FROM_DATA = {
    "rnn_classifier": CLASSIFIER,
    "cnn_classifier": CLASSIFIER,
    "mlp_classifier": CLASSIFIER,
    "transformer_classifier": CLASSIFIER,
    "ngram_bag_classifier": {"num_features", "num_word_ngrams", "num_classes", "multi_label"},
    "encoder_classifier": {"encoder_vectors", "unit_length", "num_classes", "multi_label"},
    "rnn_tagger": {
        "vocabulary_size",
        "num_tags",
        "num_characters",
        "num_columns",
        "num_column_values",
        "embedding_vectors",
    },
    "transformer_tagger": {"vocabulary_size", "num_tags", "num_characters", "embedding_vectors"},
    "feature_tagger": {"num_features", "num_tags"},
    "rnn_language_model": {"vocabulary_size", "embedding_vectors"},
    "transformer_language_model": {"vocabulary_size", "embedding_vectors"},
    "encoder_decoder": {"source_vocabulary_size", "target_vocabulary_size"},
    "transformer_encoder_decoder": {"source_vocabulary_size", "target_vocabulary_size"},
}
FOUND = {
    "vocabulary_size": 23,
    "num_classes": 2,
    "num_tags": 3,
    "num_features": 23,
    "source_vocabulary_size": 23,
    "target_vocabulary_size": 19,
}


def sizes_of(builder) -> dict[str, int]:
    known = inspect.signature(builder).parameters
    return {name: size for name, size in {**FOUND, "embedding_width": 5}.items() if name in known}


@pytest.fixture(params=BUILDERS)
def builder(request):
    return BUILDERS[request.param]


@pytest.mark.heavy
def test_importing_the_builders_loads_nothing_heavy():
    program = (
        "import sys, typing, inspect, json, textnets.builders as builders\n"
        "for build in builders.BUILDERS.values():\n"
        "    typing.get_type_hints(build, include_extras=True), inspect.signature(build)\n"
        "heavy = {'keras', 'tensorflow', 'jax', 'numpy', 'sklearn', 'textnets.layers'}\n"
        "print(json.dumps(sorted(heavy & set(sys.modules))))\n"
    )
    repository = Path(textnets.builders.__file__).parents[2]
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=repository, capture_output=True, check=True, text=True
    )
    assert json.loads(answer.stdout) == []


def test_names_match_the_functions(builder):
    assert BUILDERS[builder.__name__.removeprefix("build_")] is builder


def test_every_parameter_is_annotated_and_given_by_name(builder):
    parameters = inspect.signature(builder).parameters
    hints = typing.get_type_hints(builder, include_extras=True)
    assert {parameter.kind for parameter in parameters.values()} == {inspect.Parameter.KEYWORD_ONLY}
    assert set(hints) == {*parameters, "return"}
    from_data = {
        name
        for name, hint in hints.items()
        if any(isinstance(extra, FromData) for extra in getattr(hint, "__metadata__", ()))
    }
    assert from_data == FROM_DATA[builder.__name__.removeprefix("build_")]


def test_every_parameter_is_described_in_one_line(builder):
    section = re.search(r"Args:\n(.*?)\n\n", inspect.getdoc(builder), re.DOTALL).group(1)
    described = re.findall(r"^    (\w+): [A-Z].*\.$", section, re.MULTILINE)
    assert described == list(inspect.signature(builder).parameters)
    assert len(section.splitlines()) == len(described)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"dropout": 1.0}, r"dropout: .* less than 1, was: 1.0"),
        ({"embedding_width": 0}, r"embedding_width: .* greater than 0, was: 0"),
        ({"dense_units": [8, -1]}, r"dense_units\[1\]: .*, was: -1"),
        ({"activation": "rellu"}, r"activation: .*'relu'.*, was: 'rellu'"),
        ({"l2": -0.1}, r"l2: .*, was: -0.1"),
        ({"num_classes": 1}, r"num_classes: .*, was: 1"),
        ({"embeding_width": 5}, r"embeding_width: .* did you mean 'embedding_width'\?"),
        (
            {"embedding_vectors": np.zeros((5, 23))},
            r"embedding_vectors: .* = \[23, 5\], was: \[5, 23\]",
        ),
    ],
)
def test_wrong_arguments_are_refused(builder, wrong, message):
    known = {name: name for name in inspect.signature(builder).parameters}
    known["embeding_width"] = "embedding_width"  # a slip, where that is a parameter
    if not any(known.get(name) in known for name in wrong):
        pytest.skip("the builder has no such parameter")
    with pytest.raises(InputError, match=message):
        builder(**{**sizes_of(builder), **wrong})


def test_all_mistakes_are_told_at_once():
    with pytest.raises(InputError) as refusal:
        BUILDERS["rnn_classifier"](vocabulary_size=23, units=[], cell="lsmt", pooling=None)
    lines = str(refusal.value).splitlines()
    assert len(lines) == 4
    assert lines[0] == "build_rnn_classifier: num_classes: is required"
    assert all(word in str(refusal.value) for word in ("units", "was: 'lsmt'", "was: None"))


def test_positional_arguments_are_refused(builder):
    with pytest.raises(InputError, match="argument 1: give every argument by its name"):
        builder(23)


def test_pretrained_vectors_start_the_table_and_stay_out_of_the_config(builder):
    if "embedding_vectors" not in inspect.signature(builder).parameters:
        pytest.skip("the builder takes no pretrained vectors")
    vectors = np.random.default_rng(0).normal(size=(23, 5))
    model = builder(**sizes_of(builder), embedding_vectors=vectors)
    np.testing.assert_array_equal(
        model.get_layer("embedding").get_weights()[0], vectors.astype("float32")
    )
    others = builder(**{**sizes_of(builder), "embedding_vectors": np.zeros_like(vectors)})
    assert len(model.to_json()) == len(others.to_json())


def test_frozen_embeddings_are_not_trained(builder):
    if "train_embeddings" not in inspect.signature(builder).parameters:
        pytest.skip("the builder takes no pretrained vectors")
    model = builder(**sizes_of(builder), train_embeddings=False)
    assert "embedding/embeddings" not in {weight.path for weight in model.trainable_weights}
    assert model.get_layer("embedding").weights
