"""A softmax in two steps: frequent tokens at once, rare ones as a group first."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras

from textnets.layers.softmax_losses import token_losses
from textnets.layers.token_table import TokenTable, ranks_of


@keras.saving.register_keras_serializable("textnets")
class AdaptiveTokenTable(TokenTable):
    """A token table whose softmax is adaptive (Grave et al. 2017).

    Token ids follow the counts of the tokens, so the ids before the first cutoff are the
    frequent ones, and the cutoffs divide the others into groups. A first softmax is over the
    frequent tokens and the groups, another one, within a group, over its tokens. What trains
    it, :class:`AdaptiveSoftmaxLoss`, computes a group's softmax only where the next token is
    of that group: most places need none. Unlike a sampled softmax it is exact, a model of its
    own whose probabilities sum to 1.

    Groups keep the table's full width, where the paper projects rare ones to a smaller one, so
    that one table is read from both sides; :class:`ReducedTokenTable` does as the paper.

    Called with ids it is a :class:`TokenTable`. Called with vectors, ``<float>[batch, length,
    width]``, and ``reverse=True``, its logits, ``<float32>[batch, length, vocabulary]``, are the
    logarithms of the probabilities.

    Args:
        vocabulary_size: rows of the table, special ids included.
        width: columns of the table.
        cutoffs: the first id of each group: above 4, in order and below ``vocabulary_size``.
        initializer: how the table starts; each softmax starts at Zipf's law.
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        *,
        cutoffs: Sequence[int],
        initializer: Any = "uniform",
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            vocabulary_size,
            width,
            initializer=initializer,
            name=name,
            trainable=trainable,
            dtype=dtype,
        )
        self.cutoffs = list(cutoffs)
        ends = [*self.cutoffs[1:], vocabulary_size]
        #: The first id of each group and the first after it.
        self.groups = list(zip(self.cutoffs, ends, strict=True))

    def build(self, input_shape: Any) -> None:
        """Make the table, the biases, and the same for the groups."""
        super().build(input_shape)
        count = len(self.groups)
        self.group_vectors = self.add_weight(
            shape=(count, self.width), initializer="glorot_uniform", name="group_vectors"
        )
        self.group_bias = self.add_weight(
            shape=(count,), initializer=self._zipf_bias_of_groups, name="group_bias"
        )

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Ids to vectors, or vectors to the logarithms of probabilities."""
        if not reverse:
            return super().call(inputs)
        batch, length, _ = keras.ops.shape(inputs)
        features = keras.ops.reshape(inputs, (-1, self.width))
        head = keras.ops.log_softmax(self.head_logits(features))
        first = self.cutoffs[0]
        parts = [head[:, :first]]
        for number in range(len(self.groups)):
            column = first + number
            within = keras.ops.log_softmax(self.group_logits(features, number))
            parts.append(head[:, column : column + 1] + within)
        logits = keras.ops.concatenate(parts, axis=-1)
        return keras.ops.reshape(logits, (batch, length, self.vocabulary_size))

    def head_logits(self, features: Any) -> Any:
        """Of the first softmax, over the frequent tokens and then the groups.

        Args:
            features: ``<float>[places, width]``.

        Returns:
            ``<float32>[places, first cutoff + groups]``.
        """
        first = self.cutoffs[0]
        rows = keras.ops.concatenate([self.embeddings[:first], self.group_vectors])
        bias = keras.ops.cast(self.group_bias, "float32")
        bias = keras.ops.concatenate([self.next_bias()[:first], bias])
        return _products(features, rows) + bias

    def group_logits(self, features: Any, number: int) -> Any:
        """Of the softmax within one group: ``<float32>[places, tokens of the group]``."""
        start, end = self.groups[number]
        return _products(features, self.embeddings[start:end]) + self.next_bias()[start:end]

    def _zipf_bias_of_groups(self, shape: Any, dtype: Any = None) -> Any:
        """``<float>[groups]``: log of the sum of the shares that Zipf's law gives its tokens."""
        starts, ends = (
            keras.ops.cast(ranks_of(keras.ops.convert_to_tensor(ids, "int32")), "float32")
            for ids in zip(*self.groups, strict=True)
        )
        whole = math.log(self.vocabulary_size - 1.0)  # without padding and [BOS]
        share = keras.ops.log((ends + 1.0) / (starts + 1.0)) / whole
        return keras.ops.cast(keras.ops.log(share), dtype or "float32")

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        config = {**super().get_config(), "cutoffs": self.cutoffs}
        del config["with_bias"]
        return config


