"""A net that reads a sequence and writes another: encoder, attention, decoder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.parameters import (
    Attention,
    Cell,
    Initializer,
    Model,
    OptionalWidths,
    Rate,
    Strength,
    VocabularySize,
    Width,
    Widths,
    WordDropoutRate,
)
from textnets.builders.recurrent_layer import num_states, recurrent_layer
from textnets.builders.recurrent_stack import read_sequence
from textnets.builders.token_embedding import drop_words, scaled_vectors
from textnets.errors import InputError


@checked
def build_encoder_decoder(
    *,
    source_vocabulary_size: VocabularySize,
    target_vocabulary_size: VocabularySize,
    embedding_width: Width = 256,
    share_embeddings: bool = False,
    tie_embeddings: bool = False,
    cell: Cell = "gru",
    units: Widths = (256,),
    bidirectional: bool = True,
    decoder_units: OptionalWidths = (),
    attention: Attention = "luong_general",
    attention_width: Width = 256,
    input_feeding: bool = False,
    word_dropout: WordDropoutRate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
    recurrent_initializer: Initializer = "orthogonal",
) -> Model:
    """Build a translator (Sutskever et al. 2014; Bahdanau et al. 2015; Luong et al. 2015).

    The encoder reads the source. The states of the decoder start from the encoder's last ones
    through a dense layer, the bridge. At each step the decoder looks at the states of the
    encoder, its memory, and gives scores of the next token of the target. Attention luong_dot
    and luong_general compare the state after a step with the memory, by a product; bahdanau
    the one before it, by a small net, and feeds what it read into the step. The last two need
    no state as wide as the memory. Input feeding hands a step what attention made of the step
    before, so that the steps' attention cannot be computed at once, and takes longer.

    Args:
        source_vocabulary_size: How many source token ids there are, special ids included.
        target_vocabulary_size: The same of the target.
        embedding_width: Size of a token's vector, on both sides.
        share_embeddings: One table of vectors for both sides; needs one vocabulary.
        tie_embeddings: The softmax uses the target's vectors (Press and Wolf 2017).
        cell: The recurrent layer, of both sides: simple (Elman), lstm, gru or a variant.
        units: Size of the encoder's states, one number for each layer, per direction.
        bidirectional: Whether a second net reads the source from its end.
        decoder_units: The same of the decoder; as the encoder's when empty.
        attention: How the decoder looks at the source: not, or by Luong's or Bahdanau's scores.
        attention_width: Size of the small net of attention bahdanau.
        input_feeding: Whether a step sees what attention made of the step before; luong only.
        word_dropout: Share of the tokens of both sides to turn into [UNK] while training.
        embedding_dropout: Share of token vector components to drop, the same for a sentence.
        dropout: Share of the inputs of each recurrent layer and of the softmax to drop.
        l2: Strength of the penalty on squared kernels of recurrent layers.
        kernel_initializer: How the kernels of recurrent and dense layers start.
        recurrent_initializer: How the kernels from state to state start.

    Returns:
        A model from ``source_ids``, ``<int32>[batch, source_length]``, and ``target_ids``,
        ``<int32>[batch, target_length]``, both padded on the right with 0, the target with
        ``[BOS]`` first, to ``<float32>[batch, target_length, target_vocabulary_size]``, the
        logits of each next token. :class:`textnets.decoding.encoder_decoder.EncoderDecoder`
        takes it apart, to decode step by step.

    Raises:
        InputError: if an argument is out of its range, or two do not go together.
    """
    import keras

    from textnets import layers

    sizes = tuple(decoder_units) or tuple(units)
    memory_width = units[-1] * (2 if bidirectional else 1)
    _check_attention(attention, input_feeding, sizes[-1], memory_width)
    if share_embeddings and source_vocabulary_size != target_vocabulary_size:
        raise InputError("share_embeddings: needs one vocabulary for source and target")
    output_width = embedding_width if tie_embeddings else sizes[-1]

    # --- Layers ---
    target_embedding = _embedding(target_vocabulary_size, embedding_width, tie_embeddings, "target")
    source_embedding = (
        target_embedding
        if share_embeddings
        else _embedding(source_vocabulary_size, embedding_width, False, "source")
    )
    recurrent = {
        "kernel_initializer": kernel_initializer,
        "recurrent_initializer": recurrent_initializer,
        "l2": l2,
    }
    looks = attention == "bahdanau" or input_feeding  # at every step, inside the recurrence
    stack: _PlainStack | _LookingStack
    if looks:
        stack = _LookingStack(
            cell, sizes, attention, attention_width, output_width, dropout, recurrent
        )
    else:
        stack = _PlainStack(cell, sizes, attention, output_width, dropout, recurrent)

    # --- Model ---
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    mask = layers.PaddingMask(name="padding_mask")(source_ids)
    encoder = _encoder(
        embedding_width,
        stack.state_sizes,
        key_width=_key_width(attention, sizes[-1], attention_width),
        attends=attention != "none",
        additive=attention == "bahdanau",
        embedding_dropout=embedding_dropout,
        read={
            "cell": cell, "units": units, "bidirectional": bidirectional, "dropout": dropout,
            "recurrent_dropout": 0.0, **recurrent,
        },
    )  # fmt: skip
    decoder = _decoder(embedding_width, stack, encoder.output, embedding_dropout, dropout)
    source = source_embedding(drop_words(source_ids, word_dropout, "source_word_dropout"))
    target = target_embedding(drop_words(target_ids, word_dropout, "target_word_dropout"))
    encoded = encoder({"source_vectors": source, "source_mask": mask})
    decoded = decoder({"target_vectors": target, **encoded})
    if tie_embeddings:
        scores = target_embedding(decoded["outputs"], reverse=True)
    else:
        scores = keras.layers.Dense(
            target_vocabulary_size,
            kernel_initializer=kernel_initializer,
            dtype="float32",  # small differences of scores have no digits in bfloat16
            name="logits",
        )(decoded["outputs"])
    return keras.Model(
        {"source_ids": source_ids, "target_ids": target_ids}, scores, name="encoder_decoder"
    )


def _check_attention(attention: str, input_feeding: bool, units: int, memory_width: int) -> None:
    if input_feeding and not attention.startswith("luong"):
        raise InputError(
            f"input_feeding: goes with attention luong_dot or luong_general, was: {attention!r}"
        )
    if attention == "luong_dot" and units != memory_width:
        raise InputError(
            "attention: luong_dot multiplies states of the decoder with those of the encoder, "
            f"so both must be equally wide: decoder_units ends in {units}, and the encoder's "
            f"states are {memory_width} wide in all; luong_general needs no such match"
        )


def _key_width(attention: str, units: int, attention_width: int) -> int | None:
    """Of the projection of the memory that queries are compared with; None without one."""
    return {"luong_general": units, "bahdanau": attention_width}.get(attention)


def _embedding(size: int, width: int, tied: bool, side: str) -> Any:
    import keras

    if tied:
        return keras.layers.ReversibleEmbedding(
            size, width, reverse_dtype="float32", name=f"{side}_embedding"
        )
    return keras.layers.Embedding(size, width, name=f"{side}_embedding")


def _input_vectors(vectors: Any, embedding_dropout: float, dropout: float, side: str) -> Any:
    """Token vectors as the recurrent layers read them, scaled and with dropout."""
    import keras

    vectors = scaled_vectors(vectors, f"{side}_scaled_vectors")
    if embedding_dropout:
        name = f"{side}_embedding_dropout"
        vectors = keras.layers.SpatialDropout1D(embedding_dropout, name=name)(vectors)
    if dropout:
        vectors = keras.layers.Dropout(dropout, name=f"{side}_vectors_dropout")(vectors)
    return vectors


def _encoder(
    width: int,
    state_sizes: Sequence[int],
    *,
    key_width: int | None,
    attends: bool,
    additive: bool,
    embedding_dropout: float,
    read: dict[str, Any],
) -> Any:
    """From the source's vectors to what the decoder needs to know of them."""
    import keras

    from textnets import layers

    source_vectors = keras.Input((None, width), name="source_vectors")
    mask = keras.Input((None,), dtype="bool", name="source_mask")
    vectors = _input_vectors(source_vectors, embedding_dropout, read["dropout"], "source")
    memory, directions = read_sequence(vectors, mask, **read)
    last = [
        layers.LastState(name=f"last_state_{number}")([states, mask])
        for number, states in enumerate(directions, start=1)
    ]
    summary = keras.layers.Concatenate(name="last_states")(last) if len(last) > 1 else last[0]
    outputs: dict[str, Any] = {
        "states": [
            keras.layers.Dense(size, activation="tanh", name=f"bridge_{number}")(summary)
            for number, size in enumerate(state_sizes, start=1)
        ]
    }
    if attends:
        keys = memory
        if key_width is not None:
            # A bias would add the same to all scores of a product, and softmax ignores that.
            keys = keras.layers.Dense(key_width, use_bias=additive, name="keys")(memory)
        outputs |= {"keys": keys, "memory": memory, "mask": mask}
    inputs = {"source_vectors": source_vectors, "source_mask": mask}
    return keras.Model(inputs, outputs, name="encoder")


