"""Layers that Keras lacks: explicit masks, pooling blind to padding, cells, characters."""

from textnets.layers.adaptive_softmax import (
    AdaptiveSoftmaxLoss,
    AdaptiveTokenTable,
    ReducedTokenTable,
)
from textnets.layers.attention import AdditiveAttention, AttentionRNN, DotAttention
from textnets.layers.auxiliary_loss import AuxiliaryLoss
from textnets.layers.caches import CausalMask, EmptyCaches
from textnets.layers.carried_states import CarriedStates, KeptStates, ZeroStates
from textnets.layers.cells import (
    CELLS,
    LayerNormLSTMCell,
    PeepholeLSTMCell,
    PrototypeLSTMCell,
    state_sizes,
)
from textnets.layers.characters import CharacterConvolution, RowsAsWords, WordsAsRows
from textnets.layers.crf import BestTags, CRFLoss, LinearChainCRF
from textnets.layers.divergence import (
    PairedSoftmaxLoss,
    divergence_of_answers,
    divergence_of_logits,
    divergence_of_probabilities,
)
from textnets.layers.dropout import FeatureDropout, VocabularyDropout, WordDropout
from textnets.layers.feature_scores import FeatureScores
from textnets.layers.halving import HalvedByMaximum
from textnets.layers.headed_attention import CachedAttention, MemoryAttention, SelfAttention
from textnets.layers.kernels import KernelPath, recurrent_kernel
from textnets.layers.masking import MaskedInputs, PaddingMask, ReverseSequence
from textnets.layers.ngram_bag import NgramBag, OneVersusRest
from textnets.layers.own_tokens import OwnTokens
from textnets.layers.place_vectors import LearnedPositions, SinusoidalPositions
from textnets.layers.pooling import (
    AttentionPooling,
    LastState,
    MaskedMaxPooling,
    MaskedMeanPooling,
)
from textnets.layers.softmax_losses import FullSoftmaxLoss, SampledSoftmaxLoss, token_losses
from textnets.layers.token_table import TokenTable
from textnets.layers.virtual_adversary import VirtualAdversary
from textnets.layers.weight_dropout import (
    WeightDropGRU,
    WeightDropLSTM,
    WeightDropRNN,
    WeightDropSimpleRNN,
)

__all__ = [
    "CELLS",
    "AdaptiveSoftmaxLoss",
    "AdaptiveTokenTable",
    "AdditiveAttention",
    "AttentionPooling",
    "AttentionRNN",
    "AuxiliaryLoss",
    "BestTags",
    "CRFLoss",
    "CachedAttention",
    "CarriedStates",
    "CausalMask",
    "CharacterConvolution",
    "DotAttention",
    "EmptyCaches",
    "FeatureDropout",
    "FeatureScores",
    "FullSoftmaxLoss",
    "HalvedByMaximum",
    "KeptStates",
    "KernelPath",
    "LastState",
    "LayerNormLSTMCell",
    "LearnedPositions",
    "LinearChainCRF",
    "MaskedInputs",
    "MaskedMaxPooling",
    "MaskedMeanPooling",
    "MemoryAttention",
    "NgramBag",
    "OneVersusRest",
    "OwnTokens",
    "PaddingMask",
    "PairedSoftmaxLoss",
    "PeepholeLSTMCell",
    "PrototypeLSTMCell",
    "ReducedTokenTable",
    "ReverseSequence",
    "RowsAsWords",
    "SampledSoftmaxLoss",
    "SelfAttention",
    "SinusoidalPositions",
    "TokenTable",
    "VirtualAdversary",
    "VocabularyDropout",
    "WeightDropGRU",
    "WeightDropLSTM",
    "WeightDropRNN",
    "WeightDropSimpleRNN",
    "WordDropout",
    "WordsAsRows",
    "ZeroStates",
    "divergence_of_answers",
    "divergence_of_logits",
    "divergence_of_probabilities",
    "recurrent_kernel",
    "state_sizes",
    "token_losses",
]
