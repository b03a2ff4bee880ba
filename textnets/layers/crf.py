"""A linear-chain conditional random field: tags that know their neighbors.

Lafferty, McCallum and Pereira (2001), "Conditional Random Fields"; over a recurrent net's
scores, Huang, Xu and Yu (2015). A sentence's tags y are scored by

    start[y_0] + sum_t emissions[t, y_t] + sum_t transitions[y_t, y_t+1] + end[y_last]

and their probability is the softmax of that over all sequences of tags.

Nothing is differentiated through the loop over the positions. The gradient of the log of the
softmax's denominator is the expected number of times that each score is used, and the
forward-backward algorithm gives these; both of its directions run in one ``keras.ops.scan``,
stacked, as products with matrices of exp(transitions). With 23 tags, 48 positions and 32 rows
on one core of a CPU (TensorFlow) the scan took 2.9 ms; one direction in log-space with its
gradient by ``tf.GradientTape`` took 10.9 ms, in exp-space 9. An associative scan over products
of transition matrices costs tags³ a position and needs a static length on TensorFlow.

All is computed in float32 under every dtype policy. Exact as long as the transitions' largest
and smallest score are less than about 60 apart; beyond that gradients stay finite.
"""

from __future__ import annotations

from typing import Any

import keras

from textnets.layers.positions import reverse_rows

# Less than any sum of exponentials that counts; not 0, whose logarithm is not finite.
_TINY = 1e-30
# From here on the sum of a sentence's scores leaves float32 too few digits for their differences.
_FAR = 32.0


