"""``TextEnsemble``: scikit-learn's manners over an ensemble's run."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import textnets
from tests.conftest import ROOT
from textnets import TextClassifier, TextEnsemble
from textnets.errors import InputError
from textnets.estimators.ensemble import default_members
from textnets.recipe.document import parse_document
from textnets.tasks import task_from

SMALL = {"epochs": 3, "learning_rate": 0.05, "bucket_width": 64}


def ensemble(**parameters) -> TextEnsemble:
    members = [
        ("bag", TextClassifier("ngram_bag_classifier", **SMALL)),
        ("net", TextClassifier("mlp_classifier", embedding_width=4, dense_units=(), **SMALL)),
    ]
    return TextEnsemble(members, **{"random_state": 1, **parameters})


def test_it_is_fitted_saved_loaded_and_pickled(texts, labels, tmp_path):
    fitted = ensemble(seeds={"net": 2}).fit(texts, labels)
    expected = fitted.predict_proba(texts)
    np.testing.assert_allclose(expected.sum(axis=1), 1.0, atol=1e-6)
    assert fitted.score(texts, labels) == np.mean(fitted.predict(texts) == np.array(labels))
    assert len(fitted.models_) == 3
    fitted.save(tmp_path / "run")
    again = textnets.load(tmp_path / "run")
    assert isinstance(again, TextEnsemble)
    assert again.get_params(deep=False)["seeds"] == {"bag": 1, "net": 2}
    for other in (again, pickle.loads(pickle.dumps(fitted)), again.fit(texts, labels)):
        np.testing.assert_array_equal(other.predict_proba(texts), expected)


def test_without_members_it_has_those_that_suit_most_texts(texts, labels, tmp_path):
    one = TextEnsemble(random_state=1)
    assert one.get_params(deep=False)["members"] is None
    assert clone(one).members is None
    assert [name for name, _ in default_members()] == ["opinions", "topics", "phrases"]
    one.set_params(phrases__min_steps=4, phrases__epochs=2, topics__epochs=3)
    parameters = one.get_params()
    assert (parameters["phrases__epochs"], parameters["topics__epochs"]) == (2, 3)
    one.set_params(opinions__epochs=2)  # those that were set stay
    assert one.get_params()["topics__epochs"] == 3
    fitted = one.fit(texts, labels)
    assert fitted.score(texts, labels) > 0.9
    fitted.save(tmp_path / "run")
    again = textnets.load(tmp_path / "run")
    np.testing.assert_array_equal(again.predict_proba(texts), fitted.predict_proba(texts))
    with pytest.raises(InputError, match="no parameter 'phrase__epochs'; did you mean 'phrases'"):
        TextEnsemble().set_params(phrase__epochs=2)


def test_a_clone_is_not_fitted_and_has_the_same_parameters():
    one = ensemble(weights=[1.0, 2.0])
    other = clone(one)
    assert repr(other) == repr(one)
    assert other.members[0][1] is not one.members[0][1]


def test_members_parameters_are_set_by_name(texts, labels):
    one = ensemble()
    one.set_params(bag__epochs=1, weights="equal")
    assert one.get_params()["bag__epochs"] == 1
    with pytest.raises(InputError, match=r"no parameter 'bg__epochs'; did you mean 'bag'"):
        one.set_params(bg__epochs=2)
    search = GridSearchCV(ensemble(validation=None), {"net__epochs": [1, 2]}, cv=2)
    assert search.fit(texts, labels).best_params_["net__epochs"] in (1, 2)


def test_labels_of_other_kinds_and_class_weights(texts, labels):
    numbers = [int(label == "good") for label in labels]
    one = ensemble().set_params(net__class_weights={1: 2.0})
    assert one.fit(texts, numbers).classes_.tolist() == [0, 1]


def test_several_labels_a_text(texts, labels):
    rows = [[label, "film"] for label in labels]
    one = ensemble().set_params(bag__multi_label=True, net__multi_label=True)
    found = one.fit(texts, rows).predict(texts)
    assert all("film" in row for row in found)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([], "expected pairs of a name and a TextClassifier, was: none"),
        ([("bag", 3)], r"expected pairs of a name and a TextClassifier, was: \('bag', 3\)"),
        ([("e", TextEnsemble())], "'e' is an ensemble itself"),
        ([("bag", TextClassifier(epochs=0))], r"epochs: expected more than 0, was: 0"),
        ([("a/b", TextClassifier())], r"members\.0\.name"),
        ([("a", TextClassifier()), ("a", TextClassifier())], "two members are called 'a'"),
    ],
)
def test_wrong_members_are_told(texts, labels, members, message):
    with pytest.raises(InputError, match=message):
        TextEnsemble(members).fit(texts, labels)


def test_seeds_of_a_member_that_there_is_not(texts, labels):
    with pytest.raises(InputError, match="seeds: no member is called 'bagg'"):
        ensemble(seeds={"bagg": 2}).fit(texts, labels)


def test_its_recipe_on_the_page_is_the_same():
    page = (ROOT / "docs" / "which_model.md").read_text(encoding="utf-8")
    (block,) = [part for part in page.split("```") if "name: opinions" in part]
    document = parse_document(block.removeprefix("yaml\n"), "which_model.md")
    written = task_from(document, None).recipe.ensemble.members
    made = TextEnsemble(random_state=1)._make_task().recipe.ensemble.members
    assert made == written
