"""A Transformer that reads a sequence and writes another: encoder, attention, decoder."""

from __future__ import annotations

from typing import Any

from textnets.builders.arguments import checked
from textnets.builders.parameters import (
    Activation,
    Count,
    Initializer,
    Model,
    OptionalCount,
    Positions,
    Rate,
    Strength,
    VocabularySize,
    Width,
)
from textnets.builders.token_embedding import drop_words
from textnets.builders.transformer_stack import TransformerLayers
from textnets.errors import InputError


@checked
def build_transformer_encoder_decoder(
    *,
    source_vocabulary_size: VocabularySize,
    target_vocabulary_size: VocabularySize,
    share_embeddings: bool = False,
    tie_embeddings: bool = False,
    width: Width = 256,
    depth: Count = 2,
    decoder_depth: OptionalCount = 0,
    heads: Count = 4,
    feed_forward_width: Width = 512,
    positions: Positions = "sinusoidal",
    max_positions: Count = 512,
    activation: Activation = "relu",
    word_dropout: Rate = 0.0,
    embedding_dropout: Rate = 0.0,
    dropout: Rate = 0.1,
    attention_dropout: Rate = 0.0,
    l2: Strength = 0.0,
    kernel_initializer: Initializer = "glorot_uniform",
) -> Model:
    """Build a translator of attention alone (Vaswani et al. 2017, "Attention Is All You Need").

    The encoder reads the source, each of its tokens looking at all of them. Each token of the
    target looks at those before it and at the encoded source, its memory. Layers normalize what
    they read (pre-norm: Xiong et al. 2020).

    Its states are caches: what is filled, then the keys and values that each layer of the decoder
    has made of the tokens so far, so that a step computes one token. They go in and come out with
    the same room, the latest token last; the encoder gives none, for a target that is read at once.

    Args:
        source_vocabulary_size: How many source token ids there are, special ids included.
        target_vocabulary_size: The same of the target.
        share_embeddings: One table of vectors for both sides; needs one vocabulary.
        tie_embeddings: The softmax uses the target's vectors (Press and Wolf 2017).
        width: Size of a token's vector, on both sides and between layers; a multiple of heads.
        depth: How many layers the encoder has.
        decoder_depth: The same of the decoder; as the encoder's when 0.
        heads: How many ways to look at a text each attention has.
        feed_forward_width: Size of the hidden layer of each layer's small net.
        positions: What tells a token's place: waves (sinusoidal), or a vector a place (learned).
        max_positions: How many places are learned; tokens after them share the last vector.
        activation: Activation of the small nets.
        word_dropout: Share of the tokens of both sides to turn into [UNK] while training.
        embedding_dropout: Share of token vector components to drop, the same for a sentence.
        dropout: Share of what each part of a layer finds to drop.
        attention_dropout: Share of the weights of attention to drop.
        l2: Strength of the penalty on squared kernels of layers.
        kernel_initializer: How the kernels of dense layers start.

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

    if share_embeddings and source_vocabulary_size != target_vocabulary_size:
        raise InputError("share_embeddings: needs one vocabulary for source and target")
    transformer = TransformerLayers(
        "build_transformer_encoder_decoder",
        width=width,
        heads=heads,
        feed_forward_width=feed_forward_width,
        activation=activation,
        dropout=dropout,
        attention_dropout=attention_dropout,
        l2=l2,
        kernel_initializer=kernel_initializer,
    )

    # --- Layers ---
    target_embedding = _embedding(target_vocabulary_size, width, tie_embeddings, "target")
    source_embedding = (
        target_embedding
        if share_embeddings
        else _embedding(source_vocabulary_size, width, False, "source")
    )
    place = _Placing(transformer, positions, max_positions, embedding_dropout)

    # --- Model ---
    source_ids = keras.Input((None,), dtype="int32", name="source_ids")
    target_ids = keras.Input((None,), dtype="int32", name="target_ids")
    mask = layers.PaddingMask(name="padding_mask")(source_ids)
    encoder = _encoder(transformer, place, depth, decoder_depth or depth)
    decoder = _decoder(transformer, place, decoder_depth or depth, encoder.output)
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
        {"source_ids": source_ids, "target_ids": target_ids},
        scores,
        name="transformer_encoder_decoder",
    )


def _embedding(size: int, width: int, tied: bool, side: str) -> Any:
    """A table whose vectors have a length of about 1, so that tied scores begin moderate."""
    import keras

    start = keras.initializers.RandomNormal(stddev=width**-0.5)
    name = f"{side}_embedding"
    if tied:
        return keras.layers.ReversibleEmbedding(
            size, width, embeddings_initializer=start, reverse_dtype="float32", name=name
        )
    return keras.layers.Embedding(size, width, embeddings_initializer=start, name=name)


class _Placing:
    """Token vectors of either side as its first layer reads them."""

    def __init__(
        self,
        transformer: TransformerLayers,
        positions: str,
        max_positions: int,
        embedding_dropout: float,
    ) -> None:
        self._transformer, self._dropout = transformer, embedding_dropout
        self._positions = (positions, max_positions)

    def __call__(self, vectors: Any, side: str, places: Any = None) -> Any:
        """``<float>[batch, length, width]`` to the same; ``places`` as of ``place``."""
        import keras

        if self._dropout:
            name = f"{side}_embedding_dropout"
            vectors = keras.layers.SpatialDropout1D(self._dropout, name=name)(vectors)
        return self._transformer.place(
            vectors, *self._positions, scaled=True, places=places, prefix=f"{side}_"
        )


def _encoder(
    transformer: TransformerLayers, place: _Placing, depth: int, decoder_depth: int
) -> Any:
    """From the source's vectors to what the decoder needs to know of them: keys and values of the
    memory for each of its layers, made once."""
    import keras

    from textnets import layers

    width = transformer.width
    source_vectors = keras.Input((None, width), name="source_vectors")
    mask = keras.Input((None,), dtype="bool", name="source_mask")
    memory = transformer.encode(place(source_vectors, "source"), mask, depth)
    caches = layers.EmptyCaches([1, *[width] * (2 * decoder_depth)], name="empty_caches")
    outputs: dict[str, Any] = {"states": caches(memory), "mask": mask}
    for number in range(1, decoder_depth + 1):
        for what in ("keys", "values"):
            name = f"memory_{what}_{number}"
            outputs[name] = transformer.dense(width, name, bias=what == "values")(memory)
    inputs = {"source_vectors": source_vectors, "source_mask": mask}
    return keras.Model(inputs, outputs, name="encoder")


def _decoder(
    transformer: TransformerLayers, place: _Placing, depth: int, encoded: dict[str, Any]
) -> Any:
    """From the target's vectors, caches and memory to the vectors that the softmax reads."""
    import keras

    from textnets import layers

    target_vectors = keras.Input((None, transformer.width), name="target_vectors")
    states = [
        keras.Input((None, state.shape[-1]), dtype=state.dtype, name=f"state_{number}")
        for number, state in enumerate(encoded["states"], start=1)
    ]
    given = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in encoded.items()
        if name != "states"
    }
    seen, places, filled = layers.CausalMask(name="causal_mask")(target_vectors, states[0])
    sequence = place(target_vectors, "target", places)
    after, weights = [filled], None
    for number in range(1, depth + 1):
        keys, values = states[2 * number - 1 : 2 * number + 1]
        sequence, *kept = transformer.look_back(
            sequence, keys, values, seen, f"attention_{number}", rotary=False
        )
        after += kept
        sequence, weights = transformer.look_into_memory(
            sequence,
            given[f"memory_keys_{number}"],
            given[f"memory_values_{number}"],
            given["mask"],
            f"memory_attention_{number}",
        )
        sequence = transformer.think(sequence, f"feed_forward_{number}")
    outputs = transformer.normalized(sequence, "output_norm")
    found = {"outputs": outputs, "states": after, "weights": weights}
    inputs = {"target_vectors": target_vectors, "states": states, **given}
    return keras.Model(inputs, found, name="decoder")
