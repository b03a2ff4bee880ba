"""Layers that Keras lacks: explicit masks, pooling that is blind to padding, and cells."""

from textnets.layers.cells import (
    CELLS,
    LayerNormLSTMCell,
    PeepholeLSTMCell,
    PrototypeLSTMCell,
)
from textnets.layers.kernels import KernelPath, recurrent_kernel
from textnets.layers.masking import MaskedInputs, PaddingMask, ReverseSequence
from textnets.layers.pooling import (
    AttentionPooling,
    LastState,
    MaskedMaxPooling,
    MaskedMeanPooling,
)

__all__ = [
    "CELLS",
    "AttentionPooling",
    "KernelPath",
    "LastState",
    "LayerNormLSTMCell",
    "MaskedInputs",
    "MaskedMaxPooling",
    "MaskedMeanPooling",
    "PaddingMask",
    "PeepholeLSTMCell",
    "PrototypeLSTMCell",
    "ReverseSequence",
    "recurrent_kernel",
]
