"""Layers that Keras lacks: explicit masks, pooling blind to padding, cells, characters."""

from textnets.layers.cells import (
    CELLS,
    LayerNormLSTMCell,
    PeepholeLSTMCell,
    PrototypeLSTMCell,
)
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
    "CELLS",
    "AttentionPooling",
    "CharacterConvolution",
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
    "WordDropout",
    "recurrent_kernel",
]
