"""A recurrent net that reads a text in one or both directions, then names its class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.classification_head import classify
from textnets.builders.parameters import (
    Activation,
    AddedRate,
    AddedSwitch,
    Cell,
    EmbeddingVectors,
    Initializer,
    Model,
    MultiLabel,
    NumClasses,
    OptionalWidths,
    Rate,
    StatePoolings,
    Strength,
    VocabularySize,
    Width,
    Widths,
    WordDropoutRate,
)
from textnets.builders.pooled import as_kinds, joined, pooled
from textnets.builders.recurrent_stack import read_sequence
from textnets.builders.token_embedding import embed_tokens


@checked
def build_rnn_classifier(
    *,
    vocabulary_size: VocabularySize,
    num_classes: NumClasses,
    multi_label: MultiLabel = False,
    embedding_vectors: EmbeddingVectors = None,
    embedding_width: Width = 128,
    train_embeddings: bool = True,
    cell: Cell = "lstm",
    units: Widths = (64,),
    bidirectional: bool = True,
    pooling: StatePoolings = "last",
    dense_units: OptionalWidths = (),
    activation: Activation = "relu",
    word_dropout: WordDropoutRate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.0,
    recurrent_dropout: Rate = 0.0,
    variational_dropout: AddedSwitch = False,
    weight_dropout: AddedRate = 0.0,
    vocabulary_dropout: AddedRate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: Initializer = "orthogonal",
) -> Model:
    """Build a classifier of texts with recurrent layers (Hochreiter and Schmidhuber 1997).

    Both directions read plain right-padded sequences without a Keras mask (see
    ``textnets.layers.ReverseSequence``), which keeps to the conditions of the fused GPU
    kernels and gives the same answers as Keras's masked ``Bidirectional``.

    Args:
        vocabulary_size: How many token ids there are, special ids included.
        num_classes: How many classes or labels there are.
        multi_label: Whether a text may have any number of labels.
        embedding_vectors: Starting vectors, one row a token id; random when absent.
        embedding_width: Size of a token's vector.
        train_embeddings: Whether the token vectors are trained or kept as they start.
        cell: The recurrent layer: simple (Elman), lstm, gru, or a slower variant of the lstm.
        units: Size of the state, one number for each layer, per direction.
        bidirectional: Whether a second net reads each text from its end.
        pooling: What one vector a text is: last state, max, mean, attention, or a list of them.
        dense_units: Sizes of hidden layers between the pooled vector and the classes.
        activation: Activation of these hidden layers.
        word_dropout: Share of the tokens to turn into [UNK] while training.
        embedding_dropout: Share of token vector components to drop, the same for a whole text.
        dropout: Share of the outputs of each recurrent and hidden layer to drop.
        recurrent_dropout: Share of the recurrent state to drop; slow on a GPU.
        variational_dropout: Whether what is dropped between layers is the same at all places.
        weight_dropout: Share of the weights from state to state to drop, for a whole batch.
        vocabulary_dropout: Share of the vocabulary that a batch reads as zeros.
        l2: Strength of the penalty on squared kernels of recurrent and dense layers.
        kernel_initializer: How the kernels of recurrent and dense layers start.
        recurrent_initializer: How the kernels from state to state start.

    Returns:
        A model from ``token_ids``, ``<int32>[batch, length]``, padded on the right with 0
        and with a token in every row, to ``probabilities``: ``<float32>[batch, 1]`` (that
        of class 1) for two classes, else ``<float32>[batch, num_classes]``.

    Raises:
        InputError: if an argument is out of its range.
    """
    import keras

    from textnets import layers

    kinds = as_kinds(pooling, "build_rnn_classifier")

    # --- Model ---
    token_ids = keras.Input((None,), dtype="int32", name="token_ids")
    mask = layers.PaddingMask(name="padding_mask")(token_ids)
    sequence = embed_tokens(
        token_ids,
        vocabulary_size=vocabulary_size,
        embedding_width=embedding_width,
        embedding_vectors=embedding_vectors,
        train_embeddings=train_embeddings,
        embedding_dropout=embedding_dropout,
        word_dropout=word_dropout,
        vocabulary_dropout=vocabulary_dropout,
    )
    sequence, directions = read_sequence(
        sequence,
        mask,
        cell=cell,
        units=units,
        bidirectional=bidirectional,
        dropout=dropout,
        recurrent_dropout=recurrent_dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
        recurrent_initializer=recurrent_initializer,
        variational_dropout=variational_dropout,
        weight_dropout=weight_dropout,
    )
    probabilities = classify(
        _pool(kinds, sequence, directions, mask),
        num_classes=num_classes,
        multi_label=multi_label,
        dense_units=dense_units,
        activation=activation,
        dropout=dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
    )
    return keras.Model(token_ids, probabilities, name="rnn_classifier")


def _pool(kinds: Sequence[str], sequence: Any, directions: list[Any], mask: Any) -> Any:
    """One vector a text: ``<float>[batch, width]``.

    "last" takes each direction's state when it has read every token; the aligned
    ``sequence`` of the top layer then goes unused where no other kind reads it, and is no part
    of the model.
    """
    from textnets import layers

    final = [
        layers.LastState(name=f"last_state_{way}")([states, mask])
        for way, states in zip(("forward", "backward"), directions, strict=False)
        if "last" in kinds
    ]
    if kinds == ["last"]:
        return joined(final, "last_states")
    others = [kind for kind in kinds if kind != "last"]
    return joined([*final, *pooled(others, sequence, mask, "{kind}_pooling")], "pooled")
