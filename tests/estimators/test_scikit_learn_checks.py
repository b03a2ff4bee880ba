"""scikit-learn's own checks, one by one.

``check_estimator`` stops at once for an estimator that reads strings, so the checks that need a
table of numbers get a classifier that reads each cell as a word.
"""

from __future__ import annotations

from typing import Any

import pytest
from sklearn.utils import estimator_checks as checks

from textnets import TextClassifier, TextLanguageModel, TextTagger, TextTranslator

from .conftest import TINY, NumberClassifier

# They say something else of a net that is trained batch by batch than of a closed formula.
NOT_OURS = {
    "check_sample_weight_equivalence_on_dense_data": "a text of weight 2 is read once, in one "
    "batch; given twice it is read in two",
    "check_array_api_input": "texts are no arrays of numbers",
}


def not_ours(estimator: Any) -> dict[str, str]:
    return NOT_OURS


@checks.parametrize_with_checks(
    [
        NumberClassifier(
            "mlp_classifier",
            epochs=12,
            validation=None,
            random_state=0,
            max_tokens=None,
            **TINY,
        )
    ],
    expected_failed_checks=not_ours,
)
@pytest.mark.filterwarnings("ignore")  # the checks warn of what they try
def test_a_classifier_passes(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        checks.check_classifiers_multilabel_output_format_predict,
        checks.check_classifiers_multilabel_output_format_predict_proba,
    ],
)
def test_a_multi_label_classifier_passes(check: Any) -> None:
    # Not called: check_classifiers_multilabel_representation_invariance, which takes lists of
    # lists for rows of a matrix; here they are lists of labels.
    tiny = {"epochs": 3, "max_tokens": None, **TINY}
    check(
        "TextClassifier",
        NumberClassifier("mlp_classifier", multi_label=True, random_state=0, **tiny),
    )


WITHOUT_DATA = [
    checks.check_do_not_raise_errors_in_init_or_set_params,
    checks.check_estimator_cloneable,
    checks.check_estimator_repr,
    checks.check_estimator_tags_renamed,
    checks.check_estimators_unfitted,
    checks.check_get_params_invariance,
    checks.check_mixin_order,
    checks.check_no_attributes_set_in_init,
    checks.check_parameters_default_constructible,
    checks.check_set_params,
    checks.check_valid_tag_types,
]


@pytest.mark.parametrize(
    "estimator", [TextClassifier, TextTagger, TextTranslator, TextLanguageModel]
)
def test_every_estimator_passes_what_needs_no_data(estimator: type[Any]) -> None:
    for check in WITHOUT_DATA:
        check(estimator.__name__, estimator())