@keras.saving.register_keras_serializable("textnets")
class LinearChainCRF(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The probability of each tag at each word, given all words: the marginals.

    Args:
        num_tags: how many tags there are.

    Call with ``[emissions, mask]``, ``<float32>[batch, length, num_tags]`` and
    ``<bool>[batch, length]``, padded on the right and with a token in every row; returns
    ``<float32>[batch, length, num_tags]``. What padding says has no meaning.
    """

    def __init__(
        self,
        num_tags: int,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: Any = "float32",
    ) -> None:
        super().__init__(name=name, trainable=trainable, dtype=dtype)
        self.num_tags = num_tags

    def build(self, input_shape: Any) -> None:
        """Make the scores, all 0: at the start any tag may follow any other."""
        tags = (self.num_tags,)
        self.transitions = self.add_weight(
            shape=(*tags, *tags), initializer="zeros", name="transitions"
        )
        self.start = self.add_weight(shape=tags, initializer="zeros", name="start")
        self.end = self.add_weight(shape=tags, initializer="zeros", name="end")

    def call(self, inputs: Any) -> Any:
        """``[emissions, mask]`` to ``<float32>[batch, length, num_tags]``."""
        emissions, mask = inputs
        forward, backward = self._messages(emissions, mask, relative=True)
        return _marginals(emissions, forward, backward)

    def negative_log_likelihood(self, emissions: Any, mask: Any, tag_ids: Any) -> Any:
        """Minus the log-probability of the given tags.

        Args:
            emissions: ``<float32>[batch, length, num_tags]``.
            mask: ``<bool>[batch, length]``.
            tag_ids: ``<int32>[batch, length]``; those of padding are not looked at.

        Returns:
            ``<float32>[batch]``, in nats. Its first derivatives are right, higher ones are not.
        """
        fixed = keras.ops.stop_gradient(emissions)
        forward, backward = self._messages(fixed, mask)
        log_total = keras.ops.logsumexp(
            forward[:, -1] + keras.ops.stop_gradient(self.end.value), axis=-1
        )
        is_token = keras.ops.cast(mask, "float32")
        expected = _marginals(fixed, forward, backward) * is_token[:, :, None]
        pairs = self._expected_pairs(forward, backward, is_token)
        found = self._score(emissions, is_token, *map(keras.ops.stop_gradient, (expected, pairs)))
        # Its value is the log of the denominator, its gradient the expected counts.
        log_total = keras.ops.stop_gradient(log_total - found) + found
        chosen = keras.ops.one_hot(tag_ids, self.num_tags, dtype="float32")
        chosen = chosen * is_token[:, :, None]
        return log_total - self._score(emissions, is_token, chosen, _pairs(chosen, chosen))

    def _messages(self, emissions: Any, mask: Any, *, relative: bool = False) -> tuple[Any, Any]:
        """Log-sums over all that a position's tag can follow, and over all that can follow it,
        its own emission in both: ``<float32>[batch, length, num_tags]`` each.

        A row's padding repeats its last message of the first kind. Where only the differences
        between a position's tags count, the messages may be ``relative``: what all tags have in
        common is dropped where it grows, so that they keep their digits in sentences of hundreds
        of words.
        """
        ops = keras.ops
        transitions = ops.stop_gradient(self.transitions.value)
        edges = ops.stop_gradient(ops.stack([self.start.value, self.end.value]))
        highest = ops.max(transitions)
        factors = ops.exp(ops.stack([transitions, ops.transpose(transitions)]) - highest)
        both = ops.stack([emissions, reverse_rows(emissions, mask)])
        by_position = ops.transpose(both, (2, 0, 1, 3))  # [length, 2, batch, num_tags]
        follows = ops.broadcast_to(_follows(mask)[:, None], ops.shape(by_position[..., :1]))

        def step(before: Any, now: Any) -> tuple[Any, Any]:
            emission, does_follow = now[..., : self.num_tags], now[..., self.num_tags :] > 0
            peak = ops.max(before, axis=-1, keepdims=True)
            sums = ops.matmul(ops.exp(before - peak), factors)
            known = ops.where(ops.abs(peak) > _FAR, 0.0, peak) if relative else peak
            after = ops.log(ops.maximum(sums, _TINY)) + known + highest + emission
            after = ops.where(does_follow, after, before)
            return after, after

        first = by_position[0] + edges[:, None, :]
        _, messages = ops.scan(step, first, ops.concatenate([by_position, follows], axis=-1))
        forward, backward = ops.unstack(ops.transpose(messages, (1, 2, 0, 3)), 2)
        return forward, reverse_rows(backward, mask)

    def _expected_pairs(self, forward: Any, backward: Any, is_token: Any) -> Any:
        """How often each tag is expected to follow each: ``<float32>[batch, tags, tags]``."""
        ops = keras.ops
        transitions = ops.stop_gradient(self.transitions.value)
        factors = ops.exp(transitions - ops.max(transitions))
        # Sliced last: Keras refuses the maximum of what a batch of one word leaves, nothing.
        left = ops.exp(forward - ops.max(forward, axis=-1, keepdims=True))[:, :-1]
        right = ops.exp(backward - ops.max(backward, axis=-1, keepdims=True))[:, 1:]
        totals = ops.sum(ops.matmul(left, factors) * right, axis=-1, keepdims=True)
        shares = is_token[:, 1:, None] / ops.maximum(totals, _TINY)
        return ops.matmul(ops.transpose(left * shares, (0, 2, 1)), right) * factors

    def _score(self, emissions: Any, is_token: Any, tags: Any, pairs: Any) -> Any:
        """The score of tags, or of tags and pairs as often as they are expected.

        Args:
            emissions: ``<float32>[batch, length, num_tags]``.
            is_token: ``<float32>[batch, length]``.
            tags: ``<float32>[batch, length, num_tags]``, 0 where there is padding.
            pairs: ``<float32>[batch, num_tags, num_tags]``.

        Returns:
            ``<float32>[batch]``.
        """
        ops = keras.ops
        follows = ops.pad(is_token[:, 1:], [[0, 0], [0, 1]])
        last = ops.sum(tags * (is_token - follows)[:, :, None], axis=1)
        return (
            ops.sum(emissions * tags, axis=(1, 2))
            + ops.sum(self.transitions * pairs, axis=(1, 2))
            + ops.sum(self.start * tags[:, 0], axis=1)
            + ops.sum(self.end * last, axis=1)
        )

    def compute_output_shape(self, input_shape: Any) -> Any:
        """That of the emissions."""
        return tuple(input_shape[0])

    def get_config(self) -> dict[str, Any]:
        """What the constructor needs."""
        return {**super().get_config(), "num_tags": self.num_tags}


class CRFLoss(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The loss of a :class:`LinearChainCRF`, as a layer of the model that is trained.

    Call with ``[emissions, mask, tag_ids]``; returns ``<float32>[batch, length]``: at each
    word an equal share of its sentence's negative log-likelihood, so that a mean over words is
    the loss a word, whatever the lengths.
    """

    def __init__(self, crf: LinearChainCRF, *, name: str | None = None) -> None:
        super().__init__(name=name, dtype="float32")
        self.crf = crf

    def call(self, inputs: Any) -> Any:
        """``[emissions, mask, tag_ids]`` to ``<float32>[batch, length]``."""
        emissions, mask, tag_ids = inputs
        losses = self.crf.negative_log_likelihood(emissions, mask, tag_ids)
        is_token = keras.ops.cast(mask, "float32")
        return is_token * (losses / keras.ops.sum(is_token, axis=1))[:, None]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """``[batch, length]``."""
        return tuple(input_shape[1])


class BestTags(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """The best sequence of tags, by :func:`viterbi`.

    Args:
        crf: whose scores count; ``None`` for emissions alone.
        start, transitions, end: added to its scores, very low for what must not be;
            ``<float32>[tags]``, ``<float32>[tags, tags]`` and ``<float32>[tags]``.

    Call with ``[emissions, mask]``; returns ``<int32>[batch, length]``.
    """

    def __init__(
        self,
        crf: LinearChainCRF | None,
        start: Any,
        transitions: Any,
        end: Any,
        *,
        name: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype="float32")
        self.crf = crf
        self._added = (start, transitions, end)

    def call(self, inputs: Any) -> Any:
        """``[emissions, mask]`` to ``<int32>[batch, length]``."""
        emissions, mask = inputs
        scores = [keras.ops.convert_to_tensor(added, "float32") for added in self._added]
        if self.crf is not None:
            own = (self.crf.start, self.crf.transitions, self.crf.end)
            scores = [one + other for one, other in zip(scores, own, strict=True)]
        return viterbi(emissions, mask, *scores)

    def compute_output_spec(self, inputs: Any) -> keras.KerasTensor:
        """``<int32>[batch, length]``."""
        return keras.KerasTensor(inputs[1].shape, dtype="int32")


def viterbi(emissions: Any, mask: Any, start: Any, transitions: Any, end: Any) -> Any:
    """The sequence of tags with the highest score (Viterbi 1967).

    Args:
        emissions: ``<float32>[batch, length, tags]``.
        mask: ``<bool>[batch, length]``, padded on the right, with a token in every row.
        start, transitions, end: ``<float32>[tags]``, ``<float32>[tags, tags]`` (from, to) and
            ``<float32>[tags]``.

    Returns:
        ``<int32>[batch, length]``, 0 where there is padding.
    """
    ops = keras.ops
    batch, _, num_tags = ops.shape(emissions)
    by_position = ops.transpose(emissions, (1, 0, 2))
    # Tags as floats: on TensorFlow a scan's outputs have the dtype of what it carries.
    same = ops.arange(num_tags, dtype="float32")[None, :]

    def ahead(best: Any, now: Any) -> tuple[Any, Any]:
        emission, does_follow = now[:, :num_tags], now[:, num_tags:] > 0
        routes = best[:, :, None] + transitions[None]
        origins = ops.cast(ops.argmax(routes, axis=1), "float32")
        after = ops.where(does_follow, ops.max(routes, axis=1) + emission, best)
        return after, ops.where(does_follow, origins, same)

    def back(tags: Any, origins: Any) -> tuple[Any, Any]:
        places = ops.arange(batch, dtype="int32") * num_tags + tags
        before = ops.take(ops.reshape(origins, (-1,)), places, axis=0)
        return ops.cast(before, "int32"), tags

    read = ops.concatenate([by_position, _follows(mask)], axis=-1)
    best, origins = ops.scan(ahead, by_position[0] + start, read)
    last = ops.cast(ops.argmax(best + end, axis=-1), "int32")
    _, tags = ops.scan(back, last, origins, reverse=True)
    return ops.where(mask, ops.transpose(tags), 0)


def _follows(mask: Any) -> Any:
    """1 where a tag follows another, else 0, by position: ``<float32>[length, batch, 1]``.

    With the first position among them, where none does, no scan is ever over nothing, which
    TensorFlow refuses. Floats, to be read beside the emissions: Keras's scan over two things
    needs their static length there (Keras 3.15).
    """
    mask = keras.ops.transpose(mask)
    is_later = keras.ops.arange(keras.ops.shape(mask)[0], dtype="int32") > 0
    return keras.ops.cast(keras.ops.logical_and(mask, is_later[:, None])[:, :, None], "float32")


def _marginals(emissions: Any, forward: Any, backward: Any) -> Any:
    """``<float32>[batch, length, num_tags]``; the messages hold the emission twice."""
    scores = forward + backward - emissions
    # By hand: Keras's own softmax warns where an axis has one element.
    likeness = keras.ops.exp(scores - keras.ops.max(scores, axis=-1, keepdims=True))
    return likeness / keras.ops.sum(likeness, axis=-1, keepdims=True)


def _pairs(left: Any, right: Any) -> Any:
    """Neighbors of two tables of tags, counted: ``<float32>[batch, num_tags, num_tags]``."""
    return keras.ops.matmul(keras.ops.transpose(left[:, :-1], (0, 2, 1)), right[:, 1:])
