"""Layers that Keras lacks: explicit masks, pooling blind to padding, cells, characters."""

from textnets.layers.attention import AdditiveAttention, AttentionRNN, DotAttention
from textnets.layers.carried_states import CarriedStates, KeptStates, ZeroStates
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
from textnets.layers.softmax_losses import FullSoftmaxLoss, SampledSoftmaxLoss, token_losses
from textnets.layers.token_table import TokenTable

__all__ = [
    "CELLS",
    "AdditiveAttention",
    "AttentionPooling",
    "AttentionRNN",
    "CarriedStates",
    "CharacterConvolution",
    "DotAttention",
    "FullSoftmaxLoss",
    "KeptStates",
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
    "SampledSoftmaxLoss",
    "TokenTable",
    "WordDropout",
    "ZeroStates",
    "recurrent_kernel",
    "token_losses",
]
