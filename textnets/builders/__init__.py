"""The architectures, and the one list of them.

A builder takes keyword arguments and returns an uncompiled ``keras.Model``. Its signature
is the schema of a recipe's ``model:`` section, so reading one loads no Keras: a builder
imports it when it is called.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textnets.builders.cnn_classifier import build_cnn_classifier
from textnets.builders.encoder_classifier import build_encoder_classifier
from textnets.builders.encoder_decoder import build_encoder_decoder
from textnets.builders.feature_tagger import build_feature_tagger
from textnets.builders.mlp_classifier import build_mlp_classifier
from textnets.builders.ngram_bag_classifier import build_ngram_bag_classifier
from textnets.builders.rnn_classifier import build_rnn_classifier
from textnets.builders.rnn_language_model import build_rnn_language_model
from textnets.builders.rnn_tagger import build_rnn_tagger
from textnets.builders.transformer_classifier import build_transformer_classifier
from textnets.builders.transformer_encoder_decoder import build_transformer_encoder_decoder
from textnets.builders.transformer_language_model import build_transformer_language_model
from textnets.builders.transformer_tagger import build_transformer_tagger

BUILDERS: dict[str, Callable[..., Any]] = {
    "rnn_classifier": build_rnn_classifier,
    "cnn_classifier": build_cnn_classifier,
    "mlp_classifier": build_mlp_classifier,
    "transformer_classifier": build_transformer_classifier,
    "ngram_bag_classifier": build_ngram_bag_classifier,
    "encoder_classifier": build_encoder_classifier,
    "rnn_tagger": build_rnn_tagger,
    "transformer_tagger": build_transformer_tagger,
    "feature_tagger": build_feature_tagger,
    "rnn_language_model": build_rnn_language_model,
    "transformer_language_model": build_transformer_language_model,
    "encoder_decoder": build_encoder_decoder,
    "transformer_encoder_decoder": build_transformer_encoder_decoder,
}

__all__ = [
    "BUILDERS",
    "build_cnn_classifier",
    "build_encoder_classifier",
    "build_encoder_decoder",
    "build_feature_tagger",
    "build_mlp_classifier",
    "build_ngram_bag_classifier",
    "build_rnn_classifier",
    "build_rnn_language_model",
    "build_rnn_tagger",
    "build_transformer_classifier",
    "build_transformer_encoder_decoder",
    "build_transformer_language_model",
    "build_transformer_tagger",
]
