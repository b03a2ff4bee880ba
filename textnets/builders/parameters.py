"""The types of builder parameters: ranges, choices, and what comes from the data.

A builder's signature is the schema of a recipe's ``model:`` section. Each annotation
here carries its range (``annotated_types``, which pydantic reads), so that a recipe and
a user's own builder are checked by the same rules. A parameter that carries
:class:`FromData` is filled in by the task and is no recipe key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from annotated_types import Ge, Gt, Len, Lt

if TYPE_CHECKING:
    from keras import Model as Model
else:
    # What a builder returns. Its signature is read at start-up, where Keras is not loaded.
    Model = Any


@dataclass(frozen=True)
class FromData:
    """Marks a parameter whose value is found in the data, never written in a recipe."""


@dataclass(frozen=True)
class WrittenIfSet:
    """Marks a parameter that a run's recipe leaves out where it has its default: it came after
    runs were written that are written the same again."""


# --- Found in the data ---
VocabularySize = Annotated[int, Gt(4), FromData()]  # special ids included
NumFeatures = Annotated[int, Gt(0), FromData()]  # the id of padding included
NumWordNgrams = Annotated[int | None, FromData()]  # ids before those of character n-grams
NumClasses = Annotated[int, Ge(2), FromData()]
NumTags = Annotated[int, Ge(2), FromData()]
NumColumns = Annotated[int, Ge(0), FromData()]  # further columns beside the words
NumColumnValues = Annotated[int, Ge(0), FromData()]  # of all of them, the id of padding included
NumCharacters = Annotated[int, Gt(4), FromData()]  # special ids included
MultiLabel = Annotated[bool, FromData()]
# <float32>[vocabulary_size, embedding_width] or None; Any keeps NumPy out of start-up.
EmbeddingVectors = Annotated[Any, FromData()]
# <float32>[vocabulary_size, width] of a pretrained encoder, and whether it divides by lengths.
EncoderVectors = Annotated[Any, FromData()]
UnitLength = Annotated[bool, FromData()]

# --- Sizes and rates ---
Width = Annotated[int, Gt(0)]
Widths = Annotated[Sequence[Width], Len(1)]
OptionalWidths = Annotated[Sequence[Width], Len(0)]
Cutoffs = Annotated[Sequence[Annotated[int, Gt(4)]], Len(0)]  # token ids
ColumnWidth = Annotated[int, Gt(0), WrittenIfSet()]
Shrink = Annotated[int, Gt(0), WrittenIfSet()]
Count = Annotated[int, Gt(0)]
OptionalCount = Annotated[int, Ge(0)]
Levels = Annotated[int, Gt(0), WrittenIfSet()]
Rate = Annotated[float, Ge(0), Lt(1)]
WordDropoutRate = Annotated[float, Ge(0), Lt(1), WrittenIfSet()]
AddedRate = Annotated[float, Ge(0), Lt(1), WrittenIfSet()]
AddedSwitch = Annotated[bool, WrittenIfSet()]
Strength = Annotated[float, Ge(0)]  # of a penalty; 0 turns it off
MaxNorm = Annotated[float, Gt(0)] | None

# --- Choices ---
Cell = Literal["simple", "lstm", "gru", "peephole_lstm", "prototype_lstm", "layer_norm_lstm"]
Characters = Literal["none", "cnn", "rnn"]
TagHead = Literal["softmax", "crf"]
Attention = Literal["none", "luong_dot", "luong_general", "bahdanau"]
Positions = Literal["sinusoidal", "learned"]
Weighting = Literal["naive_bayes", "idf", "none"]
Pooling = Literal["max", "mean", "attention"]
StatePooling = Literal["last", "max", "mean", "attention"]
Poolings = Annotated[Pooling | Annotated[Sequence[Pooling], Len(1)], WrittenIfSet()]
TokenPoolings = Pooling | Annotated[Sequence[Pooling], Len(1)]
StatePoolings = StatePooling | Annotated[Sequence[StatePooling], Len(1)]
Initializer = Literal[
    "glorot_uniform", "glorot_normal", "he_uniform", "he_normal", "lecun_uniform",
    "lecun_normal", "orthogonal", "random_uniform", "random_normal",
]  # fmt: skip
Activation = Literal["relu", "tanh", "gelu", "elu", "selu", "silu", "sigmoid", "linear"]
