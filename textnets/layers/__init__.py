"""Layers that Keras lacks: explicit masks, pooling that is blind to padding."""

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
    "KernelPath",
    "LastState",
    "MaskedInputs",
    "MaskedMaxPooling",
    "MaskedMeanPooling",
    "PaddingMask",
    "ReverseSequence",
    "recurrent_kernel",
]
