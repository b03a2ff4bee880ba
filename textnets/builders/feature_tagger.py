"""A linear tagger: features of words and of their neighbors, and which tags follow which."""

from __future__ import annotations

from textnets.builders.arguments import checked, trained_with
from textnets.builders.parameters import Model, NumFeatures, NumTags


# Its weights begin at zero and have far to go; of few sentences a few epochs have too few steps.
@trained_with(learning_rate=0.01, epochs=6, min_steps=600, schedule="cosine")
@checked
def build_feature_tagger(*, num_features: NumFeatures, num_tags: NumTags) -> Model:
    """Build a linear-chain conditional random field over features (Lafferty et al. 2001).

    A word's features are itself, its beginnings and ends, its shape, and the like of its
    neighbors (:mod:`textnets.text.word_features`). Each has a weight for each tag, and the field
    knows which tags follow which. Nothing has to be chosen; on few sentences it is more accurate
    than a net that must learn first what a word is.

    Args:
        num_features: How many ids of features there are, 0 included, which stands for none.
        num_tags: How many tags there are.

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0 and with
        a token in every row, and ``feature_ids``, ``<int32>[batch, length, features]``, to
        ``probabilities``, ``<float32>[batch, length, num_tags]``, the marginals of the field. Of
        the tokens it only sees how many there are.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    # --- Inputs ---
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    feature_ids = keras.Input((None, None), dtype="int32", name="feature_ids")

    # --- Model ---
    mask = layers.PaddingMask(name="padding_mask")(token_ids)
    # In float32 under every policy: sums of weights have no digits to lose.
    scores = layers.FeatureScores(num_features, num_tags, dtype="float32", name="emissions")
    field = layers.LinearChainCRF(num_tags, name="probabilities")
    probabilities = field([scores(feature_ids), mask])
    inputs = {"token_ids": token_ids, "feature_ids": feature_ids}
    return keras.Model(inputs, probabilities, name="feature_tagger")
