"""A linear model on the set of a text's n-grams, after Wang and Manning (2012)."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from textnets.builders.arguments import checked, trained_with
from textnets.builders.parameters import (
    Model,
    MultiLabel,
    NumClasses,
    NumFeatures,
    NumWordNgrams,
    Rate,
    Weighting,
)


# A rate for weights that begin at a naive Bayes, each of them seen rarely. Many steps overfit
# opinions; a few hundred texts want more than four epochs have.
@trained_with(learning_rate=0.02, batch_size=64, epochs=4, min_steps=500, schedule="cosine")
@checked
def build_ngram_bag_classifier(
    *,
    num_features: NumFeatures,
    num_word_ngrams: NumWordNgrams = None,
    num_classes: NumClasses,
    multi_label: MultiLabel = False,
    weighting: Weighting = "naive_bayes",
    initial_weight: Annotated[float, Ge(0), Le(10)] = 0.2,
    feature_dropout: Rate = 0.0,
) -> Model:
    """Build a linear classifier of n-gram sets: trained in seconds, and hard to beat.

    Wang and Manning (2012), "Baselines and Bigrams": each feature is scaled by how much more
    frequent it is in the texts of a class than in the others, and its weight is trained from
    there. Classes that exclude one another are each told from all others, which did better than
    a softmax. What n-grams there are says ``text.ngrams``.

    Args:
        num_features: How many feature ids there are, special ids included.
        num_word_ngrams: How many of these are of words; those after them are of characters.
        num_classes: How many classes or labels there are.
        multi_label: Whether a text may have any number of labels.
        weighting: What scales a feature: naive-Bayes ratio, inverse document frequency, or none.
        initial_weight: Where weights start with naive_bayes: 0 knows nothing, 1 is naive Bayes.
        feature_dropout: Share of a text's features to drop while training.

    Returns:
        A model from ``ngram_ids``, ``<int32>[batch, features]``, each once a row, padded on the
        right with 0, to ``probabilities``: ``<float32>[batch, 1]`` (that of class 1) for two
        classes, else ``<float32>[batch, num_classes]``.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    ngram_ids = keras.Input((None,), dtype="int32", name="ngram_ids")
    seen_ids = ngram_ids
    if feature_dropout:
        seen_ids = layers.FeatureDropout(feature_dropout, name="feature_dropout")(ngram_ids)
    is_binary = num_classes == 2 and not multi_label
    logits = layers.NgramBag(
        num_features,
        1 if is_binary else num_classes,
        num_word_ngrams=num_word_ngrams if weighting == "idf" else None,
        weighting=weighting,
        initial_weight=initial_weight,
        name="logits",
    )(seen_ids)
    if is_binary or multi_label:
        last = keras.layers.Activation("sigmoid", dtype="float32", name="probabilities")
    else:
        last = layers.OneVersusRest(dtype="float32", name="probabilities")
    return keras.Model(ngram_ids, last(logits), name="ngram_bag_classifier")
