"""Layers that Keras lacks: explicit masks, pooling blind to padding, features of words."""

from textnets.layers.characters import CharacterConvolution
from textnets.layers.dropout import WordDropout
from textnets.layers.kernels import KernelPath, recurrent_kernel
from textnets.layers.masking import MaskedInputs, PaddingMask, ReverseSequence
from textnets.layers.pooling import (
    AttentionPooling,
    LastState,
    MaskedMaxPooling,
    MaskedMeanPooling,
)

__all__ = [
    "AttentionPooling",
    "CharacterConvolution",
    "KernelPath",
    "LastState",
    "MaskedInputs",
    "MaskedMaxPooling",
    "MaskedMeanPooling",
    "PaddingMask",
    "ReverseSequence",
    "WordDropout",
    "recurrent_kernel",
]