def _decoder(
    width: int,
    stack: _PlainStack | _LookingStack,
    encoded: dict[str, Any],
    embedding_dropout: float,
    dropout: float,
) -> Any:
    """From the target's vectors, states and memory to the vectors that the softmax reads."""
    import keras

    target_vectors = keras.Input((None, width), name="target_vectors")
    states = [
        keras.Input((size,), name=f"state_{number}")
        for number, size in enumerate(stack.state_sizes, start=1)
    ]
    given = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in encoded.items()
        if name != "states"
    }
    vectors = _input_vectors(target_vectors, embedding_dropout, dropout, "target")
    outputs, after, weights = stack(vectors, states, given)
    if dropout:
        outputs = keras.layers.Dropout(dropout, name="outputs_dropout")(outputs)
    found = {"outputs": outputs, "states": after}
    if weights is not None:
        found["weights"] = weights
    inputs = {"target_vectors": target_vectors, "states": states, **given}
    return keras.Model(inputs, found, name="decoder")


class _PlainStack:
    """Recurrent layers over the whole target, and attention over all steps at once."""

    def __init__(
        self,
        cell: Cell,
        sizes: Sequence[int],
        attention: str,
        output_width: int,
        dropout: float,
        recurrent: dict[str, Any],
    ) -> None:
        from textnets import layers

        self._layers = [
            recurrent_layer(
                cell, size, name=f"decoder_{cell}_{number}", return_state=True, **recurrent
            )
            for number, size in enumerate(sizes, start=1)
        ]
        self._counts = [num_states(layer) for layer in self._layers]
        self._attention, self._output_width, self._dropout = attention, output_width, dropout
        self.state_sizes = [
            size for layer in self._layers for size in layers.state_sizes(layer.cell)
        ]

    def __call__(
        self, vectors: Any, states: list[Any], given: dict[str, Any]
    ) -> tuple[Any, list[Any], Any]:
        """Output vectors, new states and the weights of attention or None."""
        import keras

        from textnets import layers

        remaining, after = list(states), []
        for number, (layer, count) in enumerate(zip(self._layers, self._counts, strict=True)):
            if number and self._dropout:
                name = f"{layer.name}_dropout"
                vectors = keras.layers.Dropout(self._dropout, name=name)(vectors)
            vectors, *new = layer(vectors, initial_state=remaining[:count])
            after += new
            remaining = remaining[count:]
        if self._attention == "none":
            if vectors.shape[-1] != self._output_width:
                vectors = keras.layers.Dense(self._output_width, name="output_projection")(vectors)
            return vectors, after, None
        contexts, weights = layers.DotAttention(name="attention")(
            vectors, given["keys"], given["memory"], given["mask"]
        )
        both = keras.layers.Concatenate(name="contexts_and_states")([contexts, vectors])
        attentional = keras.layers.Dense(
            self._output_width, activation="tanh", use_bias=False, name="attentional_vector"
        )(both)
        return attentional, after, weights


class _LookingStack:
    """Recurrent layers that look into the memory at every step."""

    def __init__(
        self,
        cell: Cell,
        sizes: Sequence[int],
        attention: str,
        attention_width: int,
        output_width: int,
        dropout: float,
        recurrent: dict[str, Any],
    ) -> None:
        from textnets import layers

        cells = [
            recurrent_layer(cell, size, name=f"{cell}_{number}", **recurrent).cell
            for number, size in enumerate(sizes, start=1)
        ]
        look: Any = layers.DotAttention(name="attention")
        if attention == "bahdanau":
            look = layers.AdditiveAttention(attention_width, name="attention")
        when = "before" if attention == "bahdanau" else "after"
        self._recurrence = layers.AttentionRNN(
            cells, look, output_width, when, dropout, name=f"decoder_{cell}"
        )
        self.state_sizes = list(self._recurrence.cell.state_size)

    def __call__(
        self, vectors: Any, states: list[Any], given: dict[str, Any]
    ) -> tuple[Any, list[Any], Any]:
        """As of :class:`_PlainStack`."""
        outputs, after, weights = self._recurrence(
            vectors, states, given["keys"], given["memory"], given["mask"]
        )
        return outputs, after, weights
