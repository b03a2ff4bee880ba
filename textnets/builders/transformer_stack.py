"""Layers of attention and small nets, as every Transformer has them (Vaswani et al. 2017).

Each part of a layer reads its input normalized, and what it finds is added to the input (pre-norm:
Xiong et al. 2020, "On Layer Normalization in the Transformer Architecture"), which trains without a
warm-up of the learning rate. What comes out of the last layer is normalized once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textnets.builders.token_embedding import scaled_vectors
from textnets.errors import InputError

_EPSILON = 1e-5  # below a variance


@dataclass(frozen=True)
class TransformerLayers:
    """What makes the layers of one model, all of the same size.

    Attributes:
        builder: for messages.
        width: of the vectors between the layers.
        heads: of each attention.
        feed_forward_width: of the small net's hidden layer.
        activation: of that hidden layer.
        dropout: share of what each part of a layer finds to drop.
        attention_dropout: share of the weights of attention to drop.
        l2: strength of the penalty on squared kernels.
        kernel_initializer: how the kernels start.
    """

    builder: str
    width: int
    heads: int
    feed_forward_width: int
    activation: str
    dropout: float
    attention_dropout: float
    l2: float
    kernel_initializer: str

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise InputError(
                f"{self.builder}: heads: must divide width, {self.width}, since each head takes "
                f"its part of a vector, was: {self.heads}"
            )

    # --- What layers are made of ---

    def dense(
        self, width: int, name: str, *, activation: str | None = None, bias: bool = True
    ) -> Any:
        """A dense layer with the model's initializer and penalty."""
        import keras

        return keras.layers.Dense(
            width,
            activation=activation,
            use_bias=bias,
            kernel_initializer=self.kernel_initializer,
            kernel_regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
            name=name,
        )

    def normalized(self, sequence: Any, name: str) -> Any:
        """Each vector with mean 0 and variance 1, then scaled (Ba et al. 2016)."""
        import keras

        return keras.layers.LayerNormalization(epsilon=_EPSILON, name=name)(sequence)

    def added(self, sequence: Any, found: Any, name: str) -> Any:
        """What a part of a layer found, added to what it read."""
        import keras

        if self.dropout:
            found = keras.layers.Dropout(self.dropout, name=f"{name}_dropout")(found)
        return keras.layers.Add(name=f"{name}_sum")([sequence, found])

    def projected(self, sequence: Any, name: str) -> Any:
        """Queries, keys and values of normalized vectors, side by side."""
        # A bias of the keys would add the same to all scores of a query, which softmax ignores;
        # that of the values is one with the bias of the layer after the heads.
        normal = self.normalized(sequence, f"{name}_norm")
        return self.dense(3 * self.width, f"{name}_queries_keys_values", bias=False)(normal)

    # --- Parts of layers ---

    def look_at_all(self, sequence: Any, mask: Any, name: str) -> Any:
        """Attention of every token to all of them.

        Args:
            sequence: ``<float>[batch, length, width]``.
            mask: ``<bool>[batch, length]``.
            name: the beginning of every layer's name.
        """
        from textnets import layers

        attention = layers.SelfAttention(self.heads, self.attention_dropout, name=name)
        found = attention([self.projected(sequence, name), mask])
        return self.added(sequence, self.dense(self.width, f"{name}_mix")(found), name)

    def look_back(
        self, sequence: Any, keys: Any, values: Any, mask: Any, name: str, *, rotary: bool
    ) -> tuple[Any, Any, Any]:
        """Attention of every token to those before it; see ``layers.CachedAttention``.

        Returns:
            The sequence, and keys and values to keep.
        """
        from textnets import layers

        attention = layers.CachedAttention(self.heads, self.attention_dropout, rotary, name=name)
        found, keys, values = attention(self.projected(sequence, name), keys, values, mask)
        found = self.dense(self.width, f"{name}_mix")(found)
        return self.added(sequence, found, name), keys, values

    def look_into_memory(
        self, sequence: Any, keys: Any, values: Any, mask: Any, name: str
    ) -> tuple[Any, Any]:
        """Attention of every token to an encoded text; see ``layers.MemoryAttention``.

        Returns:
            The sequence, and ``<float32>[batch, steps, length]``, the mean of the heads' weights.
        """
        from textnets import layers

        queries = self.dense(self.width, f"{name}_queries")(
            self.normalized(sequence, f"{name}_norm")
        )
        attention = layers.MemoryAttention(self.heads, self.attention_dropout, name=name)
        found, weights = attention(queries, keys, values, mask)
        return self.added(sequence, self.dense(self.width, f"{name}_mix")(found), name), weights

    def think(self, sequence: Any, name: str) -> Any:
        """A small net over each token by itself."""
        hidden = self.dense(self.feed_forward_width, f"{name}_hidden", activation=self.activation)(
            self.normalized(sequence, f"{name}_norm")
        )
        return self.added(sequence, self.dense(self.width, f"{name}_output")(hidden), name)

    # --- All layers ---

    def encode(self, sequence: Any, mask: Any, depth: int, prefix: str = "") -> Any:
        """Read a whole text: ``<float>[batch, length, width]`` to the same.

        Args:
            sequence: of vectors that know their places.
            mask: ``<bool>[batch, length]``, false at padding.
            depth: how many layers.
            prefix: of all names.
        """
        for number in range(1, depth + 1):
            sequence = self.look_at_all(sequence, mask, f"{prefix}attention_{number}")
            sequence = self.think(sequence, f"{prefix}feed_forward_{number}")
        return self.normalized(sequence, f"{prefix}output_norm")

    def place(
        self,
        vectors: Any,
        positions: str,
        max_positions: int,
        *,
        scaled: bool,
        places: Any = None,
        prefix: str = "",
    ) -> Any:
        """Token vectors as the first layer reads them: as wide as it, and knowing their places.

        Args:
            vectors: ``<float>[batch, length, any width]``.
            positions: ``sinusoidal`` or ``learned``.
            max_positions: how many are learned.
            scaled: whether to multiply them by the root of their width, as vectors that start
                small want.
            places: ``<int32>[batch, length]``, where a text does not begin with these tokens.
            prefix: of all names.
        """
        import keras

        from textnets import layers

        if scaled:
            vectors = scaled_vectors(vectors, f"{prefix}scaled_vectors")
        if vectors.shape[-1] != self.width:
            vectors = self.dense(self.width, f"{prefix}token_projection")(vectors)
        name = f"{prefix}positions"
        layer: Any = (
            layers.LearnedPositions(max_positions, name=name)
            if positions == "learned"
            else layers.SinusoidalPositions(name=name)
        )
        vectors = layer(vectors) if places is None else layer(vectors, places)
        if self.dropout:
            vectors = keras.layers.Dropout(self.dropout, name=f"{prefix}tokens_dropout")(vectors)
        return vectors