@keras.saving.register_keras_serializable("textnets")
class ReducedTokenTable(AdaptiveTokenTable):
    """An adaptive token table whose rare tokens have shorter vectors.

    The vectors of each group are ``shrink`` times shorter than those of the group before it. A
    matrix a group makes them as wide as the others where they are read (Baevski and Auli 2019),
    and the same matrix makes the features as short where they are compared with them (Grave et
    al. 2017): tied by projection. Rare tokens, which are most of a vocabulary and seldom seen, then
    cost less time, memory and optimizer.

    Called as :class:`AdaptiveTokenTable`.

    Args:
        shrink: 2 or more.
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        *,
        cutoffs: Sequence[int],
        shrink: int,
        initializer: Any = "uniform",
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            vocabulary_size,
            width,
            cutoffs=cutoffs,
            initializer=initializer,
            name=name,
            trainable=trainable,
            dtype=dtype,
        )
        self.shrink = shrink
        count = len(self.groups)
        #: Columns of each group's own table.
        self.widths = [max(1, width // shrink**number) for number in range(1, count + 1)]

    def build(self, input_shape: Any) -> None:
        """Make the tables, their projections and the biases."""
        super().build(input_shape)
        self.tables, self.projections = [], []
        for number, ((start, end), width) in enumerate(zip(self.groups, self.widths, strict=True)):
            table = self.add_weight(
                shape=(end - start, width),
                initializer=_another(self.initializer),
                name=f"group_{number + 1}_embeddings",
            )
            # Of fan-in 1: vectors are as long as those of frequent tokens.
            projection = self.add_weight(
                shape=(width, self.width),
                initializer="lecun_uniform",
                name=f"group_{number + 1}_projection",
            )
            self.tables.append(table)
            self.projections.append(projection)

    @property
    def rows(self) -> int:
        """Of the table of full width: only the frequent tokens have one."""
        return self.cutoffs[0]

    def vectors(self) -> Any:
        """``<float>[vocabulary, width]``."""
        groups = zip(self.tables, self.projections, strict=True)
        parts = [keras.ops.matmul(table, projection) for table, projection in groups]
        return keras.ops.concatenate([self.embeddings, *parts])

    def call(self, inputs: Any, reverse: bool = False) -> Any:
        """Ids to vectors, or vectors to the logarithms of probabilities."""
        if reverse:
            return super().call(inputs, reverse=True)
        found = keras.ops.take(self.embeddings, keras.ops.minimum(inputs, self.rows - 1), axis=0)
        for (start, end), table, projection in zip(
            self.groups, self.tables, self.projections, strict=True
        ):
            places = keras.ops.clip(inputs - start, 0, end - start - 1)
            vectors = keras.ops.matmul(keras.ops.take(table, places, axis=0), projection)
            is_inside = keras.ops.logical_and(inputs >= start, inputs < end)
            found = keras.ops.where(is_inside[..., None], vectors, found)
        return keras.ops.cast(found, self.compute_dtype)

    def group_logits(self, features: Any, number: int) -> Any:
        """As of :class:`AdaptiveTokenTable`."""
        start, end = self.groups[number]
        projection = keras.ops.cast(self.projections[number], features.dtype)
        short = keras.ops.matmul(features, keras.ops.transpose(projection))
        return _products(short, self.tables[number]) + self.next_bias()[start:end]

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "shrink": self.shrink}


@keras.saving.register_keras_serializable("textnets")
class AdaptiveSoftmaxLoss(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """:func:`token_losses` of an adaptive softmax, of which it computes only what it needs.

    On TensorFlow a group's softmax is computed at the places whose target is of that group. On
    JAX, whose compiled functions need shapes that depend on no values, it is computed at every
    place: the same numbers, but not the time that is saved.

    Args:
        table: the :class:`AdaptiveTokenTable`.

    Call with ``[features, target_ids]``, ``<float>[batch, length, width]`` and
    ``<int32>[batch, length]``; returns ``<float32>[batch, length]``, in nats.
    """

    def __init__(
        self,
        table: Any,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.table = table

    def call(self, inputs: Any) -> Any:
        """``<float32>[batch, length]``."""
        features, target_ids = inputs
        table, first = self.table, self.table.cutoffs[0]
        features = keras.ops.reshape(features, (-1, table.width))
        targets = keras.ops.reshape(target_ids, (-1,))
        first_targets = targets
        for number, (start, _) in enumerate(table.groups):
            first_targets = keras.ops.where(targets >= start, first + number, first_targets)
        losses = token_losses(table.head_logits(features), first_targets)
        for number, (start, _) in enumerate(table.groups):
            is_inside = first_targets == first + number
            losses = losses + self._within(number, features, targets - start, is_inside)
        return keras.ops.reshape(losses, keras.ops.shape(target_ids))

    def _within(self, number: int, features: Any, targets: Any, is_inside: Any) -> Any:
        """``<float32>[places]``: the losses within one group, 0 at the other places."""
        if keras.backend.backend() != "tensorflow":
            targets = keras.ops.where(is_inside, targets, 0)
            logits = self.table.group_logits(features, number)
            return keras.ops.where(is_inside, _losses(logits, targets), 0.0)
        (places,) = keras.ops.nonzero(is_inside)
        logits = self.table.group_logits(keras.ops.take(features, places, axis=0), number)
        losses = _losses(logits, keras.ops.take(targets, places))
        shape = keras.ops.shape(is_inside)
        return keras.ops.scatter(places[:, None], losses, shape)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """One loss a place."""
        return keras.KerasTensor(inputs[1].shape, dtype="float32")


def _products(features: Any, rows: Any) -> Any:
    """``<float32>[places, rows]``."""
    rows = keras.ops.cast(rows, features.dtype)
    products = keras.ops.matmul(features, keras.ops.transpose(rows))
    return keras.ops.cast(products, "float32")


def _losses(logits: Any, targets: Any) -> Any:
    return keras.ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)


def _another(initializer: Any) -> Any:
    """One that draws other numbers: an initializer with a seed of its own draws the same again."""
    return type(initializer).from_config({**initializer.get_config(), "seed": None})
